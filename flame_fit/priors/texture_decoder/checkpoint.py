"""Files of texture generators: FFHQ-UV's `texgan_*.pth` and this library's own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from flame_fit.errors import AssetError, UsageError
from flame_fit.priors.dense_networks.key_report import require_fitting
from flame_fit.priors.dense_networks.weight_files import read_weights
from flame_fit.priors.texture_decoder.generator import (
    FIRST_SIDE,
    GeneratorLayout,
    TextureGenerator,
)

DecoderVariant = Literal["whole", "face_crop"]
FACE_CROP_MARK = "cropface"
"""In the name of FFHQ-UV's file whose pictures are the middle of the layout."""
_LABEL = "StyleGAN2 generator"
_FIRST_WEIGHT = "synthesis.b4.const"
_MAPPING_WEIGHT = re.compile(r"mapping\.fc(0|[1-9]\d{0,2})\.weight", re.ASCII)
_BLOCK_WEIGHT = re.compile(r"synthesis\.b([1-9]\d{0,4})\.torgb\.weight", re.ASCII)


@dataclass(frozen=True, eq=False)
class LoadedGenerator:
    """A texture generator out of a file.

    Attributes:
        generator: In evaluation mode; its weights take no gradients.
        variant: Whether its pictures are whole textures or the face alone.
    """

    generator: TextureGenerator
    variant: DecoderVariant


def load_texture_generator(
    path: Path,
    *,
    variant: DecoderVariant | None = None,
    device: torch.device | str = "cpu",
) -> LoadedGenerator:
    """Read a generator's state dict; its size is told by the shapes in it.

    Args:
        path: A state dict as `torch.save` writes it, or safetensors.
        variant: What its pictures show; by default told by the file's name, as FFHQ-UV's are.
        device: Where it shall run.

    Raises:
        WrongWeightsError: Some weight is missing, unexpected or of another shape.
        AssetError: Missing, damaged, or another network.
    """
    tensors = read_weights(path)
    layout = _layout(path, tensors)
    with torch.device("meta"):
        generator = TextureGenerator(layout)
    expected = {name: tuple(value.shape) for name, value in generator.state_dict().items()}
    require_fitting(path, _LABEL, expected, tensors)
    generator.load_state_dict(tensors, assign=True)
    generator = generator.eval().requires_grad_(requires_grad=False).to(device)
    named: DecoderVariant = "face_crop" if FACE_CROP_MARK in path.name else "whole"
    return LoadedGenerator(generator, named if variant is None else variant)


def _layout(path: Path, tensors: Mapping[str, Tensor]) -> GeneratorLayout:
    """Return the size of the generator that weights are of."""
    const = tensors.get(_FIRST_WEIGHT)
    mapping = [int(found[1]) for name in tensors if (found := _MAPPING_WEIGHT.fullmatch(name))]
    sides = [int(found[1]) for name in tensors if (found := _BLOCK_WEIGHT.fullmatch(name))]
    if const is None or const.ndim != 3 or not mapping or max(sides, default=0) <= FIRST_SIDE:  # noqa: PLR2004
        raise AssetError(
            f"{path} is no {_LABEL}, which has weights '{_FIRST_WEIGHT}' and 'mapping.fc0.weight'; "
            "give the state dict of one, such as FFHQ-UV's texgan_ffhq_uv.pth"
        )
    side = max(sides)
    last = tensors[f"synthesis.b{side}.torgb.weight"]
    first = tensors.get("mapping.fc0.weight", tensors[f"mapping.fc{min(mapping)}.weight"])
    try:
        return GeneratorLayout(
            side=side,
            latent=first.shape[0] if first.ndim else 0,
            channel_base=side * (last.shape[1] if last.ndim > 1 else 0),
            most_channels=const.shape[0],
            mapping_layers=len(mapping),
        )
    except UsageError as error:
        raise AssetError(f"{path} is no {_LABEL}: {error}") from error
