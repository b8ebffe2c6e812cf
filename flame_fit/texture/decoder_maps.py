"""Texture maps in files, with what was seen of them, to train a decoder on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from flame_fit.appearance import linear_to_srgb, srgb_to_linear
from flame_fit.appearance.texture_files import PICTURE_SUFFIXES
from flame_fit.errors import InputError
from flame_fit.image_files import load_image
from flame_fit.texture.decoder_training import TrainingMaps
from flame_fit.texture.layout_transfer import at_size

CONFIDENCE = "_confidence"
"""What the name of a map of confidences ends in, as in the folder of a fit."""
_OTHERS = (CONFIDENCE, "_mask")
BYTE_RANGE = 255.0


def find_texture_maps(folder: Path) -> tuple[Path, ...]:
    """Return the texture maps in a folder: all `texture.png` below it, else its own pictures.

    Raises:
        InputError: It has none.
    """
    found = sorted(folder.rglob("texture.png"))
    if not found and folder.is_dir():
        pictures = (path for path in folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES)
        found = sorted(path for path in pictures if not path.stem.endswith(_OTHERS))
    if not found:
        raise InputError(
            f"{folder} holds no texture maps; give a folder of finished fits or of square pictures"
        )
    return tuple(found)


def read_texture_maps(paths: Sequence[Path], *, size: int) -> TrainingMaps:
    """Read maps at one size, averaged in linear light, and the confidence beside each.

    Args:
        paths: Square pictures; `NAME_confidence.png` beside one says what was seen, without it
            all was.
        size: Texels along each side.

    Raises:
        InputError: A picture cannot be read or is not square.
    """
    srgb, seen = [], []
    for path in paths:
        linear = srgb_to_linear(_square(path))
        sure = path.with_name(f"{path.stem}{CONFIDENCE}.png")
        share = _square(sure)[..., :1] if sure.is_file() else torch.ones_like(linear[..., :1])
        if share.shape[0] != linear.shape[0]:
            share = at_size(share, linear.shape[0])
        weight = at_size(share, size)
        colours = at_size(linear * share, size) / weight.clamp_min(1e-6)
        srgb.append(linear_to_srgb(colours.clamp(0.0, 1.0)))
        seen.append(weight[..., 0].clamp(0.0, 1.0))
    return TrainingMaps(torch.stack(srgb), torch.stack(seen))


def _square(path: Path) -> torch.Tensor:
    pixels = load_image(path).srgb
    if pixels.shape[0] != pixels.shape[1]:
        raise InputError(
            f"{path} is {pixels.shape[1]} x {pixels.shape[0]} pixels; a texture map is square"
        )
    return torch.from_numpy(pixels.astype(np.float32) / BYTE_RANGE)
