"""An eyeball flattened around its front, with most texels at the pupil."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from flame_fit.errors import InputError
from flame_fit.geometry.flattening import (
    FlatteningProblem,
    mean_value_weights,
    minimise_stretch,
    rest_triangles,
    signed_areas,
    tutte_embedding,
)
from flame_fit.geometry.patches import border_loops

FALLOFF_RADIANS = 0.75
"""Texels are dense at the pupil: radius ~ 1 - exp(-angle / this)."""
POLE_COSINE = 1 - 1e-6
"""A vertex this close to the axis through the eyeball is its pole."""
OPEN_COSINE = -np.cos(np.pi / 6)
"""A ball without a vertex this far back is open there."""
ITERATIONS = 60


@dataclass(frozen=True, eq=False)
class FlatEyeball:
    """Places of the corners of an eyeball's triangles in the unit circle.

    Attributes:
        uv: The front at (0, 0).
        key: Corners with the same number are one texture vertex.
    """

    uv: Float[np.ndarray, "f 3 2"]
    key: Int[np.ndarray, "f 3"]


def flatten_eyeball(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "f 3"]
) -> FlatEyeball:
    """Flatten a ball around its front (+z); the point at its back becomes a ring of points.

    Where triangles do not lie along rings and would be turned over, they are relaxed.

    Args:
        vertices: Positions of the whole mesh.
        faces: Triangles of the ball.

    Raises:
        InputError: It is not shaped like a ball.
    """
    used, local = np.unique(faces, return_inverse=True)
    local = local.reshape(-1, 3)
    direction, back = _directions(vertices[used])
    at_corner = direction[local]
    is_back = local == back
    planar = at_corner[..., :2].copy()
    planar[is_back] = (planar * ~is_back[..., None]).sum(1)[is_back.any(1)]
    planar /= np.maximum(np.linalg.norm(planar, axis=2, keepdims=True), 1e-12)
    uv = _radius(_polar(at_corner))[..., None] * planar
    if _least_area(uv) <= 0:
        uv = _relaxed(vertices[used], direction, local, back)
    if _least_area(uv) <= 0:
        raise InputError("an eyeball of the mesh is not shaped like a ball")
    key = faces.copy()
    key[is_back] = len(vertices) + np.flatnonzero(is_back.any(1))
    return FlatEyeball(uv, key)


def _polar(direction: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n"]:
    """Return angles from the front, radians."""
    return np.arccos(np.clip(direction[..., 2], -1, 1))


def _radius(polar: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    return (1 - np.exp(-polar / FALLOFF_RADIANS)) / (1 - np.exp(-np.pi / FALLOFF_RADIANS))


def _least_area(uv: Float[np.ndarray, "f 3 2"]) -> float:
    corners = np.arange(3 * len(uv)).reshape(-1, 3)
    return float(signed_areas(uv.reshape(-1, 2), corners).min())


def _relaxed(
    points: Float[np.ndarray, "n 3"],
    direction: Float[np.ndarray, "n 3"],
    faces: Int[np.ndarray, "f 3"],
    back: int,
) -> Float[np.ndarray, "f 3 2"]:
    """Flatten by Tutte's embedding inside the ring around the back, then towards the wanted sizes.

    The triangles at the back reach from the ring outwards to the circle.
    """
    at_back = (faces == back).any(axis=1)
    inner = faces[~at_back]
    (ring,) = border_loops(inner)
    inside = np.unique(inner)
    number = np.zeros(len(points), dtype=np.int64)
    number[inside] = np.arange(len(inside))
    local, border = number[inner], number[ring]
    circle = _ring_places(direction[ring])
    start = tutte_embedding(mean_value_weights(points[inside], local), border, circle)
    is_free = np.ones((len(inside), 2), dtype=bool)
    is_free[border] = False
    polar = _polar(direction[inside])[local].mean(axis=1)
    radius = np.linalg.norm(points - points.mean(axis=0), axis=1).mean()
    scale = np.exp(-polar / FALLOFF_RADIANS) / FALLOFF_RADIANS / radius
    rest = rest_triangles(points[inside][local], scale)
    weight = np.abs(np.linalg.det(rest[:, 1:] - rest[:, :1]))
    no_fill = np.zeros(len(local), dtype=bool)
    problem = FlatteningProblem(rest, weight / weight.sum(), no_fill, local, is_free)
    flat = minimise_stretch(problem, start, iterations=ITERATIONS)
    uv = np.zeros((len(faces), 3, 2))
    uv[~at_back] = flat[local]
    place = np.zeros((len(points), 2))
    place[inside] = flat
    rim = place[faces[at_back]]
    is_back = faces[at_back] == back
    outwards = (rim * ~is_back[..., None]).sum(axis=1)
    rim[is_back] = outwards / np.linalg.norm(outwards, axis=1, keepdims=True)
    uv[at_back] = rim
    return uv


def _ring_places(direction: Float[np.ndarray, "m 3"]) -> Float[np.ndarray, "m 2"]:
    """Spread a ring around the back over a circle, in its own order, about where it lies."""
    step = np.linalg.norm(direction - np.roll(direction, 1, axis=0), axis=1)
    along = 2 * np.pi * np.cumsum(step) / step.sum()
    own = np.arctan2(direction[:, 1], direction[:, 0])
    turn = np.angle(np.exp(1j * (own - along)).mean())
    radius = float(_radius(_polar(direction)).mean())
    return radius * np.stack([np.cos(along + turn), np.sin(along + turn)], axis=1)


def _directions(
    points: Float[np.ndarray, "n 3"],
) -> tuple[Float[np.ndarray, "n 3"], int]:
    """Return unit directions from a ball's middle, and the vertex at its back, -1 if it is open.

    Where no vertex lies straight behind the middle, the ball is turned until one does.
    """
    middle = (points.max(0) + points.min(0)) / 2
    direction = points - middle
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    back = int(direction[:, 2].argmin())
    if direction[back, 2] > OPEN_COSINE:
        return direction, -1
    if direction[back, 2] > -POLE_COSINE:
        direction = direction @ _turn_to_back(direction[back]).T
    return direction, back


def _turn_to_back(direction: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3 3"]:
    """Return the least rotation that takes a direction to -z."""
    target = np.array([0.0, 0.0, -1.0])
    axis = np.cross(direction, target)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + cross + cross @ cross / (1 + direction @ target)
