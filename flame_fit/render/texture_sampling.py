"""Texture lookup with bilinear filtering, and with mip levels where texels are smaller than pixels.

Texture row 0 is v = 1; the centre of texel (row, column) is u = (column + 0.5) / U,
v = 1 - (row + 0.5) / U. Lookups outside [0, 1] take the border.
"""

from dataclasses import dataclass
from itertools import accumulate

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor
from torch.nn.functional import avg_pool2d

from flame_fit.render.fragments import CoveredPixels
from flame_fit.render.screen import ScreenVertices, doubled_area
from flame_fit.render.uv_raster import to_texels

LARGEST_FOOTPRINT = 4096.0
"""Texels per pixel beyond which a texture is one colour anyway; bounds triangles seen edge-on."""


def sample_texture(
    texture: Float[Tensor, "#b U U C"],
    uv: Float[Tensor, "b H W 2"],
    *,
    footprint: Float[Tensor, "b H W"] | None = None,
) -> Float[Tensor, "b H W C"]:
    """Return texture values at every pixel; differentiable in texture and UV.

    Args:
        texture: Square maps; with batch size 1 shared by all images.
        uv: Chart coordinates, u right and v up.
        footprint: Texels across a pixel (`texels_per_pixel`); without it no mip levels are used.
    """
    image = torch.arange(uv.shape[0], device=uv.device).repeat_interleave(uv[0, ..., 0].numel())
    levels = None if footprint is None else footprint.reshape(-1)
    values = sample_texture_at(texture, uv.reshape(-1, 2), image, footprint=levels)
    return values.reshape(*uv.shape[:3], -1)


def sample_texture_at(
    texture: Float[Tensor, "#b U U C"],
    uv: Float[Tensor, "n 2"],
    image_index: Int64[Tensor, " n"],
    *,
    footprint: Float[Tensor, " n"] | None = None,
) -> Float[Tensor, "n C"]:
    """Return texture values at points; differentiable in texture and UV.

    Args:
        texture: Square maps; with batch size 1 shared by all images.
        uv: Chart coordinates, u right and v up.
        image_index: The map of each point; ignored where one map is shared.
        footprint: Texels across a pixel (`texels_per_pixel`); without it no mip levels are used.
    """
    which = image_index if texture.shape[0] > 1 else torch.zeros_like(image_index)
    if footprint is None or not bool((footprint > 1.0).any()):
        return _bilinear(_Pyramid.of((texture,)), uv, which, torch.zeros_like(which))
    level = footprint.detach().clamp(1.0, LARGEST_FOOTPRINT).log2()
    pyramid = _Pyramid.of(build_mipmaps(texture, int(level.max().ceil()) + 1))
    level = level.clamp_max(len(pyramid.sizes) - 1.0)
    finer = level.floor().long()
    sharp = _bilinear(pyramid, uv, which, finer)
    rows = (level > finer).nonzero()[:, 0]
    blurred = _bilinear(pyramid, uv[rows], which[rows], finer[rows] + 1)
    share = (level - finer)[rows, None]
    return sharp.index_add(0, rows, share * (blurred - sharp[rows]))


def build_mipmaps(
    texture: Float[Tensor, "b U U C"], count: int
) -> tuple[Float[Tensor, "b _ _ C"], ...]:
    """Return at most `count` levels, each half the size (rounded down) of the one before."""
    levels = [texture]
    while len(levels) < count and levels[-1].shape[1] > 1:
        levels.append(avg_pool2d(levels[-1].permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1))
    return tuple(levels)


def texels_per_pixel(
    screen: ScreenVertices,
    faces: Int[Tensor, "F 3"],
    chart_uv: Float[Tensor, "T 2"],
    chart_faces: Int[Tensor, "F 3"],
    size: int,
) -> Float[Tensor, "b F"]:
    """Return how many texels lie across a pixel of each triangle, without gradient.

    The map from pixels to texels is taken as linear in each triangle; the footprint is the square
    root of its determinant, the ratio of the areas in texels and in pixels. On surfaces seen at a
    grazing angle that lies between the blur of the longer and the aliasing of the shorter axis.
    """
    on_screen = doubled_area(screen.pixels.detach(), faces).abs()
    in_chart = doubled_area(to_texels(chart_uv.detach(), size)[None], chart_faces).abs()
    ratio = in_chart.to(on_screen) / on_screen.clamp_min(torch.finfo(on_screen.dtype).tiny)
    return ratio.nan_to_num(nan=1.0).sqrt().clamp(1.0 / LARGEST_FOOTPRINT, LARGEST_FOOTPRINT)


def footprint_at(footprint: Float[Tensor, "b F"], covered: CoveredPixels) -> Float[Tensor, " n"]:
    """Return each covered pixel's footprint from its triangle's."""
    row = covered.image_index * footprint.shape[1] + covered.face_index
    return footprint.reshape(-1).index_select(0, row)


@dataclass(frozen=True, eq=False)
class _Pyramid:
    """The texels of all levels and maps in one table."""

    table: Float[Tensor, "texels C"]
    sizes: tuple[int, ...]
    starts: tuple[int, ...]
    """First row of each level."""

    @classmethod
    def of(cls, levels: tuple[Float[Tensor, "maps _ _ C"], ...]) -> "_Pyramid":
        flat = [level.reshape(-1, level.shape[-1]) for level in levels]
        starts = (0, *accumulate(len(rows) for rows in flat[:-1]))
        table = torch.cat(flat) if len(flat) > 1 else flat[0]
        return cls(table, tuple(level.shape[1] for level in levels), starts)


def _bilinear(
    pyramid: _Pyramid,
    uv: Float[Tensor, "n 2"],
    which: Int64[Tensor, " n"],
    level: Int64[Tensor, " n"],
) -> Float[Tensor, "n C"]:
    """Return the weighted mean of the four texels of a map's level around each point."""
    size = which.new_tensor(pyramid.sizes)[level]
    largest = (size - 1).to(uv.dtype)
    u, v = uv.unbind(-1)
    x = (u * size - 0.5).clamp_min(0.0).minimum(largest)
    y = ((1.0 - v) * size - 0.5).clamp_min(0.0).minimum(largest)
    # The last texel is reached as the end of the last interval, so that its slope is defined.
    column = x.detach().long().minimum((size - 2).clamp_min(0))
    row = y.detach().long().minimum((size - 2).clamp_min(0))
    right, down = (x - column)[:, None], (y - row)[:, None]
    start = which.new_tensor(pyramid.starts)[level]
    first = start + (which * size + row) * size + column
    step = (size > 1).long()
    above = _blend(pyramid.table, first, first + step, right)
    below = _blend(pyramid.table, first + step * size, first + step * (size + 1), right)
    return above + (below - above) * down


def _blend(
    table: Float[Tensor, "texels C"],
    start: Int64[Tensor, " n"],
    end: Int64[Tensor, " n"],
    fraction: Float[Tensor, "n 1"],
) -> Float[Tensor, "n C"]:
    """Return a share `fraction` of the way from one texel to another."""
    at_start = table.index_select(0, start)
    return at_start + (table.index_select(0, end) - at_start) * fraction
