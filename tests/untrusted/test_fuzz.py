"""A fast part of the fuzz test, and a check that it would notice what it looks for."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import pickle, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from scripts import fuzz_readers
from scripts.fuzzing.attacks import attack_programs
from scripts.fuzzing.hostile_files import Case

folder = Path(sys.argv[2])
report = fuzz_readers.fuzz(folder, cases=1, seed=7, share=0.04)
print(report.cases, report.read, len(report.violations), *report.violations)
print(*[path.name for path in folder.iterdir()])

fuzz_readers.READERS[".pkl"] = (lambda path: pickle.loads(path.read_bytes()),)
naive = fuzz_readers.Fuzzer(folder)
for name in ("_global os.system", "_global builtins.open"):
    program = attack_programs(folder)[name]
    naive.run(Case(name, ".pkl", b"\\x80\\x02" + program + b"."))
naive.run(Case("error", ".pkl", b"no pickle"))
print(*naive.report.violations, sep=" | ")
"""


def test_hostile_files_are_data_or_refused_and_a_naive_reader_is_caught(
    repository: Path, tmp_path: Path
) -> None:
    """In a process of its own: without type checks, and because an audit hook stays for ever."""
    folder = tmp_path / "cases"
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, repository, folder],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    counts, left, caught = done.stdout.split("\n")[:3]
    cases, read, violations, *which = counts.split(" ", 3)
    assert violations == "0", which
    assert int(cases) > 250 and 0 < int(read) < int(cases)
    assert left == ""
    assert "_global os.system .pkl: os.system" in caught
    assert "_global os.system .pkl: left behind canary" in caught
    assert "_global builtins.open .pkl: open for writing" in caught
    assert "pickle.find_class" in caught
    assert "error .pkl: raised UnpicklingError" in caught
