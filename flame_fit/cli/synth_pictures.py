"""Rendering training pictures in several processes; none stops the others."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from flame_fit.asset_files import write_atomically
from flame_fit.cli.console import ItemProgress
from flame_fit.cli.fit_photos import TROUBLE
from flame_fit.errors import FlameFitError, UsageError

if TYPE_CHECKING:
    from flame_fit.appearance import TextureSpace
    from flame_fit.flame import FlameModel
    from flame_fit.render import Rasterizer

RECORD = "synth.json"
PART = "*.part"
"""Names of files that a stopped run has not finished, which no other file has."""
PICTURES_AT_ONCE = 4


@dataclass(frozen=True)
class PictureJob:
    """What is rendered: the same for every picture.

    Attributes:
        layout: Where files lie in the data set.
        out: Folder of the data set.
        image_size: Rows and columns, pixels.
        seed: Of the data set.
        model: Head model, by name or path.
        texture: Texture space, by name or path.
        verbose: Whether unexpected errors show their traceback.
    """

    layout: Literal["uv", "parsing"]
    out: Path
    image_size: int
    seed: int
    model: str
    texture: str
    verbose: bool


@dataclass(frozen=True)
class PictureOutcome:
    """What became of a picture.

    Attributes:
        number: Of the picture.
        error: Why there is none, in one line.
    """

    number: int
    error: str | None = None


@dataclass(frozen=True)
class DataSetRecord:
    """What the pictures of a data set depend on, as `synth.json` states it.

    Attributes:
        layout: Where files lie.
        image_size: Rows and columns, pixels.
        seed: Of the data set.
        model: Name of the head model.
        model_sha256: Digest of its file.
        texture_sha256: Digest of the texture space.
        pictures_version: Of the way in which pictures are drawn.
    """

    layout: str
    image_size: int
    seed: int
    model: str
    model_sha256: str
    texture_sha256: str
    pictures_version: int


@dataclass(frozen=True, eq=False)
class Studio:
    """What pictures are taken with; a process keeps it between them.

    Attributes:
        model: The head model.
        space: Its texture space.
        rasterizer: On the CPU.
    """

    model: FlameModel
    space: TextureSpace
    rasterizer: Rasterizer

    @staticmethod
    def of(job: PictureJob) -> Studio:
        """Load what a job needs.

        Raises:
            AssetError: Model or texture are not found or cannot be used.
        """
        from flame_fit.flame import FlameModel
        from flame_fit.head_models import load_head_model, load_head_texture
        from flame_fit.render import make_rasterizer
        from flame_fit.synth.labels import needed_head_labels

        assets = load_head_model(job.model)
        needed_head_labels(assets)
        return Studio(
            FlameModel(assets), load_head_texture(job.texture, assets), make_rasterizer("warp")
        )

    def record(self, job: PictureJob) -> DataSetRecord:
        """Return what pictures depend on."""
        from flame_fit.appearance.texture_space import texture_path
        from flame_fit.asset_files import sha256_of
        from flame_fit.synth import PICTURES_VERSION

        return DataSetRecord(
            layout=job.layout,
            image_size=job.image_size,
            seed=job.seed,
            model=self.model.assets.name,
            model_sha256=self.model.assets.sha256,
            texture_sha256=sha256_of(texture_path(job.texture)),
            pictures_version=PICTURES_VERSION,
        )


def start_data_set(job: PictureJob, count: int, *, studio: Studio) -> list[int]:
    """Return the pictures that a data set still lacks, and record what it is made of.

    Args:
        job: What is rendered.
        count: Number of pictures of the whole set.
        studio: Of the job.

    Raises:
        UsageError: The folder holds pictures of another kind, seed, size or model.
        InputError: The folder cannot be written to.
    """
    from flame_fit.synth import training_paths

    wanted = studio.record(job)
    path = job.out / RECORD
    if path.is_file():
        _require_same(path, wanted)
        for part in job.out.rglob(PART):
            part.unlink(missing_ok=True)
    else:
        write_atomically(path, json.dumps(asdict(wanted), indent=2).encode())
    return [
        number
        for number in range(count)
        if not all((job.out / file).is_file() for file in training_paths(number, job.layout))
    ]


def render_pictures(
    job: PictureJob, numbers: Sequence[int], *, studio: Studio, workers: int, show: ItemProgress
) -> Iterator[PictureOutcome]:
    """Render pictures and write them; one that fails does not stop the others.

    Args:
        job: What is rendered.
        numbers: Of the pictures.
        studio: Of the job; other processes have their own.
        workers: Processes; 0 takes one for each core.
        show: Progress.
    """
    chunks = [
        tuple(numbers[start : start + PICTURES_AT_ONCE])
        for start in range(0, len(numbers), PICTURES_AT_ONCE)
    ]
    count = min(workers or os.cpu_count() or 1, len(chunks))
    show.stage(f"rendering in {max(count, 1)} processes" if count > 1 else "rendering")
    found = _in_processes(job, chunks, count) if count > 1 else _here(studio, job, chunks)
    for outcomes in found:
        yield from outcomes


def _require_same(path: Path, wanted: DataSetRecord) -> None:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise UsageError(f"{path} cannot be read; give another --out or remove the folder")
    for name, value in asdict(wanted).items():
        if found.get(name) != value:
            raise UsageError(
                f"{path.parent} holds pictures with {name} {found.get(name)!r}, not {value!r}; "
                "give another --out, or the same options to go on"
            )


def _here(
    studio: Studio, job: PictureJob, chunks: Sequence[Sequence[int]]
) -> Iterator[list[PictureOutcome]]:
    import torch

    threads = torch.get_num_threads()
    # Sums depend on the number of threads; files must not.
    torch.set_num_threads(1)
    try:
        for chunk in chunks:
            for number in chunk:
                yield [_write(studio, job, number)]
    finally:
        torch.set_num_threads(threads)


def _in_processes(
    job: PictureJob, chunks: Sequence[Sequence[int]], count: int
) -> Iterator[list[PictureOutcome]]:
    # A forked process would inherit the locks of threads that it does not have.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        count, mp_context=context, initializer=_start_worker, initargs=(job,)
    ) as pool:
        waiting = {pool.submit(_work, chunk): chunk for chunk in chunks}
        try:
            for done in as_completed(waiting):
                try:
                    yield done.result()
                except TROUBLE as error:
                    # The process itself died or could not start.
                    yield [PictureOutcome(n, _explain(error)) for n in waiting[done]]
        except (KeyboardInterrupt, GeneratorExit):
            pool.shutdown(wait=False, cancel_futures=True)
            raise


@dataclass(frozen=True)
class _Worker:
    """What a worker process keeps between pictures."""

    studio: Studio
    job: PictureJob


# Processes share no arguments between tasks; this is the one place to keep the loaded models.
_workers: list[_Worker] = []


def _start_worker(job: PictureJob) -> None:
    import cv2
    import torch

    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    _workers.append(_Worker(Studio.of(job), job))


def _end_with_parent() -> None:
    """End this process when the one that started it is gone: nobody else would."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(numbers: Sequence[int]) -> list[PictureOutcome]:
    worker = _workers[0]
    return [_write(worker.studio, worker.job, number) for number in numbers]


def _write(studio: Studio, job: PictureJob, number: int) -> PictureOutcome:
    from flame_fit.synth import draw_training_setup, take_photo, training_files

    size = (job.image_size, job.image_size)
    try:
        setup = draw_training_setup(job.seed, number, studio.model, studio.space, image_size=size)
        photo = take_photo(
            setup, studio.model, studio.space, image_size=size, rasterizer=studio.rasterizer
        )
        for file in training_files(photo, studio.model, number=number, layout=job.layout):
            write_atomically(job.out / file.path, file.data)
    except TROUBLE as error:
        if job.verbose and not isinstance(error, FlameFitError):
            logging.getLogger(__name__).exception("picture %d", number)
        return PictureOutcome(number, _explain(error))
    return PictureOutcome(number)


def _explain(error: BaseException) -> str:
    if isinstance(error, FlameFitError):
        return str(error)
    reason = (str(error).splitlines() or [""])[0]
    return f"unexpected {type(error).__name__} ({reason}); run with --verbose, report it"
