"""Applying a dense network to photos: in batches, and none that fails stops the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console

from flame_fit.cli.console import ItemProgress, progress_bar, start_logging
from flame_fit.cli.dense_options import InferOptions, check_alpha, check_own
from flame_fit.cli.dense_pictures import (
    OVERLAY_ENDINGS,
    NamedPicture,
    Overlays,
    picture_paths,
)
from flame_fit.cli.exit_codes import EXIT_OK, EXIT_SOME_FAILED
from flame_fit.cli.fit_photos import TROUBLE, explain
from flame_fit.cli.parsing import require_writable
from flame_fit.cli.photo_files import find_photos
from flame_fit.config import resolve_device
from flame_fit.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    import torch

    from flame_fit.image_files import Photo

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class InferenceJob:
    """One photo, and what the names of its files begin with."""

    photo: Path
    name: str


@dataclass(frozen=True)
class InferencePlan:
    """Which photos are looked at, how many at a time, and where the pictures go.

    Attributes:
        input_dir: A photo or a folder of photos, None if none was given.
        output_dir: Gets the pictures.
        endings: Of the names of a photo's pictures, in the order they are written.
        batch_size: Photos that are looked at in one go.
        skip_existing: Leave photos alone whose pictures are all there.
    """

    input_dir: Path | None
    output_dir: Path
    endings: tuple[str, ...]
    batch_size: int
    skip_existing: bool


def run_infer(
    command: InferOptions,
    *,
    default: InferOptions,
    load: Callable[[torch.device], Callable[[Sequence[Photo]], tuple[Answer, ...]]],
    endings: tuple[str, ...],
    pictures: Callable[[np.ndarray, Answer, Overlays], tuple[NamedPicture, ...]],
    errors: Console,
) -> int:
    """Run the command of a network on its photos, and return the exit code.

    Args:
        command: What was asked.
        default: What is asked without any option.
        load: Makes what answers for photos, on a device.
        endings: Of the names of a photo's pictures, without those of the overlays.
        pictures: Of the sRGB pixels of a photo and their answer.
        errors: Gets the log, the bar, and the photos that fail.

    Raises:
        FlameFitError: Options do not go together, or there are no photos, or no such network.
    """
    start_logging(errors, verbose=command.verbose)
    device = resolve_device(command.device)
    check_alpha(command.alpha)
    overlays = Overlays(save=command.save_overlay, alpha=command.alpha)
    plan = InferencePlan(
        input_dir=command.input_dir,
        output_dir=command.output_dir,
        endings=endings + (OVERLAY_ENDINGS if overlays.save else ()),
        batch_size=command.batch_size,
        skip_existing=command.skip_existing,
    )
    check_plan(plan)
    check_own(command, default=default)
    return infer(
        plan,
        lambda: load(device),
        lambda photo, answer: pictures(photo.srgb, answer, overlays),
        errors=errors,
    )


def check_plan(plan: InferencePlan) -> None:
    """Refuse what cannot be followed before any file is read.

    Raises:
        UsageError: An option is missing or does not go with the others.
    """
    given = plan.input_dir
    if given is None:
        raise UsageError("no photo given; give --input-dir FILE or --input-dir FOLDER")
    if plan.batch_size < 1:
        raise UsageError(f"--batch-size is {plan.batch_size}; give a number from 1 upwards")
    folder = given if given.is_dir() else given.parent
    if plan.output_dir.resolve() == folder.resolve():
        raise UsageError(
            f"--output-dir {plan.output_dir} holds the photos, and pictures written there would be "
            "taken for photos the next time; give another folder"
        )
    require_writable(plan.output_dir, option="--output-dir")


def infer(
    plan: InferencePlan,
    load: Callable[[], Callable[[Sequence[Photo]], tuple[Answer, ...]]],
    pictures: Callable[[Photo, Answer], tuple[NamedPicture, ...]],
    *,
    errors: Console,
) -> int:
    """Look at every photo, write its pictures, and return the exit code.

    Args:
        plan: What was checked by `check_plan`.
        load: Makes what answers for photos; called if there are any to look at.
        pictures: Of an answer.
        errors: Where photos that fail are named.

    Raises:
        FlameFitError: There are no photos, or the network cannot be loaded.
    """
    found = find_photos([] if plan.input_dir is None else [plan.input_dir])
    for outcome in found:
        if outcome.error is not None:
            raise outcome.error
    jobs = name_jobs([outcome.photo for outcome in found])
    failed = 0
    waiting = [job for job in jobs if not (plan.skip_existing and _is_done(job, plan))]
    if waiting:
        with progress_bar(errors) as progress:
            show = ItemProgress(progress, total=len(waiting))
            show.stage("loading the network")
            look = load()
            for start in range(0, len(waiting), plan.batch_size):
                batch = waiting[start : start + plan.batch_size]
                failed += _infer_batch(batch, plan, look, pictures, show)
    kept = len(jobs) - len(waiting)
    console = Console(markup=False, highlight=False, soft_wrap=True)
    console.print(
        f"{plan.output_dir}: {len(waiting) - failed} photos done"
        + (f", {kept} kept" if kept else "")
        + (f", {failed} failed" if failed else "")
    )
    return EXIT_SOME_FAILED if failed else EXIT_OK


def name_jobs(photos: Sequence[Path]) -> list[InferenceJob]:
    """Give each photo a name of its own: its stem, with the extension where two have the same."""
    stems = Counter(photo.stem.casefold() for photo in photos)
    taken = {stem for stem, count in stems.items() if count == 1}
    jobs = []
    for photo in photos:
        name = photo.stem
        if stems[name.casefold()] > 1:
            name = f"{photo.stem}-{photo.suffix[1:]}"
            while name.casefold() in taken:
                name += "-"
            taken.add(name.casefold())
        jobs.append(InferenceJob(photo, name))
    return jobs


def _is_done(job: InferenceJob, plan: InferencePlan) -> bool:
    return all(path.is_file() for path in picture_paths(plan.output_dir, job.name, plan.endings))


def _infer_batch(
    batch: Sequence[InferenceJob],
    plan: InferencePlan,
    look: Callable[[Sequence[Photo]], tuple[Answer, ...]],
    pictures: Callable[[Photo, Answer], tuple[NamedPicture, ...]],
    show: ItemProgress,
) -> int:
    """Look at some photos in one go, write their pictures and return how many failed."""
    from flame_fit.image_files import load_image

    failed = 0
    read: list[tuple[InferenceJob, Photo]] = []
    for job in batch:
        show.photo(job.photo)
        show.stage("reading")
        try:
            read.append((job, load_image(job.photo)))
        except TROUBLE as error:
            failed += 1
            show.error(explain(job.photo, error))
            show.advance()
    groups = [read] if read else []
    while groups:
        group = groups.pop(0)
        show.stage("looking")
        try:
            answers = look([photo for _, photo in group])
        except TROUBLE as error:
            if len(group) > 1:
                # One photo that cannot be looked at must not cost the others of its batch.
                groups = [[one] for one in group]
                continue
            failed += 1
            show.error(explain(group[0][0].photo, error))
            show.advance()
            continue
        for (job, photo), answer in zip(group, answers, strict=True):
            try:
                _write(job, pictures(photo, answer), plan, show)
            except TROUBLE as error:
                failed += 1
                show.error(explain(job.photo, error))
            show.advance()
    return failed


def _write(
    job: InferenceJob,
    pictures: Sequence[NamedPicture],
    plan: InferencePlan,
    show: ItemProgress,
) -> None:
    from flame_fit.image_files import save_png

    show.stage("writing")
    for picture in pictures:
        save_png(plan.output_dir / f"{job.name}{picture.ending}", picture.pixels)
