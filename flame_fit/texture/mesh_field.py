"""Smooth fields on a head, filled in where nothing is known.

Solving on the mesh instead of the chart makes a field continuous across every seam, and carries
it along the skin instead of across the gaps between islands.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import sparse
from scipy.sparse.linalg import splu
from torch import Tensor

# Cotangent weights of sliver triangles are kept in this range, so that the field obeys the
# maximum principle: it never leaves the range of its data.
COTANGENT_RANGE = (0.02, 5.0)
# Pull towards the rest value relative to full data: decides only where nothing else does.
REST_PULL = 1e-3


@dataclass(frozen=True, eq=False)
class SurfaceOperator:
    """Differential geometry of one mesh, computed once.

    Attributes:
        laplacian: Positive semi-definite cotangent matrix (V, V).
        vertex_area: Square metres around each vertex.
    """

    laplacian: sparse.csc_matrix
    vertex_area: np.ndarray


def surface_operator(vertices: Float[Tensor, "V 3"], faces: Int[Tensor, "F 3"]) -> SurfaceOperator:
    """Build the cotangent Laplacian and vertex areas of a mesh."""
    points = vertices.detach().cpu().double().numpy()
    corner = faces.cpu().numpy()
    count = len(points)
    rows, columns, values = [], [], []
    for k in range(3):
        tip, a, b = corner[:, k], corner[:, (k + 1) % 3], corner[:, (k + 2) % 3]
        u, v = points[a] - points[tip], points[b] - points[tip]
        sine = np.linalg.norm(np.cross(u, v), axis=1)
        cotangent = (u * v).sum(axis=1) / np.maximum(sine, 1e-12)
        rows.append(a)
        columns.append(b)
        values.append(0.5 * np.clip(cotangent, *COTANGENT_RANGE))
    half = sparse.coo_matrix(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))),
        shape=(count, count),
    ).tocsc()
    weights = half + half.T
    degree = np.asarray(weights.sum(axis=1)).ravel()
    edge_1 = points[corner[:, 1]] - points[corner[:, 0]]
    edge_2 = points[corner[:, 2]] - points[corner[:, 0]]
    area = 0.5 * np.linalg.norm(np.cross(edge_1, edge_2), axis=1)
    vertex_area = np.bincount(corner.ravel(), np.repeat(area / 3.0, 3), minlength=count)
    return SurfaceOperator((sparse.diags(degree) - weights).tocsc(), vertex_area)


def smooth_field(
    values: Float[Tensor, "V C"],
    weight: Float[Tensor, " V"],
    rest: Float[Tensor, "V C"],
    *,
    operator: SurfaceOperator,
    length: float,
) -> Float[Tensor, "V C"]:
    """Fit a smooth field to weighted vertex values, extended over the whole surface.

    Minimises the area integral of `weight |x - values|^2 + length^2 |grad x|^2` with a faint pull
    to `rest`, which decides where no data are near.

    Args:
        values: Data.
        weight: Confidence 0..1 of each vertex's data.
        rest: Value of parts of the surface without any data.
        operator: Geometry of the mesh.
        length: Metres over which data are smoothed.
    """
    area = operator.vertex_area
    mass = area * weight.detach().cpu().double().numpy()
    pull = np.maximum(area * REST_PULL, 1e-12)
    system = (operator.laplacian * length**2 + sparse.diags(mass + pull)).tocsc()
    right = mass[:, None] * values.detach().cpu().double().numpy()
    right += pull[:, None] * rest.detach().cpu().double().numpy()
    factor = splu(system, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
    return torch.from_numpy(factor.solve(right)).to(values)
