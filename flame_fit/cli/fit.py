"""`flame-fit fit`: photos in, textured heads out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.table import Table

from flame_fit.cli.console import ItemProgress, progress_bar, start_logging
from flame_fit.cli.exit_codes import EXIT_NO_FACE, EXIT_OK, EXIT_SOME_FAILED
from flame_fit.cli.fit_photos import FitPlace, PhotoJob, fit_photos
from flame_fit.cli.parsing import PROGRAM, parse_arguments, require_writable
from flame_fit.cli.photo_files import Outcome, find_photos
from flame_fit.config import PRESETS, FitConfig, resolve_device
from flame_fit.errors import NoFaceError, UsageError

SUMMARY = "Fit FLAME heads to photographs."


@dataclass(frozen=True)
class FitCommand:
    """Fit FLAME heads to photographs and write textured meshes."""

    images: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="IMAGE...")]
    """Photos, folders of photos, or quoted glob patterns."""
    out: Path = Path("outputs")
    """Folder for the results, one folder for each photo."""
    skip_existing: bool = False
    """Leave photos alone that have a result in the folder already; else they are fitted anew."""
    jobs: int = 1
    """Processes that fit photos side by side, each with its share of the cores."""
    batch_size: int = 1
    """Photos whose equations are solved in one go; 16 or more for a GPU."""
    verbose: bool = False
    """Show the library's log and the traceback of unexpected errors."""
    config: Annotated[FitConfig, tyro.conf.arg(name="")] = field(default_factory=FitConfig)
    """How to fit."""


def run(arguments: Sequence[str], *, errors: Console) -> int:
    """Run `flame-fit fit` and return its exit code."""
    return run_fit(parse_fit(arguments), errors=errors)


def parse_fit(arguments: Sequence[str]) -> FitCommand:
    """Return the command of the arguments; options override the values of `--preset`.

    Raises:
        UsageError: If an option is unknown or its value wrong.
        SystemExit: After `--help`.
    """
    default = FitCommand(images=(), config=PRESETS[_preset_in(arguments)])
    command = parse_arguments(FitCommand, arguments, name="fit", default=default)
    if not command.images:
        raise UsageError("no photo given; give image files, folders or glob patterns")
    return command


def run_fit(command: FitCommand, *, errors: Console) -> int:
    """Fit every photo of the command, write the results and return the exit code."""
    start_logging(errors, verbose=command.verbose)
    resolve_device(command.config.device)
    require_writable(command.out)
    found = find_photos(command.images)
    for outcome in found:
        if outcome.error is not None:
            errors.print(f"{PROGRAM}: {outcome.error}")
    outcomes = [outcome for outcome in found if outcome.error is not None]
    photos = [outcome.photo for outcome in found if outcome.error is None]
    if photos:
        from flame_fit.export.naming import result_folders

        every_face = command.config.face == "all"
        folders = result_folders(photos, command.out, every_face=every_face)
        jobs = [PhotoJob(*pair) for pair in zip(photos, folders, strict=True)]
        with progress_bar(errors) as progress:
            show = ItemProgress(progress, total=len(photos))
            outcomes += fit_photos(jobs, _place(command), show=show)
    _print_summary(outcomes)
    return exit_code(outcomes)


def _place(command: FitCommand) -> FitPlace:
    """Return how the command fits.

    Raises:
        UsageError: If a number of photos or processes is below 1.
    """
    for name in ("jobs", "batch_size"):
        value = getattr(command, name)
        if value < 1:
            option = name.replace("_", "-")
            raise UsageError(f"--{option} is {value}; give a number from 1 upwards")
    return FitPlace(
        config=command.config,
        skip_existing=command.skip_existing,
        verbose=command.verbose,
        batch_size=command.batch_size,
        jobs=command.jobs,
    )


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """Return 0 if all photos were fitted, 3 if no image shows a face, else 1."""
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if not failed:
        return EXIT_OK
    if len(failed) == len(outcomes) and all(isinstance(o.error, NoFaceError) for o in failed):
        return EXIT_NO_FACE
    return EXIT_SOME_FAILED


def _preset_in(arguments: Sequence[str]) -> str:
    """Return the last preset among the arguments; a wrong name is left to the parser."""
    chosen = "standard"
    for argument, following in zip(arguments, [*arguments, ""][1:], strict=True):
        if argument == "--preset":
            chosen = following
        elif argument.startswith("--preset="):
            chosen = argument.partition("=")[2]
    return chosen if chosen in PRESETS else "standard"


def _print_summary(outcomes: Sequence[Outcome]) -> None:
    """Print a row for each photo, and what did the work."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("photo", "status"):
        table.add_column(heading, overflow="fold")
    for heading in ("nme", "psnr", "seconds"):
        table.add_column(heading, justify="right")
    table.add_column("folder", overflow="fold")
    for outcome in outcomes:
        table.add_row(*_cells(outcome))
    console = Console(markup=False, highlight=False)
    console.print(table)
    reports = [outcome.report for outcome in outcomes if outcome.report is not None]
    for report in reports:
        for warning in report.warnings:
            console.print(f"{report.photo}: {warning}", soft_wrap=True)
    if reports:
        used = reports[-1]
        console.print(
            f"{used.model.name} on {used.device}, detector {used.backends.detector}, "
            f"dense points {used.backends.dense}, parser {used.backends.parser}, "
            f"rasterizer {used.backends.rasterizer}",
            soft_wrap=True,
        )


def _cells(outcome: Outcome) -> tuple[str, ...]:
    name = outcome.photo.name
    if outcome.error is not None:
        status = "no face" if isinstance(outcome.error, NoFaceError) else "failed"
        return name, status, "", "", "", ""
    if outcome.report is None:
        return name, "kept", "", "", "", str(outcome.folder)
    report = outcome.report
    return (
        name,
        report.status,
        f"{report.landmark_nme:.4f}",
        f"{report.psnr:.1f}",
        f"{report.seconds.total:.2f}",
        str(outcome.folder),
    )
