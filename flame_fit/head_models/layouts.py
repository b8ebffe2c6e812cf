"""Heads whose textures can be carried from one to the other, whatever their triangles and charts.

OpenHead is laid over each of them; a point of one head is found on the OpenHead laid over it, and
from there on any other head. Skin goes to skin, eyeballs to eyeballs, the mouth to the mouth.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from flame_fit.flame import FlameAssets, UvChart
from flame_fit.geometry import SurfacePoints, vertex_normals
from flame_fit.geometry.facing_points import FacingSurface
from flame_fit.geometry.registration import Correspondence, surface_correspondence
from flame_fit.geometry.tensors import move
from flame_fit.texture.layout_transfer import CarriedPoints
from flame_fit.texture.texel_geometry import INNER_REGIONS, face_region

REACH_METRES = 0.004
"""How far a point may be off the surface it is to be found on."""
LEAST_COSINE = 0.5
"""Between the normals of a point and of its place on the other surface."""
INSIDE = 1e-6
"""Barycentrics above this place a point inside its triangle, so not on a rim."""
CHUNK_POINTS = 100_000


class HeadPart(IntEnum):
    """What corresponds to what."""

    SKIN = 0
    INNER = 1
    LEFT_EYE = 2
    RIGHT_EYE = 3


@dataclass(frozen=True, eq=False)
class HeadLayout:
    """A head with a chart, and OpenHead laid over it.

    Attributes:
        name: What it is called.
        vertices: Metres, its own frame.
        faces: Triangles.
        chart: Texture coordinates of the triangles.
        part: `HeadPart` of each triangle.
        laid: OpenHead's vertices over it.
        laid_faces: OpenHead's triangles.
        laid_part: `HeadPart` of each of them.
    """

    name: str
    vertices: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    chart: UvChart
    part: Int[np.ndarray, "F"]
    laid: Float[np.ndarray, "W 3"]
    laid_faces: Int[np.ndarray, "G 3"]
    laid_part: Int[np.ndarray, "G"]

    @property
    def is_reference(self) -> bool:
        """Whether it is OpenHead itself."""
        return self.faces is self.laid_faces


def head_part_of_faces(assets: FlameAssets) -> Int[np.ndarray, "F"]:
    """Return the `HeadPart` of each triangle of a model."""
    part = np.full(len(assets.faces), int(HeadPart.SKIN))
    part[face_region(assets, *INNER_REGIONS, "eye_sockets").cpu().numpy()] = HeadPart.INNER
    part[face_region(assets, "left_eyeball").cpu().numpy()] = HeadPart.LEFT_EYE
    part[face_region(assets, "right_eyeball").cpu().numpy()] = HeadPart.RIGHT_EYE
    return part


@dataclass(frozen=True, eq=False)
class HeadCarry:
    """From points of one head to points of another."""

    start: HeadLayout
    end: HeadLayout

    def __call__(self, points: SurfacePoints) -> CarriedPoints:
        """Return where points of the first head lie on the second one."""
        face = points.face_index.cpu().numpy()
        share = points.barycentrics.double().cpu().numpy()
        result = _Found.nothing(len(face))
        for part in HeadPart:
            rows = np.flatnonzero(self.start.part[face] == part)
            if len(rows):
                result.put(rows, self._carry_part(_Found.given(face[rows], share[rows]), part))
        surface = SurfacePoints(
            torch.from_numpy(result.face), torch.from_numpy(result.share.astype(np.float32))
        )
        found = CarriedPoints(surface=surface, valid=torch.from_numpy(result.valid))
        return move(found, device=points.barycentrics.device)

    def _carry_part(self, found: _Found, part: HeadPart) -> _Found:
        start, end = self.start, self.end
        if start.faces is end.faces and start.vertices is end.vertices:
            return found
        if not start.is_reference:
            found = _onto(
                found,
                _Surface(start.vertices, start.faces),
                _Surface(start.laid, start.laid_faces),
                among=np.flatnonzero(start.laid_part == part),
            )
        if not end.is_reference:
            found = _onto(
                found,
                _Surface(end.laid, end.laid_faces),
                _Surface(end.vertices, end.faces),
                among=np.flatnonzero(end.part == part),
            )
        return found


@dataclass(frozen=True, eq=False)
class _Found:
    """Points on a surface, and whether each is there at all."""

    face: Int[np.ndarray, "n"]
    share: Float[np.ndarray, "n 3"]
    valid: Bool[np.ndarray, "n"]

    @staticmethod
    def nothing(count: int) -> _Found:
        return _Found(
            np.zeros(count, dtype=np.int64), np.zeros((count, 3)), np.zeros(count, dtype=bool)
        )

    @staticmethod
    def given(face: Int[np.ndarray, "n"], share: Float[np.ndarray, "n 3"]) -> _Found:
        return _Found(face.astype(np.int64), share, np.ones(len(face), dtype=bool))

    def put(self, rows: Int[np.ndarray, "m"], other: _Found) -> None:
        self.face[rows], self.share[rows], self.valid[rows] = other.face, other.share, other.valid


@dataclass(frozen=True, eq=False)
class _Surface:
    vertices: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]

    def points(self, found: _Found) -> Float[np.ndarray, "n 3"]:
        return np.einsum("ncd,nc->nd", self.vertices[self.faces[found.face]], found.share)

    def normals(self, found: _Found) -> Float[np.ndarray, "n 3"]:
        faces = torch.from_numpy(self.faces)
        at_vertices = vertex_normals(torch.from_numpy(self.vertices)[None], faces)[0].numpy()
        mixed = np.einsum("ncd,nc->nd", at_vertices[self.faces[found.face]], found.share)
        return mixed / np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-12)


def _onto(found: _Found, own: _Surface, other: _Surface, *, among: Int[np.ndarray, "m"]) -> _Found:
    """Return the places of points of one surface on some triangles of another one upon it."""
    if not len(among):
        return _Found.nothing(len(found.face))
    points, normals = own.points(found), own.normals(found)
    parts = []
    for first in range(0, len(points), CHUNK_POINTS):
        rows = slice(first, first + CHUNK_POINTS)
        parts.append(_places(points[rows], normals[rows], other.vertices, other.faces[among]))
    face = among[np.concatenate([part.face for part in parts])]
    valid = np.concatenate([part.valid for part in parts]) & found.valid
    return _Found(face, np.concatenate([part.share for part in parts]), valid)


def _places(
    points: Float[np.ndarray, "n 3"],
    normals: Float[np.ndarray, "n 3"],
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
) -> _Found:
    """Return the nearest points; where the nearest one faces away, the nearest that does not."""
    nearest: Correspondence = surface_correspondence(
        points, normals, vertices, faces, maximum_distance=REACH_METRES
    )
    face = nearest.surface.face_index.numpy().copy()
    share = nearest.surface.barycentrics.numpy().copy()
    valid = nearest.valid.copy()
    again = np.flatnonzero(~valid & (nearest.distance <= REACH_METRES))
    if len(again):
        facing = FacingSurface(vertices, faces).nearest(points[again], normals[again])
        inside = facing.surface.barycentrics.numpy().min(axis=1) > INSIDE
        kept = inside & (facing.distance <= REACH_METRES) & (facing.cosine >= LEAST_COSINE)
        face[again[kept]] = facing.surface.face_index.numpy()[kept]
        share[again[kept]] = facing.surface.barycentrics.numpy()[kept]
        valid[again[kept]] = True
    return _Found(face, share, valid)
