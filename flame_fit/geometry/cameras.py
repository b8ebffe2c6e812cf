"""Cameras, crops and projection.

World axes are FLAME's (x to the person's left, y up, z forward, metres); the camera sits at the
world origin and looks along -z. Camera axes are OpenCV's (x right, y down, z forward). Pixel (0, 0)
of an image has its centre at (0.5, 0.5).
"""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

CAMERA_FROM_WORLD = (1.0, -1.0, -1.0)
"""Diagonal of the rotation from world to camera axes; it is its own inverse."""

MINIMUM_DEPTH = 1e-3
"""Metres. Perspective division treats nearer points, and points behind the camera, as this deep."""

Projection = Literal["perspective", "orthographic"]


@dataclass(frozen=True, eq=False)
class Crop:
    """A resized part of an image: crop pixel = (image pixel - offset) * scale."""

    offset: Float[Tensor, "#b 2"]
    """Image pixels (x, y) of the crop's upper left corner; may lie outside the image."""
    scale: Float[Tensor, "#b 1"]
    """Crop pixels per image pixel."""
    size: tuple[int, int]
    """Height and width of the crop in its own pixels."""

    def to_crop(self, pixels: Float[Tensor, "#b n 2"]) -> Float[Tensor, "b n 2"]:
        """Return image pixels in crop pixels."""
        return (pixels - self.offset[:, None]) * self.scale[:, None]


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera without distortion, or a scaled orthographic one, at the world origin."""

    focal: Float[Tensor, "#b 2"]
    """Pixels in x and y; for the orthographic camera pixels per metre."""
    principal_point: Float[Tensor, "#b 2"]
    """Pixels (x, y)."""
    projection: Projection = "perspective"

    def crop(self, crop: Crop) -> "Camera":
        """Return the same camera in the pixels of a crop."""
        return replace(
            self,
            focal=self.focal * crop.scale,
            principal_point=(self.principal_point - crop.offset) * crop.scale,
        )


@dataclass(frozen=True, eq=False)
class ScreenPoints:
    """Points seen by a camera."""

    pixels: Float[Tensor, "b n 2"]
    depth: Float[Tensor, "b n"]
    """Metres along the camera's axis, positive in front of it; not clamped."""


def project(camera: Camera, points_world: Float[Tensor, "#b n 3"]) -> ScreenPoints:
    """Return the pixels and depths of world points.

    A perspective camera divides by a depth of at least `MINIMUM_DEPTH`, so points behind it give
    finite pixels far outside the image; their depth says that they are behind.
    """
    points_camera = points_world * points_world.new_tensor(CAMERA_FROM_WORLD)
    plane, depth = points_camera[..., :2], points_camera[..., 2]
    if camera.projection == "perspective":
        plane = plane / depth.clamp_min(MINIMUM_DEPTH)[..., None]
    pixels = plane * camera.focal[:, None] + camera.principal_point[:, None]
    return ScreenPoints(pixels=pixels, depth=depth.expand(pixels.shape[:2]))


def unproject(
    camera: Camera, pixels: Float[Tensor, "b n 2"], depth: Float[Tensor, "b n"]
) -> Float[Tensor, "b n 3"]:
    """Return the world points at the given pixels and depths (metres)."""
    plane = (pixels - camera.principal_point[:, None]) / camera.focal[:, None]
    if camera.projection == "perspective":
        plane = plane * depth[..., None]
    points_camera = torch.cat((plane, depth[..., None]), dim=-1)
    return points_camera * pixels.new_tensor(CAMERA_FROM_WORLD)


def projection_jacobian(
    camera: Camera, points_world: Float[Tensor, "#b n 3"]
) -> Float[Tensor, "b n 2 3"]:
    """Return d pixel / d world point, the exact derivative of `project`."""
    flip_x, flip_y, flip_z = CAMERA_FROM_WORLD
    batch = max(points_world.shape[0], camera.focal.shape[0])
    points = points_world.expand(batch, -1, -1)
    focal_x, focal_y = (camera.focal.expand(batch, 2)[:, i, None] for i in range(2))
    zero = torch.zeros_like(points[..., 0])
    if camera.projection == "orthographic":
        entries = (focal_x * flip_x + zero, zero, zero, zero, focal_y * flip_y + zero, zero)
        return torch.stack(entries, dim=-1).reshape(*points.shape[:-1], 2, 3)
    x, y, z = points[..., 0] * flip_x, points[..., 1] * flip_y, points[..., 2] * flip_z
    inverse_depth = 1.0 / z.clamp_min(MINIMUM_DEPTH)
    by_depth = torch.where(z > MINIMUM_DEPTH, -flip_z * inverse_depth**2, zero)
    entries = (
        focal_x * flip_x * inverse_depth,
        zero,
        focal_x * x * by_depth,
        zero,
        focal_y * flip_y * inverse_depth,
        focal_y * y * by_depth,
    )
    return torch.stack(entries, dim=-1).reshape(*points.shape[:-1], 2, 3)


def centred_camera(focal_pixels: Float[Tensor, "#b"], image_size: tuple[int, int]) -> Camera:
    """Return a perspective camera with square pixels and its axis through the image centre.

    Args:
        focal_pixels: focal lengths in pixels.
        image_size: height and width in pixels.
    """
    height, width = image_size
    centre = focal_pixels.new_tensor((0.5 * width, 0.5 * height))
    return Camera(focal=focal_pixels[:, None].expand(-1, 2), principal_point=centre[None])
