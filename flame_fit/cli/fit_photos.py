"""Fitting many photos: one by one, in batches, or in several processes; none stops the others."""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flame_fit.cli.console import ItemProgress
from flame_fit.cli.photo_files import Outcome
from flame_fit.config import FitConfig
from flame_fit.errors import FlameFitError, InputError

if TYPE_CHECKING:
    from flame_fit.pipeline import FitSession
    from flame_fit.pipeline.assemble import ObservedFace
    from flame_fit.pipeline.result import FitResult

# Whatever goes wrong with one photo, the others are still fitted.
TROUBLE = (
    FlameFitError,
    RuntimeError,
    MemoryError,
    OSError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
)


@dataclass(frozen=True)
class PhotoJob:
    """One photo and the folder of its result."""

    photo: Path
    folder: Path


@dataclass(frozen=True)
class FitPlace:
    """How a run fits: the same for every photo."""

    config: FitConfig
    skip_existing: bool
    verbose: bool
    batch_size: int
    jobs: int


def fit_photos(jobs: Sequence[PhotoJob], place: FitPlace, *, show: ItemProgress) -> list[Outcome]:
    """Fit photos and write their results; a photo that fails does not stop the others."""
    size = place.batch_size
    batches = [jobs[start : start + size] for start in range(0, len(jobs), size)]
    outcomes: dict[Path, list[Outcome]] = {job.photo: [] for job in jobs}
    for found in _in_processes(batches, place) if place.jobs > 1 else _here(batches, place, show):
        for outcome in found:
            outcomes[outcome.photo].append(outcome)
            if outcome.error is not None:
                show.error(explain(outcome.photo, outcome.error))
        for _ in {outcome.photo for outcome in found}:
            show.advance()
    return [outcome for job in jobs for outcome in outcomes[job.photo]]


def explain(photo: Path, error: BaseException) -> str:
    """Return the line that is printed for a photo that failed."""
    if isinstance(error, FlameFitError):
        return str(error)
    reason = (str(error).splitlines() or [""])[0]
    return f"{photo}: unexpected {type(error).__name__} ({reason}); run with --verbose, report it"


def _here(
    batches: Sequence[Sequence[PhotoJob]], place: FitPlace, show: ItemProgress
) -> Iterator[list[Outcome]]:
    show.stage("loading the models")
    session = _start_session(place.config)
    for batch in batches:
        yield _fit_batch(session, batch, place, show=show)


def _in_processes(
    batches: Sequence[Sequence[PhotoJob]], place: FitPlace
) -> Iterator[list[Outcome]]:
    """Fit in processes of their own, each with its share of the cores."""
    # A forked process would inherit the locks of threads that it does not have.
    context = multiprocessing.get_context("spawn")
    count = min(place.jobs, len(batches))
    with ProcessPoolExecutor(
        count, mp_context=context, initializer=_start_worker, initargs=(place, count)
    ) as pool:
        waiting = {pool.submit(_work, batch): batch for batch in batches}
        try:
            for done in as_completed(waiting):
                try:
                    yield done.result()
                except TROUBLE as error:
                    # The process itself died or could not start.
                    yield [Outcome(job.photo, error=error) for job in waiting[done]]
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


class _Silent:
    """Progress of a worker, which nobody sees."""

    def photo(self, photo: Path) -> None:
        """Do nothing."""

    def stage(self, stage: str) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class _Worker:
    """What a worker process keeps between photos."""

    session: FitSession
    place: FitPlace


# Processes share no arguments between tasks; this is the one place to keep the loaded models.
_workers: list[_Worker] = []


def _start_worker(place: FitPlace, count: int) -> None:
    import torch

    torch.set_num_threads(max(1, (os.cpu_count() or 1) // count))
    _workers.append(_Worker(_start_session(place.config), place))


def _work(batch: Sequence[PhotoJob]) -> list[Outcome]:
    worker = _workers[0]
    return _fit_batch(worker.session, batch, worker.place, show=_Silent())


def _start_session(config: FitConfig) -> FitSession:
    import numpy as np
    import torch

    from flame_fit.pipeline import FitSession

    torch.manual_seed(config.seed)
    np.random.seed(config.seed)  # noqa: NPY002 (third-party code may draw from the global state)
    return FitSession(config)


def _fit_batch(
    session: FitSession,
    batch: Sequence[PhotoJob],
    place: FitPlace,
    *,
    show: ItemProgress | _Silent,
) -> list[Outcome]:
    """Fit the faces of some photos in one go and write a folder for each."""
    from flame_fit.export import earlier_result
    from flame_fit.export.naming import face_folder

    every_face = place.config.face == "all"
    outcomes: list[Outcome] = []
    faces: list[ObservedFace] = []
    owners: list[PhotoJob] = []
    for job in batch:
        show.photo(job.photo)
        first = face_folder(job.folder, face=1) if every_face else job.folder
        if place.skip_existing and earlier_result(first) is not None:
            outcomes.append(Outcome(job.photo, folder=first))
            continue
        try:
            seen = session.observe(job.photo, on_stage=show.stage)
        except TROUBLE as error:
            outcomes.append(_failed(job, error, place))
            continue
        faces += seen
        owners += [job] * len(seen)
    try:
        results = session.fit_faces(faces, on_stage=show.stage) if faces else []
    except TROUBLE as error:
        if len(faces) == 1:
            return [*outcomes, _failed(owners[0], error, place)]
        # One face that cannot be solved must not cost the others of its batch.
        for face, job in zip(faces, owners, strict=True):
            try:
                results = session.fit_faces([face], on_stage=show.stage)
                outcomes += [_write(result, job, place) for result in results]
            except TROUBLE as alone:
                outcomes.append(_failed(job, alone, place))
        return outcomes
    show.stage("writing")
    for result, job in zip(results, owners, strict=True):
        try:
            outcomes.append(_write(result, job, place))
        except TROUBLE as error:
            outcomes.append(_failed(job, error, place))
    return outcomes


def _write(result: FitResult, job: PhotoJob, place: FitPlace) -> Outcome:
    from flame_fit.export import write_result
    from flame_fit.export.naming import face_folder

    scene = result.export
    folder = job.folder
    if place.config.face == "all":
        folder = face_folder(folder, face=scene.report.face)
    return Outcome(job.photo, folder=folder, report=write_result(scene, folder))


def _failed(job: PhotoJob, error: BaseException, place: FitPlace) -> Outcome:
    if place.verbose and not isinstance(error, FlameFitError):
        logging.getLogger(__name__).exception("%s", job.photo)
    if isinstance(error, FlameFitError):
        return Outcome(job.photo, error=error)
    # Errors of other libraries may not survive the way between processes.
    return Outcome(job.photo, error=InputError(explain(job.photo, error)))
