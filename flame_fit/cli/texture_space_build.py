"""`flame-fit texture-space build`: a texture space from many finished fits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from flame_fit.cli.console import progress_bar
from flame_fit.cli.exit_codes import EXIT_OK
from flame_fit.cli.parsing import PROGRAM, parse_arguments, require_writable
from flame_fit.errors import UsageError

if TYPE_CHECKING:
    from flame_fit.pipeline.space_build import SpacePlan
    from flame_fit.pipeline.space_report import SpaceReport

SUMMARY = "Make a texture space out of many finished fits."
NAME = "texture-space build"
NOWHERE = Path()
SIZES = range(32, 4096 + 1)
LARGEST_SHARE = 0.5
PERCENT = 100.0
# Folders that are named on the screen; the report names all.
MOST_NAMED = 20


@dataclass(frozen=True)
class SpaceOptions:
    """How a texture space is made, whatever it is made from."""

    components: int = 50
    """Components of the space."""
    model: str = "open_head"
    """Head model of the fits, a name or a path."""
    size: int = 512
    """Texels along each side; the fits' textures must not be smaller."""
    held_out: float = 0.1
    """Share of the fits that the space is measured on instead of made from."""
    brightness: float = 0.1
    """Standard deviation of the logarithm of the brightness that exposure and light leave in a map;
    0 takes all differences for differences of skin."""
    tint: float = 0.06
    """The same of the tint that white balance and coloured light leave."""
    least_psnr: float = 18.0
    """Fits whose light and skin explain the photo to fewer dB (psnr_model) are left out."""
    least_coverage: float = 0.25
    """Fits whose photo shows a smaller share of the face are left out."""
    most_landmark_error: float = 0.05
    """Fits with a larger landmark_nme are left out."""
    most_colour_distance: float = 6.0
    """Fits whose tint is farther from that of skin of their brightness, in robust standard
    deviations, are left out."""
    keep_doubtful: bool = False
    """Keep fits whose status is doubtful, if they are within the other limits."""

    def __post_init__(self) -> None:
        """Refuse values that no space can be made with."""
        if self.components < 1:
            raise UsageError(f"--components is {self.components}; give a number from 1 upwards")
        if self.size not in SIZES:
            raise UsageError(f"--size is {self.size}; give {SIZES[0]} to {SIZES[-1]} texels")
        if not 0.0 <= self.held_out <= LARGEST_SHARE:
            raise UsageError(f"--held-out is {self.held_out}; give a share from 0 to 0.5")
        numbers = ("brightness", "tint", "least_coverage", "most_landmark_error")
        for name in (*numbers, "most_colour_distance"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0.0):
                option = name.replace("_", "-")
                raise UsageError(f"--{option} is {value}; give a number from 0 upwards")

    def plan(self, fits: Path, out: Path, *, keep_work: bool = False) -> SpacePlan:
        """Return what is to be done with a folder of fits."""
        from flame_fit.pipeline.space_build import SpacePlan
        from flame_fit.pipeline.space_fits import FitLimits
        from flame_fit.texture.spaces import ColourPrior, SpaceSettings

        return SpacePlan(
            fits=fits,
            out=out,
            model=self.model,
            size=self.size,
            settings=SpaceSettings(self.components, ColourPrior(self.brightness, self.tint)),
            limits=FitLimits(
                least_psnr=self.least_psnr,
                least_coverage=self.least_coverage,
                most_landmark_error=self.most_landmark_error,
                most_colour_distance=self.most_colour_distance,
                keep_doubtful=self.keep_doubtful,
            ),
            held_out=self.held_out,
            keep_work=keep_work,
        )


@dataclass(frozen=True)
class BuildCommand:
    """Make a texture space out of many finished fits.

    Texels that a photo does not show are unknown, not zero: nothing of them goes into the
    components. A call that is interrupted goes on where it was when it is given again.
    """

    fits: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="FITS_DIR")] = NOWHERE
    """Folder that `flame-fit fit` wrote; all fits in it and below it count."""
    out: Path = Path("texture_space.npz")
    """The .npz file to write, for --texture-model; a .json report and a .png picture lie beside."""
    keep_work: bool = False
    """Keep the folder OUT.work with the files in between; a later call reads only new fits."""
    options: Annotated[SpaceOptions, tyro.conf.arg(name="")] = SpaceOptions()
    """How the space is made."""


def run(arguments: Sequence[str], *, errors: Console) -> int:
    """Run `flame-fit texture-space build` and return its exit code."""
    command = parse_arguments(BuildCommand, arguments, name=NAME, default=BuildCommand())
    if command.fits == NOWHERE:
        raise UsageError(f"no folder of fits given; see {PROGRAM} {NAME} --help")
    require_space_file(command.out)
    plan = command.options.plan(command.fits, command.out, keep_work=command.keep_work)
    report = build_with_progress(plan, errors=errors)
    print_report(report, command.out)
    return EXIT_OK


def require_space_file(out: Path) -> None:
    """Refuse a name that is no `.npz` file, or a folder that cannot be written.

    Raises:
        UsageError: One of these.
    """
    if out.suffix != ".npz":
        raise UsageError(f"--out {out} is no .npz file; give --out FILE.npz")
    require_writable(out.parent)


def build_with_progress(plan: SpacePlan, *, errors: Console) -> SpaceReport:
    """Make a texture space and show how far it is."""
    from flame_fit.pipeline.space_build import build_texture_space

    with progress_bar(errors) as progress:
        return build_texture_space(plan, progress=StageBar(progress))


class StageBar:
    """A progress bar that begins anew with every stage; without a terminal, a line for each."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("starting", total=None)

    def stage(self, name: str, total: int) -> None:
        """Say what begins and in how many steps."""
        self._progress.reset(self._task, description=name, total=total)
        if not self._progress.console.is_terminal:
            self._progress.console.print(f"{PROGRAM}: {name} ({total} steps)")

    def advance(self) -> None:
        """Count one step."""
        self._progress.advance(self._task)


def print_report(report: SpaceReport, out: Path) -> None:
    """Print what was left out, and errors for some numbers of components."""
    console = Console(markup=False, highlight=False, soft_wrap=True)
    for fit in report.left_out[:MOST_NAMED]:
        console.print(f"left out: {fit.folder}: {fit.reason}")
    if len(report.left_out) > MOST_NAMED:
        console.print(f"left out: {len(report.left_out) - MOST_NAMED} more, see the report")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("components", "explained", "error of used", "of new", "of hidden texels"):
        table.add_column(heading, justify="right")
    for number in shown_numbers(len(report.records) - 1):
        record = report.records[number]
        cells = (record.rms_used, record.rms_new, record.rms_hidden)
        shown = ["" if math.isnan(value) else f"{value:.4f}" for value in cells]
        table.add_row(f"{number}", f"{PERCENT * record.explained:.1f} %", *shown)
    console.print(table)
    console.print(
        f"{out}: {len(report.records) - 1} components at {report.size} texels from "
        f"{len(report.used)} fits, {len(report.held_out)} held out, {len(report.left_out)} left "
        f"out; errors are root mean squares of sRGB from 0 to 1"
    )


def shown_numbers(most: int) -> tuple[int, ...]:
    """Return numbers of components that tell how errors fall: 0, 1, 2, 5, 10 and so on."""
    steps = [step * 10**power for power in range(4) for step in (1, 2, 5)]
    return (0, *(step for step in steps if step < most), most)
