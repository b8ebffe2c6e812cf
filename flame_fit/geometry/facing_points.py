"""Nearest points of a surface that face the same way as the points that look for them.

Where two layers of skin lie upon each other (lids, lips, nostrils, ears) the plainly nearest point
is often on the wrong layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.spatial import KDTree

from flame_fit.geometry.topology import SurfacePoints, vertex_normals

CANDIDATES = 12
"""Triangles that are tried exactly for each point."""
NORMAL_LENGTH = 0.005
"""Metres of distance that a difference of one between two unit normals is worth."""
TINY = 1e-300
FLAT = 1e-9
"""Triangles whose squared sine is smaller are covered by their edges alone."""
FINEST_SPLIT = 16
"""Most parts into which the side of a large triangle is divided for the search."""


@dataclass(frozen=True, eq=False)
class FacingPoints:
    """Places on a surface for a number of points.

    Attributes:
        surface: Triangles and barycentrics.
        points: Their positions.
        distance: How far they lie from the points that asked, in the units of these.
        cosine: Between the normal of the point that asked and the surface's smooth one.
    """

    surface: SurfacePoints
    points: Float[np.ndarray, "n 3"]
    distance: Float[np.ndarray, "n"]
    cosine: Float[np.ndarray, "n"]


@dataclass(frozen=True, eq=False)
class FacingSurface:
    """A surface to be asked for nearest points.

    Attributes:
        vertices: Metres.
        faces: Triangles that may be found, counter-clockwise seen from outside.
    """

    vertices: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]

    def nearest(
        self, points: Float[np.ndarray, "n 3"], normals: Float[np.ndarray, "n 3"]
    ) -> FacingPoints:
        """Return for each point the one with the least distance and turn of the normal together."""
        query = np.concatenate([points, NORMAL_LENGTH * normals], axis=1)
        count = min(CANDIDATES, len(self._samples.owner))
        _, sample = self._samples.tree.query(query, k=count)
        owner = self._samples.owner[sample.reshape(len(points), -1)]
        corners = self.vertices[self.faces[owner.ravel()]]
        asking = np.repeat(points, owner.shape[1], axis=0)
        share = nearest_barycentrics(asking, corners)
        feet = (share[..., None] * corners).sum(axis=1)
        square = ((feet - asking) ** 2).sum(axis=1).reshape(owner.shape)
        smooth = self._smooth_normals(owner.ravel(), share).reshape(*owner.shape, 3)
        turn = ((smooth - normals[:, None]) ** 2).sum(axis=-1)
        best = (square + NORMAL_LENGTH**2 * turn).argmin(axis=1)
        rows = np.arange(len(points))
        face = owner[rows, best]
        flat = rows * owner.shape[1] + best
        return FacingPoints(
            surface=SurfacePoints(torch.from_numpy(face), torch.from_numpy(share[flat])),
            points=feet[flat],
            distance=np.sqrt(square[rows, best]),
            cosine=(smooth[rows, best] * normals).sum(axis=1),
        )

    def _smooth_normals(
        self, face: Int[np.ndarray, "n"], share: Float[np.ndarray, "n 3"]
    ) -> Float[np.ndarray, "n 3"]:
        """Return unit normals between those of the corners."""
        mixed = np.einsum("nc,ncd->nd", share, self._normals[self.faces[face]])
        return mixed / np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), TINY)

    @cached_property
    def _normals(self) -> Float[np.ndarray, "V 3"]:
        vertices = torch.from_numpy(self.vertices.astype(np.float64))
        return vertex_normals(vertices[None], torch.from_numpy(self.faces))[0].numpy()

    @cached_property
    def _samples(self) -> _Samples:
        corners = self.vertices[self.faces]
        radius = np.linalg.norm(corners - corners.mean(axis=1, keepdims=True), axis=-1).max(axis=1)
        steps = np.ceil(radius / max(np.median(radius), 1e-12)).clip(1, FINEST_SPLIT).astype(int)
        shares, owners = [], []
        for step in np.unique(steps):
            members = np.flatnonzero(steps == step)
            inner = _inner_barycentrics(int(step))
            shares.append(np.tile(inner, (len(members), 1)))
            owners.append(np.repeat(members, len(inner)))
        owner, share = np.concatenate(owners), np.concatenate(shares)
        place = np.einsum("nc,ncd->nd", share, corners[owner])
        normals = self._smooth_normals(owner, share)
        return _Samples(KDTree(np.concatenate([place, NORMAL_LENGTH * normals], axis=1)), owner)


@dataclass(frozen=True, eq=False)
class _Samples:
    """Points spread over the triangles, with their normals, in a tree."""

    tree: KDTree
    owner: Int[np.ndarray, "n"]


def _inner_barycentrics(steps: int) -> Float[np.ndarray, "n 3"]:
    """Return the centres of the small triangles that remain upright when sides are divided."""
    grid = [(i, j, steps - 1 - i - j) for i in range(steps) for j in range(steps - i)]
    return (np.array(grid) + 1 / 3) / steps


def nearest_barycentrics(
    points: Float[np.ndarray, "n 3"], triangles: Float[np.ndarray, "n 3 3"]
) -> Float[np.ndarray, "n 3"]:
    """Return the barycentrics of the nearest point of each triangle to its point.

    The foot on the plane where it falls inside, else the best of the feet on the three edges; flat
    triangles are covered by their edges.
    """
    along = np.zeros((4, len(points), 3))
    for edge, (start, end) in enumerate(((0, 1), (1, 2), (2, 0))):
        along[edge, :, end] = _share_of_edge(points, triangles[:, start], triangles[:, end])
        along[edge, :, start] = 1.0 - along[edge, :, end]
    along[3] = _foot_on_plane(points, triangles)
    feet = np.einsum("enk,nkc->enc", along, triangles)
    square = ((feet - points) ** 2).sum(axis=-1)
    square[3][~(along[3] >= 0).all(axis=-1)] = np.inf
    return along[square.argmin(axis=0), np.arange(len(points))]


def _share_of_edge(
    points: Float[np.ndarray, "n 3"], start: Float[np.ndarray, "n 3"], end: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, "n"]:
    """Return how far along each edge, from 0 to 1, the nearest point lies."""
    edge = end - start
    square = (edge**2).sum(axis=-1)
    share = ((points - start) * edge).sum(axis=-1) / np.where(square > 0, square, 1.0)
    return np.clip(share, 0.0, 1.0)


def _foot_on_plane(
    points: Float[np.ndarray, "n 3"], triangles: Float[np.ndarray, "n 3 3"]
) -> Float[np.ndarray, "n 3"]:
    """Return the barycentrics of the foot on the triangle's plane; negative first if it is flat."""
    u, v = triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    w = points - triangles[:, 0]
    uu, uv, vv = (u * u).sum(-1), (u * v).sum(-1), (v * v).sum(-1)
    uw, vw = (u * w).sum(-1), (v * w).sum(-1)
    determinant = uu * vv - uv * uv
    flat = determinant <= FLAT * uu * vv
    safe = np.where(flat, 1.0, determinant)
    second = np.where(flat, 2.0, (vv * uw - uv * vw) / safe)
    third = np.where(flat, 0.0, (uu * vw - uv * uw) / safe)
    return np.stack((1.0 - second - third, second, third), axis=-1)
