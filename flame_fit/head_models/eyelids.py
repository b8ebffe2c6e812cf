"""Eyelid blendshapes: the lids turn about the eyeball until the upper meets the lower one.

The edges of the lids go all the way; from there to the brow and the cheek the turn fades out as
smoothly as the skin allows (a biharmonic field).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy import sparse
from scipy.sparse.linalg import splu
from scipy.spatial import KDTree
from torch import Tensor

from flame_fit.errors import AssetError
from flame_fit.geometry.laplacian import cotangent_laplacian
from flame_fit.head_models.head_parts import Eyeball, HeadParts
from flame_fit.priors.face_mesh_topology import (
    LEFT_EYE_INNER,
    LEFT_EYE_OUTER,
    RIGHT_EYE_INNER,
    RIGHT_EYE_OUTER,
)

EYE_CORNERS = ((LEFT_EYE_INNER, LEFT_EYE_OUTER), (RIGHT_EYE_INNER, RIGHT_EYE_OUTER))
LID_REACH = (1.03, 1.35)
"""Distances from the eye's middle between which the edges of the lids lie, in eyeball radii."""
SKIN_REACH = (0.013, 0.007)
"""Metres above the upper and below the lower edge over which skin goes along."""
COLUMNS = 32
"""Places across the opening at which it is measured."""
CORNER_SHARE = 0.08
"""The opening is measured where it is higher than this share of its greatest height."""
MEETING = 0.12
"""Where lids meet, from the lower edge (0) to the upper one (1)."""
OVERLAP = np.deg2rad(1.5)
"""How far the upper lid goes below the meeting line, so that no slit stays open."""
CORNER_MARGIN = 0.1
"""Share of its width by which an opening may reach beyond its corner landmarks."""
EDGE_WIDTH = np.deg2rad(4.0)
"""Skin this close to an edge is part of it."""
CLEARANCE = 0.0004
"""Metres of lid over the eyeball."""
SUBDIVISIONS = 6
COTANGENTS = (0.02, 5.0)
"""Range that keeps sliver triangles from dominating."""


@dataclass(frozen=True, eq=False)
class EyeOpening:
    """The gap between the lids of one eye, as angles about its left-right axis.

    Attributes:
        eye: The eyeball.
        x: Rising metres from the eye's middle, from corner to corner.
        upper: Angle of the upper lid's edge above straight ahead there, radians.
        lower: Angle of the lower lid's edge.
    """

    eye: Eyeball
    x: Float[np.ndarray, "n"]
    upper: Float[np.ndarray, "n"]
    lower: Float[np.ndarray, "n"]

    def edges(self, x: Float[np.ndarray, "m"]) -> LidEdges:
        """Return the edges at some places; beyond the corners those there."""
        return LidEdges(np.interp(x, self.x, self.upper), np.interp(x, self.x, self.lower))


@dataclass(frozen=True, eq=False)
class LidEdges:
    """Angles of both lids' edges, radians."""

    upper: Float[np.ndarray, "m"]
    lower: Float[np.ndarray, "m"]


def eyelid_basis(parts: HeadParts, landmarks: Float[np.ndarray, "L 3"]) -> Float[Tensor, "V 3 2"]:
    """Return displacements that close the left and the right eye of a model.

    Args:
        parts: The model.
        landmarks: MediaPipe's points on its template, metres.

    Raises:
        AssetError: The model's eyes have no opening.
    """
    columns = [_closing(parts, find_opening(parts, side, landmarks)) for side in (0, 1)]
    return torch.from_numpy(np.stack(columns, axis=-1)).float()


