"""Training a dense network from the command line: settings, progress, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console
from rich.progress import Progress

from flame_fit.cli.console import progress_bar, start_logging
from flame_fit.cli.exit_codes import EXIT_OK
from flame_fit.training import ParsingTraining, UvTraining, read_settings, settings_text

if TYPE_CHECKING:
    from flame_fit.training.callbacks import EpochReport, TrainingProgress
    from flame_fit.training.trainer import TrainingResult

Settings = TypeVar("Settings")

CONFIG = ("--config", "--config=")


@dataclass(frozen=True)
class TrainOptions:
    """What every training is told beside its settings."""

    config: Path | None = None
    """YAML file of settings."""
    print_config: bool = False
    """Print the settings as YAML, and do nothing else."""
    verbose: bool = False
    """Show the library's log and the traceback of unexpected errors."""


def settings_in(arguments: Sequence[str], default: Settings) -> Settings:
    """Return the settings of the file that `--config` names among arguments, else the default.

    Raises:
        FlameFitError: The file cannot be used.
    """
    chosen = None
    for argument, following in zip(arguments, [*arguments, ""][1:], strict=True):
        if argument == CONFIG[0]:
            chosen = following
        elif argument.startswith(CONFIG[1]):
            chosen = argument.partition("=")[2]
    return read_settings(Path(chosen), default) if chosen else default


def run_training(
    train: Callable[[TrainingProgress], TrainingResult],
    settings: UvTraining | ParsingTraining,
    *,
    options: TrainOptions,
    errors: Console,
) -> int:
    """Train, say how each epoch went and where the checkpoints are, and return the exit code.

    Args:
        train: Runs the training.
        settings: Of the training; only printed where the options say so.
        options: The rest of what was asked.
        errors: Gets the log and the bar.
    """
    start_logging(errors, verbose=options.verbose)
    if options.print_config:
        print(settings_text(settings), end="")
        return EXIT_OK
    import torch

    from flame_fit.training.trainer import is_first_process

    torch.manual_seed(settings.run.seed)
    console = Console(markup=False, highlight=False, soft_wrap=True)
    with progress_bar(errors) as progress:
        result = train(_Show(progress, console))
    if not is_first_process():
        return EXIT_OK
    console.print(f"{result.last}: after {result.epochs} epochs")
    if result.best is not None:
        console.print(f"{result.best}: the best on held-out images, loss {result.best_loss:.5f}")
    return EXIT_OK


class _Show:
    """Progress of a training: a bar of the steps of an epoch, and a line for each epoch."""

    def __init__(self, progress: Progress, console: Console) -> None:
        self._progress = progress
        # On a terminal the lines must stand above the bar.
        self._console = progress.console if progress.console.is_terminal else console
        self._task = progress.add_task("starting", total=None)

    def on_step(self, *, step: int, steps: int, loss: float) -> None:
        """Move the bar."""
        self._progress.update(
            self._task, completed=step, total=steps, description=f"loss {loss:.5f}"
        )

    def on_epoch(self, report: EpochReport) -> None:
        """Print how the epoch went."""
        words = [f"epoch {report.epoch} of {report.epochs}: loss {report.loss:.5f}"]
        if report.validation:
            scores = ", ".join(f"{score.name} {score.value:.5f}" for score in report.validation)
            words.append(f"held out: {scores}")
        self._console.print("; ".join(words))
