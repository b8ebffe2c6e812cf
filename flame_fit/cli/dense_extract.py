"""Writing checkpoints without DINOv3."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from flame_fit.cli.console import start_logging
from flame_fit.cli.exit_codes import EXIT_OK

MEGABYTE = 1e6


@dataclass(frozen=True)
class ExtractCommand:
    """Write a checkpoint without the weights of DINOv3."""

    checkpoint: Path
    """A whole checkpoint."""
    output: Path
    """The file to write."""
    verbose: bool = False
    """Show the library's log and the traceback of unexpected errors."""


def run_extract(command: ExtractCommand, *, errors: Console) -> int:
    """Write a checkpoint without DINOv3, say what is in it and return the exit code."""
    from flame_fit.priors.dense_networks import extract_decoder

    start_logging(errors, verbose=command.verbose)
    done = extract_decoder(command.checkpoint, command.output)
    console = Console(markup=False, highlight=False, soft_wrap=True)
    size = done.path.stat().st_size / MEGABYTE
    console.print(
        f"{done.path}: {done.weights} tensors of a {done.layout.label}, {size:.1f} MB; "
        f"{done.removed} of DINOv3 left out"
    )
    if done.left_out:
        console.print(f"  not carried over: {', '.join(done.left_out)}")
    return EXIT_OK
