"""`flame-fit texture-space show`: a picture of what a texture space can do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from flame_fit.cli.exit_codes import EXIT_OK
from flame_fit.cli.parsing import parse_arguments
from flame_fit.cli.texture_space_layouts import PICTURE_SUFFIX, check_out, check_source
from flame_fit.errors import UsageError

SUMMARY = "Draw the mean and the components of a texture space, as maps and on a head."
NAME = "texture-space show"


@dataclass(frozen=True)
class ShowCommand:
    """Draw a sheet: a row for the mean, then one for each component, down and up."""

    source: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="SPACE")] = ()
    """A texture space (.npz or an asset's name) or a texture picture; by default OpenHead's."""
    model: str = "open_head"
    """Head model to show it on: a name or a path."""
    out: Path | None = None
    """The .png file to write."""
    components: int = 6
    """Components to show, the first ones."""
    deviations: float = 2.0
    """Standard deviations down and up."""
    panel: int = 208
    """Pixels along each side of a part of the sheet."""


def run(arguments: Sequence[str], *, errors: Console) -> int:
    """Run `flame-fit texture-space show` and return its exit code."""
    del errors
    command = parse_arguments(ShowCommand, arguments, name=NAME, default=ShowCommand())
    out = check_out(command.out, (PICTURE_SUFFIX,))
    if len(command.source) > 1:
        raise UsageError(f"{len(command.source)} texture spaces were given; give one")
    for source in command.source:
        check_source(source)
    if command.components < 0 or command.panel < 1:
        raise UsageError("--components must be 0 or more and --panel 1 or more")
    from flame_fit.head_models import load_head_model, load_head_texture
    from flame_fit.head_models.textures import DEFAULT_TEXTURE
    from flame_fit.image_files import save_png
    from flame_fit.texture.space_sheet import texture_space_sheet

    assets = load_head_model(command.model)
    name = command.source[0] if command.source else DEFAULT_TEXTURE
    space = load_head_texture(name, assets)
    save_png(
        out,
        texture_space_sheet(
            space,
            assets,
            components=command.components,
            deviations=command.deviations,
            panel=command.panel,
        ),
    )
    Console(markup=False, highlight=False, soft_wrap=True).print(
        f"{out}: {name} on {assets.name}, {min(command.components, space.scale.shape[0])} of "
        f"{space.scale.shape[0]} components"
    )
    return EXIT_OK
