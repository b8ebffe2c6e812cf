"""Meshes and scans of any topology, and seven landmarks on them, from files."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from flame_fit.errors import InputError
from flame_fit.evaluate.face_landmarks import IBUG_POINTS, LANDMARK_NAMES
from flame_fit.evaluate.ply_files import read_ply
from flame_fit.untrusted import read_file, read_npy, read_npz, read_obj

MESH_SUFFIXES = (".obj", ".ply", ".npz")
SURFACE_SUFFIXES = (*MESH_SUFFIXES, ".npy")
LANDMARK_SUFFIXES = (".npy", ".txt", ".json", ".pp")
MAXIMUM_LANDMARK_BYTES = 2**20
COORDINATES = 3
CONTOUR_COUNT = 17
IBUG_COUNT = 68
POINT_TAG = re.compile(r"<point\b[^>]*>")
COORDINATE = re.compile(r"\b([xyz])\s*=\s*\"([^\"]*)\"")


@dataclass(frozen=True, eq=False)
class SurfaceFile:
    """A mesh, or a cloud of points that has no triangle."""

    vertices: Float64[Tensor, "N 3"]
    faces: Int64[Tensor, "F 3"]


def read_surface(path: Path) -> SurfaceFile:
    """Read a mesh or scan in its own units and axes.

    Takes `.obj`, `.ply`, `.npz` with `vertices` and, for meshes, `faces`, and `.npy` of points.

    Raises:
        InputError: Another ending, no points, or values that are not finite.
        AssetError: Missing or damaged.
    """
    suffix = path.suffix.lower()
    if suffix not in SURFACE_SUFFIXES:
        raise InputError(
            f"{path} has the ending '{path.suffix}'; give a mesh as {', '.join(SURFACE_SUFFIXES)}"
        )
    vertices, faces = _arrays(path, suffix)
    if vertices.ndim != 2 or vertices.shape[1] != COORDINATES or not len(vertices):  # noqa: PLR2004
        raise InputError(f"{path} holds points of shape {vertices.shape}; expected (N, 3)")
    if faces.ndim != 2 or faces.shape[1] != COORDINATES:  # noqa: PLR2004
        raise InputError(f"{path} holds faces of shape {faces.shape}; expected triangles (F, 3)")
    if vertices.dtype.kind not in "iuf" or not np.isfinite(vertices).all():
        raise InputError(f"{path} holds vertices that are not finite numbers; repair it first")
    if faces.size and (faces.min() < 0 or faces.max() >= len(vertices)):
        raise InputError(f"{path} has faces that name vertices it does not have; export it anew")
    return SurfaceFile(
        torch.from_numpy(np.array(vertices, dtype=np.float64)),
        torch.from_numpy(np.array(faces, dtype=np.int64)),
    )


def read_face_landmarks(path: Path) -> Float64[Tensor, "7 3"]:
    """Read the seven points of `LANDMARK_NAMES`, or take them out of 68 or 51 in iBUG's order.

    Takes `.npy`, text with a point on each line, JSON with a list of points, and the picked points
    of MeshLab (`.pp`), in the units and axes of the mesh.

    Raises:
        InputError: Another ending, another number of points, or no numbers.
        AssetError: Missing or damaged.
    """
    readers = {".npy": read_npy, ".txt": _text_points, ".json": _json_points, ".pp": _picked_points}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InputError(
            f"{path} has the ending '{path.suffix}'; "
            f"give landmarks as {', '.join(LANDMARK_SUFFIXES)}"
        )
    try:
        points = np.asarray(reader(path))
        if points.dtype.kind not in "iuf":
            raise ValueError("no numbers")
    except (ValueError, OverflowError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} holds no points; expected seven rows of x, y, z") from error
    count = points.shape[0] if points.ndim == 2 and points.shape[1] == COORDINATES else 0  # noqa: PLR2004
    chosen = {
        len(LANDMARK_NAMES): list(range(len(LANDMARK_NAMES))),
        IBUG_COUNT: list(IBUG_POINTS),
        IBUG_COUNT - CONTOUR_COUNT: [point - CONTOUR_COUNT for point in IBUG_POINTS],
    }.get(count)
    if chosen is None:
        raise InputError(
            f"{path} holds an array of shape {points.shape}; expected seven points (7, 3): "
            f"{', '.join(LANDMARK_NAMES)}; or 68 or 51 in iBUG order"
        )
    found = points[chosen].astype(np.float64)
    if not np.isfinite(found).all():
        raise InputError(f"{path} has landmarks that are not finite; mark all seven points")
    return torch.from_numpy(found)


def _arrays(path: Path, suffix: str) -> tuple[np.ndarray, np.ndarray]:
    """Return vertices and faces as the file has them."""
    no_faces = np.zeros((0, COORDINATES), np.int64)
    if suffix == ".obj":
        mesh = read_obj(path)
        return mesh.vertices, mesh.faces
    if suffix == ".ply":
        ply = read_ply(path)
        return ply.vertices, ply.faces
    if suffix == ".npy":
        return np.asarray(read_npy(path)), no_faces
    arrays = read_npz(path)
    if "vertices" not in arrays:
        held = ", ".join(sorted(arrays)) or "nothing"
        raise InputError(f"{path} holds {held}; expected `vertices` and, for a mesh, `faces`")
    faces = arrays.get("faces", no_faces)
    if faces.dtype.kind not in "iu":
        raise InputError(f"{path} holds faces of type {faces.dtype}; expected whole numbers")
    return arrays["vertices"], faces


def _text_points(path: Path) -> np.ndarray:
    rows = [line.replace(",", " ").split() for line in _text(path).splitlines()]
    return np.array([row for row in rows if row], dtype=np.float64)


def _json_points(path: Path) -> np.ndarray:
    try:
        content = json.loads(_text(path))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    try:
        return np.array(content, dtype=np.float64)
    except TypeError as error:
        raise ValueError("no list of points") from error


def _picked_points(path: Path) -> np.ndarray:
    points = []
    for tag in POINT_TAG.findall(_text(path)):
        place = dict(COORDINATE.findall(tag))
        if set(place) != set("xyz"):
            raise ValueError("a point without x, y and z")
        points.append([float(place[axis]) for axis in "xyz"])
    return np.array(points, dtype=np.float64)


def _text(path: Path) -> str:
    return read_file(path, maximum_bytes=MAXIMUM_LANDMARK_BYTES).decode("utf-8")
