"""What the latent of a texture is fitted by: colours, identity, its spread, the tint of the light.

The terms of FFHQ-UV's fit (Bai and others, "FFHQ-UV", CVPR 2023), without their weights.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cosine_similarity

SMALLEST_SQUARE = 1e-9
"""Added to squared lengths, so that the angle of a latent with itself has a slope."""
SPREAD_SCALE = 512.0 / 8.0
"""As published for latents of 512 numbers; an angle does not depend on how many there are."""


def colour_difference(
    rendered: Float[Tensor, "*n 3"], photo: Float[Tensor, "*n 3"], weight: Float[Tensor, "*n"]
) -> Float[Tensor, ""]:
    """Return the absolute difference of sRGB colours, summed over the channels.

    `sum(weight |rendered - photo|) / max(sum(weight), 1)`.
    """
    difference = (rendered - photo).abs().sum(dim=-1)
    return (weight * difference).sum() / weight.sum().clamp_min(1.0)


def identity_distance(
    first: Float[Tensor, "b n"], second: Float[Tensor, "b n"]
) -> Float[Tensor, ""]:
    """Return one minus the cosine between embeddings of faces, averaged over the batch."""
    return (1.0 - cosine_similarity(first, second, dim=-1)).mean()


def latent_spread(white: Float[Tensor, "L n"]) -> Float[Tensor, ""]:
    """Return how far the latents of the layers lie apart on their sphere.

    `64 mean(D^2)` over all pairs, with the angle `D = 2 atan2(|x - y|, |x + y|)`; the geodesic
    cross loss of Menon and others, "PULSE", CVPR 2020. It is 0 where all layers have one latent.

    Args:
        white: The latents at unit variance, a row for each layer.
    """
    first, second = white[:, None], white[None]
    apart = ((first - second).square().sum(dim=-1) + SMALLEST_SQUARE).sqrt()
    together = ((first + second).square().sum(dim=-1) + SMALLEST_SQUARE).sqrt()
    angle = 2.0 * torch.atan2(apart, together)
    return SPREAD_SCALE * angle.square().mean()


def light_tint(lighting: Float[Tensor, "9 3"]) -> Float[Tensor, ""]:
    """Return the mean squared difference of the light's channels from their mean."""
    return (lighting - lighting.mean(dim=-1, keepdim=True)).square().mean()
