"""Closed-form alignment of point sets, and closest points on a mesh."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from flame_fit.errors import InputError
from flame_fit.geometry.topology import SurfacePoints

MINIMUM_POINTS = 3


@dataclass(frozen=True, eq=False)
class Similarity:
    """A map of points: scale * rotation @ point + translation."""

    rotation: Float[Tensor, "3 3"]
    scale: Float[Tensor, ""]
    translation: Float[Tensor, "3"]

    def apply(self, points: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 3"]:
        """Return the mapped points."""
        return self.scale * points @ self.rotation.T + self.translation


@dataclass(frozen=True, eq=False)
class ClosestPoints:
    """The nearest points of a surface."""

    points: Float[Tensor, "n 3"]
    distance: Float[Tensor, "n"]
    surface: SurfacePoints
    """Where on the mesh they lie."""


def similarity_alignment(
    source: Float[Tensor, "n 3"],
    target: Float[Tensor, "n 3"],
    weights: Float[Tensor, "n"] | None = None,
) -> Similarity:
    """Return the similarity that moves source onto target with the least weighted squared error.

    Umeyama, "Least-squares estimation of transformation parameters between two point patterns",
    PAMI 1991. Reflections are excluded.

    Raises:
        InputError: fewer than three points, or no extent in the source.
    """
    return _align(source, target, weights, fixed_scale=False)


def rigid_alignment(
    source: Float[Tensor, "n 3"],
    target: Float[Tensor, "n 3"],
    weights: Float[Tensor, "n"] | None = None,
) -> Similarity:
    """Return the rotation and translation (scale 1) with the least weighted squared error.

    Raises:
        InputError: fewer than three points.
    """
    return _align(source, target, weights, fixed_scale=True)


def closest_points_on_mesh(
    points: Float[Tensor, "n 3"],
    vertices: Float[Tensor, "V 3"],
    faces: Int[Tensor, "F 3"],
) -> ClosestPoints:
    """Return the exact nearest surface point for each point; not differentiable.

    `flame_fit.geometry.mesh_search.MeshSearch` does the same for many sets of points on one mesh.

    Raises:
        InputError: the mesh has no triangle, or something is not finite.
    """
    # Imported here because a fit does not need it.
    from flame_fit.geometry.mesh_search import MeshSearch

    return MeshSearch.of(vertices, faces).closest(points)


def _align(
    source: Float[Tensor, "n 3"],
    target: Float[Tensor, "n 3"],
    weights: Float[Tensor, "n"] | None,
    *,
    fixed_scale: bool,
) -> Similarity:
    if source.shape[0] < MINIMUM_POINTS:
        raise InputError(f"an alignment needs at least 3 points; got {source.shape[0]}")
    if weights is None:
        weights = torch.ones_like(source[:, 0])
    share = (weights / weights.sum())[:, None]
    source_mean, target_mean = (share * source).sum(0), (share * target).sum(0)
    centred_source, centred_target = source - source_mean, target - target_mean
    covariance = centred_target.T @ (share * centred_source)
    left, singular, right = torch.linalg.svd(covariance)
    signs = torch.ones_like(singular)
    signs[-1] = torch.sign(torch.linalg.det(left) * torch.linalg.det(right))
    rotation = left @ torch.diag(signs) @ right
    scale = torch.ones_like(singular[0])
    if not fixed_scale:
        variance = (share * centred_source**2).sum()
        if not bool(variance > 0):
            raise InputError("the points to align lie in one place; their size is not defined")
        scale = (singular * signs).sum() / variance
    return Similarity(
        rotation=rotation, scale=scale, translation=target_mean - scale * (rotation @ source_mean)
    )
