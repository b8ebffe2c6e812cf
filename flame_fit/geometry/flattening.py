"""Flattening a disk of triangles onto a rectangle without flips and with little stretch.

First by Tutte's embedding, which cannot overlap, then by minimising stretch with steps that cannot
flip a triangle. A map of a disk that flips nothing and takes its border one-to-one onto a
rectangle's is one-to-one everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spla
from jaxtyping import Bool, Float, Int

from flame_fit.errors import InputError
from flame_fit.geometry.patches import Patch, with_collar

STOP_DECREASE = 1e-7
"""Relative decrease of the energy in one step below which Newton's method stops."""
SAFE_STEP = 0.9
"""Share of the step to the first flipping triangle that a line search may take."""
FILL_WEIGHT = 1e-4
"""Weight of the triangles that only fill a hole, against the real ones' mean."""
MIN_TUTTE_WEIGHT = 1e-3
SHORTEST_STEP = 1e-12
NEWTON_ITERATIONS = 400
LEAST_SCALE = 1e-3
SHORTEST_EDGE = 1e-12


@dataclass(frozen=True)
class Rectangle:
    """An upright rectangle of the chart."""

    left: float
    right: float
    bottom: float
    top: float

    @property
    def width(self) -> float:
        """Its width."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Its height."""
        return self.top - self.bottom


def flatten_patch(
    patch: Patch,
    rectangle: Rectangle,
    *,
    scale: Float[np.ndarray, "V"],
    importance: Float[np.ndarray, "V"],
    stop_decrease: float = STOP_DECREASE,
) -> Float[np.ndarray, "n 2"]:
    """Return the places of a patch's vertices on a rectangle.

    Args:
        patch: The disk; its sides slide along those of the rectangle. If a triangle has all its
            corners on one side, the patch gets a collar and its border stays inside.
        rectangle: Where it goes.
        scale: Wanted length in the chart per length in space at the mesh's vertices, relative.
        importance: What stretch costs at the mesh's vertices, relative.
        stop_decrease: Relative decrease of the energy in one step at which it is good enough.

    Raises:
        InputError: A triangle would be turned over.
    """
    count = len(patch.vertex)
    if patch.has_flat_corner:
        patch = with_collar(patch)
    low, high = np.array([rectangle.left, rectangle.bottom]), (rectangle.right, rectangle.top)
    corners = [(low[0], high[1]), (low[0], low[1]), (high[0], low[1]), (high[0], high[1])]
    uv = np.zeros((len(patch.vertex), 2))
    is_free = np.ones((len(patch.vertex), 2), bool)
    for number, side in enumerate(patch.sides):
        uv[side] = _spread(patch.points[side], corners[number], corners[(number + 1) % 4])
        is_free[side, number % 2] = False
    for side in patch.sides:
        is_free[side[[0, -1]]] = False
    border = np.unique(np.concatenate(patch.sides))
    start = tutte_embedding(mean_value_weights(patch.points, patch.faces), border, uv[border])
    is_fill = np.arange(len(patch.faces)) >= len(patch.faces) - patch.fill_count
    wanted = scale[patch.vertex][patch.faces].mean(1)
    rest = rest_triangles(patch.points[patch.faces], np.maximum(wanted, LEAST_SCALE))
    area = np.abs(np.linalg.det(rest[:, 1:] - rest[:, :1])) / 2
    factor = np.sqrt(rectangle.width * rectangle.height / area[~is_fill].sum())
    cost = importance[patch.vertex][patch.faces].mean(1)
    problem = FlatteningProblem(
        rest * factor, area / area[~is_fill].sum() * cost, is_fill, patch.faces, is_free
    )
    flat = minimise_stretch(
        problem, start, iterations=NEWTON_ITERATIONS, stop_decrease=stop_decrease
    )
    if signed_areas(flat, patch.faces).min() <= 0:
        raise InputError("flattening a part of the mesh turned a triangle over; repair the mesh")
    return flat[:count]


def _spread(
    points: Float[np.ndarray, "m 3"], start: tuple[float, float], end: tuple[float, float]
) -> Float[np.ndarray, "m 2"]:
    """Spread a border chain over a side of the rectangle by length in space."""
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    share = (along / along[-1])[:, None]
    return (1 - share) * np.array(start) + share * np.array(end)


@dataclass(frozen=True)
class FlatteningProblem:
    """A disk to be flattened.

    Attributes:
        rest: Corners of every triangle flattened to its wanted size and shape, in chart units.
        weight: Importance of each triangle (its area times what the eye cares for).
        is_fill: Triangles that fill a hole; they keep it from turning inside out.
        faces: Triangles of the disk.
        is_free: Which coordinates of which vertex may move (False: held on the boundary).
    """

    rest: Float[np.ndarray, "F 3 2"]
    weight: Float[np.ndarray, "F"]
    is_fill: Bool[np.ndarray, "F"]
    faces: Int[np.ndarray, "F 3"]
    is_free: Bool[np.ndarray, "n 2"]


