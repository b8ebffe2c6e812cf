"""Tables as data: printed on a terminal, written as Markdown and kept in JSON."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table as RichTable

MISSING = "-"
LEAST_FOR_WHOLE = 100.0


@dataclass(frozen=True)
class Table:
    """Rows of text under headings.

    Attributes:
        title: What the table shows.
        headings: One for each column; the first column is a name, the others are numbers.
        rows: Cells.
        note: What a reader must know to read the numbers.
    """

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def __post_init__(self) -> None:
        """Refuse rows of another width."""
        for row in self.rows:
            if len(row) != len(self.headings):
                raise ValueError(
                    f"{self.title}: a row has {len(row)} cells under {len(self.headings)} headings"
                )


@dataclass(frozen=True)
class Spread:
    """Smallest, middle and largest of some measurements."""

    minimum: float
    median: float
    maximum: float

    @staticmethod
    def of(values: Sequence[float]) -> Spread:
        """Return the spread of values; NaN where there is none."""
        if not values:
            return Spread(math.nan, math.nan, math.nan)
        return Spread(min(values), statistics.median(values), max(values))


def number(value: float, digits: int = 2) -> str:
    """Return a number as a cell; what is not finite shows as missing."""
    return f"{value:.{digits}f}" if math.isfinite(value) else MISSING


def ratio(value: float) -> str:
    """Return how many times something is larger: 1.4x, 23x."""
    if not math.isfinite(value):
        return MISSING
    return f"{value:,.0f}x" if value >= LEAST_FOR_WHOLE else f"{value:.1f}x"


def percent(share: float) -> str:
    """Return a share as a percentage."""
    return f"{100.0 * share:.0f} %" if math.isfinite(share) else MISSING


def markdown(tables: Sequence[Table]) -> str:
    """Return tables as Markdown, their notes below them."""
    parts = []
    for table in tables:
        lines = [f"### {table.title}", ""]
        lines.append("| " + " | ".join(map(_escaped, table.headings)) + " |")
        lines.append("|---|" + "---:|" * (len(table.headings) - 1))
        lines += ["| " + " | ".join(map(_escaped, row)) + " |" for row in table.rows]
        if table.note:
            lines += ["", table.note]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def show(console: Console, table: Table) -> None:
    """Print a table on a terminal."""
    grid = RichTable(title=table.title, title_justify="left", box=None, header_style="bold")
    for index, heading in enumerate(table.headings):
        grid.add_column(heading, justify="right" if index else "left", no_wrap=not index)
    for row in table.rows:
        grid.add_row(*row)
    console.print(grid)
    if table.note:
        console.print(table.note, style="dim", soft_wrap=True)
    console.print()


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|")
