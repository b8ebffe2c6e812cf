"""Sparse matrices over the vertices of a mesh (SciPy)."""

import math

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import sparse
from torch import Tensor

MINIMUM_SINE = 1e-6
"""Keeps the cotangents of degenerate triangles finite."""


def cotangent_laplacian(
    vertices: Float[Tensor, "V 3"],
    faces: Int[Tensor, "F 3"],
    *,
    cotangent_range: tuple[float, float] = (-math.inf, math.inf),
) -> sparse.csr_array:
    """Return the symmetric matrix L with x^T L x = integral of |grad x|^2 over the surface.

    It has half the sum of the cotangents opposite each edge, negated, off the diagonal; rows sum to
    zero (Pinkall and Polthier 1993).

    Args:
        vertices: metres.
        faces: triangles.
        cotangent_range: cotangents are clamped to it; above zero they give a maximum principle.
    """
    corners = vertices.detach().cpu().to(torch.float64).numpy()[faces.cpu().numpy()]
    index = faces.cpu().numpy()
    edges, weights = [], []
    for corner in range(3):
        following, last = (corner + 1) % 3, (corner + 2) % 3
        u = corners[:, following] - corners[:, corner]
        v = corners[:, last] - corners[:, corner]
        sine = np.linalg.norm(np.cross(u, v), axis=-1)
        lengths = np.linalg.norm(u, axis=-1) * np.linalg.norm(v, axis=-1)
        cotangent = (u * v).sum(-1) / np.maximum(sine, MINIMUM_SINE * lengths + 1e-300)
        edges.append(index[:, [following, last]])
        weights.append(0.5 * np.clip(cotangent, *cotangent_range))
    off_diagonal = _symmetric(
        np.concatenate(edges), np.concatenate(weights), vertex_count=vertices.shape[0]
    )
    return sparse.csr_array(sparse.diags_array(off_diagonal.sum(axis=1)) - off_diagonal)


def _symmetric(edges: np.ndarray, weights: np.ndarray, *, vertex_count: int) -> sparse.csr_array:
    """Return the sum of the edges' weights in both directions."""
    rows = np.concatenate((edges[:, 0], edges[:, 1]))
    columns = np.concatenate((edges[:, 1], edges[:, 0]))
    values = np.concatenate((weights, weights))
    shape = (vertex_count, vertex_count)
    return sparse.csr_array(sparse.coo_array((values, (rows, columns)), shape=shape))
