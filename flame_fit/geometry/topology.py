"""Triangle meshes: normals, edges, boundaries, and points bound to the surface."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True, eq=False)
class SurfacePoints:
    """Points on triangles: each is the barycentric mean of its triangle's corners."""

    face_index: Int[Tensor, "*n"]
    barycentrics: Float[Tensor, "*n 3"]


def points_on_surface(
    vertices: Float[Tensor, "b V C"], faces: Int[Tensor, "F 3"], points: SurfacePoints
) -> Float[Tensor, "b n C"]:
    """Return the positions of surface points, or other values that vertices have.

    Args:
        vertices: vertex positions.
        faces: vertex indices of the triangles.
        points: `n` points shared by the batch, or `(b, n)` points, a set for each mesh.
    """
    corners = faces[points.face_index]
    barycentrics = points.barycentrics.to(vertices.dtype)
    if corners.ndim == 2:  # noqa: PLR2004 - (n, 3): one set for the whole batch
        return (vertices[:, corners] * barycentrics[..., None]).sum(-2)
    batch = torch.arange(vertices.shape[0], device=vertices.device)[:, None, None]
    return (vertices[batch, corners] * barycentrics[..., None]).sum(-2)


def face_normals(
    vertices: Float[Tensor, "b V 3"], faces: Int[Tensor, "F 3"]
) -> Float[Tensor, "b F 3"]:
    """Return unit normals of the triangles (counter-clockwise seen from outside); zero if flat."""
    return torch.nn.functional.normalize(_area_vectors(vertices, faces), dim=-1)


def vertex_normals(
    vertices: Float[Tensor, "b V 3"], faces: Int[Tensor, "F 3"]
) -> Float[Tensor, "b V 3"]:
    """Return unit vertex normals, the mean of the adjacent triangles weighted by their area."""
    area_vectors = _area_vectors(vertices, faces)
    total = torch.zeros_like(vertices)
    for corner in faces.unbind(-1):
        total = total.index_add(1, corner, area_vectors)
    return torch.nn.functional.normalize(total, dim=-1)


def unique_edges(faces: Int[Tensor, "F 3"]) -> Int[Tensor, "edges 2"]:
    """Return every undirected edge once, smaller vertex index first, in sorted order."""
    return torch.unique(torch.sort(_directed_edges(faces), dim=-1).values, dim=0)


def _area_vectors(
    vertices: Float[Tensor, "b V 3"], faces: Int[Tensor, "F 3"]
) -> Float[Tensor, "b F 3"]:
    """Return triangle normals with twice the area as length."""
    a, b, c = (vertices[:, corner] for corner in faces.unbind(-1))
    return torch.linalg.cross(b - a, c - a)


def _directed_edges(faces: Int[Tensor, "F 3"]) -> Int[Tensor, "edges 2"]:
    return torch.cat((faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]))
