"""Seconds, memory and accuracy of fits on this machine: `python scripts/benchmark.py --help`.

Every preset runs in a process of its own, so that its peak memory is its own. Accuracy is measured
on synthetic heads with known truth, once with their true landmarks and once with detected ones.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
KIBIBYTES_PER_GIGABYTE = 1e9 / 1024
PARTS = ("total", "observe", "geometry", "appearance", "texture")


@dataclass(frozen=True)
class Spread:
    """Smallest, middle and largest of some measurements."""

    minimum: float
    median: float
    maximum: float

    @staticmethod
    def of(values: list[float]) -> Spread:
        """Return the spread of values."""
        return Spread(min(values), statistics.median(values), max(values))

    def __str__(self) -> str:
        """Return the three numbers as a table shows them."""
        return f"{self.minimum:.3f} / {self.median:.3f} / {self.maximum:.3f}"


def measure_preset(preset: str, photos: list[Path], repeats: int) -> dict[str, object]:
    """Fit photos in this process and return times, measures and the peak memory."""
    from flame_fit.config import PRESETS
    from flame_fit.export import write_result
    from flame_fit.pipeline import FitSession

    begun = time.perf_counter()
    session = FitSession(PRESETS[preset])
    loading = time.perf_counter() - begun
    session.fit(photos[0])
    seconds: dict[str, list[float]] = {part: [] for part in (*PARTS, "export")}
    reports = []
    for _ in range(repeats):
        for photo in photos:
            (result,) = session.fit(photo)
            with tempfile.TemporaryDirectory() as folder:
                written = write_result(result.export, Path(folder) / "fit")
            for part in PARTS:
                seconds[part].append(getattr(result.report.seconds, part))
            seconds["export"].append(written.seconds.export)
            reports.append(result.report)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIBIBYTES_PER_GIGABYTE
    return {
        "preset": preset,
        "loading_seconds": loading,
        "seconds": {part: asdict(Spread.of(values)) for part, values in seconds.items()},
        "landmark_nme": asdict(Spread.of([report.landmark_nme for report in reports])),
        "psnr_model": asdict(Spread.of([report.psnr_model for report in reports])),
        "psnr": asdict(Spread.of([report.psnr for report in reports])),
        "peak_gigabytes": peak,
    }


def measure_cold_start(photo: Path, repeats: int) -> dict[str, float]:
    """Return the wall-clock seconds of the command line, start of Python included."""
    values = []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            begun = time.perf_counter()
            command = [sys.executable, str(ROOT / "fit.py"), str(photo), "--out", folder]
            subprocess.run(command, check=True, capture_output=True)
            values.append(time.perf_counter() - begun)
    return asdict(Spread.of(values))


def measure_recovery(count: int, first_seed: int) -> dict[str, object]:
    """Return errors on synthetic heads, with true and with detected landmarks."""
    from flame_fit.pipeline.recovery import (
        recover_detected,
        recover_exact,
        session_for_recovery,
    )

    session = session_for_recovery()
    seeds = range(first_seed, first_seed + count)
    exact = [asdict(recover_exact(session, seed)) for seed in seeds]
    detected = [asdict(recover_detected(session, seed)) for seed in seeds]
    return {
        name: {
            key: asdict(Spread.of([row[key] for row in rows]))
            for key in rows[0]
            if not math.isnan(rows[0][key])
        }
        for name, rows in (("true landmarks", exact), ("detected landmarks", detected))
    }


def hardware() -> dict[str, object]:
    """Return what the numbers were measured on."""
    import torch

    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": platform.platform(),
    }


def _in_own_process(preset: str, photos: list[Path], repeats: int) -> dict[str, object]:
    command = [sys.executable, __file__, "--one-preset", preset, "--repeats", str(repeats)]
    command += [str(photo) for photo in photos]
    run = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(run.stdout.splitlines()[-1])


def _show(result: dict[str, object]) -> None:
    for part, spread in result["seconds"].items():
        print(f"  {part:<12} {Spread(**spread)} s")
    for name in ("landmark_nme", "psnr_model", "psnr"):
        print(f"  {name:<12} {Spread(**result[name])}")
    print(f"  loading      {result['loading_seconds']:.2f} s")
    print(f"  peak memory  {result['peak_gigabytes']:.2f} GB")


def main() -> int:
    """Measure, print a table and write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", nargs="*", type=Path, default=[ROOT / "data/astronaut.png"])
    parser.add_argument("--presets", nargs="+", default=["fast", "standard", "detailed"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--synthetic", type=int, default=10, help="synthetic heads to recover")
    parser.add_argument("--first-seed", type=int, default=1000)
    parser.add_argument("--json", type=Path, help="file for the numbers")
    parser.add_argument("--one-preset", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one_preset:
        print(json.dumps(measure_preset(options.one_preset, options.photos, options.repeats)))
        return 0
    record: dict[str, object] = {"hardware": hardware(), "photos": len(options.photos)}
    print("; ".join(f"{key} {value}" for key, value in record["hardware"].items()))
    print("min / median / max")
    presets = []
    for preset in options.presets:
        print(f"preset {preset}, {len(options.photos)} photos x {options.repeats}")
        presets.append(_in_own_process(preset, options.photos, options.repeats))
        _show(presets[-1])
    cold = measure_cold_start(options.photos[0], options.repeats)
    print(f"cold command line, standard: {Spread(**cold)} s")
    record |= {"presets": presets, "cold_command_line_seconds": cold}
    if options.synthetic:
        recovery = measure_recovery(options.synthetic, options.first_seed)
        for name, rows in recovery.items():
            print(f"{options.synthetic} synthetic heads, {name}")
            for key, spread in rows.items():
                print(f"  {key:<24} {Spread(**spread)}")
        record["synthetic"] = recovery
    if options.json:
        options.json.write_text(json.dumps(record, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