def rest_triangles(
    corners: Float[np.ndarray, "F 3 3"], scale: Float[np.ndarray, "F"]
) -> Float[np.ndarray, "F 3 2"]:
    """Lay every 3-D triangle into the plane, first corner at 0, first edge along x, times scale."""
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    # Triangles that only fill a slit may have no extent.
    length = np.maximum(np.linalg.norm(first, axis=1), SHORTEST_EDGE)
    along = (first * second).sum(1) / length
    height = np.linalg.norm(np.cross(first, second), axis=1) / length
    zero = np.zeros_like(length)
    flat = np.stack([zero, zero, length, zero, along, height], axis=1).reshape(-1, 3, 2)
    return flat * scale[:, None, None]


def signed_areas(
    uv: Float[np.ndarray, "n 2"], faces: Int[np.ndarray, "F 3"]
) -> Float[np.ndarray, "F"]:
    """Return the signed areas of flat triangles; positive means counter-clockwise."""
    first, second = uv[faces[:, 1]] - uv[faces[:, 0]], uv[faces[:, 2]] - uv[faces[:, 0]]
    return 0.5 * (first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0])


def mean_value_weights(
    vertices: Float[np.ndarray, "n 3"], faces: Int[np.ndarray, "F 3"]
) -> sp.csr_matrix:
    """Return Floater's mean-value weights (all positive) as a sparse (n, n) matrix."""
    count = len(vertices)
    rows, columns, values = [], [], []
    for corner in range(3):
        a, b, c = (faces[:, (corner + k) % 3] for k in range(3))
        to_b, to_c = vertices[b] - vertices[a], vertices[c] - vertices[a]
        length_b, length_c = np.linalg.norm(to_b, axis=1), np.linalg.norm(to_c, axis=1)
        sine = np.linalg.norm(np.cross(to_b, to_c), axis=1)
        tangent = sine / np.maximum((to_b * to_c).sum(1) + length_b * length_c, 1e-12)
        for other, length in ((b, length_b), (c, length_c)):
            rows.append(a)
            columns.append(other)
            values.append(tangent / np.maximum(length, 1e-9))
    weights = sp.csr_matrix(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), (count, count)
    )
    weights.data = np.clip(weights.data, MIN_TUTTE_WEIGHT * np.median(weights.data), None)
    return weights


def tutte_embedding(
    weights: sp.csr_matrix,
    boundary: Int[np.ndarray, "m"],
    boundary_uv: Float[np.ndarray, "m 2"],
) -> Float[np.ndarray, "n 2"]:
    """Place the inner vertices at weighted means of their neighbours (a bijection: Tutte 1963)."""
    count = weights.shape[0]
    is_inner = np.ones(count, bool)
    is_inner[boundary] = False
    inner = np.flatnonzero(is_inner)
    laplacian = sp.diags(np.asarray(weights.sum(1)).ravel()) - weights
    uv = np.zeros((count, 2))
    uv[boundary] = boundary_uv
    right = -laplacian[inner][:, boundary] @ boundary_uv
    uv[inner] = spla.splu(laplacian[inner][:, inner].tocsc()).solve(right)
    return uv


def _gradient_operator(rest: Float[np.ndarray, "F 3 2"]) -> Float[np.ndarray, "F 3 2"]:
    """Return G with F = uv_corners^T G, the deformation gradient of each triangle."""
    edges = np.stack([rest[:, 1] - rest[:, 0], rest[:, 2] - rest[:, 0]], axis=2)
    inverse = np.linalg.inv(edges)
    return np.concatenate([-inverse.sum(1, keepdims=True), inverse], axis=1)


def _energy(
    uv: Float[np.ndarray, "n 2"], problem: FlatteningProblem, operator: np.ndarray
) -> float:
    """Return the weighted symmetric Dirichlet energy (4 per unit weight when nothing stretches)."""
    deformation = np.einsum("fck,fcl->fkl", uv[problem.faces], operator)
    determinant = np.linalg.det(deformation)
    squared = (deformation**2).sum((1, 2))
    return float((problem.weight * squared * (1 + determinant**-2)).sum())


