"""Distance in the image between where points are and where they were seen."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def reprojection_residual(
    pixels: Float[Tensor, "*n 2"], target: Float[Tensor, "*n 2"], sigma: Float[Tensor, "*n"]
) -> Float[Tensor, "*n 2"]:
    """Return `(pixels - target) / sigma`, in standard deviations of the detector.

    Args:
        pixels: Projected points.
        target: Where they were seen.
        sigma: Standard deviation of one coordinate, in pixels.
    """
    return (pixels - target) / sigma[..., None]


def landmark_error(
    pixels: Float[Tensor, "n 2"], target: Float[Tensor, "n 2"], *, scale: float
) -> float:
    """Return the mean distance of the points over `scale` (the inter-ocular distance): NME."""
    return float(torch.linalg.vector_norm(pixels - target, dim=-1).mean() / scale)
