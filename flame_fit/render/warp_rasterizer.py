"""The Warp rasteriser: one kernel for CPU and CUDA, built by Warp's own compiler on first use.

One thread draws one triangle (or every n-th row of it) into a buffer of 64-bit keys, depth in the
high and face index in the low word, whose minimum is independent of the order of drawing. The
arithmetic is that of `torch_rasterizer`, where it is explained.
"""

from typing import no_type_check

import torch
import warp as wp
from jaxtyping import Int, Int32
from torch import Tensor

from flame_fit.errors import UsageError
from flame_fit.geometry.warp_runtime import current_stream, start_warp
from flame_fit.render.screen import ScreenVertices, depth_order
from flame_fit.render.torch_rasterizer import BACKGROUND_KEY

# Fused multiply-adds would round differently from the twin, and differently on each processor.
wp.set_module_options({"enable_backward": False, "fuse_fp": False})

ROWS_PER_THREAD_STEP = {"cpu": 1, "cuda": 4}
"""Threads that share a triangle, each drawing every n-th row; CPU threads run one by one."""


@wp.struct
@no_type_check
class Edge:
    """A triangle's edge, seen from its lower end whichever triangle it belongs to."""

    x: wp.float64
    y: wp.float64
    delta_x: wp.float64
    delta_y: wp.float64
    positive_inside: bool


@wp.func
@no_type_check
def make_edge(start: wp.vec2d, end: wp.vec2d, area: wp.float64) -> Edge:
    """Return the edge of a triangle with the given doubled area."""
    upward = end[1] < start[1] or (end[1] == start[1] and start[0] < end[0])
    edge = Edge()
    edge.positive_inside = upward == (area > wp.float64(0.0))
    if upward:
        edge.x = start[0]
        edge.y = start[1]
        edge.delta_x = end[0] - start[0]
        edge.delta_y = end[1] - start[1]
    else:
        edge.x = end[0]
        edge.y = end[1]
        edge.delta_x = start[0] - end[0]
        edge.delta_y = start[1] - end[1]
    return edge


@wp.func
@no_type_check
def is_inside(edge: Edge, x: wp.float64, row_term: wp.float64) -> bool:
    """Return whether a point lies on the inner side; `row_term` is delta_x * (y - edge.y)."""
    value = row_term - edge.delta_y * (x - edge.x)
    return (value >= wp.float64(0.0)) == edge.positive_inside


@wp.func
@no_type_check
def centres_between(a: wp.float64, b: wp.float64, c: wp.float64, limit: int) -> wp.vec2i:
    """Return the first and the last of `limit` pixels whose centres three coordinates enclose."""
    half = wp.float64(0.5)
    # Clamped before the conversion, since the corners may lie beyond any integer.
    first = wp.clamp(wp.ceil(wp.min(wp.min(a, b), c) - half), wp.float64(0.0), wp.float64(limit))
    last = wp.max(wp.max(a, b), c) - half
    last = wp.clamp(wp.floor(last), wp.float64(-1.0), wp.float64(limit - 1))
    return wp.vec2i(int(first), int(last))


@wp.func
@no_type_check
def sortable_bits(order: wp.float64) -> wp.int64:
    """Return an integer that compares like the number does after rounding to 32 bits."""
    bits = wp.cast(wp.float32(order), wp.int32)
    if bits < 0:
        bits = bits ^ 0x7FFFFFFF
    return wp.int64(bits)


