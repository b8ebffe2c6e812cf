"""Vertices on the screen, and what every rasteriser does with them."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Float64, Int, Int32
from torch import Tensor

from flame_fit.geometry.cameras import MINIMUM_DEPTH, Camera, project

LARGEST_COORDINATE = 1e12
"""Pixels. Triangles that reach further are dropped, so that no product can overflow."""


@dataclass(frozen=True, eq=False)
class ScreenVertices:
    """Mesh vertices as a camera sees them."""

    pixels: Float[Tensor, "b V 2"]
    """Image position (x right, y down); the centre of the first pixel is (0.5, 0.5)."""
    depth: Float[Tensor, "b V"]
    """Metres in front of the camera."""
    perspective: bool
    """Whether 1/depth (perspective) or depth (orthographic) is linear in the image."""


@runtime_checkable
class Rasterizer(Protocol):
    """Says which triangle covers which pixel.

    A pixel belongs to the nearest triangle that holds its centre, to the one with the lowest index
    where two are equally near; a centre on an edge belongs to the triangle whose left or top edge
    it is, so that neighbours neither overlap nor leave a gap. Triangles are dropped whole where a
    corner is not finite or, in perspective, nearer than `MINIMUM_DEPTH` (so also behind the
    camera). Face indices are deterministic and carry no gradient.
    """

    def __call__(
        self,
        screen: ScreenVertices,
        faces: Int[Tensor, "F 3"],
        image_size: tuple[int, int],
        *,
        cull_backfaces: bool = False,
    ) -> Int32[Tensor, "b H W"]:
        """Return the index of the triangle seen in each pixel, -1 where there is none."""
        ...


def to_screen(vertices_world: Float[Tensor, "b V 3"], camera: Camera) -> ScreenVertices:
    """Return world vertices as the camera sees them."""
    points = project(camera, vertices_world)
    return ScreenVertices(
        pixels=points.pixels,
        depth=points.depth,
        perspective=camera.projection == "perspective",
    )


def depth_order(screen: ScreenVertices) -> Float64[Tensor, "b V"]:
    """Return a number that is linear in the image and smaller for nearer vertices.

    It is -1/depth in perspective and the depth itself in orthographic projection; NaN marks the
    vertices whose triangles cannot be drawn.
    """
    depth = screen.depth.detach().to(torch.float64)
    pixels = screen.pixels.detach()
    valid = (pixels.abs() <= LARGEST_COORDINATE).all(-1) & (depth.abs() <= LARGEST_COORDINATE)
    if screen.perspective:
        valid = valid & (depth >= MINIMUM_DEPTH)
        depth = -1.0 / depth.clamp_min(MINIMUM_DEPTH)
    return torch.where(valid, depth, torch.nan)


def doubled_area(pixels: Float[Tensor, "b V 2"], faces: Int[Tensor, "F 3"]) -> Float[Tensor, "b F"]:
    """Return twice the signed area of the triangles in square pixels; negative faces the camera.

    Triangles are counter-clockwise seen from outside, which is a negative sign where y points down.
    """
    a, b, c = (pixels[:, corner] for corner in faces.long().unbind(-1))
    ab, ac = b - a, c - a
    return ab[..., 0] * ac[..., 1] - ac[..., 0] * ab[..., 1]


def drawable_faces(
    screen: ScreenVertices, faces: Int[Tensor, "F 3"], *, cull_backfaces: bool
) -> Bool[Tensor, "b F"]:
    """Return which triangles a rasteriser may draw."""
    area = doubled_area(screen.pixels.detach().to(torch.float64), faces)
    valid = depth_order(screen)[:, faces.long()].isfinite().all(-1)
    facing = area < 0.0 if cull_backfaces else area != 0.0
    return valid & facing
