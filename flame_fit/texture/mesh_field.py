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

from flame_fit.geometry.laplacian import cotangent_laplacian

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
    first, second, third = vertices.double()[faces].unbind(dim=1)
    doubled_area = torch.linalg.cross(second - first, third - first).norm(dim=-1)
    share = np.repeat(doubled_area.cpu().numpy() / 6.0, 3)
    laplacian = cotangent_laplacian(vertices, faces, cotangent_range=COTANGENT_RANGE)
    return SurfaceOperator(
        laplacian=sparse.csc_matrix(laplacian),
        vertex_area=np.bincount(faces.cpu().numpy().ravel(), share, minlength=len(vertices)),
    )


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
