"""`flame-fit params`: fitted parameters to and from other tools."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console

from flame_fit.cli.exit_codes import EXIT_OK, EXIT_USAGE
from flame_fit.cli.parsing import PROGRAM, parse_arguments
from flame_fit.errors import UsageError

SUMMARY = "Convert fitted parameters to and from other tools."
ACTIONS = {"convert": "Convert a file of parameters from one tool's layout to another's."}

LayoutName = Literal["flame-fit", "seed", "vhap", "flame-head-tracker", "deca", "mica"]


@dataclass(frozen=True)
class ConvertCommand:
    """Convert a file of parameters; the vertices stay where they are.

    Layouts: flame-fit (this program's params.npz), seed (photometric_optimization's .npy), vhap
    (its tracked_flame_params .npz), flame-head-tracker (.npz), deca (.mat), mica (identity.npy).
    """

    source: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="IN")] = ()
    """The file to convert; nothing in it is ever run."""
    to: LayoutName = "flame-fit"
    """Layout to write."""
    out: Path | None = None
    """The file to write."""
    layout: LayoutName | None = None
    """Layout of IN; told by its content if not given."""
    model: str = "open_head"
    """Head model that the parameters belong to: a name or a path."""
    image_size: tuple[int, int] | None = None
    """Width and height of the image that IN's camera belongs to, where IN does not say."""
    frame: int = 0
    """Which picture of IN, counted from 0, where it has several."""


def run(arguments: Sequence[str], *, errors: Console) -> int:
    """Run `flame-fit params ACTION` and return its exit code."""
    if not arguments or arguments[0] in ("-h", "--help"):
        _print_usage()
        return EXIT_OK if arguments else EXIT_USAGE
    if arguments[0] not in ACTIONS:
        raise UsageError(f"action {arguments[0]!r} is unknown; give one of: {', '.join(ACTIONS)}")
    command = parse_arguments(
        ConvertCommand, arguments[1:], name="params convert", default=ConvertCommand()
    )
    return convert(command, errors=errors)


def convert(command: ConvertCommand, *, errors: Console) -> int:
    """Convert one file and say what the target's layout cannot hold."""
    if len(command.source) != 1:
        raise UsageError(f"{len(command.source)} files were given; give one to convert")
    from flame_fit.asset_files import write_atomically
    from flame_fit.export.foreign import layout_suffix, load_params, save_params
    from flame_fit.head_models import load_head_model

    suffix = layout_suffix(command.to)
    if command.out is None or command.out.suffix != suffix:
        raise UsageError(
            f"--out {command.out or ''} is no {suffix} file, which layout {command.to} is; "
            f"give --out FILE{suffix}"
        )
    assets = load_head_model(command.model)
    imported = load_params(
        command.source[0],
        assets=assets,
        layout=command.layout,
        image_size=command.image_size,
        frame=command.frame,
    )
    exported = save_params(imported.params, assets=assets, layout=command.to)
    write_atomically(command.out, exported.data)
    console = Console(markup=False, highlight=False, soft_wrap=True)
    console.print(
        f"{command.out}: {command.source[0]} from {imported.layout} to {command.to}, "
        f"model {assets.name}"
    )
    for note in dict.fromkeys((*imported.notes, *exported.notes)):
        errors.print(f"{PROGRAM}: {note}")
    return EXIT_OK


def _print_usage() -> None:
    print(f"usage: {PROGRAM} params ACTION ...\n")
    for action, summary in ACTIONS.items():
        print(f"  {action:<9}{summary}")
