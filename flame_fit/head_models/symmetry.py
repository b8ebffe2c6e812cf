"""Which vertex lies at whose mirror place, for heads that are symmetric and for others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import KDTree

EXACT_DISTANCE = 1e-5
"""Metres within which a vertex is taken to lie exactly at a mirror place."""


@dataclass(frozen=True, eq=False)
class MirrorMap:
    """The mirror image of a mesh in the plane x = 0.

    Attributes:
        vertex: For each vertex the one nearest to its mirror place.
        distance: How far from it that one lies, metres.
    """

    vertex: Int[np.ndarray, "V"]
    distance: Float[np.ndarray, "V"]

    @property
    def is_exact(self) -> bool:
        """Whether each vertex has one partner, at its mirror place, whose partner it is."""
        there_and_back = self.vertex[self.vertex] == np.arange(len(self.vertex))
        return bool(there_and_back.all() and self.distance.max() <= EXACT_DISTANCE)


def find_mirror(vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]) -> MirrorMap:
    """Find the vertex nearest to each vertex's mirror place.

    Where several vertices share a place (lips that touch, lids on an eyeball), the one whose
    neighbours lie where the mirror image of the vertex's neighbours does is taken.

    Args:
        vertices: Metres, x to the person's left.
        faces: Triangles.
    """
    flip = np.array([-1.0, 1.0, 1.0])
    around = _neighbour_mean(vertices, faces)
    # A tenth of the neighbours' place beside the own one decides among vertices in one place only.
    place = np.concatenate([vertices, 0.1 * around], axis=1)
    _, vertex = KDTree(place).query(np.concatenate([vertices * flip, 0.1 * around * flip], axis=1))
    distance = np.linalg.norm(vertices[vertex] - vertices * flip, axis=1)
    return MirrorMap(vertex.astype(np.int64), distance)


def _neighbour_mean(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]
) -> Float[np.ndarray, "V 3"]:
    """Return the mean over each vertex's triangles' corners; the vertex itself if it has none."""
    total, count = np.zeros_like(vertices), np.zeros(len(vertices))
    centre = vertices[faces].mean(axis=1)
    for corner in range(3):
        np.add.at(total, faces[:, corner], centre)
        np.add.at(count, faces[:, corner], 1)
    used = count > 0
    result = vertices.copy()
    result[used] = total[used] / count[used, None]
    return result
