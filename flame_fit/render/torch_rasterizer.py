"""The plain torch rasteriser: the readable twin of the Warp kernel, equal to it bit by bit."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float64, Int, Int32, Int64
from torch import Tensor

from flame_fit.render.screen import (
    ScreenVertices,
    depth_order,
    doubled_area,
    drawable_faces,
)

BACKGROUND_KEY = (0x7F800000 << 32) | 0xFFFFFFFF
"""Key of an empty pixel: infinitely far, face index -1 in the low word."""

CHUNK_CANDIDATES = 1 << 21
"""Pairs of a triangle and a pixel tested at once (about 200 bytes each)."""


@dataclass(frozen=True, eq=False)
class _Triangles:
    """Drawable triangles of one image."""

    index: Int64[Tensor, " n"]
    corners: Float64[Tensor, "n 3 2"]
    order: Float64[Tensor, "n 3"]
    area: Float64[Tensor, " n"]


@dataclass(frozen=True, eq=False)
class _Boxes:
    """Pixels whose centres may lie in each triangle."""

    left: Int64[Tensor, " n"]
    top: Int64[Tensor, " n"]
    width: Int64[Tensor, " n"]
    height: Int64[Tensor, " n"]


@dataclass(frozen=True, eq=False)
class _Candidates:
    """Pairs of a triangle and a pixel in its bounding box."""

    which: Int64[Tensor, " m"]
    column: Int64[Tensor, " m"]
    row: Int64[Tensor, " m"]


class TorchRasterizer:
    """Tests every pixel in the bounding box of every triangle; implements `Rasterizer`."""

    def __call__(
        self,
        screen: ScreenVertices,
        faces: Int[Tensor, "F 3"],
        image_size: tuple[int, int],
        *,
        cull_backfaces: bool = False,
    ) -> Int32[Tensor, "b H W"]:
        """Return the index of the triangle seen in each pixel, -1 where there is none."""
        pixels = screen.pixels.detach().to(torch.float64)
        order = depth_order(screen)
        area = doubled_area(pixels, faces)
        drawable = drawable_faces(screen, faces, cull_backfaces=cull_backfaces)
        images = []
        for image in range(pixels.shape[0]):
            index = drawable[image].nonzero()[:, 0]
            corner = faces[index].long()
            triangles = _Triangles(
                index, pixels[image, corner], order[image, corner], area[image, index]
            )
            images.append(_draw(triangles, image_size))
        empty = faces.new_empty((0, *image_size), dtype=torch.int32)
        return torch.stack(images) if images else empty


def _draw(triangles: _Triangles, image_size: tuple[int, int]) -> Int32[Tensor, "H W"]:
    height, width = image_size
    device = triangles.corners.device
    keys = torch.full((height * width,), BACKGROUND_KEY, dtype=torch.int64, device=device)
    boxes = _bounding_boxes(triangles.corners, image_size)
    for candidates in _candidates(boxes):
        which, column, row = candidates.which, candidates.column, candidates.row
        corners = triangles.corners[which]
        centre_x, centre_y = column.double() + 0.5, row.double() + 0.5
        inside = torch.ones_like(column, dtype=torch.bool)
        for start, end in ((0, 1), (1, 2), (2, 0)):
            inside &= _inside_edge(
                corners[:, start], corners[:, end], triangles.area[which], centre_x, centre_y
            )
        which, column, row = which[inside], column[inside], row[inside]
        order = _order_at(triangles, which, column.double() + 0.5, row.double() + 0.5)
        key = (_sortable_bits(order) << 32) | triangles.index[which]
        keys.scatter_reduce_(0, row * width + column, key, reduce="amin")
    return keys.view(torch.int32)[::2].reshape(height, width).clone()


def _bounding_boxes(corners: Float64[Tensor, "n 3 2"], image_size: tuple[int, int]) -> _Boxes:
    """Return the pixels whose centres lie in the triangles' bounding boxes."""
    limit = corners.new_tensor((image_size[1], image_size[0]))
    first = torch.ceil(corners.amin(1) - 0.5).clamp_min(0.0).minimum(limit).long()
    last = torch.floor(corners.amax(1) - 0.5).clamp_min(-1.0).minimum(limit - 1.0).long()
    size = (last - first + 1).clamp_min(0)
    return _Boxes(first[:, 0], first[:, 1], size[:, 0], size[:, 1])


def _candidates(boxes: _Boxes) -> Iterator[_Candidates]:
    """Yield triangle, column and row of every pixel in every box, some millions at a time."""
    count = boxes.width * boxes.height
    end = count.cumsum(0)
    total = int(end[-1]) if len(end) else 0
    for start in range(0, total, CHUNK_CANDIDATES):
        pair = torch.arange(start, min(start + CHUNK_CANDIDATES, total), device=count.device)
        which = torch.searchsorted(end, pair, right=True)
        place = pair - (end - count)[which]
        width = boxes.width[which]
        row = torch.div(place, width, rounding_mode="floor")
        yield _Candidates(which, boxes.left[which] + place - row * width, boxes.top[which] + row)


def _inside_edge(
    start: Float64[Tensor, "m 2"],
    end: Float64[Tensor, "m 2"],
    area: Float64[Tensor, " m"],
    x: Float64[Tensor, " m"],
    y: Float64[Tensor, " m"],
) -> Bool[Tensor, " m"]:
    """Return whether points lie on the inner side of an edge.

    The edge is evaluated from its lower end (from its left end where it is level) whichever
    triangle asks. So both triangles at an edge see the same rounded number, and exactly one of them
    takes a point for which it is zero: the one to the right of the edge, or below a level edge.
    """
    upward = (end[:, 1] < start[:, 1]) | ((end[:, 1] == start[:, 1]) & (start[:, 0] < end[:, 0]))
    origin = torch.where(upward[:, None], start, end)
    delta = torch.where(upward[:, None], end, start) - origin
    value = delta[:, 0] * (y - origin[:, 1]) - delta[:, 1] * (x - origin[:, 0])
    return (value >= 0.0) == (upward == (area > 0.0))


def _order_at(
    triangles: _Triangles,
    which: Int64[Tensor, " m"],
    x: Float64[Tensor, " m"],
    y: Float64[Tensor, " m"],
) -> Float64[Tensor, " m"]:
    """Return the depth order at points, by the plane through the corners."""
    corner, order, area = triangles.corners, triangles.order, triangles.area
    ab, ac = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    rise_b, rise_c = order[:, 1] - order[:, 0], order[:, 2] - order[:, 0]
    slope_x = (rise_b * ac[:, 1] - rise_c * ab[:, 1]) / area
    slope_y = (rise_c * ab[:, 0] - rise_b * ac[:, 0]) / area
    origin = corner[:, 0]
    change = slope_x[which] * (x - origin[which, 0]) + slope_y[which] * (y - origin[which, 1])
    # The bounds keep the rounding of needle-thin triangles from placing them anywhere in depth.
    return (order[which, 0] + change).clamp(order.amin(1)[which], order.amax(1)[which])


def _sortable_bits(order: Float64[Tensor, " m"]) -> Int64[Tensor, " m"]:
    """Return integers that compare like the numbers do after rounding to 32 bits."""
    bits = order.to(torch.float32).view(torch.int32)
    return torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits).long()