def find_opening(parts: HeadParts, side: int, landmarks: Float[np.ndarray, "L 3"]) -> EyeOpening:
    """Measure the gap between the lids in front of an eyeball.

    Its corners are landmarks; between them it is where no skin lies over the eyeball.

    Args:
        parts: The head.
        side: 0 for the left eye, 1 for the right one.
        landmarks: MediaPipe's points on it, metres.

    Raises:
        AssetError: There is no gap.
    """
    eye = parts.eyes[side]
    ends = landmarks[list(EYE_CORNERS[side])] - eye.centre
    ends = ends[np.argsort(ends[:, 0])]
    ends_angle = np.arctan2(ends[:, 1], ends[:, 2])
    # Corner landmarks lie a little inside the opening.
    ends[:, 0] += np.array([-1.0, 1.0]) * CORNER_MARGIN * (ends[1, 0] - ends[0, 0])
    points = _skin_samples(parts, eye) - eye.centre
    distance = np.linalg.norm(points, axis=1) / eye.radius
    near = (distance > LID_REACH[0]) & (distance < LID_REACH[1]) & (points[:, 2] > 0)
    x, angle = points[near, 0], np.arctan2(points[near, 1], points[near, 2])
    columns = np.linspace(ends[0, 0], ends[1, 0], COLUMNS + 2)[1:-1]
    width = 0.6 * (columns[1] - columns[0])
    straight = np.interp(columns, ends[:, 0], ends_angle)
    lower, upper = np.array(
        [
            _gap_around(angle[np.abs(x - column) < width] - middle) + middle
            for column, middle in zip(columns, straight, strict=True)
        ]
    ).T
    height = upper - lower
    is_open = height > CORNER_SHARE * height.max()
    if height.max() <= 0 or not is_open.any():
        raise AssetError("an eye of the model has no opening between its lids; give its eyelids")
    upper, lower = np.where(is_open, upper, straight), np.where(is_open, lower, straight)
    return EyeOpening(
        eye=eye,
        x=np.concatenate([ends[:1, 0], columns, ends[1:, 0]]),
        upper=np.concatenate([ends_angle[:1], upper, ends_angle[1:]]),
        lower=np.concatenate([ends_angle[:1], lower, ends_angle[1:]]),
    )


def _skin_samples(parts: HeadParts, eye: Eyeball) -> Float[np.ndarray, "n 3"]:
    """Return points spread over the skin's triangles around an eye."""
    faces = parts.faces[parts.faces_of(parts.skin)]
    middle = parts.vertices[faces].mean(axis=1)
    near = faces[np.linalg.norm(middle - eye.centre, axis=1) < 2 * eye.radius]
    steps = [(i, j) for i in range(SUBDIVISIONS + 1) for j in range(SUBDIVISIONS + 1 - i)]
    share = np.array([(i, j, SUBDIVISIONS - i - j) for i, j in steps]) / SUBDIVISIONS
    return np.einsum("sc,fcd->fsd", share, parts.vertices[near]).reshape(-1, 3)


def _gap_around(angle: Float[np.ndarray, "n"]) -> Float[np.ndarray, "2"]:
    """Return the ends of the widest gap between angles that begins or ends near zero."""
    inner = np.sort(angle[np.abs(angle) < np.pi / 3])
    if len(inner) < 2:  # noqa: PLR2004
        return np.zeros(2)
    widest = int(np.diff(inner).argmax())
    return inner[widest : widest + 2]


def _closing(parts: HeadParts, opening: EyeOpening) -> Float[np.ndarray, "V 3"]:
    eye = opening.eye
    offset = parts.vertices - eye.centre
    x, angle = offset[:, 0], np.arctan2(offset[:, 1], offset[:, 2])
    edges = opening.edges(x)
    upper, lower = edges.upper, edges.lower
    meeting = lower + MEETING * (upper - lower)
    distance = np.linalg.norm(offset, axis=1) / eye.radius
    shell = parts.skin & (distance > LID_REACH[0]) & (distance < LID_REACH[1]) & (offset[:, 2] > 0)
    shell &= (x > opening.x[0]) & (x < opening.x[-1])
    overlap = np.minimum(OVERLAP, 0.25 * (upper - lower))
    at_upper = shell & (angle < upper + EDGE_WIDTH) & (angle > meeting)
    at_lower = shell & (angle > lower - EDGE_WIDTH) & (angle <= meeting)
    known = np.where(at_upper, meeting - overlap - angle, np.where(at_lower, meeting - angle, 0.0))
    # Parts of the edge that lie beyond the meeting line already stay.
    known = np.where(at_upper, np.minimum(known, 0.0), np.maximum(known, 0.0))
    turn = _smooth_turn(parts, known, at_upper | at_lower, _is_still(parts, opening))
    moved = _turned(offset, turn)
    outside = distance * eye.radius > _ball_radius(parts, eye, offset)
    lid = outside & (turn != 0)
    motion = _kept_off(parts, eye, moved, lid) - offset
    # Half closed, the straight way between open and closed cuts through the ball.
    half = offset + motion / 2
    motion += 2 * (_kept_off(parts, eye, half, lid) - half)
    return np.where((turn != 0)[:, None], motion, 0.0)


