"""`flame-fit texture-space convert`: textures from one UV layout to another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console

from flame_fit.cli.exit_codes import EXIT_OK
from flame_fit.cli.parsing import parse_arguments
from flame_fit.cli.texture_space_layouts import (
    DEFAULT_DETECTOR,
    PICTURE_SUFFIX,
    SPACE_SUFFIX,
    LayoutNames,
    check_out,
    check_size,
    check_source,
    open_layout,
    own_backdrop,
    space_bytes,
)
from flame_fit.errors import UsageError

if TYPE_CHECKING:
    import torch
    from jaxtyping import Float

    from flame_fit.appearance import TextureSpace
    from flame_fit.head_models.layouts import HeadLayout

SUMMARY = "Carry a texture or a texture space to another UV layout."
NAME = "texture-space convert"
PERCENT = 100.0


@dataclass(frozen=True)
class ConvertCommand:
    """Carry a texture or a whole texture space from one head's UV layout to another's.

    Layouts are those of head models (open_head, an installed FLAME, a model file) and those of any
    head in an OBJ file with texture coordinates. The layout `hifi3dpp` is that of the OBJ file
    that --head names, as FFHQ-UV writes them. OpenHead is laid over each head once; the result is
    kept.
    """

    source: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="SPACE")] = ()
    """A texture space (.npz or an asset's name) or a square texture picture."""
    origin: Annotated[str, tyro.conf.arg(name="from")] = "open_head"
    """Layout it is drawn in: a head model, hifi3dpp, or an OBJ file."""
    to: str = "open_head"
    """Layout to draw it in: a head model, hifi3dpp, or an OBJ file."""
    head: Path | None = None
    """OBJ file with the mesh and the texture coordinates of hifi3dpp."""
    head_texture: Path | None = None
    """Texture picture of the OBJ file to find its face by; by default what is converted from it,
    or OpenHead's colours on it."""
    backdrop: Path | None = None
    """Texture picture in the new layout that shows eyeballs and mouth where the old one has none;
    by default a head model's own."""
    out: Path | None = None
    """File to write: .npz for a space, .png (16 bits a colour) for a single texture."""
    size: int | None = None
    """Texels along each side; as many as the source has by default."""
    components: int | None = None
    """Components to keep, the first ones; all by default."""
    detector: str = DEFAULT_DETECTOR
    """Detector that looks for the face on an OBJ file."""


def run(arguments: Sequence[str], *, errors: Console) -> int:
    """Run `flame-fit texture-space convert` and return its exit code."""
    command = parse_arguments(ConvertCommand, arguments, name=NAME, default=ConvertCommand())
    if len(command.source) != 1:
        raise UsageError(f"{len(command.source)} textures were given; give one")
    out = check_out(command.out, (SPACE_SUFFIX, PICTURE_SUFFIX))
    check_source(command.source[0])
    check_size(command.size)
    if command.origin == command.to:
        raise UsageError(
            f"--from and --to are both {command.to}; give the layout the texture is in and another"
        )
    names = [
        LayoutNames(option, name, command.head, command.detector)
        for option, name in (("--from", command.origin), ("--to", command.to))
    ]
    meshes = [part.mesh for part in names]
    if command.head is not None and command.head not in meshes:
        raise UsageError("--head names the mesh of hifi3dpp; give --from or --to hifi3dpp too")
    if meshes == [None, None] and (
        command.head_texture is not None or command.detector != DEFAULT_DETECTOR
    ):
        raise UsageError(
            "--head-texture and --detector are for OBJ files, and both layouts are of head models; "
            "leave them out"
        )
    return _convert(command, names[0], names[1], out, errors)


def _convert(
    command: ConvertCommand, origin: LayoutNames, target: LayoutNames, out: Path, errors: Console
) -> int:
    from flame_fit.appearance import srgb_to_linear
    from flame_fit.asset_files import write_atomically
    from flame_fit.head_models.layout_textures import convert_texture_space

    looked = _picture(command.head_texture)
    start = _start(command, origin, looked, errors)
    # A texture of the old head says nothing about the face on the new one.
    of_target = None if looked is None or origin.mesh is not None else srgb_to_linear(looked)
    goal = open_layout(target, picture=of_target, errors=errors)
    backdrop = _picture(command.backdrop)
    done = convert_texture_space(
        start.space,
        start.layout,
        goal.layout,
        size=command.size,
        backdrop=own_backdrop(goal.assets) if backdrop is None else backdrop,
    )
    write_atomically(out, space_bytes(done.space, out))
    share = PERCENT * float(done.valid.float().mean())
    Console(markup=False, highlight=False, soft_wrap=True).print(
        f"{out}: {start.layout.name} on {goal.layout.name}, {done.space.scale.shape[0]} "
        f"components at {done.space.mean.shape[0]} texels, {share:.0f} % of them seen"
    )
    return EXIT_OK


@dataclass(frozen=True, eq=False)
class _Start:
    """What is converted and the layout it is in."""

    layout: HeadLayout
    space: TextureSpace


def _start(
    command: ConvertCommand,
    origin: LayoutNames,
    looked: Float[torch.Tensor, "U U 3"] | None,
    errors: Console,
) -> _Start:
    """Read the texture; the face of a mesh is found by it if by nothing else."""
    from flame_fit.appearance import load_texture_space, srgb_to_linear
    from flame_fit.head_models import load_head_texture

    source, count = command.source[0], command.components
    if origin.mesh is not None:
        space = load_texture_space(source, component_count=count)
        picture = srgb_to_linear(space.mean if looked is None else looked)
        return _Start(open_layout(origin, picture=picture, errors=errors).layout, space)
    named = open_layout(origin, picture=None, errors=errors)
    if named.assets is None:
        raise UsageError(f"--from {origin.name} is no head model; give a model or an OBJ file")
    return _Start(named.layout, load_head_texture(source, named.assets, component_count=count))


def _picture(path: Path | None) -> Float[torch.Tensor, "U U 3"] | None:
    """Return the sRGB map of a file."""
    from flame_fit.appearance import load_texture_space

    return None if path is None else load_texture_space(path, component_count=0).mean
