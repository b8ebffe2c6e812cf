"""Closed-form alignment of point sets, and closest points on a mesh."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from flame_fit.errors import InputError
from flame_fit.geometry.topology import SurfacePoints

MINIMUM_POINTS = 3
FIRST_CANDIDATES = 8
QUERY_CHUNK = 4096
RELATIVE_SLACK = 1e-9
"""Guards bounds on distances against rounding."""
SMALLEST_RADIUS = 2.0**-20
"""Triangles smaller than this share of the largest count as one class."""
TINY = 1e-300


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

    Triangles are sorted into classes of similar size, each with a tree over its centres. A query
    takes ever more candidates of a class until no triangle left out can be nearer.

    Raises:
        InputError: the mesh has no triangle, or something is not finite.
    """
    queries = points.detach().cpu().to(torch.float64).numpy()
    triangles = vertices.detach().cpu().to(torch.float64).numpy()[faces.cpu().numpy()]
    if len(triangles) == 0:
        raise InputError("a mesh without triangles was given; distances need a surface")
    if not (np.isfinite(queries).all() and np.isfinite(triangles).all()):
        raise InputError("points or vertices are not finite; repair the mesh or scan first")
    best = _Nearest.empty(len(queries))
    for size_class in _size_classes(triangles):
        for start in range(0, len(queries), QUERY_CHUNK):
            rows = np.arange(start, min(start + QUERY_CHUNK, len(queries)))
            _search_class(queries, rows, size_class, best)
    like = points.detach()
    return ClosestPoints(
        points=torch.from_numpy(best.points).to(like),
        distance=torch.from_numpy(np.sqrt(best.squared_distance)).to(like),
        surface=SurfacePoints(
            face_index=torch.from_numpy(best.face_index).to(like.device),
            barycentrics=torch.from_numpy(best.barycentrics).to(like),
        ),
    )


@dataclass(frozen=True, eq=False)
class _Nearest:
    """Best answers so far; its arrays are filled in place while the search goes on."""

    squared_distance: np.ndarray
    points: np.ndarray
    barycentrics: np.ndarray
    face_index: np.ndarray

    @staticmethod
    def empty(count: int) -> "_Nearest":
        return _Nearest(
            squared_distance=np.full(count, np.inf),
            points=np.zeros((count, 3)),
            barycentrics=np.zeros((count, 3)),
            face_index=np.zeros(count, dtype=np.int64),
        )


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


@dataclass(frozen=True, eq=False)
class _SizeClass:
    """Triangles of similar size and a tree over their centres."""

    face_index: np.ndarray
    corners: np.ndarray
    radii: np.ndarray
    tree: Any
    """A SciPy KDTree."""


def _size_classes(triangles: np.ndarray) -> list[_SizeClass]:
    """Return the triangles by octaves of their radius, the most numerous first."""
    # Imported here because a fit does not need it and it takes a while.
    from scipy.spatial import KDTree

    centres = triangles.mean(1)
    radii = np.linalg.norm(triangles - centres[:, None], axis=-1).max(1)
    octave = np.floor(np.log2(np.maximum(radii, radii.max() * SMALLEST_RADIUS + TINY)))
    values, counts = np.unique(octave, return_counts=True)
    classes = []
    for value in values[np.argsort(-counts)]:
        members = np.flatnonzero(octave == value)
        classes.append(
            _SizeClass(members, triangles[members], radii[members], KDTree(centres[members]))
        )
    return classes


def _search_class(
    queries: np.ndarray, rows: np.ndarray, size_class: _SizeClass, best: _Nearest
) -> None:
    """Improve the best answers of some queries by the triangles of one class."""
    reach = size_class.radii.max()
    total = len(size_class.face_index)
    seen, count = 0, 1
    while len(rows):
        distance, index = size_class.tree.query(queries[rows], k=np.arange(seen + 1, count + 1))
        for column in range(count - seen):
            candidate = index[:, column]
            nearest = distance[:, column] - size_class.radii[candidate]
            useful = _may_improve(nearest, rows, best)
            _improve(queries, rows[useful], candidate[useful], size_class, best)
        if count == total:
            return
        rows = rows[_may_improve(distance[:, -1] - reach, rows, best)]
        seen, count = count, min(max(FIRST_CANDIDATES, 2 * count), total)


def _may_improve(bound: np.ndarray, rows: np.ndarray, best: _Nearest) -> np.ndarray:
    """Tell where something no nearer than the bound could still be the nearest."""
    return bound < np.sqrt(best.squared_distance[rows]) * (1 + RELATIVE_SLACK)


def _improve(
    queries: np.ndarray,
    rows: np.ndarray,
    candidate: np.ndarray,
    size_class: _SizeClass,
    best: _Nearest,
) -> None:
    """Compare each query with one triangle."""
    corners = size_class.corners[candidate]
    barycentrics = closest_barycentrics(queries[rows], corners)
    points = (barycentrics[..., None] * corners).sum(1)
    squared = ((points - queries[rows]) ** 2).sum(-1)
    better = squared < best.squared_distance[rows]
    chosen = rows[better]
    best.squared_distance[chosen] = squared[better]
    best.points[chosen] = points[better]
    best.barycentrics[chosen] = barycentrics[better]
    best.face_index[chosen] = size_class.face_index[candidate[better]]


def closest_barycentrics(
    points: Float64[np.ndarray, "n 3"], triangles: Float64[np.ndarray, "n 3 3"]
) -> Float64[np.ndarray, "n 3"]:
    """Return the barycentrics of the nearest point of each triangle to its point.

    The foot on the plane where it falls inside, else the best of the feet on the three edges; flat
    triangles are covered by their edges.
    """
    a, b, c = triangles[:, 0], triangles[:, 1], triangles[:, 2]
    candidates = [_foot_on_edge(points, a, b), _foot_on_edge(points, b, c)]
    candidates.append(_foot_on_edge(points, c, a))
    along = np.zeros((4, len(points), 3))
    for edge, (start, end) in enumerate(((0, 1), (1, 2), (2, 0))):
        along[edge, :, start] = 1.0 - candidates[edge]
        along[edge, :, end] = candidates[edge]
    along[3] = _foot_on_plane(points, triangles)
    feet = np.einsum("enk,nkc->enc", along, triangles)
    squared = ((feet - points) ** 2).sum(-1)
    squared[3][~(along[3] >= 0).all(-1)] = np.inf
    return along[squared.argmin(0), np.arange(len(points))]


def _foot_on_edge(points: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return how far along each edge, from 0 to 1, the nearest point lies."""
    edge = end - start
    length = (edge**2).sum(-1)
    position = ((points - start) * edge).sum(-1) / np.where(length > 0, length, 1.0)
    return np.clip(position, 0.0, 1.0)


def _foot_on_plane(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Return the barycentrics of the foot on the triangle's plane; negative first if it is flat."""
    u, v = triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    w = points - triangles[:, 0]
    uu, uv, vv = (u * u).sum(-1), (u * v).sum(-1), (v * v).sum(-1)
    uw, vw = (u * w).sum(-1), (v * w).sum(-1)
    determinant = uu * vv - uv * uv
    flat = determinant <= RELATIVE_SLACK * uu * vv
    safe = np.where(flat, 1.0, determinant)
    second = np.where(flat, 2.0, (vv * uw - uv * vw) / safe)
    third = np.where(flat, 0.0, (uu * vw - uv * uw) / safe)
    return np.stack((1.0 - second - third, second, third), axis=-1)
