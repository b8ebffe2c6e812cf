"""`flame-fit texture-space train-inpainting`: a network that fills in one's own kind of texture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console

from flame_fit.cli.console import progress_bar, step_bar
from flame_fit.cli.exit_codes import EXIT_OK
from flame_fit.cli.parsing import PROGRAM, parse_arguments
from flame_fit.cli.texture_space_layouts import check_out
from flame_fit.errors import InputError, UsageError

if TYPE_CHECKING:
    from jaxtyping import Float16
    from torch import Tensor

    from flame_fit.flame import FlameAssets

SUMMARY = "Train the network that completes textures on texture maps."
NAME = "texture-space train-inpainting"
SUFFIX, PREFIX = ".safetensors", "texture_inpainting"
SIZES = range(32, 512 + 1, 8)


@dataclass(frozen=True)
class TrainInpaintingCommand:
    """Train the network that fills in what a photo does not show, on texture maps of one model.

    Maps are the texture.png of finished fits, with texture_confidence.png beside them, or square
    pictures on the model's chart. Strokes of a brush and what other photos do not show are hidden;
    only texels that the maps do show are learnt from.
    """

    source: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="DIR")] = ()
    """Folder of finished fits, or of square pictures."""
    out: Path | None = None
    """The texture_inpainting*.safetensors file to write; fits use it from an asset folder."""
    model: str = "open_head"
    """Head model of the maps, a name or a path."""
    texture_model: str = "open_head_texture"
    """Texture space whose likeliest texture is what the network starts from."""
    size: int = 64
    """Texels along each side of what the network sees, a multiple of 8."""
    variants: int = 4
    """How often each map is used with other texels hidden."""
    steps: int = 1600
    """Batches."""
    batch: int = 8
    """Samples in a batch."""
    rate: float = 2e-3
    """Highest learning rate."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:1."""
    seed: int = 0
    """Start of the random numbers."""


def run(arguments: Sequence[str], *, errors: Console) -> int:
    """Run `flame-fit texture-space train-inpainting` and return its exit code."""
    default = TrainInpaintingCommand()
    command = parse_arguments(TrainInpaintingCommand, arguments, name=NAME, default=default)
    _check(command)
    out = check_out(command.out, (SUFFIX,))
    if not out.name.startswith(PREFIX):
        raise UsageError(f"--out {out} would not be found by fits; call it {PREFIX}*{SUFFIX}")
    import torch

    from flame_fit.config import resolve_device
    from flame_fit.head_models import load_head_model
    from flame_fit.priors.texture_inpainting import write_inpainting_network
    from flame_fit.texture.decoder_maps import find_texture_maps
    from flame_fit.texture.inpainter import chart_grid
    from flame_fit.texture.inpainting_training import InpaintingRecipe, train_inpainting
    from flame_fit.texture.texel_geometry import chart_of

    recipe = InpaintingRecipe(command.steps, command.batch, command.rate)
    device = resolve_device(command.device)
    assets = load_head_model(command.model)
    paths = find_texture_maps(command.source[0])
    with progress_bar(errors) as progress:
        show = step_bar(progress, total=command.steps, first="hiding")
        samples = _samples(command, paths, assets)

        torch.manual_seed(command.seed)
        network = train_inpainting(
            samples.to(device),
            chart_grid(assets.to(device=device), command.size),
            recipe,
            generator=torch.Generator().manual_seed(command.seed),
            half_precision=device.type == "cuda",
            on_step=show,
        )
    write_inpainting_network(out, network.cpu(), chart_of(assets))
    Console(markup=False, highlight=False, soft_wrap=True).print(
        f"{out}: {len(samples)} samples of {len(paths)} maps, {command.steps} steps; put it into "
        f"an asset folder ({PROGRAM} assets list) and fits with {assets.name} use it"
    )
    return EXIT_OK


def _check(command: TrainInpaintingCommand) -> None:
    if len(command.source) != 1:
        raise UsageError(f"{len(command.source)} folders were given; give one")
    if command.size not in SIZES:
        raise UsageError(
            f"--size is {command.size}; give a multiple of {SIZES.step} from {SIZES[0]} to "
            f"{SIZES[-1]}"
        )
    if command.variants < 1:
        raise UsageError(f"--variants is {command.variants}; give 1 or more")


def _samples(
    command: TrainInpaintingCommand, paths: Sequence[Path], assets: FlameAssets
) -> Float16[Tensor, "n N 14"]:
    import torch

    from flame_fit.head_models import load_head_texture
    from flame_fit.texture import texture_layout
    from flame_fit.texture.decoder_maps import read_texture_maps
    from flame_fit.texture.inpainting_samples import hidden_samples

    samples = hidden_samples(
        read_texture_maps(paths, size=command.size),
        load_head_texture(command.texture_model, assets),
        assets,
        layout=texture_layout(assets, command.size),
        variants=command.variants,
        generator=torch.Generator().manual_seed(command.seed),
    )
    if len(samples) == 0:
        raise InputError(
            f"{command.source[0]}: the {len(paths)} maps show too little to learn from; give more"
        )
    return samples