@wp.kernel(enable_backward=False)
@no_type_check
def draw_triangles(
    pixels: wp.array2d(dtype=wp.vec2d),
    orders: wp.array2d(dtype=wp.float64),
    faces: wp.array(dtype=wp.vec3i),
    height: int,
    width: int,
    row_step: int,
    cull_backfaces: int,
    keys: wp.array(dtype=wp.int64),
) -> None:
    """Draw every `row_step`-th row of one triangle into the keys of the flattened images."""
    image, face, first_row = wp.tid()
    corner = faces[face]
    a = pixels[image, corner[0]]
    b = pixels[image, corner[1]]
    c = pixels[image, corner[2]]
    order_a = orders[image, corner[0]]
    order_b = orders[image, corner[1]]
    order_c = orders[image, corner[2]]
    half = wp.float64(0.5)
    zero = wp.float64(0.0)
    if not wp.isfinite(order_a + order_b + order_c):
        return
    area = (b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])
    if area == zero or (cull_backfaces != 0 and area > zero):
        return

    columns = centres_between(a[0], b[0], c[0], width)
    rows = centres_between(a[1], b[1], c[1], height)
    if columns[0] > columns[1] or rows[0] > rows[1]:
        return

    edge_ab = make_edge(a, b, area)
    edge_bc = make_edge(b, c, area)
    edge_ca = make_edge(c, a, area)
    rise_b = order_b - order_a
    rise_c = order_c - order_a
    slope_x = (rise_b * (c[1] - a[1]) - rise_c * (b[1] - a[1])) / area
    slope_y = (rise_c * (b[0] - a[0]) - rise_b * (c[0] - a[0])) / area
    nearest = wp.min(wp.min(order_a, order_b), order_c)
    farthest = wp.max(wp.max(order_a, order_b), order_c)
    for row in range(rows[0] + first_row, rows[1] + 1, row_step):
        y = wp.float64(row) + half
        row_ab = edge_ab.delta_x * (y - edge_ab.y)
        row_bc = edge_bc.delta_x * (y - edge_bc.y)
        row_ca = edge_ca.delta_x * (y - edge_ca.y)
        row_order = slope_y * (y - a[1])
        offset = (image * height + row) * width
        for column in range(columns[0], columns[1] + 1):
            x = wp.float64(column) + half
            if (
                is_inside(edge_ab, x, row_ab)
                and is_inside(edge_bc, x, row_bc)
                and is_inside(edge_ca, x, row_ca)
            ):
                order = order_a + (slope_x * (x - a[0]) + row_order)
                order = wp.min(wp.max(order, nearest), farthest)
                key = (sortable_bits(order) << wp.int64(32)) | wp.int64(face)
                if key < keys[offset + column]:
                    wp.atomic_min(keys, offset + column, key)


class WarpRasterizer:
    """Draws triangles with the Warp kernel on the device of its inputs; implements `Rasterizer`."""

    def __init__(self, device: torch.device) -> None:
        if device.type not in ROWS_PER_THREAD_STEP:
            raise UsageError(f"rasteriser 'warp' runs on cpu and cuda, not on {device}; use torch")
        start_warp()

    def __call__(
        self,
        screen: ScreenVertices,
        faces: Int[Tensor, "F 3"],
        image_size: tuple[int, int],
        *,
        cull_backfaces: bool = False,
    ) -> Int32[Tensor, "b H W"]:
        """Return the index of the triangle seen in each pixel, -1 where there is none."""
        height, width = image_size
        pixels = screen.pixels.detach().to(torch.float64).contiguous()
        device = pixels.device
        batch, row_step = pixels.shape[0], ROWS_PER_THREAD_STEP[device.type]
        keys = torch.full((batch * height * width,), BACKGROUND_KEY, device=device)
        if keys.numel() and len(faces):
            wp.launch(
                draw_triangles,
                dim=(batch, len(faces), row_step),
                inputs=[
                    wp.from_torch(pixels, dtype=wp.vec2d),
                    wp.from_torch(depth_order(screen).contiguous()),
                    wp.from_torch(faces.to(torch.int32).contiguous(), dtype=wp.vec3i),
                    height,
                    width,
                    row_step,
                    int(cull_backfaces),
                    wp.from_torch(keys),
                ],
                device=wp.device_from_torch(device),
                stream=current_stream(device),
            )
        return keys.view(torch.int32)[::2].reshape(batch, height, width).contiguous()
