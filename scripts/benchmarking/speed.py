"""Seconds and memory: by preset and stage, from a cold start, for many photos, by size."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2

from flame_fit.cli.fit import FitCommand
from flame_fit.config import PRESETS
from flame_fit.image_files import load_image, save_png
from scripts.benchmarking.tables import Spread, Table, number, ratio
from scripts.benchmarking.timing import (
    PARTS,
    TimingRequest,
    TimingResult,
    time_command,
    time_in_own_process,
)

OnStep = Callable[[str], None]
IMAGE_SIDES = (256, 512, 1024, 2048)
PHOTO_COUNTS = (1, 4, 16, 64)
SHAPE_COUNTS = (50, 100, 200, 300)
SHAPE_TO_EXPRESSION = 7.5
"""Identity coefficients for each expression coefficient, as in the whole model."""


@dataclass(frozen=True)
class PresetTiming:
    """What one preset costs."""

    preset: str
    result: TimingResult


@dataclass(frozen=True)
class BatchTiming:
    """Wall-clock seconds of one command over many photos.

    Attributes:
        photos: How many.
        jobs: Processes that share them.
        seconds: Start of Python included.
    """

    photos: int
    jobs: int
    seconds: float


@dataclass(frozen=True)
class ScaledTiming:
    """What fits of one size cost.

    Attributes:
        size: Of the photo in pixels, number of identity coefficients or of faces in one go.
        result: What was measured.
    """

    size: int
    result: TimingResult


def time_presets(
    photos: Sequence[Path], *, repeats: int, device: str, on_step: OnStep
) -> tuple[PresetTiming, ...]:
    """Time every preset in a process of its own."""
    timings = []
    for preset in PRESETS:
        on_step(f"preset {preset}")
        names = tuple(str(photo) for photo in photos)
        request = TimingRequest(preset, names, repeats, device, export=True)
        timings.append(PresetTiming(preset, time_in_own_process(request)))
    return tuple(timings)


def preset_table(timings: Sequence[PresetTiming]) -> Table:
    """Return seconds by stage, a row for each preset."""
    headings = ("", *PARTS, "export", "fits a minute", "first fit", "load models", "peak GB")
    rows = []
    for timing in timings:
        result = timing.result
        total = result.spread("total")
        rows.append(
            (
                timing.preset,
                f"{number(total.median)} ({number(total.minimum)} to {number(total.maximum)})",
                *(number(result.spread(part).median, 3) for part in PARTS[1:]),
                number(Spread.of([fit.export for fit in result.fits]).median, 3),
                number(60.0 / total.median, 0),
                number(result.first),
                number(result.loading),
                number(result.peak_gigabytes),
            )
        )
    return Table(
        "Seconds of one fit in process, by stage",
        headings,
        tuple(rows),
        "Middle of the fits after the first (smallest and largest in brackets); total is without "
        "export; peak is the largest memory of a process that does nothing else.",
    )


def time_cold_starts(photo: Path, *, repeats: int, on_step: OnStep) -> Spread:
    """Return the seconds of the command line for one photo, start of Python included."""
    seconds = []
    for count in range(repeats):
        on_step(f"cold start {count + 1}")
        seconds.append(time_command([photo]))
    return Spread.of(seconds)


def cold_table(cold: Spread) -> Table:
    """Return the cold start as a table."""
    return Table(
        "Seconds of `fit.py PHOTO`, start of Python and loading included",
        ("", "smallest", "middle", "largest"),
        (("standard", number(cold.minimum), number(cold.median), number(cold.maximum)),),
    )


def time_batches(
    photo: Path, *, counts: Sequence[int], preset: str, on_step: OnStep
) -> tuple[BatchTiming, ...]:
    """Time one command over copies of a photo, with one process and with one for each core."""
    cores = len(os.sched_getaffinity(0))
    jobs = (1, cores) if has_jobs() and cores > 1 else (1,)
    timings = []
    with tempfile.TemporaryDirectory() as folder:
        source = load_image(photo)
        copies = [
            save_png(Path(folder) / f"{number_of:03d}.png", source.srgb)
            for number_of in range(max(counts))
        ]
        for count in counts:
            for processes in jobs if count > 1 else (1,):
                on_step(f"{count} photos in {processes} processes")
                options = ("--preset", preset, *(("--jobs", str(processes)) if has_jobs() else ()))
                seconds = time_command(copies[:count], *options)
                timings.append(BatchTiming(count, processes, seconds))
    return tuple(timings)


def has_jobs() -> bool:
    """Return whether the command line can share photos among processes."""
    return any(field.name == "jobs" for field in dataclasses.fields(FitCommand))


def batch_table(timings: Sequence[BatchTiming], preset: str) -> Table:
    """Return the seconds of batches and how much a further photo costs."""
    start = min(timings, key=lambda each: each.photos)
    rows = []
    for each in timings:
        further = float("nan")
        if each.photos > start.photos:
            further = (each.seconds - start.seconds) / (each.photos - start.photos)
        per_photo = each.seconds / each.photos
        rows.append(
            (
                str(each.photos),
                str(each.jobs),
                ratio(start.seconds / start.photos / per_photo),
                number(each.seconds),
                number(per_photo),
                number(further),
            )
        )
    return Table(
        f"Many photos with one command, preset {preset}",
        ("photos", "processes", "speed-up a photo", "seconds", "s a photo", "s a further photo"),
        tuple(rows),
        "Wall-clock seconds, start of Python, loading and writing included. A further photo: what "
        "each photo after the first adds.",
    )


def time_image_sides(
    photo: Path, *, sides: Sequence[int], preset: str, repeats: int, on_step: OnStep
) -> tuple[ScaledTiming, ...]:
    """Time fits of one photo scaled to several sizes, each in a process of its own."""
    source = load_image(photo)
    timings = []
    with tempfile.TemporaryDirectory() as folder:
        for side in sides:
            on_step(f"{side} px")
            shape = (side, round(side * source.height / source.width))
            scaled = cv2.resize(source.srgb, shape, interpolation=_filter(side, source.width))
            path = save_png(Path(folder) / f"side_{side}.png", scaled)
            request = TimingRequest(preset, (str(path),), repeats)
            timings.append(ScaledTiming(side, time_in_own_process(request)))
    return tuple(timings)


def time_in_one_go(
    photo: Path, *, counts: Sequence[int], preset: str, device: str, on_step: OnStep
) -> tuple[ScaledTiming, ...]:
    """Time batches of faces solved side by side, each size in a process of its own."""
    timings = []
    for count in counts:
        on_step(f"{count} faces in one go")
        repeats = 1 if count > 1 else 3
        request = TimingRequest(preset, (str(photo),), repeats, device, batch=count)
        timings.append(ScaledTiming(count, time_in_own_process(request)))
    return tuple(timings)


def time_coefficients(
    photo: Path, *, counts: Sequence[int], preset: str, repeats: int, on_step: OnStep
) -> tuple[ScaledTiming, ...]:
    """Time fits with several numbers of coefficients, each in a process of its own."""
    timings = []
    for count in counts:
        on_step(f"{count} identity coefficients")
        request = TimingRequest(
            preset,
            (str(photo),),
            repeats,
            shape_components=count,
            expression_components=round(count / SHAPE_TO_EXPRESSION),
        )
        timings.append(ScaledTiming(count, time_in_own_process(request)))
    return tuple(timings)


def scaling_table(timings: Sequence[ScaledTiming], *, title: str, first: str, note: str) -> Table:
    """Return times and memory by size, as ratios to the first row too."""
    base = timings[0].result
    rows = tuple(
        (
            str(timing.size),
            ratio(timing.result.spread("total").median / base.spread("total").median),
            number(timing.result.spread("total").median, 3),
            *(number(timing.result.spread(part).median, 3) for part in PARTS[1:]),
            ratio(timing.result.peak_gigabytes / base.peak_gigabytes),
            number(timing.result.peak_gigabytes),
        )
        for timing in timings
    )
    headings = (first, "x time", *PARTS, "x memory", "peak GB")
    return Table(title, headings, rows, note)


def _filter(side: int, width: int) -> int:
    return cv2.INTER_AREA if side < width else cv2.INTER_CUBIC