def _is_still(parts: HeadParts, opening: EyeOpening) -> Bool[np.ndarray, "V"]:
    """Return the vertices that a blink does not move: all but the skin near the edges."""
    offset = parts.vertices - opening.eye.centre
    own_edges = opening.edges(offset[:, 0])
    middle = (own_edges.upper + own_edges.lower) / 2
    above = np.arctan2(offset[:, 1], offset[:, 2]) > middle
    still = ~parts.skin
    near = np.zeros(len(offset), dtype=bool)
    radius = opening.eye.radius
    sides = ((opening.upper, SKIN_REACH[0], above), (opening.lower, SKIN_REACH[1], ~above))
    for angle, reach, side in sides:
        edge = np.stack([opening.x, radius * np.sin(angle), radius * np.cos(angle)], axis=1)
        distance, _ = KDTree(edge).query(offset)
        near |= (distance < reach) & side
    return still | ~near


def _smooth_turn(
    parts: HeadParts,
    known: Float[np.ndarray, "V"],
    is_edge: Bool[np.ndarray, "V"],
    is_still: Bool[np.ndarray, "V"],
) -> Float[np.ndarray, "V"]:
    """Fill in the turn between the edges and where nothing moves: least squared Laplacian."""
    faces = parts.faces[parts.faces_of(parts.skin)]
    laplacian = cotangent_laplacian(
        torch.from_numpy(parts.vertices), torch.from_numpy(faces), cotangent_range=COTANGENTS
    )
    area = _vertex_areas(parts.vertices, faces)
    free = np.flatnonzero(~(is_edge | is_still))
    energy = sparse.csc_array(
        laplacian @ sparse.diags_array(1 / np.maximum(area, 1e-9)) @ laplacian
    )
    result = np.where(is_edge, known, 0.0)
    if len(free):
        inner = energy[free][:, free]
        result[free] = splu(sparse.csc_matrix(inner)).solve(-(energy @ result)[free])
    return result


def _vertex_areas(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]
) -> Float[np.ndarray, "V"]:
    """Return the square metres around each vertex."""
    corners = vertices[faces]
    doubled = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    share = np.repeat(np.linalg.norm(doubled, axis=1) / 6, 3)
    return np.bincount(faces.ravel(), share, minlength=len(vertices))


def _turned(
    offset: Float[np.ndarray, "V 3"], turn: Float[np.ndarray, "V"]
) -> Float[np.ndarray, "V 3"]:
    """Turn points about the left-right axis through the origin, upwards for positive angles."""
    cosine, sine = np.cos(turn), np.sin(turn)
    x, y, z = offset.T
    return np.stack([x, cosine * y + sine * z, cosine * z - sine * y], axis=1)


def _ball_radius(
    parts: HeadParts, eye: Eyeball, offset: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, "n"]:
    """Return how far the eyeball reaches in the direction of each point."""
    ball = parts.vertices[eye.mask] - eye.centre
    length = np.linalg.norm(ball, axis=1)
    directions = offset / np.maximum(np.linalg.norm(offset, axis=1, keepdims=True), 1e-12)
    _, nearest = KDTree(ball / length[:, None]).query(directions, k=min(3, len(ball)))
    return length[nearest].max(axis=1)


def _kept_off(
    parts: HeadParts,
    eye: Eyeball,
    moved: Float[np.ndarray, "V 3"],
    mask: Bool[np.ndarray, "V"],
) -> Float[np.ndarray, "V 3"]:
    """Push what would enter the eyeball out to a little above it."""
    result = moved.copy()
    points = moved[mask]
    distance = np.linalg.norm(points, axis=1)
    least = _ball_radius(parts, eye, points) + CLEARANCE
    result[mask] = points * np.maximum(least / np.maximum(distance, 1e-12), 1.0)[:, None]
    return result
