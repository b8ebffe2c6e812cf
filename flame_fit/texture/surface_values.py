"""Vertex attributes carried to many points of a surface."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional


def interpolate_vertices(
    values: Float[Tensor, "V C"],
    corners: Int[Tensor, "N 3"],
    barycentrics: Float[Tensor, "N 3"],
) -> Float[Tensor, "N C"]:
    """Interpolate vertex values at points of the surface.

    Args:
        values: Values at the vertices.
        corners: Vertices of each point's triangle.
        barycentrics: Their weights.
    """
    # A weighted bag of three rows: no temporary of three values a point, so several times faster
    # than gathering the corners.
    weights = barycentrics.to(values.dtype)
    return functional.embedding_bag(corners, values, per_sample_weights=weights, mode="sum")


def accumulate_vertices(
    values: Float[Tensor, "N C"],
    corners: Int[Tensor, "N 3"],
    barycentrics: Float[Tensor, "N 3"],
    *,
    vertex_count: int,
) -> Float[Tensor, "V C"]:
    """Add values at points of the surface to the corners of their triangles.

    The transpose of `interpolate_vertices`.
    """
    result = values.new_zeros(vertex_count, values.shape[1])
    weights = barycentrics.to(values.dtype)
    for corner in range(3):
        result.index_add_(0, corners[:, corner], values * weights[:, corner, None])
    return result


def smoothstep(
    value: Float[Tensor, "*n"], low: float | Tensor, high: float | Tensor
) -> Float[Tensor, "*n"]:
    """Return 0 up to `low`, 1 from `high`, with a smooth cubic between (either may be larger)."""
    t = ((value - low) / (high - low)).clamp_(0.0, 1.0)
    return (3.0 - 2.0 * t).mul_(t).mul_(t)
