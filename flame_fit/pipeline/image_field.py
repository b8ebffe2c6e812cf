"""Reading images between pixel centres, with the exact derivative of what is read."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class FieldValues:
    """Bilinear values of images at pixels.

    Attributes:
        values: What was read.
        gradient: Its derivative by the pixel (x, y).
    """

    values: Float[Tensor, "b n C"]
    gradient: Float[Tensor, "b n C 2"]


def read_field(image: Float[Tensor, "b H W C"], pixels: Float[Tensor, "b n 2"]) -> FieldValues:
    """Read images at pixels, of which (0.5, 0.5) is the centre of the first.

    Beyond the outermost centres the border value continues, with no gradient across it.
    """
    batch, height, width, channels = image.shape
    limit = pixels.new_tensor([width - 1.0, height - 1.0])
    place = pixels - 0.5
    inside = ((place >= 0.0) & (place <= limit)).to(pixels.dtype)
    place = torch.minimum(place.clamp_min(0.0), limit)
    first = torch.minimum(place.detach().floor(), (limit - 1.0).clamp_min(0.0))
    share = place - first
    column, row = first.long().unbind(-1)
    flat = image.reshape(batch, height * width, channels)

    def corner(down: int, right: int) -> Float[Tensor, "b n C"]:
        index = (row + down).clamp_max(height - 1) * width + (column + right).clamp_max(width - 1)
        return flat.gather(1, index[..., None].expand(-1, -1, channels))

    a, b, c, d = corner(0, 0), corner(0, 1), corner(1, 0), corner(1, 1)
    x, y = share[..., :1], share[..., 1:]
    top, low = a + x * (b - a), c + x * (d - c)
    by_x = (b - a) + y * ((d - c) - (b - a))
    gradient = torch.stack([by_x * inside[..., :1], (low - top) * inside[..., 1:]], dim=-1)
    return FieldValues(top + y * (low - top), gradient)
