"""Holes in pictures filled by what is around them, near things before far ones."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, pad

WHOLE = 0.25
"""Share of a coarse texel that is known from which nothing of it is taken from coarser ones."""


def pull_push(
    images: Float[Tensor, "b H W C"], known: Bool[Tensor, "H W"]
) -> Float[Tensor, "b H W C"]:
    """Return images with unknown texels continued smoothly; known ones keep their values.

    The image pyramid of Gortler and others, "The lumigraph", SIGGRAPH 1996: means of what is known
    go up, and come down where nothing is. Linear in the images and differentiable.

    Args:
        images: Values; those of unknown texels do not matter.
        known: Which texels are given. With none of them the images are zero.
    """
    channels = images.movedim(-1, 1)
    weight = known.to(channels)[None, None]
    values = torch.where(weight > 0, channels, torch.zeros_like(channels))
    return _filled(values, weight).movedim(1, -1)


def _filled(values: Float[Tensor, "b C h w"], weight: Float[Tensor, "1 1 h w"]) -> Tensor:
    """Fill one level of the pyramid; `weight` is 1 where its values count, less near holes."""
    height, width = values.shape[-2:]
    if bool((weight >= 1.0).all()) or max(height, width) == 1:
        return values
    odd = (0, width % 2, 0, height % 2)
    total = avg_pool2d(pad(values * weight, odd), 2)
    share = avg_pool2d(pad(weight, odd), 2)
    coarse = torch.where(share > 0, total / share.clamp_min(1e-12), torch.zeros_like(total))
    filled = _filled(coarse, (share / WHOLE).clamp_max(1.0))
    spread = interpolate(filled, scale_factor=2, mode="bilinear", align_corners=False)
    return values * weight + (1.0 - weight) * spread[..., :height, :width]
