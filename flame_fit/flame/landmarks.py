"""Landmarks on the head, the face outline chosen by the turn of the head seen from the camera."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from flame_fit.flame.assets import CONTOUR_POINTS, ContourTable
from flame_fit.flame.params import FlameMesh
from flame_fit.geometry.cameras import Projection
from flame_fit.geometry.topology import SurfacePoints

HEAD_JOINT = 1
"""The neck joint carries the whole head."""


def camera_yaw(mesh: FlameMesh, *, projection: Projection = "perspective") -> Float[Tensor, "b"]:
    """Return how far the head is turned to the person's left as the camera sees it, in radians.

    A perspective camera at the world origin sees the side of a head that stands off its axis; a
    distant (orthographic) one looks along -z everywhere.
    """
    rotation = mesh.joint_rotations[:, HEAD_JOINT]
    if projection == "perspective":
        towards_camera = -mesh.joints[:, HEAD_JOINT]
    else:
        towards_camera = torch.zeros_like(mesh.joints[:, HEAD_JOINT])
        towards_camera[:, 2] = 1.0
    seen = (rotation.transpose(-1, -2) @ towards_camera[..., None])[..., 0]
    return torch.atan2(-seen[..., 0], seen[..., 2])


def contour_points(table: ContourTable, yaw_radians: Float[Tensor, "b"]) -> SurfacePoints:
    """Return the 17 outline points (b x 17) of the table's nearest head turn."""
    nearest = _nearest_row(table, yaw_radians)
    return SurfacePoints(
        face_index=table.points.face_index[nearest], barycentrics=table.points.barycentrics[nearest]
    )


def with_contour(static: SurfacePoints, contour: SurfacePoints) -> SurfacePoints:
    """Return iBUG-68 points (b x 68) whose first 17 are the given outline."""
    batch = contour.face_index.shape[0]
    inner_index = static.face_index[CONTOUR_POINTS:].expand(batch, -1)
    inner_weights = static.barycentrics[CONTOUR_POINTS:].expand(batch, -1, 3)
    return SurfacePoints(
        face_index=torch.cat((contour.face_index, inner_index), dim=1),
        barycentrics=torch.cat((contour.barycentrics, inner_weights), dim=1),
    )


def _nearest_row(table: ContourTable, yaw_radians: Float[Tensor, "b"]) -> Int[Tensor, "b"]:
    difference = torch.rad2deg(yaw_radians)[:, None] - table.yaw_degrees[None]
    return difference.abs().argmin(dim=1)
