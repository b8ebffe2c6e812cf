"""Train the inpainting network that flame_fit ships, on people and views it makes itself.

    python scripts/train_inpainting.py views --folder /tmp/inpainting --count 330
    python scripts/train_inpainting.py samples --folder /tmp/inpainting --count 1500
    python scripts/train_inpainting.py train --folder /tmp/inpainting
    python scripts/train_inpainting.py report --folder /tmp/inpainting

The last views are held out: `report` shows people there that the network has not seen.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

# Beside a busy program, threads that spin while they wait take five times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np  # noqa: E402
import torch  # noqa: E402
import tyro  # noqa: E402
from tyro.conf import OmitSubcommandPrefixes  # noqa: E402

from flame_fit.flame import load_assets  # noqa: E402
from flame_fit.priors.texture_inpainting import (  # noqa: E402
    SHIPPED_FILE,
    load_inpainting_network,
    write_inpainting_network,
)
from flame_fit.texture.inpainter import chart_grid, make_inpainter  # noqa: E402
from flame_fit.texture.inpainting_training import (  # noqa: E402
    InpaintingRecipe,
    train_inpainting,
)
from flame_fit.texture.texel_geometry import chart_of  # noqa: E402
from scripts.inpainting.people import SIZE, make_studio  # noqa: E402
from scripts.inpainting.report import report_on  # noqa: E402
from scripts.inpainting.samples import make_sample, pooled  # noqa: E402
from scripts.inpainting.views import View, make_view  # noqa: E402

ASSETS = Path(__file__).resolve().parents[1] / "assets"
VIEWS, SAMPLES = "views.npy", "samples.npy"
HELD_OUT_VIEWS = 80
FIRST_HELD_OUT = 900_000
NETWORK_SIZE = 64
REPORT_EVERY = 50


@dataclass(frozen=True)
class Views:
    """Render views of heads."""

    folder: Path
    """Where to."""
    count: int = 330
    """How many photos; those that show too little are left out."""

    def run(self) -> None:
        """Write them."""
        studio = make_studio()
        made = (make_view(studio, number) for number in range(self.count))
        kept = [view.stored() for view in made if view is not None]
        self.folder.mkdir(parents=True, exist_ok=True)
        np.save(self.folder / VIEWS, np.stack(kept))
        print(f"{len(kept)} views of {self.count} photos")


@dataclass(frozen=True)
class Samples:
    """Put people into the views."""

    folder: Path
    """Where the views are."""
    count: int = 1500
    """How many."""

    def run(self) -> None:
        """Write them."""
        studio = make_studio()
        views = np.load(self.folder / VIEWS)[:-HELD_OUT_VIEWS]
        made = (
            make_sample(studio, View.of(views[number % len(views)]), number)
            for number in range(self.count)
        )
        kept = [sample.numpy() for sample in made if sample is not None]
        np.save(self.folder / SAMPLES, np.stack(kept))
        print(f"{len(kept)} samples in {len(views)} views")


@dataclass(frozen=True)
class Train:
    """Train on the samples."""

    folder: Path
    """Where the samples are."""
    out: Path = ASSETS / SHIPPED_FILE
    """The file to write."""
    steps: int = 1600
    """Batches of 8."""
    rate: float = 2e-3
    """Highest learning rate."""
    start: Path | None = None
    """A file to go on from."""
    seed: int = 0
    """Start of the random numbers."""

    def run(self) -> None:
        """Write the network."""
        assets = load_assets()
        fine, grid = chart_grid(assets, SIZE), chart_grid(assets, NETWORK_SIZE)
        samples = pooled(torch.from_numpy(np.load(self.folder / SAMPLES)), fine, grid)
        torch.manual_seed(self.seed)
        started = time.perf_counter()
        losses: list[float] = []

        def show(number: int, loss: float) -> None:
            losses.append(loss)
            if number % REPORT_EVERY == 0:
                mean = sum(losses[-REPORT_EVERY:]) / REPORT_EVERY
                seconds = time.perf_counter() - started
                print(f"{number}: loss {mean:.4f}, {seconds:.0f} s", flush=True)

        network = train_inpainting(
            samples,
            grid,
            InpaintingRecipe(steps=self.steps, rate=self.rate),
            generator=torch.Generator().manual_seed(self.seed),
            start=None if self.start is None else load_inpainting_network(self.start),
            half_precision=True,
            on_step=show,
        )
        write_inpainting_network(self.out, network, chart_of(assets))
        print(f"{self.out}: {len(samples)} samples, {self.steps} steps")


@dataclass(frozen=True)
class Report:
    """Measure the shipped network on people and views that are held out."""

    folder: Path
    """Where the views are."""
    count: int = 60
    """People to measure on."""

    def run(self) -> None:
        """Print the errors."""
        assets = load_assets()
        inpainter = make_inpainter(assets)
        if inpainter is None:
            raise SystemExit("no inpainting network is installed; run the step train first")
        studio = make_studio()
        views = np.load(self.folder / VIEWS)[-HELD_OUT_VIEWS:]
        made = (
            make_sample(studio, View.of(views[number % len(views)]), FIRST_HELD_OUT + number)
            for number in range(self.count)
        )
        kept = torch.stack([sample for sample in made if sample is not None])
        coarse = pooled(kept, chart_grid(assets, SIZE), inpainter.grid)
        print(report_on(coarse, inpainter, assets))


Step = Views | Samples | Train | Report


def main() -> None:
    """Run one of the steps."""
    torch.set_num_threads(max(1, (os.cpu_count() or 2) // 2))
    command = tyro.cli(
        OmitSubcommandPrefixes[Views | Samples | Train | Report], description=__doc__
    )
    command.run()


if __name__ == "__main__":
    main()
