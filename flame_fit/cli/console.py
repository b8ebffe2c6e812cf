"""What commands print while they work: the log and a progress bar."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from flame_fit.cli.parsing import PROGRAM

REPORT_EVERY = 10
"""Steps of a training between two lines of the bar."""


def start_logging(console: Console, *, verbose: bool) -> None:
    """Send warnings, and the library's log if verbose, to the console."""
    handler = RichHandler(console=console, show_path=False, markup=False)
    level = logging.DEBUG if verbose else logging.WARNING
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    logging.getLogger("flame_fit").setLevel(level)


@contextlib.contextmanager
def progress_bar(console: Console) -> Iterator[Progress]:
    """Show a progress bar while the block runs, on terminals only."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        yield progress


def step_bar(
    progress: Progress, *, total: int, first: str = "training"
) -> Callable[[int, float], None]:
    """Return what shows the number and the loss of each step of a training.

    Args:
        progress: The bar.
        total: Steps of the training.
        first: What is done before them.
    """
    task = progress.add_task(first, total=total)

    def show(number: int, loss: float) -> None:
        if number % REPORT_EVERY == 0 or number == total:
            progress.update(task, completed=number, description=f"training, loss {loss:.4f}")

    return show


class ItemProgress:
    """The progress bar as long work sees it: files and stages."""

    def __init__(self, progress: Progress, *, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task("starting", total=total)
        self._name = ""

    def photo(self, photo: Path) -> None:
        """Say which file is being worked on."""
        self._name = photo.name

    def stage(self, stage: str) -> None:
        """Say what is being done to it."""
        description = f"{self._name}: {stage}" if self._name else stage
        self._progress.update(self._task, description=description)

    def error(self, line: str) -> None:
        """Print a line above the bar."""
        self._progress.console.print(f"{PROGRAM}: {line}")

    def advance(self) -> None:
        """Count one file as done."""
        self._progress.advance(self._task)