def _derivatives(
    uv: Float[np.ndarray, "n 2"], problem: FlatteningProblem, operator: np.ndarray
) -> tuple[Float[np.ndarray, "d"], sp.csr_matrix]:
    """Return gradient and positive semi-definite Hessian of the energy over all coordinates.

    The Hessian's eigensystem in the deformation gradient is known in closed form (Smith, De Goes,
    Kim: Analytic eigensystems for isotropic distortion energies, 2019): two scalings, twist, flip.
    """
    deformation = np.einsum("fck,fcl->fkl", uv[problem.faces], operator)
    left, sigma, right = np.linalg.svd(deformation)
    one, two = sigma[:, 0], sigma[:, 1]
    slope = 2 * (sigma - sigma**-3)
    product = one * two
    eigenvalues = np.stack(
        [
            2 + 6 / one**4,
            2 + 6 / two**4,
            np.maximum(2 - 2 * (one**2 - product + two**2) / product**3, 0),
            2 + 2 * (one**2 + product + two**2) / product**3,
        ]
    )
    half = np.sqrt(0.5)
    modes = np.array(
        [[[1, 0], [0, 0]], [[0, 0], [0, 1]], [[0, -half], [half, 0]], [[0, half], [half, 0]]]
    )
    directions = np.einsum("fik,mkl,flj->mfij", left, modes, right)
    corner = np.einsum("mfij,fcj->mfci", directions, operator).reshape(4, -1, 6)
    stress = np.einsum("fik,fk,fkj->fij", left, slope, right)
    gradient_corner = np.einsum("fij,fcj->fci", stress, operator) * problem.weight[:, None, None]
    hessian_corner = np.einsum("mf,mfa,mfb->fab", eigenvalues * problem.weight, corner, corner)
    index = (2 * problem.faces[:, :, None] + np.arange(2)).reshape(-1, 6)
    gradient = np.zeros(uv.size)
    np.add.at(gradient, index.ravel(), gradient_corner.ravel())
    rows = np.repeat(index, 6, axis=1).ravel()
    columns = np.tile(index, (1, 6)).ravel()
    hessian = sp.csr_matrix((hessian_corner.ravel(), (rows, columns)), (uv.size, uv.size))
    return gradient, hessian


def _step_to_first_flip(
    uv: Float[np.ndarray, "n 2"], step: Float[np.ndarray, "n 2"], faces: Int[np.ndarray, "F 3"]
) -> float:
    """Return the smallest positive t at which a triangle of uv + t*step has no area (or 1e9)."""
    edge_1, edge_2 = uv[faces[:, 1]] - uv[faces[:, 0]], uv[faces[:, 2]] - uv[faces[:, 0]]
    move_1, move_2 = step[faces[:, 1]] - step[faces[:, 0]], step[faces[:, 2]] - step[faces[:, 0]]

    def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]

    quadratic, constant = cross(move_1, move_2), cross(edge_1, edge_2)
    linear = cross(edge_1, move_2) + cross(move_1, edge_2)
    # Roots as 2c / (-b -+ sqrt(b^2 - 4ac)): exact also where the quadratic part vanishes.
    root = np.sqrt(np.maximum(linear**2 - 4 * quadratic * constant, 0))
    has_root = linear**2 >= 4 * quadratic * constant
    best = np.inf
    for sign in (1.0, -1.0):
        denominator = -linear + sign * root
        safe = np.where(denominator != 0, denominator, np.inf)
        time = 2 * constant / safe
        valid = has_root & (time > 0)
        best = min(best, float(time[valid].min()) if valid.any() else np.inf)
    return min(best, 1e9)


def _with_fill_at_rest(
    problem: FlatteningProblem, uv: Float[np.ndarray, "n 2"]
) -> FlatteningProblem:
    """Let the filling triangles want to be what they are now, so that they only resist collapse."""
    rest = problem.rest.copy()
    corners = uv[problem.faces[problem.is_fill]]
    rest[problem.is_fill] = corners - corners[:, :1]
    weight = problem.weight.copy()
    weight[problem.is_fill] = FILL_WEIGHT * problem.weight[~problem.is_fill].mean()
    return FlatteningProblem(rest, weight, problem.is_fill, problem.faces, problem.is_free)


def minimise_stretch(
    problem: FlatteningProblem,
    start: Float[np.ndarray, "n 2"],
    *,
    iterations: int,
    stop_decrease: float = STOP_DECREASE,
) -> Float[np.ndarray, "n 2"]:
    """Minimise the symmetric Dirichlet energy by projected Newton, never flipping a triangle."""
    uv = start.copy()
    free = problem.is_free.ravel()
    for _ in range(iterations):
        current = _with_fill_at_rest(problem, uv)
        operator = _gradient_operator(current.rest)
        before = _energy(uv, current, operator)
        gradient, hessian = _derivatives(uv, current, operator)
        inner = hessian[free][:, free]
        shift = 1e-9 * inner.diagonal().mean()
        solver = spla.splu((inner + shift * sp.eye(inner.shape[0])).tocsc())
        step = np.zeros(uv.size)
        step[free] = -solver.solve(gradient[free])
        slope = float(step @ gradient)
        step = step.reshape(-1, 2)
        length = min(1.0, SAFE_STEP * _step_to_first_flip(uv, step, problem.faces))
        while length > SHORTEST_STEP:
            after = _energy(uv + length * step, current, operator)
            if after <= before + 1e-4 * length * slope:
                break
            length *= 0.5
        uv = uv + length * step
        if before - after < stop_decrease * before:
            break
    return uv
