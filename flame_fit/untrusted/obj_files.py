"""Reading Wavefront OBJ meshes."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64

from flame_fit.untrusted.file_bytes import read_file
from flame_fit.untrusted.refusal import Refused, asset_error, quoted

MAXIMUM_OBJ_BYTES = 256 * 2**20
MOST_CORNERS = 1000
"""Corners of one polygon."""
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_CORNER = re.compile(r"([+-]?\d{1,18})(?:/([+-]?\d{1,18})?)?(?:/[+-]?\d{0,18})?", re.ASCII)


@dataclass(frozen=True, eq=False)
class ObjFile:
    """A triangle mesh; polygons are cut into fans of triangles."""

    vertices: Float64[np.ndarray, "V 3"]
    """In the units of the file."""
    uv: Float64[np.ndarray, "T 2"] | None
    """Texture coordinates, u right and v up; None where the file has none."""
    faces: Int64[np.ndarray, "F 3"]
    uv_faces: Int64[np.ndarray, "F 3"] | None
    """Indices into `uv`, in the order of `faces`."""


def read_obj(path: Path, *, maximum_bytes: int = MAXIMUM_OBJ_BYTES) -> ObjFile:
    """Read vertices, texture coordinates and faces; materials, normals and groups are skipped.

    Args:
        path: the file.
        maximum_bytes: largest file to read.

    Raises:
        AssetError: missing, too large, without a mesh, with coordinates that are no finite numbers,
            with indices out of range, or with texture coordinates on some faces only.
    """
    text = read_file(path, maximum_bytes=maximum_bytes).decode("latin-1")
    parser = _Parser()
    try:
        for number, line in enumerate(text.replace("\\\n", " ").split("\n"), start=1):
            parser.line(line, number)
        return parser.mesh()
    except (Refused, OverflowError) as error:
        raise asset_error(path, error, kind=".obj") from error


class _Parser:
    def __init__(self) -> None:
        self.vertices: list[list[float]] = []
        self.uv: list[list[float]] = []
        self.faces: list[list[int]] = []
        self.uv_faces: list[list[int]] = []

    def line(self, line: str, number: int) -> None:
        word, *fields = line.split() or [""]
        if word == "v":
            self.vertices.append(_numbers(fields, 3, number))
        elif word == "vt":
            self.uv.append(_numbers(fields, 2, number))
        elif word == "f":
            self._face(fields, number)

    def _face(self, fields: list[str], number: int) -> None:
        if not 3 <= len(fields) <= MOST_CORNERS:  # noqa: PLR2004
            raise Refused(f"line {number} has a face of {len(fields)} corners; expected 3 or more")
        corners = [_CORNER.fullmatch(field) for field in fields]
        if None in corners:
            raise Refused(f"line {number} has a face that is no list of indices; export it again")
        place = [_index(corner[1], len(self.vertices), number) for corner in corners if corner]
        texture = [
            _index(corner[2], len(self.uv), number) for corner in corners if corner and corner[2]
        ]
        if texture and len(texture) != len(place):
            raise Refused(f"line {number} has texture coordinates at some corners only")
        for second in range(1, len(place) - 1):
            self.faces.append([place[0], place[second], place[second + 1]])
            if texture:
                self.uv_faces.append([texture[0], texture[second], texture[second + 1]])

    def mesh(self) -> ObjFile:
        if not self.vertices or not self.faces:
            raise Refused("the file holds no mesh; expected lines that begin with v and f")
        textured = len(self.uv_faces) > 0
        if textured and len(self.uv_faces) != len(self.faces):
            raise Refused("some faces have texture coordinates and some have none; export it again")
        # Indices may point at vertices that come later in the file.
        faces = _checked(self.faces, len(self.vertices), "vertices")
        uv_faces = (
            _checked(self.uv_faces, len(self.uv), "texture coordinates") if textured else None
        )
        return ObjFile(
            vertices=np.array(self.vertices, dtype=np.float64),
            uv=np.array(self.uv, dtype=np.float64) if textured else None,
            faces=faces,
            uv_faces=uv_faces,
        )


def _numbers(fields: list[str], count: int, number: int) -> list[float]:
    if len(fields) < count or not all(_NUMBER.fullmatch(field) for field in fields[:count]):
        raise Refused(f"line {number} has no {count} numbers; export the mesh again")
    values = [float(field) for field in fields[:count]]
    if not all(abs(value) < np.inf for value in values):
        raise Refused(f"line {number} has a number that is not finite; export the mesh again")
    return values


def _index(text: str, count: int, number: int) -> int:
    """Return an index from 0; the file counts from 1, or from -1 back from the last one so far."""
    value = int(text)
    if value == 0 or value < -count:
        raise Refused(f"line {number} has the index {quoted(value)}; the first is 1")
    return value - 1 if value > 0 else count + value


def _checked(faces: list[list[int]], count: int, what: str) -> np.ndarray:
    array = np.array(faces, dtype=np.int64).reshape(-1, 3)
    if array.max() >= count:
        raise Refused(
            f"a face uses number {int(array.max()) + 1} of {count} {what}; export it again"
        )
    return array
