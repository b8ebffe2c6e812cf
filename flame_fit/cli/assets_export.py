"""`flame-fit assets export`: a head model as a file for other FLAME code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console

from flame_fit.cli.exit_codes import EXIT_OK
from flame_fit.cli.parsing import parse_arguments
from flame_fit.errors import UsageError

SUMMARY = "Write a head model in the layout of FLAME's pickle or SMPL-X's npz."


@dataclass(frozen=True)
class ExportCommand:
    """Write a head model, OpenHead too, as a file that other FLAME code reads."""

    model: Annotated[str, tyro.conf.Positional] = "open_head"
    """Name of an installed model, or the path of a model file."""
    layout: Literal["flame-pickle", "smplx-npz"] = "flame-pickle"
    """As FLAME 2017 to 2023 are released, or plain arrays as SMPL-X has them."""
    out: Path | None = None
    """The file to write."""


def run(arguments: Sequence[str], *, errors: Console) -> int:
    """Run `flame-fit assets export` and return its exit code."""
    command = parse_arguments(
        ExportCommand, arguments, name="assets export", default=ExportCommand()
    )
    del errors
    suffix = ".pkl" if command.layout == "flame-pickle" else ".npz"
    if command.out is None or command.out.suffix != suffix:
        raise UsageError(
            f"--out {command.out or ''} is no {suffix} file, which layout {command.layout} is; "
            f"give --out FILE{suffix}"
        )
    from flame_fit.asset_files import write_atomically
    from flame_fit.head_models import load_head_model
    from flame_fit.head_models.release_layouts import release_bytes

    assets = load_head_model(command.model)
    write_atomically(command.out, release_bytes(assets, layout=command.layout))
    console = Console(markup=False, highlight=False, soft_wrap=True)
    console.print(f"{command.out}: {assets.name} in the layout {command.layout}")
    console.print(f"  licence: {assets.licence}")
    return EXIT_OK
