"""How well a render matches a photo."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor


def peak_signal_to_noise(
    rendered: Float[Tensor, "*n 3"], photo: Float[Tensor, "*n 3"], weight: Float[Tensor, "*n"]
) -> float:
    """Return the PSNR in dB of sRGB values in [0, 1] over pixels weighted by `weight`.

    Returns infinity where the images agree exactly, and NaN where no pixel has weight.
    """
    total = float(weight.sum())
    if total <= 0.0:
        return math.nan
    squared = ((rendered - photo) ** 2).mean(dim=-1)
    error = float((squared * weight).sum()) / total
    return math.inf if error == 0.0 else -10.0 * math.log10(error)


def smooth_saturation_weight(photo: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n"]:
    """Return a weight in [0, 1] that drops over- and underexposed pixels (linear light).

    A channel at 0 or 1 was clipped by the camera and says nothing of the light.
    """
    brightest = photo.amax(dim=-1)
    darkest = photo.amin(dim=-1)
    high = ((0.98 - brightest) / 0.06).clamp(0.0, 1.0)
    low = (darkest / 0.004).clamp(0.0, 1.0)
    return torch.minimum(high, low)
