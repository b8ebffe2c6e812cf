"""Textured meshes of simple shape: sheets, tubes and ellipsoids, from which props are made."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

CAP_RINGS = 4
"""Rings that round each end of a tube."""


@dataclass(frozen=True, eq=False)
class Solid:
    """A named surface with its own square texture.

    Attributes:
        name: What it is; pixels that show it are found under this name.
        vertices: Metres.
        faces: Triangles, counter-clockwise seen from outside; both sides look alike.
        uv: u right, v up, at the vertices.
        texture: Linear albedo; row 0 is v = 1.
        transmission: Share of red, green and blue light that passes a pane of glass; None for
            what cannot be seen through.
    """

    name: str
    vertices: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    uv: Float[np.ndarray, "V 2"]
    texture: Float[np.ndarray, "T T 3"]
    transmission: tuple[float, float, float] | None = None

    def moved(
        self, rotation: Float[np.ndarray, "3 3"], translation: Float[np.ndarray, "3"]
    ) -> Solid:
        """Return the solid turned about the origin, then shifted."""
        return replace(self, vertices=self.vertices @ rotation.T + translation)


@dataclass(frozen=True, eq=False)
class Surface:
    """A mesh without a look.

    Attributes:
        vertices: Metres.
        faces: Triangles, counter-clockwise seen from outside.
        uv: u right, v up, at the vertices.
    """

    vertices: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    uv: Float[np.ndarray, "V 2"]

    def solid(
        self,
        name: str,
        texture: Float[np.ndarray, "T T 3"],
        *,
        transmission: tuple[float, float, float] | None = None,
    ) -> Solid:
        """Give the surface a name and a look."""
        return Solid(name, self.vertices, self.faces, self.uv, texture, transmission)


def sheet(points: Float[np.ndarray, "R C 3"], *, closed: bool = False) -> Surface:
    """Return a grid of points as a surface, u along the columns and v against the rows.

    Args:
        points: Positions, metres.
        closed: Whether the last column is joined to the first.
    """
    if closed:
        points = np.concatenate((points, points[:, :1]), axis=1)
    rows, columns = points.shape[:2]
    index = np.arange(rows * columns).reshape(rows, columns)
    corners = (index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:])
    a, b, c, d = (corner.reshape(-1) for corner in corners)
    faces = np.concatenate((np.stack((a, b, c), -1), np.stack((a, c, d), -1)))
    v, u = np.meshgrid(np.linspace(1.0, 0.0, rows), np.linspace(0.0, 1.0, columns), indexing="ij")
    return Surface(points.reshape(-1, 3), faces, np.stack((u, v), -1).reshape(-1, 2))


def tube(
    path: Float[np.ndarray, "n 3"],
    radius: Float[np.ndarray, "n"] | float,
    *,
    sides: int = 12,
    closed: bool = False,
) -> Surface:
    """Return a round tube along a path; its ends are rounded.

    Args:
        path: Points of the axis, metres.
        radius: At each point, metres.
        sides: Corners of each ring.
        closed: Whether the path returns to its start, without ends.
    """
    radii = np.broadcast_to(np.asarray(radius, dtype=np.float64), (len(path),))
    if closed:
        path = np.concatenate((path, path[:1]))
        radii = np.append(radii, radii[0])
    tangents = _unit(np.gradient(path, axis=0))
    if closed:
        tangents[0] = tangents[-1] = _unit(path[1] - path[-2])
    across = _transported(tangents)
    if closed:
        across = _untwisted(across, tangents)
    if not closed:
        path, radii, tangents, across = _with_round_ends(path, radii, tangents, across)
    upright = np.cross(tangents, across)
    turn = np.arange(sides) * (2.0 * np.pi / sides)
    ring = np.cos(turn)[:, None] * across[:, None] + np.sin(turn)[:, None] * upright[:, None]
    return outward(sheet(path[:, None] + radii[:, None, None] * ring, closed=True))


def ellipsoid(
    centre: Float[np.ndarray, "3"],
    half_axes: Float[np.ndarray, "3"],
    *,
    rows: int = 14,
    columns: int = 20,
    squareness: float = 1.0,
) -> Surface:
    """Return an ellipsoid along the coordinate axes, or a rounded box.

    Args:
        centre: Metres.
        half_axes: Metres.
        rows: Rings from the top down.
        columns: Corners of each ring.
        squareness: 1 for an ellipsoid; smaller values square it towards a box.
    """
    polar = np.linspace(0.0, np.pi, rows)[:, None]
    turn = (np.arange(columns) * (2.0 * np.pi / columns))[None]
    unit = np.stack(
        (np.sin(polar) * np.sin(turn), np.cos(polar) + 0.0 * turn, np.sin(polar) * np.cos(turn)),
        axis=-1,
    )
    unit = np.sign(unit) * np.abs(unit) ** squareness
    return outward(sheet(centre + half_axes * unit, closed=True))


def outward(surface: Surface) -> Surface:
    """Return the surface with its triangles turned to be counter-clockwise seen from outside.

    Outside is what lies away from its middle, on the whole.
    """
    a, b, c = (surface.vertices[surface.faces[:, corner]] for corner in range(3))
    normals = np.cross(b - a, c - a)
    volume = float(((a + b + c) / 3.0 - surface.vertices.mean(axis=0)).ravel() @ normals.ravel())
    return surface if volume >= 0.0 else replace(surface, faces=surface.faces[:, ::-1].copy())


def join(surfaces: list[Surface]) -> Surface:
    """Return several surfaces as one."""
    starts = np.cumsum([0, *(len(surface.vertices) for surface in surfaces[:-1])])
    return Surface(
        vertices=np.concatenate([surface.vertices for surface in surfaces]),
        faces=np.concatenate(
            [surface.faces + start for surface, start in zip(surfaces, starts, strict=True)]
        ),
        uv=np.concatenate([surface.uv for surface in surfaces]),
    )


def _unit(vectors: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def _transported(tangents: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
    """Return a direction across the path at each point that turns as little as can be."""
    start = np.eye(3)[np.abs(tangents[0]).argmin()]
    across = [_unit(np.cross(tangents[0], start))]
    for tangent in tangents[1:]:
        across.append(_unit(across[-1] - (across[-1] @ tangent) * tangent))
    return np.stack(across)


def _untwisted(
    across: Float[np.ndarray, "n 3"], tangents: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, "n 3"]:
    """Return directions of a closed path whose last one equals the first."""
    upright = np.cross(tangents, across)
    twist = np.arctan2(across[-1] @ upright[0], across[-1] @ across[0])
    angle = -twist * np.linspace(0.0, 1.0, len(across))[:, None]
    return np.cos(angle) * across + np.sin(angle) * upright


def _with_round_ends(
    path: Float[np.ndarray, "n 3"],
    radii: Float[np.ndarray, "n"],
    tangents: Float[np.ndarray, "n 3"],
    across: Float[np.ndarray, "n 3"],
) -> tuple[np.ndarray, ...]:
    angle = np.linspace(0.0, 0.5 * np.pi, CAP_RINGS + 1)[:-1]
    head = path[0] - (radii[0] * np.cos(angle))[:, None] * tangents[0]
    tail = path[-1] + (radii[-1] * np.cos(angle[::-1]))[:, None] * tangents[-1]
    rings = np.ones((CAP_RINGS, 1))
    return (
        np.concatenate((head, path, tail)),
        np.concatenate((radii[0] * np.sin(angle), radii, radii[-1] * np.sin(angle[::-1]))),
        np.concatenate((rings * tangents[0], tangents, rings * tangents[-1])),
        np.concatenate((rings * across[0], across, rings * across[-1])),
    )
