"""`flame-fit texture-space train-decoder`: a nonlinear texture space of one's own maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console

from flame_fit.cli.console import progress_bar, step_bar
from flame_fit.cli.exit_codes import EXIT_OK
from flame_fit.cli.parsing import parse_arguments
from flame_fit.cli.texture_space_layouts import check_out
from flame_fit.errors import UsageError

if TYPE_CHECKING:
    from flame_fit.texture.decoder_training import DecoderRecipe

SUMMARY = "Train a small texture decoder on texture maps."
NAME = "texture-space train-decoder"
SUFFIX = ".safetensors"
CHANNELS_AT_FULL_SIZE = 64
MAPPING_LAYERS = 4


@dataclass(frozen=True)
class TrainDecoderCommand:
    """Train a StyleGAN2 generator, with a code for each map, on maps with unseen texels.

    Maps are the texture.png of finished fits, with texture_confidence.png beside them, or square
    pictures on one chart. Draw from the result with `flame-fit texture-space sample`.
    """

    source: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="DIR")] = ()
    """Folder of finished fits, or of square pictures."""
    out: Path | None = None
    """The .safetensors file to write."""
    size: int = 256
    """Texels along each side, a power of two from 8."""
    latent: int = 64
    """Numbers of a code."""
    channels: int = 128
    """Most channels of a layer."""
    steps: int = 20_000
    """Batches."""
    batch: int = 8
    """Maps in a batch."""
    rate: float = 2e-3
    """Learning rate."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:1."""
    seed: int = 0
    """Start of the random numbers."""


def run(arguments: Sequence[str], *, errors: Console) -> int:
    """Run `flame-fit texture-space train-decoder` and return its exit code."""
    command = parse_arguments(
        TrainDecoderCommand, arguments, name=NAME, default=TrainDecoderCommand()
    )
    if len(command.source) != 1:
        raise UsageError(f"{len(command.source)} folders were given; give one")
    out = check_out(command.out, (SUFFIX,))
    import torch
    from safetensors.torch import save

    from flame_fit.asset_files import write_atomically
    from flame_fit.config import resolve_device
    from flame_fit.texture.decoder_maps import find_texture_maps, read_texture_maps
    from flame_fit.texture.decoder_training import TrainingMaps, train_decoder

    recipe = _recipe(command)
    device = resolve_device(command.device)
    paths = find_texture_maps(command.source[0])
    maps = read_texture_maps(paths, size=command.size)
    torch.manual_seed(command.seed)
    with progress_bar(errors) as progress:
        done = train_decoder(
            TrainingMaps(maps.srgb.to(device), maps.seen.to(device)),
            recipe,
            generator=torch.Generator().manual_seed(command.seed),
            on_step=step_bar(progress, total=command.steps),
        )
    state = {name: value.cpu().contiguous() for name, value in done.generator.state_dict().items()}
    write_atomically(out, save(state))
    Console(markup=False, highlight=False, soft_wrap=True).print(
        f"{out}: {len(paths)} maps at {command.size} texels, {command.steps} steps; mean error on "
        f"what was seen {done.mean_error:.4f} (sRGB, 0 to 1)"
    )
    return EXIT_OK


def _recipe(command: TrainDecoderCommand) -> DecoderRecipe:
    from flame_fit.priors.texture_decoder import GeneratorLayout
    from flame_fit.texture.decoder_training import DecoderRecipe

    layout = GeneratorLayout(
        side=command.size,
        latent=command.latent,
        channel_base=CHANNELS_AT_FULL_SIZE * command.size,
        most_channels=command.channels,
        mapping_layers=MAPPING_LAYERS,
    )
    return DecoderRecipe(
        layout=layout,
        steps=command.steps,
        batch=command.batch,
        rate=command.rate,
        code_rate=10.0 * command.rate,
    )
