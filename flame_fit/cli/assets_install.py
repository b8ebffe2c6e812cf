"""`flame-fit assets install`: downloads in, installed models out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console

from flame_fit.cli.console import progress_bar, start_logging
from flame_fit.cli.exit_codes import EXIT_OK, EXIT_SOME_FAILED
from flame_fit.cli.parsing import PROGRAM, parse_arguments
from flame_fit.errors import UsageError

if TYPE_CHECKING:
    from flame_fit.head_models import InstallOutcome

SUMMARY = "Install head models and companion files from downloads."
MOST_REASONS = 20
"""Lines about files that were left out."""


@dataclass(frozen=True)
class InstallCommand:
    """Install FLAME models, landmark embeddings, masks, eyelids, charts and textures."""

    paths: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="PATH|ZIP..."), tyro.conf.Positional]
    """Files, folders or zip archives as they were downloaded; each file is told by its content."""
    verbose: bool = False
    """Show the library's log."""


def run(arguments: Sequence[str], *, errors: Console) -> int:
    """Run `flame-fit assets install` and return its exit code.

    It is 1 if a path given yields nothing that is installed.
    """
    command = parse_arguments(
        InstallCommand, arguments, name="assets install", default=InstallCommand(paths=())
    )
    if not command.paths:
        raise UsageError("nothing to install; give files, folders or zip archives")
    start_logging(errors, verbose=command.verbose)
    from flame_fit.head_models import install

    with progress_bar(errors) as progress:
        task = progress.add_task("reading", total=None)
        outcomes = install(
            command.paths, on_file=lambda source: progress.update(task, description=source)
        )
    _print_outcomes(outcomes, errors=errors)
    useful = {outcome.given for outcome in outcomes if outcome.record is not None}
    return EXIT_OK if useful >= set(command.paths) else EXIT_SOME_FAILED


def _print_outcomes(outcomes: Sequence[InstallOutcome], *, errors: Console) -> None:
    """Say what was installed, under which terms, and what was left out and why."""
    console = Console(markup=False, highlight=False, soft_wrap=True)
    for outcome in outcomes:
        record = outcome.record
        if record is not None:
            done = "installed" if outcome.is_new else "is installed already:"
            console.print(f"{outcome.source}: {done} {record.name} ({record.title})")
            if outcome.is_new:
                console.print(f"  licence: {record.licence}")
    left_out = [outcome for outcome in outcomes if outcome.record is None]
    for outcome in left_out[:MOST_REASONS]:
        errors.print(f"{PROGRAM}: left out {outcome.source}: {outcome.reason}")
    if len(left_out) > MOST_REASONS:
        errors.print(f"{PROGRAM}: left out {len(left_out) - MOST_REASONS} more files")
