"""How alike two pictures are where a mask says that it counts."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from flame_fit.errors import InputError
from flame_fit.losses import peak_signal_to_noise

WINDOW_SIGMA = 1.5
WINDOW_RADIUS = 5
"""An 11 x 11 window, as in the paper."""
LUMINANCE_CONSTANT = 0.01**2
CONTRAST_CONSTANT = 0.03**2
"""K1 and K2 squared, for values in [0, 1]."""


@dataclass(frozen=True)
class ImageLikeness:
    """Likeness of two sRGB pictures on a mask."""

    psnr: float
    """Decibels; infinite for equal pictures."""
    ssim: float
    """1 for equal pictures."""
    pixels: int
    """In the mask."""


def image_likeness(
    picture: Float[Tensor, "H W 3"], truth: Float[Tensor, "H W 3"], mask: Bool[Tensor, "H W"]
) -> ImageLikeness:
    """Return PSNR and SSIM of sRGB pictures in [0, 1] on the mask.

    Raises:
        InputError: The mask is empty.
    """
    count = int(mask.sum())
    if count == 0:
        raise InputError("the mask is empty; there is no pixel to compare")
    psnr = peak_signal_to_noise(picture, truth, mask.to(picture))
    ssim = float(structural_similarity(picture, truth, mask)[mask].mean())
    if not math.isfinite(ssim):
        raise InputError("the pictures have pixels in the mask that are not finite")
    return ImageLikeness(psnr=psnr, ssim=ssim, pixels=count)


def structural_similarity(
    picture: Float[Tensor, "H W 3"], truth: Float[Tensor, "H W 3"], mask: Bool[Tensor, "H W"]
) -> Float[Tensor, "H W"]:
    """Return the SSIM of each pixel of the mask, the mean of the channels; zero outside it.

    Means, variances and covariance are those under a Gaussian window of 1.5 pixels, of which only
    the part inside the mask and the picture counts. Where all of it does, this is the index of
    Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error visibility to
    structural similarity", TIP 2004.
    """
    weight = mask.to(torch.float64)
    # What lies outside may be anything, even NaN.
    first = torch.where(mask[..., None], picture.double(), 0.0).movedim(-1, 0)
    second = torch.where(mask[..., None], truth.double(), 0.0).movedim(-1, 0)
    inside = torch.where(mask, _blur(weight[None])[0], 1.0)
    mean_1, mean_2 = _blur(first) / inside, _blur(second) / inside
    variance_1 = _blur(first * first) / inside - mean_1 * mean_1
    variance_2 = _blur(second * second) / inside - mean_2 * mean_2
    covariance = _blur(first * second) / inside - mean_1 * mean_2
    luminance = (2.0 * mean_1 * mean_2 + LUMINANCE_CONSTANT) / (
        mean_1 * mean_1 + mean_2 * mean_2 + LUMINANCE_CONSTANT
    )
    structure = (2.0 * covariance + CONTRAST_CONSTANT) / (
        variance_1 + variance_2 + CONTRAST_CONSTANT
    )
    return torch.where(mask, (luminance * structure).mean(0), 0.0).to(picture)


def _blur(channels: Float[Tensor, "c H W"]) -> Float[Tensor, "c H W"]:
    """Return the sums under the Gaussian window; beyond the border there is nothing."""
    step = torch.arange(-WINDOW_RADIUS, WINDOW_RADIUS + 1).to(channels)
    window = torch.exp(-0.5 * (step / WINDOW_SIGMA) ** 2)
    window = window / window.sum()
    rows = torch.nn.functional.conv2d(
        channels[:, None], window[None, None, :, None], padding=(WINDOW_RADIUS, 0)
    )
    columns = torch.nn.functional.conv2d(
        rows, window[None, None, None, :], padding=(0, WINDOW_RADIUS)
    )
    return columns[:, 0]
