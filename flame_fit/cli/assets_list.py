"""`flame-fit assets list`: what there is and what each is for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from flame_fit.cli.exit_codes import EXIT_OK
from flame_fit.cli.parsing import parse_arguments

if TYPE_CHECKING:
    from flame_fit.head_models import ListedAsset

SUMMARY = "Show what is installed, what it is for and under which terms."
DIGEST_SHOWN = 12
MEGABYTE = 1e6
COLUMNS = ("name", "kind", "for", "licence", "size", "sha256")


@dataclass(frozen=True)
class ListCommand:
    """Show head models, companion files and textures."""

    licences: bool = False
    """Show licences, citations and origins in full below the table."""


def run(arguments: Sequence[str], *, errors: Console) -> int:
    """Run `flame-fit assets list` and return its exit code."""
    command = parse_arguments(ListCommand, arguments, name="assets list", default=ListCommand())
    del errors
    from flame_fit.head_models import list_assets

    assets = list_assets()
    console = Console(markup=False, highlight=False)
    for folder in dict.fromkeys(asset.folder for asset in assets):
        console.print(f"in {folder}:", soft_wrap=True)
        console.print(_table([asset for asset in assets if asset.folder == folder]))
        console.print()
    for asset in assets if command.licences else ():
        console.print(f"{asset.name}: {asset.title}", soft_wrap=True)
        for label, text in _origin(asset):
            console.print(f"  {label}: {text}", soft_wrap=True)
    return EXIT_OK


def _table(assets: Sequence[ListedAsset]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in COLUMNS:
        whole = column in ("name", "sha256")
        right = column == "size"
        table.add_column(column, no_wrap=whole, justify="right" if right else "left")
    for asset in assets:
        table.add_row(
            asset.name,
            asset.kind,
            asset.purpose,
            asset.terms,
            f"{asset.size_bytes / MEGABYTE:.1f} MB",
            asset.sha256[:DIGEST_SHOWN],
        )
    return table


def _origin(asset: ListedAsset) -> tuple[tuple[str, str], ...]:
    """Return what is known of an asset's origin, with labels."""
    lines = (("licence", asset.licence), ("cite", asset.citation), ("from", asset.url))
    return tuple((label, text) for label, text in lines if text)
