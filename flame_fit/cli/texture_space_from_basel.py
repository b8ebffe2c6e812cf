"""`flame-fit texture-space from-basel`: the colours of a Basel Face Model for a head model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from flame_fit.cli.exit_codes import EXIT_OK
from flame_fit.cli.parsing import PROGRAM, parse_arguments
from flame_fit.errors import UsageError

SUMMARY = "Carry the colours of a Basel Face Model to a head model."
DEFAULT_SIZE, DEFAULT_COMPONENTS = 512, 100
PERCENT = 100.0


@dataclass(frozen=True)
class FromBaselCommand:
    """Carry the mean colour and the colour components of a Basel Face Model to a head model."""

    source: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FILE")] = ()
    """01_MorphableModel.mat (2009) or a .h5 file of 2017 or 2019; nothing in it is ever run."""
    model: str = "open_head"
    """Head model to make the texture space for: a name or a path."""
    out: Path | None = None
    """The .npz file to write, in the layout of FLAME's texture space."""
    size: int = DEFAULT_SIZE
    """Texels along each side."""
    components: int = DEFAULT_COMPONENTS
    """Most colour components to keep; each takes 3 MB at 512 texels."""
    detector: str | None = None
    """Detector for the landmarks of the mean face; by default the points that the file names are
    used, and the detector auto where it names none, as in 2009."""


def run(arguments: Sequence[str], *, errors: Console) -> int:
    """Run `flame-fit texture-space from-basel` and return its exit code."""
    command = parse_arguments(
        FromBaselCommand, arguments, name="texture-space from-basel", default=FromBaselCommand()
    )
    return from_basel(command, errors=errors)


def from_basel(command: FromBaselCommand, *, errors: Console) -> int:
    """Make a texture space out of a Basel Face Model and say how well they came together."""
    if len(command.source) != 1:
        raise UsageError(f"{len(command.source)} files were given; give one Basel Face Model")
    if command.out is None or command.out.suffix != ".npz":
        raise UsageError(f"--out {command.out or ''} is no .npz file; give --out FILE.npz")
    if command.size < 1 or command.components < 0:
        raise UsageError("--size must be 1 or more and --components 0 or more")
    from flame_fit.asset_files import write_atomically
    from flame_fit.head_models import load_head_model, load_head_texture
    from flame_fit.head_models.basel import basel_texture_space, texture_space_bytes
    from flame_fit.head_models.textures import DEFAULT_TEXTURE

    assets = load_head_model(command.model)
    errors.print(f"{PROGRAM}: laying {assets.name} over the Basel model; this takes a minute")
    made = basel_texture_space(
        command.source[0],
        assets,
        size=command.size,
        most_components=command.components,
        detector=command.detector,
        backdrop=load_head_texture(DEFAULT_TEXTURE, assets, component_count=0).mean,
    )
    write_atomically(command.out, texture_space_bytes(made.space))
    console = Console(markup=False, highlight=False, soft_wrap=True)
    console.print(
        f"{command.out}: {made.kind} on {assets.name}, {made.space.scale.shape[0]} components at "
        f"{command.size} texels"
    )
    console.print(
        f"  landmarks: {made.landmark_source}; {PERCENT * float(made.seen.float().mean()):.0f} % "
        f"of the texels seen, {made.distance_mm:.2f} mm from it on average; eyes and mouth are "
        f"those of {DEFAULT_TEXTURE}"
    )
    return EXIT_OK
