"""Train the head network that flame_fit ships, from pictures it makes itself.

    python scripts/train_priors.py pictures --folder /tmp/head_pictures --count 6400
    python scripts/train_priors.py pictures --folder /tmp/head_pictures --first 90000 --count 256
    python scripts/train_priors.py train --folder /tmp/head_pictures --run /tmp/head_run
    python scripts/train_priors.py report --folder /tmp/head_pictures

Every step goes on where it was stopped. Run `pictures` in as many processes as there are cores,
each with a run of numbers of its own; numbers from 90000 are held out.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

# Beside a busy program, threads that spin while they wait take five times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch  # noqa: E402
import tyro  # noqa: E402
from tyro.conf import OmitSubcommandPrefixes  # noqa: E402

from flame_fit.head_models import load_head_model  # noqa: E402
from flame_fit.priors.head_network.weights import (  # noqa: E402
    DEFAULT_FILE,
    Calibration,
    load_head_network,
    write_head_network,
)
from scripts.training.dense_points import dense_points  # noqa: E402
from scripts.training.generate import write_shards  # noqa: E402
from scripts.training.meshes import write_meshes  # noqa: E402
from scripts.training.objective import report_on  # noqa: E402
from scripts.training.samples import held_out  # noqa: E402
from scripts.training.train import Recipe, train  # noqa: E402

SET_NAME = "training"
FIRST_HELD_OUT = 90_000
ASSETS = Path(__file__).resolve().parents[1] / "assets"


@dataclass(frozen=True)
class Pictures:
    """Make training pictures."""

    folder: Path
    """Where to."""
    count: int = 4800
    """How many."""
    first: int = 0
    """Number of the first."""


@dataclass(frozen=True)
class Train:
    """Train on the pictures of a folder and write the file."""

    folder: Path
    """Where they are."""
    run: Path
    """Where state and log are kept."""
    out: Path = ASSETS / DEFAULT_FILE
    """What is written."""
    threads: int = 2
    """Of the network; the samples are prepared beside it."""
    recipe: Recipe = field(default_factory=Recipe)


@dataclass(frozen=True)
class Report:
    """Say how well a file reads the held-out pictures of a folder."""

    folder: Path
    """Where they are."""
    file: Path = ASSETS / DEFAULT_FILE
    """What is judged."""


def main(command: OmitSubcommandPrefixes[Pictures | Train | Report]) -> None:
    """Run one step."""
    if isinstance(command, Pictures):
        torch.set_num_threads(1)
        write_shards(command.folder, SET_NAME, command.first, command.count)
        for path in _shards(command.folder):
            if command.first <= _number(path) < command.first + command.count:
                write_meshes(path)
    elif isinstance(command, Train):
        _train(command)
    else:
        trained = load_head_network(command.file)
        print(report_on(trained.network, _held_out(command.folder)))


def _train(command: Train) -> None:
    torch.set_num_threads(command.threads)
    unseen = [path for path in _shards(command.folder) if _number(path) >= FIRST_HELD_OUT]
    seen = [path for path in _shards(command.folder) if _number(path) < FIRST_HELD_OUT]
    network = train(seen, unseen, command.run, command.recipe)
    report = report_on(network, _held_out(command.folder))
    dense = dense_points(load_head_model("open_head"))
    # Two numbers out of thousands of points: the report on the same pictures flatters by nothing.
    calibration = Calibration(places=report.spread[0], depth=report.spread[1])
    write_head_network(
        command.out,
        network,
        dense.points,
        mirror=torch.from_numpy(dense.mirror),
        calibration=calibration,
    )
    print(replace(report, by_class=()))


def _held_out(folder: Path):  # noqa: ANN202
    paths = [path for path in _shards(folder) if _number(path) >= FIRST_HELD_OUT]
    return chain(*(held_out(path) for path in paths))


def _shards(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"{SET_NAME}_*.npz"))


def _number(path: Path) -> int:
    return int(path.stem.rsplit("_", 1)[1])


if __name__ == "__main__":
    main(tyro.cli(OmitSubcommandPrefixes[Pictures | Train | Report], description=__doc__))
