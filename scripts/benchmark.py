"""Accuracy, speed and scaling of flame_fit on this machine, beside the seed's schedule.

    python scripts/benchmark.py --json benchmark.json --markdown benchmark.md

Each part is written into the JSON file as soon as it is finished, so that an interrupted run keeps
what it has; with `--only` parts are measured anew and the others in the file stay. The Markdown
file shows all parts of the JSON file. On two idle cores everything takes about 20 minutes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

# Beside a busy program, threads that spin while they wait take five times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rich.console import Console  # noqa: E402
from rich.progress import Progress  # noqa: E402

from flame_fit.asset_files import write_atomically  # noqa: E402
from flame_fit.cli.console import progress_bar  # noqa: E402
from flame_fit.errors import FlameFitError  # noqa: E402
from scripts.benchmarking.options import PARTS, Options, parse_options  # noqa: E402
from scripts.benchmarking.parts import run_part  # noqa: E402
from scripts.benchmarking.record import (  # noqa: E402
    Environment,
    environment_lines,
    keep,
    read_record,
    tables_of,
)
from scripts.benchmarking.tables import markdown, show  # noqa: E402

EXIT_OK, EXIT_FAILED, EXIT_INTERRUPTED = 0, 1, 130
PLAIN_WIDTH = 160
"""Columns of output that goes into a file."""


class ProgressSteps:
    """A progress bar for one part."""

    def __init__(self, progress: Progress, name: str) -> None:
        self._progress = progress
        self._task = progress.add_task(name, total=None)
        self._name = name

    def expect(self, total: int) -> None:
        """Say how many steps there will be."""
        self._progress.update(self._task, total=total)

    def step(self, name: str) -> None:
        """Say what comes next."""
        self._progress.update(self._task, description=f"{self._name}: {name}", advance=1)

    def finish(self) -> None:
        """Take the bar away."""
        self._progress.remove_task(self._task)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the chosen parts and return the exit code."""
    options = parse_options(arguments, description=__doc__ or "")
    errors = Console(stderr=True, highlight=False)
    try:
        _measure(options, errors)
    except KeyboardInterrupt:
        errors.print("benchmark: interrupted; finished parts are kept in the JSON file")
        return EXIT_INTERRUPTED
    except FlameFitError as error:
        errors.print(f"benchmark: {error}", soft_wrap=True)
        return EXIT_FAILED
    finally:
        _write_markdown(options)
    return EXIT_OK


def _measure(options: Options, errors: Console) -> None:
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    here = Environment.here()
    console.print(f"{here.machine()}; load {here.load}\n", soft_wrap=True)
    if options.json is not None and options.json.exists():
        read_record(options.json)
    with progress_bar(errors) as progress:
        for name in options.only:
            steps = ProgressSteps(progress, name)
            part = run_part(name, options, steps)
            steps.finish()
            for table in part.tables:
                show(console, table)
            console.print(f"{name} took {part.seconds:.0f} s", style="dim")
            if options.json is not None:
                keep(options.json, part)


def _write_markdown(options: Options) -> None:
    if options.markdown is None or options.json is None or not options.json.exists():
        return
    record = read_record(options.json)
    text = "\n\n".join((environment_lines(record, PARTS), markdown(tables_of(record, PARTS))))
    write_atomically(options.markdown, text.encode())


if __name__ == "__main__":
    sys.exit(main())
