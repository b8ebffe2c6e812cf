"""`flame-fit merge`: several fits of one person to one head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console
from rich.table import Table

from flame_fit.cli.console import start_logging
from flame_fit.cli.exit_codes import EXIT_OK
from flame_fit.cli.parsing import PROGRAM, parse_arguments, require_writable
from flame_fit.errors import UsageError

if TYPE_CHECKING:
    from flame_fit.export.merged import MergeReport

SUMMARY = "Merge fits of one person into one head."
PERCENT = 100.0


@dataclass(frozen=True)
class MergeCommand:
    """Merge finished fits of several photos of one person into one head.

    The shape is what all photos say together, each as far as it is sure. The texture takes every
    part from the photo that shows it best; colours are matched first, and what no photo shows is
    filled in. The folder is like that of a fit, without expression and pose.
    """

    fits: Annotated[
        tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FIT_DIR...")
    ] = ()
    """Folders that `flame-fit fit` wrote, two or more, one for each photo."""
    out: Path = Path("outputs/merged")
    """Folder of the merged head."""
    model: str | None = None
    """Head model, a name or a path; the one that the fits name if not given."""
    texture_model: str | None = None
    """Texture space for what no photo shows; the one that the fits name if not given."""
    verbose: bool = False
    """Show the library's log and the traceback of unexpected errors."""


def run(arguments: Sequence[str], *, errors: Console) -> int:
    """Run `flame-fit merge` and return its exit code."""
    command = parse_arguments(MergeCommand, arguments, name="merge", default=MergeCommand())
    if not command.fits:
        raise UsageError(f"no fit given; see {PROGRAM} merge --help")
    out = command.out.resolve()
    if any(folder.resolve() == out for folder in command.fits):
        raise UsageError(f"--out {command.out} is one of the fits; choose another folder")
    start_logging(errors, verbose=command.verbose)
    require_writable(command.out.parent)
    from flame_fit.export.merged import write_merged
    from flame_fit.pipeline.merge_fits import MergePlan, merge_fits

    head = merge_fits(MergePlan(command.fits, command.model, command.texture_model))
    _print_report(write_merged(head, command.out), command.out)
    return EXIT_OK


def _print_report(report: MergeReport, out: Path) -> None:
    """Print what each photo gave."""
    console = Console(markup=False, highlight=False, soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("fit", overflow="fold")
    for heading in ("shows", "gives", "sharpness", "brightness"):
        table.add_column(heading, justify="right")
    for source in report.sources:
        table.add_row(
            Path(source.folder).name,
            f"{PERCENT * source.coverage:.0f} %",
            f"{PERCENT * source.share:.0f} %",
            f"{source.sharpness:.2f}",
            f"x{source.scale[0]:.2f} {source.shift[0]:+.3f}",
        )
    console.print(table)
    for warning in report.warnings:
        console.print(warning)
    console.print(
        f"{out}: {report.status}, {PERCENT * report.coverage:.0f} % of the face seen in "
        f"{len(report.sources)} photos, {report.model.name}, {report.texture_size} texels"
    )
