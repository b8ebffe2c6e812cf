"""Refining where a mesh lies so that it is nearest to the points of a scan."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from flame_fit.errors import InputError
from flame_fit.geometry import axis_angle_to_matrix, face_normals
from flame_fit.geometry.alignment import MINIMUM_POINTS, Similarity
from flame_fit.geometry.mesh_search import MeshSearch
from flame_fit.geometry.rotations import left_jacobian_so3, skew
from flame_fit.optim import LevenbergMarquardtSettings, NormalEquations, minimise

SETTINGS = LevenbergMarquardtSettings(max_steps=60, cost_tolerance=1e-6, step_tolerance=1e-9)
HELD_SHARE = 0.01
"""Of the model in which nearest points stay where they are, beside the one in which they glide."""
TOUCHING = 1e-7
"""Gaps below this share of the scan's size have no direction; the triangle's normal is taken."""


def refine_alignment(
    points: Float[Tensor, "N 3"],
    vertices: Float[Tensor, "V 3"],
    faces: Int[Tensor, "F 3"],
    start: Similarity,
    *,
    scale: bool,
) -> Similarity:
    """Return the map of the mesh with the least sum of squared distances of points from it.

    The mesh is moved, not the points: distances are measured in the points' own units, so a mesh
    cannot become near by making everything small.

    Args:
        points: Of the scan.
        vertices: Of the mesh, in its own frame.
        faces: Its triangles.
        start: A first map from the mesh's frame into the scan's.
        scale: Whether the mesh may change its size.

    Raises:
        InputError: Fewer than three points, points without extent, or a mesh without triangles.
    """
    target = points.detach().double()
    if len(target) < MINIMUM_POINTS:
        raise InputError(f"an alignment needs at least 3 scan points; got {len(target)}")
    mesh = vertices.detach().to(target)
    normals = face_normals(mesh[None], faces)[0]
    problem = _SurfaceDistance.of(target, MeshSearch.of(mesh, faces), normals, start, scale=scale)
    solution = minimise(problem, target.new_zeros(1, 7), settings=SETTINGS)
    return problem.similarity(solution.value[0])


@dataclass(frozen=True, eq=False)
class _SurfaceDistance:
    """Half the mean squared distance, as a function of a small motion after the start.

    The motion turns and scales about the scan's middle and is in units of its size: three numbers
    of axis-angle, the logarithm of the scale, three of translation.
    """

    points: Float64[Tensor, "N 3"]
    search: MeshSearch
    normals: Float64[Tensor, "F 3"]
    start: Similarity
    middle: Float64[Tensor, "3"]
    size: float
    free: Bool[Tensor, "7"]

    @staticmethod
    def of(
        points: Float64[Tensor, "N 3"],
        search: MeshSearch,
        normals: Float64[Tensor, "F 3"],
        start: Similarity,
        *,
        scale: bool,
    ) -> _SurfaceDistance:
        middle = points.mean(0)
        size = float((points - middle).norm(dim=-1).square().mean().sqrt())
        if not size > 0.0:
            raise InputError("the scan points lie in one place; nothing can be aligned to them")
        free = torch.ones(7, dtype=torch.bool, device=points.device)
        free[3] = scale
        moved = Similarity(*(part.to(points) for part in _parts(start)))
        return _SurfaceDistance(points, search, normals, moved, middle, size, free)

    def similarity(self, value: Float[Tensor, "7"]) -> Similarity:
        """Return the start followed by the motion."""
        rotation, scale = axis_angle_to_matrix(value[:3]), value[3].exp()
        about = self.start.translation - self.middle
        moved = scale * (rotation @ about) + self.middle + self.size * value[4:]
        return Similarity(rotation @ self.start.rotation, scale * self.start.scale, moved)

    def cost(self, value: Float[Tensor, "1 7"]) -> Float[Tensor, "1"]:
        """Return the cost alone."""
        distance = self._nearest(self.similarity(value[0])).distance
        return 0.5 * (distance / self.size).square().mean()[None]

    def linearise(self, value: Float[Tensor, "1 7"]) -> NormalEquations:
        """Return the cost and its Gauss-Newton model.

        A nearest point glides along the surface without changing the distance to first order, so
        the derivative is that of the surface point held fast, along the gap. On a surface of flat
        pieces that holds for small steps alone, hence a share of the model in which nearest points
        do not glide, which no step can overshoot.
        """
        motion = value[0]
        near = self._nearest(self.similarity(motion))
        arm = near.surface - self.middle - self.size * motion[4:]
        held = torch.cat(
            (
                -skew(arm / self.size) @ left_jacobian_so3(motion[:3]),
                arm[..., None] / self.size,
                torch.eye(3).to(arm).expand(len(arm), 3, 3),
            ),
            dim=-1,
        )
        held = held * self.free
        jacobian = -(near.direction[:, None] @ held)[:, 0]
        # Of points that touch the surface, on either side of it, the distance has a sign.
        residual = ((self.points - near.surface) * near.direction).sum(-1) / self.size
        count = len(residual)
        return NormalEquations(
            cost=0.5 * (near.distance / self.size).square().mean()[None],
            gradient=(jacobian.T @ residual / count)[None],
            matrix=(jacobian.T @ jacobian / count + HELD_SHARE * _gram(held) / count)[None],
        )

    def _nearest(self, similarity: Similarity) -> _Nearest:
        """Return the nearest points of the moved mesh to the scan's points."""
        inverse = (self.points - similarity.translation) @ similarity.rotation / similarity.scale
        closest = self.search.closest(inverse)
        surface = similarity.apply(closest.points)
        gap = self.points - surface
        distance = gap.norm(dim=-1)
        normals = self.normals[closest.surface.face_index] @ similarity.rotation.T
        direction = torch.where(
            (distance <= TOUCHING * self.size)[:, None],
            normals,
            gap / distance.clamp_min(torch.finfo(gap.dtype).tiny)[:, None],
        )
        return _Nearest(surface, distance, direction)


@dataclass(frozen=True, eq=False)
class _Nearest:
    """Nearest surface points, how far the scan is from them, and in which direction."""

    surface: Float64[Tensor, "N 3"]
    distance: Float64[Tensor, "N"]
    direction: Float64[Tensor, "N 3"]


def _gram(rows: Float64[Tensor, "N 3 7"]) -> Float64[Tensor, "7 7"]:
    flat = rows.flatten(0, 1)
    return flat.T @ flat


def _parts(similarity: Similarity) -> tuple[Tensor, ...]:
    return similarity.rotation, similarity.scale, similarity.translation
