"""A free offset of every texel over the texture codes, found by descent through the renderer.

The unknowns are the levels of an image pyramid whose sum is the logarithm of albedo over codes:
coarse levels carry the tone of the seen part on to what the photo does not show, fine levels change
only what it does.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from flame_fit.optim.adam import AdamSettings, descend
from flame_fit.render import sample_texture_at

# Texels along each side of the coarsest level.
COARSEST = 16
# Standard deviation of a level's log offsets; levels add up.
LEVEL_SPREAD = 0.15
# Weight of the mean squared offset, in deviations, beside the mean colour error (linear light).
PULL_TO_CODES = 2e-4
# Colour difference (linear light) from which errors count linearly.
KNEE = 0.005
SETTINGS = AdamSettings(max_steps=40, learning_rate=0.25, final_learning_rate=0.05)
# Bounds of the logarithm of albedo over codes.
LARGEST_OFFSET = 3.0


@dataclass(frozen=True, eq=False)
class LitPixels:
    """Pixels of a photo that show the head, a row per pixel.

    Attributes:
        uv: Chart coordinates.
        footprint: Texels of the wanted texture across a pixel.
        shading: Light on the surface.
        colour: Linear light as photographed.
        weight: Confidence that the pixel shows the head's own surface, 0..1.
    """

    uv: Float[Tensor, "n 2"]
    footprint: Float[Tensor, " n"]
    shading: Float[Tensor, "n 3"]
    colour: Float[Tensor, "n 3"]
    weight: Float[Tensor, " n"]


def offset_albedo(
    codes: Float[Tensor, "U U 3"], pixels: LitPixels, *, settings: AdamSettings = SETTINGS
) -> Float[Tensor, "U U 3"]:
    """Return the albedo that shows the photo again, near the codes where the photo says nothing.

    Minimises the weighted mean of the smooth absolute colour error of the rendered pixels with a
    faint pull to the codes, by Adam.

    Args:
        codes: Linear albedo of the codes, above zero.
        pixels: What the photo shows.
        settings: Steps and step sizes.
    """
    size = codes.shape[0]
    sizes = _level_sizes(size)
    share = pixels.weight / pixels.weight.sum().clamp_min(1e-6)
    rows = (share > 0).nonzero()[:, 0]
    share, shading, colour = share[rows], pixels.shading[rows], pixels.colour[rows]
    uv, footprint = pixels.uv[rows], pixels.footprint[rows]
    first = torch.zeros_like(rows)

    def cost(value: Float[Tensor, "1 n"]) -> Float[Tensor, "1"]:
        albedo = _applied(codes, value[0], sizes)
        seen = sample_texture_at(albedo[None], uv, first, footprint=footprint)
        error = functional.smooth_l1_loss(seen * shading, colour, reduction="none", beta=KNEE)
        pull = sum(
            (level / LEVEL_SPREAD).square().mean() for level in value[0].split(_counts(sizes))
        )
        return ((error.sum(dim=1) * share).sum() + PULL_TO_CODES * pull)[None]

    start = codes.new_zeros(1, sum(_counts(sizes)))
    if len(rows) == 0:
        return codes
    found = descend(cost, start, scale=torch.full_like(start, LEVEL_SPREAD), settings=settings)
    return _applied(codes, found.value[0], sizes)


def _level_sizes(size: int) -> tuple[int, ...]:
    """Return the sides of the pyramid's levels, finest first."""
    sizes = [size]
    while sizes[-1] > COARSEST:
        sizes.append((sizes[-1] + 1) // 2)
    return tuple(sizes)


def _counts(sizes: tuple[int, ...]) -> list[int]:
    return [3 * side * side for side in sizes]


def _applied(
    codes: Float[Tensor, "U U 3"], value: Float[Tensor, " n"], sizes: tuple[int, ...]
) -> Float[Tensor, "U U 3"]:
    """Return the codes' albedo times the exponential of the sum of all levels."""
    levels = value.split(_counts(sizes))
    total = levels[-1].reshape(1, 3, sizes[-1], sizes[-1])
    for level, side in zip(reversed(levels[:-1]), reversed(sizes[:-1]), strict=True):
        total = functional.interpolate(
            total, size=(side, side), mode="bilinear", align_corners=False
        ) + level.reshape(1, 3, side, side)
    offset = total[0].permute(1, 2, 0).clamp(-LARGEST_OFFSET, LARGEST_OFFSET)
    return codes * offset.exp()
