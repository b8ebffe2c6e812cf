"""Throws hostile files at every reader and reports whether any of them did more than read.

Usage: python scripts/fuzz_readers.py [--cases 12000] [--seed 1]

The files: pickles that try to run code or to use up the machine, in every wrapping (`.pkl`,
`.npy`, `.npz`, new and old `.pt`); random grammatical pickles made by hypothesis; archives that
climb, link, lie or unfold; array headers that lie; head models with one thing wrong each; and
random changes to valid files. A case is good if the file is refused in one line or read as plain
data, with no audit event of running or writing anything, no file left behind, within seconds.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from hypothesis import HealthCheck, Phase, given, settings  # noqa: E402
from hypothesis import seed as hypothesis_seed  # noqa: E402

from flame_fit.errors import AssetError  # noqa: E402
from flame_fit.flame import load_assets  # noqa: E402
from flame_fit.flame.releases import read_release  # noqa: E402
from flame_fit.priors.model_files import read_task_member  # noqa: E402
from flame_fit.untrusted import (  # noqa: E402
    open_torch,
    open_zip,
    read_npy,
    read_npz,
    read_npz_objects,
    read_obj,
    read_pickle,
    read_torch,
)
from scripts.fuzzing.attacks import attacks  # noqa: E402
from scripts.fuzzing.hostile_files import (  # noqa: E402
    Case,
    archive_attacks,
    header_attacks,
    mesh_attacks,
    object_npy,
    wrong_models,
    zipped,
)
from scripts.fuzzing.mutations import model_arrays, mutated, valid_files  # noqa: E402
from scripts.fuzzing.programs import programs  # noqa: E402
from scripts.fuzzing.watch import Watch, peak_megabytes, run_case  # noqa: E402

MAXIMUM_BYTES = 64 * 2**20
"""What the readers may unpack here: so that a reader that allocates what a file announces shows."""
ALLOWED_GROWTH_MEGABYTES = 700


def _all_members(path: Path) -> object:
    return list(open_zip(path, maximum_bytes=MAXIMUM_BYTES).read_all())


def _all_entries(path: Path) -> object:
    """Read each entry by itself, so that one that is refused does not hide the others."""
    entries = open_torch(path, maximum_bytes=MAXIMUM_BYTES)
    found = []
    for name in entries.names:
        with contextlib.suppress(AssetError):
            found.append(entries.read(name))
    return found


READERS: dict[str, tuple[Callable[[Path], object], ...]] = {
    ".pkl": (lambda path: read_pickle(path, maximum_bytes=MAXIMUM_BYTES), load_assets),
    ".npy": (lambda path: read_npy(path, maximum_bytes=MAXIMUM_BYTES),),
    ".npz": (
        lambda path: read_npz(path, maximum_bytes=MAXIMUM_BYTES),
        lambda path: read_npz_objects(path, maximum_bytes=MAXIMUM_BYTES),
        load_assets,
        read_release,
    ),
    ".pt": (lambda path: read_torch(path, maximum_bytes=MAXIMUM_BYTES), _all_entries),
    ".obj": (read_obj,),
    ".task": (_all_members, lambda path: read_task_member(path, "a.tflite")),
}
"""Every reader that meets files of a kind; each counts as a case."""


@dataclass
class Report:
    """What was run and found."""

    cases: int = 0
    read: int = 0
    groups: Counter = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    slowest_seconds: float = 0.0
    slowest_case: str = ""


class Fuzzer:
    """Runs cases in one folder and keeps the count."""

    def __init__(self, folder: Path) -> None:
        """Watch a folder, which must be empty."""
        self.folder = folder
        self.report = Report()
        self.watch = Watch(folder)
        self.watch.install()
        # What readers import and set up when first used is none of the files' doing.
        for case in valid_files():
            self.run(case)
        self.report = Report(violations=[v for v in self.report.violations if "raised" in v])

    def run(self, case: Case) -> None:
        """Give one file to all its readers."""
        path = self.folder / f"case{case.suffix}"
        path.write_bytes(case.data)
        for reader in READERS[case.suffix]:
            started = time.process_time()
            outcome = run_case(self.watch, reader, path)
            seconds = time.process_time() - started
            report = self.report
            report.cases += 1
            report.read += outcome.read
            report.groups[case.suffix] += 1
            report.violations += [f"{case.name} {case.suffix}: {v}" for v in outcome.violations]
            if seconds > report.slowest_seconds:
                report.slowest_seconds, report.slowest_case = seconds, f"{case.name} {case.suffix}"
        path.unlink()

    def run_programs(self, count: int, seed: int) -> None:
        """Run random grammatical pickles, each bare and inside an array file."""

        @hypothesis_seed(seed)
        @settings(
            max_examples=count,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(programs())
        def run(program: bytes) -> None:
            self.run(Case("random pickle", ".pkl", program))
            self.run(Case("random objects", ".npy", object_npy(program)))
            self.run(
                Case("random torch", ".pt", zipped({"a/data.pkl": program, "a/data/0": b"1234"}))
            )

        run()


def fixed_cases(folder: Path) -> Iterator[Case]:
    """Yield the attacks that are not random."""
    yield from attacks(folder)
    yield from archive_attacks()
    yield from header_attacks()
    yield from mesh_attacks()
    yield from wrong_models(model_arrays(), _python_pickle)


def _python_pickle(arrays: dict) -> bytes:
    import pickle

    return pickle.dumps(arrays, protocol=2)


def fuzz(folder: Path, *, cases: int, seed: int, share: float = 1.0) -> Report:
    """Run the fixed attacks, then random files until the number of cases is reached.

    Args:
        folder: an empty folder to work in.
        cases: least number of cases.
        seed: of the random files.
        share: how many of the fixed attacks to run, drawn by the seed.
    """
    fuzzer = Fuzzer(folder)
    chance = random.Random(seed)
    for case in fixed_cases(folder):
        if chance.random() < share:
            fuzzer.run(case)
    # Each random pickle is five cases: a pickle and a torch file have two readers, an array one.
    fuzzer.run_programs(max(20, (cases - fuzzer.report.cases) // 10), seed)
    for case in mutated(valid_files(), 10 * cases, seed):
        if fuzzer.report.cases >= cases:
            break
        fuzzer.run(case)
    return fuzzer.report


def main() -> int:
    """Run the fuzz test and print what it found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=12_000, help="least number of cases")
    parser.add_argument("--seed", type=int, default=1, help="of the random files")
    options = parser.parse_args()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="flame_fit_fuzz_") as folder:
        os.chdir(folder)
        tempfile.tempdir = folder
        before = peak_megabytes()
        report = fuzz(Path(folder), cases=options.cases, seed=options.seed)
        growth = peak_megabytes() - before
    if growth > ALLOWED_GROWTH_MEGABYTES:
        report.violations.append(f"memory grew by {growth:.0f} MB")
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(report.groups.items()))
    print(f"{report.cases} cases in {time.perf_counter() - started:.0f} s: {kinds}")
    print(f"{report.read} read as plain data, {report.cases - report.read} refused in one line")
    print(f"slowest: {report.slowest_seconds:.2f} s of processor time ({report.slowest_case})")
    print(f"memory grew by {growth:.0f} MB")
    for violation, count in Counter(report.violations).most_common(40):
        print(f"VIOLATION ({count} times): {violation}")
    if not report.violations:
        print("nothing was executed, nothing was written, no file was left behind")
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
