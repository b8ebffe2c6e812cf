"""`flame-fit fit`: photos in, textured heads out."""

from __future__ import annotations

import glob
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console
from rich.table import Table

from flame_fit.cli.console import ItemProgress, progress_bar, start_logging
from flame_fit.cli.exit_codes import EXIT_NO_FACE, EXIT_OK, EXIT_SOME_FAILED
from flame_fit.cli.parsing import PROGRAM, parse_arguments, require_writable
from flame_fit.config import PRESETS, FitConfig, resolve_device
from flame_fit.errors import FlameFitError, InputError, NoFaceError, UsageError

if TYPE_CHECKING:
    from flame_fit.export import FitReport
    from flame_fit.pipeline import FitSession

SUMMARY = "Fit FLAME heads to photographs."
PHOTO_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
TROUBLE = (FlameFitError, RuntimeError, MemoryError, OSError)


@dataclass(frozen=True)
class FitCommand:
    """Fit FLAME heads to photographs and write textured meshes."""

    images: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="IMAGE...")]
    """Photos, folders of photos, or quoted glob patterns."""
    out: Path = Path("outputs")
    """Folder for the results, one folder for each photo."""
    skip_existing: bool = False
    """Leave photos alone that have a result in the folder already; else they are fitted anew."""
    verbose: bool = False
    """Show the library's log and the traceback of unexpected errors."""
    config: Annotated[FitConfig, tyro.conf.arg(name="")] = field(default_factory=FitConfig)
    """How to fit."""


@dataclass(frozen=True)
class Outcome:
    """What became of one photo, or of one face of it."""

    photo: Path
    folder: Path | None = None
    report: FitReport | None = None
    error: BaseException | None = None


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
        with progress_bar(errors) as progress:
            show = ItemProgress(progress, total=len(photos))
            outcomes += _fit_photos(command, photos, show=show)
    _print_summary(outcomes)
    return exit_code(outcomes)


def find_photos(inputs: Sequence[Path]) -> list[Outcome]:
    """Return every photo of files, folders and patterns once, in order; bad inputs as errors."""
    found: dict[Path, Outcome] = {}
    for given in inputs:
        try:
            for photo in _photos_of(given):
                found.setdefault(photo.resolve(), Outcome(photo))
        except InputError as error:
            found.setdefault(given, Outcome(given, error=error))
    return list(found.values())


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """Return 0 if all photos were fitted, 3 if no image shows a face, else 1."""
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if not failed:
        return EXIT_OK
    if len(failed) == len(outcomes) and all(isinstance(o.error, NoFaceError) for o in failed):
        return EXIT_NO_FACE
    return EXIT_SOME_FAILED


def _fit_photos(
    command: FitCommand, photos: Sequence[Path], *, show: ItemProgress
) -> list[Outcome]:
    """Fit photos one by one; a photo that fails does not stop the others."""
    show.stage("loading the models")
    from flame_fit.export.naming import result_folders

    every_face = command.config.face == "all"
    folders = result_folders(photos, command.out, every_face=every_face)
    session = _start_session(command.config)
    outcomes = []
    for photo, folder in zip(photos, folders, strict=True):
        show.photo(photo)
        try:
            outcomes += _fit_photo(command, session, photo, folder=folder, show=show)
        except TROUBLE as error:
            if command.verbose and not isinstance(error, FlameFitError):
                logging.getLogger(__name__).exception("%s", photo)
            outcomes.append(Outcome(photo, error=error))
            show.error(_explain(photo, error))
        show.advance()
    return outcomes


def _start_session(config: FitConfig) -> FitSession:
    import numpy as np
    import torch

    from flame_fit.pipeline import FitSession

    torch.manual_seed(config.seed)
    np.random.seed(config.seed)  # noqa: NPY002 (third-party code may draw from the global state)
    return FitSession(config)


def _fit_photo(
    command: FitCommand, session: FitSession, photo: Path, *, folder: Path, show: ItemProgress
) -> list[Outcome]:
    """Fit the faces of one photo and write a folder for each."""
    from flame_fit.export import earlier_result, write_result
    from flame_fit.export.naming import face_folder

    every_face = command.config.face == "all"
    first = face_folder(folder, face=1) if every_face else folder
    if command.skip_existing and earlier_result(first) is not None:
        return [Outcome(photo, folder=first)]
    outcomes = []
    for result in session.fit(photo, on_stage=show.stage):
        scene = result.export
        place = face_folder(folder, face=scene.report.face) if every_face else folder
        show.stage("writing")
        outcomes.append(Outcome(photo, folder=place, report=write_result(scene, place)))
    return outcomes


def _photos_of(given: Path) -> list[Path]:
    if given.is_dir():
        photos = sorted(
            path
            for path in given.iterdir()
            if path.suffix.lower() in PHOTO_SUFFIXES and not path.name.startswith(".")
        )
        if not photos:
            raise InputError(
                f"{given}: holds no photo; expected {', '.join(sorted(PHOTO_SUFFIXES))}"
            )
        return photos
    if not given.exists() and glob.has_magic(str(given)):
        # Path.glob takes no absolute pattern.
        names = sorted(glob.glob(str(given), recursive=True))  # noqa: PTH207
        photos = [Path(name) for name in names if Path(name).is_file()]
        if not photos:
            raise InputError(f"{given}: matches no file; check the pattern")
        return photos
    if not given.exists():
        raise InputError(f"{given}: no such file; give an image, a folder or a glob pattern")
    return [given]


def _preset_in(arguments: Sequence[str]) -> str:
    """Return the last preset among the arguments; a wrong name is left to the parser."""
    chosen = "standard"
    for argument, following in zip(arguments, [*arguments, ""][1:], strict=True):
        if argument == "--preset":
            chosen = following
        elif argument.startswith("--preset="):
            chosen = argument.partition("=")[2]
    return chosen if chosen in PRESETS else "standard"


def _explain(photo: Path, error: BaseException) -> str:
    if isinstance(error, FlameFitError):
        return str(error)
    reason = (str(error).splitlines() or [""])[0]
    return f"{photo}: unexpected {type(error).__name__} ({reason}); run with --verbose, report it"


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
