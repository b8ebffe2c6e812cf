"""`flame-fit texture-space bootstrap`: fit, build a space, fit again with it, build again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console

from flame_fit import __version__
from flame_fit.cli.console import ItemProgress, progress_bar, start_logging
from flame_fit.cli.exit_codes import EXIT_OK
from flame_fit.cli.fit_photos import FitPlace, PhotoJob, fit_photos
from flame_fit.cli.parsing import PROGRAM, parse_arguments, require_writable
from flame_fit.cli.photo_files import find_photos
from flame_fit.cli.texture_space_build import SpaceOptions, build_with_progress, print_report
from flame_fit.config import PRESETS, FitConfig, resolve_device
from flame_fit.errors import InputError, UsageError

if TYPE_CHECKING:
    from flame_fit.pipeline.space_report import SpaceReport

SUMMARY = "Fit photos, build a texture space, and do both again with it."
NAME = "texture-space bootstrap"
PLAN_FILE, SPACE_FILE = "bootstrap.json", "texture_space.npz"
PRESET_OPTION = "--fit.preset"
FIRST_PRESET = "fast"
BESIDE = (".png", ".json", ".npz")


@dataclass(frozen=True)
class BootstrapCommand:
    """Make a texture space out of photos.

    A fit needs a texture space and a texture space needs fits, so both are made in rounds. A call
    that is interrupted goes on where it was when it is given again.
    """

    photos: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="PHOTO...")]
    """Photos, folders of photos, or quoted glob patterns."""
    out: Path = Path("texture_space")
    """Folder for texture_space.npz, and for the fits and the space of each round."""
    rounds: int = 2
    """How often fits and space are made; the first round fits with --fit.texture-model."""
    jobs: int = 1
    """Processes that fit photos side by side."""
    verbose: bool = False
    """Show the library's log."""
    options: Annotated[SpaceOptions, tyro.conf.arg(name="")] = SpaceOptions()
    """How the spaces are made."""
    fit: FitConfig = PRESETS[FIRST_PRESET]
    """How the photos are fitted; the head model is that of --model."""


def run(arguments: Sequence[str], *, errors: Console) -> int:
    """Run `flame-fit texture-space bootstrap` and return its exit code."""
    default = BootstrapCommand(photos=(), fit=PRESETS[_preset_in(arguments)])
    command = parse_arguments(BootstrapCommand, arguments, name=NAME, default=default)
    if not command.photos:
        raise UsageError("no photo given; give image files, folders or glob patterns")
    for option in ("rounds", "jobs"):
        if getattr(command, option) < 1:
            raise UsageError(f"--{option} is {getattr(command, option)}; give 1 or more")
    if command.fit.texture_size < command.options.size:
        raise UsageError(
            f"--fit.texture-size {command.fit.texture_size} is below --size "
            f"{command.options.size}; fits must have textures at least as large as the space"
        )
    command = replace(command, fit=replace(command.fit, model=command.options.model))
    start_logging(errors, verbose=command.verbose)
    resolve_device(command.fit.device)
    require_writable(command.out)
    _require_same_plan(command)
    for number in range(1, command.rounds + 1):
        _round(command, number, errors)
    for suffix in BESIDE:
        made = _space_of(command, command.rounds).with_suffix(suffix)
        shutil.copyfile(made, (command.out / SPACE_FILE).with_suffix(suffix))
    return EXIT_OK


def _space_of(command: BootstrapCommand, number: int) -> Path:
    return command.out / f"round{number}" / SPACE_FILE


def _round(command: BootstrapCommand, number: int, errors: Console) -> None:
    """Fit all photos and make a space, unless the space is there already."""
    space = _space_of(command, number)
    if space.is_file():
        errors.print(f"{PROGRAM}: round {number}: {space} is there already")
        return
    config = command.fit
    if number > 1:
        config = replace(config, texture_model=str(_space_of(command, number - 1)))
    fits = space.parent / "fits"
    _fit(command, config, fits, errors)
    plan = command.options.plan(fits, space)
    report = build_with_progress(plan, errors=errors)
    _print_round(number, report, space)


def _fit(command: BootstrapCommand, config: FitConfig, fits: Path, errors: Console) -> None:
    """Fit the photos that have no result yet; those that fail are named and left out."""
    from flame_fit.export.naming import result_folders

    found = find_photos(command.photos)
    for outcome in found:
        if outcome.error is not None:
            errors.print(f"{PROGRAM}: {outcome.error}")
    photos = [outcome.photo for outcome in found if outcome.error is None]
    if not photos:
        raise InputError(f"{command.photos[0]}: no photo can be read; give image files or folders")
    folders = result_folders(photos, fits, every_face=config.face == "all")
    jobs = [PhotoJob(*pair) for pair in zip(photos, folders, strict=True)]
    jobs = [job for job in jobs if not _is_fitted(job, every_face=config.face == "all")]
    if not jobs:
        return
    place = FitPlace(
        config=config, skip_existing=True, verbose=command.verbose, batch_size=1, jobs=command.jobs
    )
    with progress_bar(errors) as progress:
        fit_photos(jobs, place, show=ItemProgress(progress, total=len(jobs)))


def _is_fitted(job: PhotoJob, *, every_face: bool) -> bool:
    from flame_fit.export import earlier_result
    from flame_fit.export.naming import face_folder

    return earlier_result(face_folder(job.folder, face=1) if every_face else job.folder) is not None


def _print_round(number: int, report: SpaceReport, space: Path) -> None:
    print(f"round {number}")
    print_report(report, space)


def _require_same_plan(command: BootstrapCommand) -> None:
    """Refuse a folder that was begun with other options; its fits would be mixed with new ones.

    Raises:
        UsageError: It was.
    """
    from flame_fit.asset_files import write_atomically

    plan = [__version__, asdict(command.options), asdict(command.fit)]
    text = json.dumps(plan, indent=1, sort_keys=True, default=str) + "\n"
    path = command.out / PLAN_FILE
    if path.is_file() and path.read_text(encoding="utf-8") != text:
        raise UsageError(
            f"{command.out} was begun with other options, see {path}; give the same ones, or "
            "another --out"
        )
    write_atomically(path, text.encode())


def _preset_in(arguments: Sequence[str]) -> str:
    """Return the last preset among the arguments; a wrong name is left to the parser."""
    chosen = FIRST_PRESET
    for argument, following in zip(arguments, [*arguments, ""][1:], strict=True):
        if argument == PRESET_OPTION:
            chosen = following
        elif argument.startswith(f"{PRESET_OPTION}="):
            chosen = argument.partition("=")[2]
    return chosen if chosen in PRESETS else FIRST_PRESET
