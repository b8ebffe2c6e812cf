"""Fits timed in processes of their own, so that each one's peak memory is its own."""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from flame_fit.errors import InputError
from scripts.benchmarking.tables import Spread

if TYPE_CHECKING:
    from flame_fit.config import FitConfig
    from flame_fit.pipeline import FitSession
    from flame_fit.pipeline.result import FitResult

ROOT = Path(__file__).resolve().parents[2]
KIBIBYTES_PER_GIGABYTE = 1e9 / 1024
PARTS = ("total", "observe", "geometry", "appearance", "texture")


@dataclass(frozen=True)
class TimingRequest:
    """Fits to be timed.

    Attributes:
        preset: Starting values.
        photos: Paths.
        repeats: How often each photo is fitted after one fit that is not counted.
        device: For the fits.
        shape_components: Instead of the preset's, if given.
        expression_components: Instead of the preset's, if given.
        texture_components: Instead of the preset's, if given.
        export: Whether results are written too.
        batch: How many faces are fitted in one go; the photos are repeated to fill it.
    """

    preset: str
    photos: tuple[str, ...]
    repeats: int = 3
    device: str = "cpu"
    shape_components: int | None = None
    expression_components: int | None = None
    texture_components: int | None = None
    export: bool = False
    batch: int = 1


@dataclass(frozen=True)
class FitTiming:
    """Times and quality of one fit, as its report has them.

    Attributes:
        seconds: Of one photo by part, in the order of `PARTS`.
        export: Seconds to write the result, 0 if it was not.
        landmark_nme: Mean landmark error over the distance of the eyes.
        psnr: On the skin with the texture, dB.
    """

    seconds: tuple[float, ...]
    export: float
    landmark_nme: float
    psnr: float


@dataclass(frozen=True)
class TimingResult:
    """What a process measured.

    Attributes:
        loading: Seconds to load the models.
        first: Seconds of the first fit, which prepares kernels and caches.
        fits: The fits after it.
        peak_gigabytes: Largest resident memory of the process.
    """

    loading: float
    first: float
    fits: tuple[FitTiming, ...]
    peak_gigabytes: float

    def spread(self, part: str) -> Spread:
        """Return the seconds of one part over all fits."""
        index = PARTS.index(part)
        return Spread.of([fit.seconds[index] for fit in self.fits])


def time_in_own_process(request: TimingRequest) -> TimingResult:
    """Return what a fresh process measures of a request.

    Raises:
        InputError: If the process fails; its last line is the reason.
    """
    command = [sys.executable, "-m", "scripts.benchmarking.timing", json.dumps(asdict(request))]
    done = _run(command)
    answer = json.loads(done.stdout.splitlines()[-1])
    fits = tuple(FitTiming(**fit | {"seconds": tuple(fit["seconds"])}) for fit in answer["fits"])
    return TimingResult(**answer | {"fits": fits})


def time_fits(request: TimingRequest) -> TimingResult:
    """Fit the photos of a request in this process."""
    from flame_fit.export import write_result
    from flame_fit.pipeline import FitSession

    begun = time.perf_counter()
    session = FitSession(_config(request))
    loading = time.perf_counter() - begun
    begun = time.perf_counter()
    session.fit(request.photos[0])
    first = time.perf_counter() - begun
    fits = []
    for _ in range(request.repeats):
        for photo in request.photos:
            results = _fit(session, photo, request.batch)
            export = 0.0
            if request.export:
                with tempfile.TemporaryDirectory() as folder:
                    written = write_result(results[0].export, Path(folder) / "fit")
                export = written.seconds.export
            fits.append(_timing(results, export))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIBIBYTES_PER_GIGABYTE
    return TimingResult(loading, first, tuple(fits), peak)


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise InputError(f"a fit in a process of its own failed: {reason}")
    return done


def _fit(session: FitSession, photo: str, batch: int) -> list[FitResult]:
    """Fit a photo, or so many copies of its face in one go."""
    if batch == 1:
        return session.fit(photo)[:1]
    return session.fit_faces([session.observe(photo)[0] for _ in range(batch)])


def _timing(results: list[FitResult], export: float) -> FitTiming:
    """Return the mean of the photos of one go."""
    reports = [result.report for result in results]
    seconds = tuple(
        statistics.fmean([getattr(report.seconds, part) for report in reports]) for part in PARTS
    )
    return FitTiming(seconds, export, reports[0].landmark_nme, reports[0].psnr)


def time_command(photos: Sequence[Path], *options: str) -> float:
    """Return the wall-clock seconds of the command line, start of Python included.

    Raises:
        InputError: If the command fails; its last line is the reason.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(ROOT / "fit.py"), *map(str, photos), "--out", folder]
        begun = time.perf_counter()
        _run([*command, *options])
        return time.perf_counter() - begun


def _config(request: TimingRequest) -> FitConfig:
    from flame_fit.config import PRESETS

    config = replace(PRESETS[request.preset], device=request.device)
    wanted = {
        name: count
        for name in ("shape_components", "expression_components", "texture_components")
        if (count := getattr(request, name)) is not None
    }
    return replace(config, solver=replace(config.solver, **wanted))


def _main() -> int:
    request = json.loads(sys.argv[1])
    result = time_fits(TimingRequest(**request | {"photos": tuple(request["photos"])}))
    print(json.dumps(asdict(result)))
    return 0


if __name__ == "__main__":
    sys.exit(_main())
