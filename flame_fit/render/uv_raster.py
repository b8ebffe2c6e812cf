"""Which point of the surface each texel of a chart shows."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Int32
from torch import Tensor

from flame_fit.render.fragments import to_fragments
from flame_fit.render.rasterizer import make_rasterizer, rasterize_covered
from flame_fit.render.screen import Rasterizer, ScreenVertices


@dataclass(frozen=True, eq=False)
class TexelMap:
    """Surface points at texel centres, ((column + 0.5) / U, 1 - (row + 0.5) / U) in the chart."""

    face_index: Int32[Tensor, "U U"]
    """Triangle, -1 where the chart has none; the lowest index where triangles overlap."""
    barycentrics: Float[Tensor, "U U 3"]
    """Weights of its corners, zero where there is none."""


def rasterize_chart(
    chart_uv: Float[Tensor, "T 2"],
    chart_faces: Int[Tensor, "F 3"],
    size: int,
    *,
    rasterizer: Rasterizer | None = None,
) -> TexelMap:
    """Return the surface point of every texel; depends on the chart only, so keep the result.

    Args:
        chart_uv: Texture vertices, u right and v up in [0, 1].
        chart_faces: Texture vertices of each triangle.
        size: Texels along each side.
        rasterizer: The Warp rasteriser if None.
    """
    texels = to_texels(chart_uv, size)
    screen = ScreenVertices(texels[None], torch.zeros_like(texels[None, :, 0]), perspective=False)
    rasterizer = rasterizer or make_rasterizer("warp", chart_uv.device)
    covered = rasterize_covered(screen, chart_faces, (size, size), rasterizer=rasterizer)
    fragments = to_fragments(covered)
    return TexelMap(fragments.face_index[0], fragments.barycentrics[0])


def to_texels(uv: Float[Tensor, "*n 2"], size: int) -> Float[Tensor, "*n 2"]:
    """Return chart coordinates in texels (column to the right, row downwards)."""
    return torch.stack((uv[..., 0], 1.0 - uv[..., 1]), dim=-1) * size
