"""A texture space built from fits whose true space is known: how near it comes, with what."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from flame_fit.appearance import TextureSpace, load_texture_space
from flame_fit.head_models import load_head_model, load_head_texture
from flame_fit.texture import TexelGeometry, build_texel_geometry
from scripts.benchmarking.synthetic_fits import (
    SyntheticFits,
    SyntheticTruth,
    known_space,
    write_synthetic_fits,
)
from scripts.benchmarking.tables import Table, number

ROOT = Path(__file__).resolve().parents[2]
MODEL, TEXTURE = "open_head", "open_head_texture"
# Root mean square of what each true component adds, from the first to the last.
DEVIATIONS = (0.04, 0.01)
# Texels that fewer photos show than this share are not judged: they cannot be known.
JUDGED_SHARE = 0.1
NEW_FACES = 200
SHOWN_SHARE = 0.5
MEGABYTE = 2**20
# Runs the command and says how much memory it took at most and how long processors worked on it.
COMMAND = (
    "import resource, sys; from flame_fit.cli.main import main; code = main(sys.argv[1:]); "
    "used = resource.getrusage(resource.RUSAGE_SELF); "
    "print([used.ru_maxrss * 1024, used.ru_utime + used.ru_stime]); sys.exit(code)"
)


@dataclass(frozen=True)
class BuildCost:
    """What a build took.

    Attributes:
        seconds: From its start to its end.
        processor_seconds: Of all cores together.
        peak_megabytes: Most memory.
    """

    seconds: float
    processor_seconds: float
    peak_megabytes: float


@dataclass(frozen=True)
class SpaceQuality:
    """How near a built space comes to the true one, on the texels that are judged.

    Attributes:
        fits: How many maps.
        components: Of both spaces.
        angles: Principal angles between them, degrees.
        mean_error: Root mean square of the difference of the means, sRGB from 0 to 1.
        spread: Of new faces about the true mean.
        new_error: Of new faces shown with the built space, all texels known.
        hidden_error: Of the hidden half of the texels of new faces, codes found from the other.
        cost: Of the build.
    """

    fits: int
    components: int
    angles: tuple[float, ...]
    mean_error: float
    spread: float
    new_error: float
    hidden_error: float
    cost: BuildCost


def measure_space(plan: SyntheticFits, *, on_step: Callable[[str], None]) -> SpaceQuality:
    """Make fits of a known space, build a space from them by the command and compare the two.

    Args:
        plan: How the fits are made.
        on_step: Called with the name of each step.
    """
    assets = load_head_model(MODEL)
    deviations = torch.linspace(DEVIATIONS[0] ** -1, DEVIATIONS[1] ** -1, plan.components) ** -1
    truth = known_space(load_head_texture(TEXTURE, assets), plan.size, deviations=deviations)
    with tempfile.TemporaryDirectory(prefix="flame_fit_") as name:
        folder = Path(name)
        on_step(f"{plan.count} maps of a known space")
        made = write_synthetic_fits(folder / "fits", truth, assets, plan)
        on_step("building the space")
        cost = _build(folder, plan)
        built = load_texture_space(folder / "space.npz")
    texels = build_texel_geometry(assets, plan.size)
    return compare_spaces(truth, built, made, texels, cost=cost)


def compare_spaces(
    truth: TextureSpace,
    built: TextureSpace,
    made: SyntheticTruth,
    texels: TexelGeometry,
    *,
    cost: BuildCost,
) -> SpaceQuality:
    """Return how near a built space comes to the true one.

    Args:
        truth: The true space.
        built: The built space, at the same size.
        made: What the maps were made from.
        texels: Covered texels of the chart.
        cost: Of the build.
    """
    fits = len(made.codes)
    judged = made.seen > JUDGED_SHARE * fits
    known, found = _columns(truth, texels, judged), _columns(built, texels, judged)
    means = [texels.from_map(each.mean)[judged].double().reshape(-1) for each in (truth, built)]
    axes = torch.linalg.qr(found)[0]
    cosines = torch.linalg.svdvals(torch.linalg.qr(known)[0].T @ axes).clamp(-1.0, 1.0)
    generator = torch.Generator().manual_seed(1)
    codes = torch.randn(NEW_FACES, known.shape[1], generator=generator, dtype=torch.float64)
    faces = codes @ known.T
    off = faces + means[0] - means[1]
    shown = torch.rand(len(off[0]) // 3, generator=generator) < SHOWN_SHARE
    return SpaceQuality(
        fits=fits,
        components=known.shape[1],
        angles=tuple(torch.rad2deg(cosines.arccos()).sort().values.tolist()),
        mean_error=_rms(means[0] - means[1]),
        spread=_rms(faces),
        new_error=_rms(off - (off @ axes) @ axes.T),
        hidden_error=_hidden(off, found, shown.repeat_interleave(3)),
        cost=cost,
    )


def space_table(found: SpaceQuality) -> Table:
    """Return the figures as a table."""
    middle = found.angles[len(found.angles) // 2]
    rows = (
        ("fits", f"{found.fits}"),
        ("components", f"{found.components}"),
        ("smallest principal angle, degrees", number(found.angles[0])),
        ("median principal angle, degrees", number(middle)),
        ("largest principal angle, degrees", number(found.angles[-1])),
        ("error of the mean, sRGB 0 to 1", number(found.mean_error, 4)),
        ("new faces about the mean", number(found.spread, 4)),
        ("new faces with the built space", number(found.new_error, 4)),
        ("their hidden half", number(found.hidden_error, 4)),
        ("seconds", number(found.cost.seconds, 0)),
        ("processor seconds", number(found.cost.processor_seconds, 0)),
        ("most memory, MB", number(found.cost.peak_megabytes, 0)),
    )
    note = (
        "Maps are drawn from a known space, seen from chance directions behind occluders of which "
        "a tenth passes for skin, tinted and noisy. Errors are root mean squares on texels that a "
        f"tenth of the maps shows; components deviate by {DEVIATIONS[0]:g} to {DEVIATIONS[1]:g}."
    )
    return Table("Texture space from fits of a known one", ("what", "found"), rows, note)


def _build(folder: Path, plan: SyntheticFits) -> BuildCost:
    """Run the command in a process of its own and return what it took."""
    begun = time.perf_counter()
    arguments = ["texture-space", "build", str(folder / "fits"), "--size", str(plan.size)]
    arguments += ["--components", str(plan.components), "--out", str(folder / "space.npz")]
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"the build failed: {done.stderr.strip()}")
    peak, worked = json.loads(done.stdout.strip().splitlines()[-1])
    return BuildCost(time.perf_counter() - begun, worked, peak / MEGABYTE)


def _columns(
    space: TextureSpace, texels: TexelGeometry, judged: Bool[Tensor, " T"]
) -> Float[Tensor, "N K"]:
    rows = texels.from_map((space.basis * space.scale).flatten(2))[judged]
    return rows.double().reshape(-1, space.scale.shape[0])


def _hidden(
    off: Float[Tensor, "n N"], basis: Float[Tensor, "N K"], shown: Bool[Tensor, " N"]
) -> float:
    """Return the error on texels that codes were not found from."""
    codes = torch.linalg.lstsq(basis[shown], off[:, shown].T).solution
    return _rms(off[:, ~shown] - (basis[~shown] @ codes).T)


def _rms(values: Tensor) -> float:
    return float(values.square().mean().sqrt())
