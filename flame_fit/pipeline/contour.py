"""The outline of a face as a photo shows it: where the skin turns out of sight."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from flame_fit.errors import AssetError
from flame_fit.flame import FlameMesh, FlameModel
from flame_fit.geometry import Camera, SurfacePoints, points_on_surface, project, vertex_normals

# Cosine between normal and sight line: below the first a point of the outline is out of sight,
# between minus and plus the second the skin turns away.
HIDDEN_COSINE = 0.1
RIM_COSINE = 0.2
# An outline farther from the point than this, as a share of the outline's own size, is another.
REACH = 0.15


def seen_outline(
    model: FlameModel,
    mesh: FlameMesh,
    camera: Camera,
    points: SurfacePoints,
    pixels: Float[Tensor, "1 n 2"],
) -> SurfacePoints:
    """Return outline points of one head, those out of sight moved to the rim that is seen.

    A detector sees the far side of a turned face where the cheek hides it: at the rim, which is
    another place of the head for every turn.

    Args:
        model: The head model.
        mesh: The head as it is now (batch of one).
        camera: The camera.
        points: The outline of a face seen from the front (batch of one).
        pixels: Where its points were seen.

    Raises:
        AssetError: If the model has no region masks.
    """
    if model.assets.regions is None:
        raise AssetError(f"model {model.assets.name!r} has no region masks; use 'open_head'")
    facing = _facing(mesh, camera)
    of_points = points_on_surface(facing[None, :, None], mesh.faces, points)[0, :, 0]
    skin = model.assets.regions.mask("skin") & ~model.assets.regions.mask("scalp")
    rim = (skin & (facing.abs() < RIM_COSINE)).nonzero()[:, 0]
    hidden = of_points < HIDDEN_COSINE
    if not len(rim) or not bool(hidden.any()):
        return points
    seen = project(camera, mesh.vertices[:, rim]).pixels[0]
    distance = torch.cdist(pixels[0], seen)
    nearest = distance.argmin(dim=1)
    extent = torch.linalg.vector_norm(pixels[0].amax(0) - pixels[0].amin(0))
    moved = hidden & (distance.amin(dim=1) < REACH * extent)
    at_rim = _at_vertices(mesh.faces, rim[nearest], like=points.barycentrics)
    return SurfacePoints(
        torch.where(moved, at_rim.face_index, points.face_index),
        torch.where(moved[:, None], at_rim.barycentrics, points.barycentrics),
    )


def _facing(mesh: FlameMesh, camera: Camera) -> Float[Tensor, " V"]:
    """Return the cosine between each vertex normal and the way to the camera."""
    vertices = mesh.vertices[0]
    normals = vertex_normals(mesh.vertices, mesh.faces)[0]
    if camera.projection == "orthographic":
        return normals[:, 2]
    return -(normals * functional.normalize(vertices, dim=-1)).sum(dim=-1)


def _at_vertices(
    faces: Int[Tensor, "F 3"], vertices: Int[Tensor, " n"], *, like: Float[Tensor, "1 n 3"]
) -> SurfacePoints:
    """Return vertices as surface points of a batch of one."""
    order = torch.full((int(faces.max()) + 1,), -1, dtype=torch.long, device=faces.device)
    order[faces.reshape(-1)] = torch.arange(faces.numel(), device=faces.device)
    place = order[vertices]
    corner = functional.one_hot(place % 3, 3).to(like)
    return SurfacePoints(torch.div(place, 3, rounding_mode="floor")[None], corner[None])
