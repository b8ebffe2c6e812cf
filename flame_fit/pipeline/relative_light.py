"""Light in numbers that a prior can speak of: how much falls on the skin, and from where."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

LIGHT_COUNT = 27
# Light on the skin below this is darkness; its logarithm is cut off here.
DARKEST_LIGHT = 1e-3


def relative_light(
    light: Float[Tensor, "b 9 3"], mean_basis: Float[Tensor, "b 9"]
) -> Float[Tensor, "b 9 3"]:
    """Return the logarithm of the light on the visible skin, and the directions relative to it.

    In these numbers a dark photo and a bright one of the same scene differ by a constant, so that
    one prior serves both; and light from the front counts as much as light from everywhere, which
    a face seen from the front hardly tells apart.

    Args:
        light: Spherical-harmonics light.
        mean_basis: Mean of the basis over the visible skin.
    """
    on_skin = (mean_basis[:, None] @ light).clamp_min(DARKEST_LIGHT)
    return torch.cat([on_skin.log(), light[:, 1:] / on_skin], dim=1)


def relative_light_jacobian(
    light: Float[Tensor, "b 9 3"], mean_basis: Float[Tensor, "b 9"]
) -> Float[Tensor, "b 27 27"]:
    """Return the derivative of `relative_light`, both sides flattened with colour fastest."""
    on_skin = mean_basis[:, None] @ light
    slope = mean_basis[:, :, None] * (on_skin > DARKEST_LIGHT)
    on_skin = on_skin.clamp_min(DARKEST_LIGHT)
    jacobian = light.new_zeros(len(light), 9, 3, 9, 3)
    identity = torch.eye(9, dtype=light.dtype, device=light.device)
    for channel in range(3):
        level = on_skin[:, :, channel, None]
        block = identity / level
        outer = light[:, :, None, channel] * slope[:, None, :, channel]
        block = block - outer / level**2
        block[:, 0] = slope[..., channel] / level[:, 0]
        jacobian[:, :, channel, :, channel] = block
    return jacobian.reshape(len(light), LIGHT_COUNT, LIGHT_COUNT)
