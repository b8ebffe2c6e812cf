"""Reading Basel Face Models: 2009 (`.mat`), 2017 and 2019 (`.h5`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from flame_fit.errors import AssetError
from flame_fit.untrusted.hdf5_files import read_hdf5
from flame_fit.untrusted.mat_files import read_mat

MAXIMUM_FILE_BYTES = 2 * 2**30
MAXIMUM_LANDMARK_CHARACTERS = 1_000_000
HEAD_SIZE_METRES = (0.1, 1.0)
"""Between these lies the diagonal of a face's or head's box."""
UNITS = (1.0, 1e-3, 1e-6)
"""Metres, millimetres (2017, 2019) and micrometres (2009)."""
BYTE_RANGE = 255.0
COORDINATES = 3
_MAT_KEYS = ("shapeMU", "texMU", "texPC", "texEV", "tl")
_SHAPE, _COLOUR, _LANDMARKS = "shape", "color", "metadata/landmarks/json"
_H5_KEYS = (
    f"{_SHAPE}/model/mean",
    f"{_SHAPE}/representer/cells",
    f"{_COLOUR}/model/mean",
    f"{_COLOUR}/model/pcaBasis",
    f"{_COLOUR}/model/pcaVariance",
)


@dataclass(frozen=True, eq=False)
class BaselModel:
    """The mean face of a Basel Face Model and how its colours vary.

    Attributes:
        kind: Which layout the file has.
        vertices: Mean shape in metres; x to the person's left, y up, z forward.
        faces: Triangles, counter-clockwise seen from outside.
        colour: Mean sRGB albedo of the vertices, RGB order, 0 to 1.
        colour_basis: What one standard deviation of each component adds.
        landmark_names: Named points that the file has; 2009 has none.
        landmark_places: Where they are, metres.
    """

    kind: str
    vertices: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    colour: Float[np.ndarray, "V 3"]
    colour_basis: Float[np.ndarray, "V 3 K"]
    landmark_names: tuple[str, ...]
    landmark_places: Float[np.ndarray, "L 3"]


def read_basel_model(path: Path, *, most_components: int | None = None) -> BaselModel:
    """Read a Basel Face Model by its content.

    Args:
        path: `01_MorphableModel.mat`, `model2017-1_*.h5` or `model2019_*.h5`.
        most_components: Most colour components to keep, the first ones; all by default.

    Raises:
        AssetError: Missing, damaged, or no Basel Face Model.
    """
    if path.suffix.lower() == ".mat":
        raw = _from_mat(path)
    elif path.suffix.lower() in (".h5", ".hdf5"):
        raw = _from_h5(path)
    else:
        raise AssetError(
            f"{path}: Basel Face Models are .mat files (2009) or .h5 files (2017, 2019)"
        )
    unit = _unit(path, raw.vertices)
    vertices = raw.vertices * unit
    return BaselModel(
        kind=raw.kind,
        vertices=vertices,
        faces=_outward(vertices, raw.faces),
        colour=raw.colour,
        colour_basis=raw.basis[..., :most_components],
        landmark_names=raw.names,
        landmark_places=raw.places * unit,
    )


@dataclass(frozen=True, eq=False)
class _Raw:
    """A model in the units of its file, colours in 0 to 1."""

    kind: str
    vertices: np.ndarray
    faces: np.ndarray
    colour: np.ndarray
    basis: np.ndarray
    names: tuple[str, ...]
    places: np.ndarray


def _from_mat(path: Path) -> _Raw:
    arrays = read_mat(path, keys=_MAT_KEYS, maximum_bytes=MAXIMUM_FILE_BYTES)
    _require(path, arrays, _MAT_KEYS)
    vertices = _per_vertex(path, "shapeMU", arrays["shapeMU"])
    components, deviations = _components(path, arrays["texPC"], arrays["texEV"], len(vertices))
    return _Raw(
        kind="Basel Face Model 2009",
        vertices=vertices,
        # MATLAB counts from 1.
        faces=_faces(path, arrays["tl"] - 1, len(vertices)),
        colour=_per_vertex(path, "texMU", arrays["texMU"], count=len(vertices)) / BYTE_RANGE,
        basis=components * (deviations / BYTE_RANGE).astype(np.float32),
        names=(),
        places=np.zeros((0, COORDINATES)),
    )


def _from_h5(path: Path) -> _Raw:
    arrays = read_hdf5(path, keys=(*_H5_KEYS, _LANDMARKS), maximum_bytes=MAXIMUM_FILE_BYTES)
    _require(path, arrays, _H5_KEYS)
    mean, cells, colour, basis, variance = (arrays[key] for key in _H5_KEYS)
    vertices = _per_vertex(path, _H5_KEYS[0], mean)
    components, variances = _components(path, basis, variance, len(vertices))
    if (variances < 0).any():
        raise AssetError(f"{path}: has negative variances; download it again")
    names, places = _landmarks(path, arrays)
    return _Raw(
        kind="Basel Face Model 2017 or 2019",
        vertices=vertices,
        faces=_faces(path, cells.T if cells.shape[:1] == (COORDINATES,) else cells, len(vertices)),
        colour=_per_vertex(path, _H5_KEYS[2], colour, count=len(vertices)),
        basis=components * np.sqrt(variances).astype(np.float32),
        names=names,
        places=places,
    )


def _require(path: Path, arrays: Mapping[str, np.ndarray], keys: tuple[str, ...]) -> None:
    missing = [key for key in keys if key not in arrays]
    if missing:
        raise AssetError(f"{path}: lacks '{missing[0]}'; it is no Basel Face Model")


def _per_vertex(
    path: Path, key: str, values: np.ndarray, *, count: int | None = None
) -> np.ndarray:
    """Return three numbers for each vertex out of one long list."""
    wrong = values.size == 0 or values.size % COORDINATES or not np.isfinite(values).all()
    if wrong or (count is not None and values.size != COORDINATES * count):
        wanted = "3 for each vertex" if count is None else str(COORDINATES * count)
        raise AssetError(f"{path}: '{key}' has {values.size} finite numbers, expected {wanted}")
    return values.reshape(-1, COORDINATES).astype(np.float64)


def _components(
    path: Path, basis: np.ndarray, scale: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return colour components of the vertices as float32, and the number that goes with each."""
    scale = scale.reshape(-1).astype(np.float64)
    fits = basis.ndim == 2 and basis.shape == (COORDINATES * count, scale.size)  # noqa: PLR2004
    if not fits or not np.isfinite(scale).all() or not np.isfinite(basis).all():
        raise AssetError(
            f"{path}: colour components are {basis.shape} for {count} vertices and {scale.size} "
            "variances, expected three finite rows a vertex; download it again"
        )
    return basis.astype(np.float32).reshape(count, COORDINATES, scale.size), scale


def _faces(path: Path, faces: np.ndarray, count: int) -> np.ndarray:
    if faces.ndim != 2 or faces.shape[1] != COORDINATES or len(faces) == 0:  # noqa: PLR2004
        raise AssetError(f"{path}: triangles are {faces.shape}, expected F x 3; download it again")
    if not np.isfinite(faces).all() or faces.min() < 0 or faces.max() >= count:
        raise AssetError(f"{path}: triangles point outside its {count} vertices; download it again")
    return faces.astype(np.int64)


def _landmarks(path: Path, arrays: Mapping[str, np.ndarray]) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the named points of a 2017 or 2019 file, if it has any."""
    if _LANDMARKS not in arrays:
        return (), np.zeros((0, COORDINATES))
    text = str(arrays[_LANDMARKS])
    try:
        content = json.loads(text[:MAXIMUM_LANDMARK_CHARACTERS])
        points = {str(item["id"]): [float(x) for x in item["coordinates"]] for item in content}
        places = np.array(list(points.values()), dtype=np.float64).reshape(-1, COORDINATES)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise AssetError(f"{path}: its landmarks are no list of named points") from error
    if not np.isfinite(places).all() or len(places) != len(points):
        raise AssetError(f"{path}: its landmarks are no points in space; download it again")
    return tuple(points), places


def _unit(path: Path, vertices: np.ndarray) -> float:
    """Return the metres of the file's unit, told by the size of the head."""
    diagonal = float(np.linalg.norm(np.ptp(vertices, axis=0)))
    smallest, largest = HEAD_SIZE_METRES
    for unit in UNITS:
        if smallest <= diagonal * unit <= largest:
            return unit
    raise AssetError(
        f"{path}: the mean face is {diagonal:.3g} units across, which is no head in metres, "
        "millimetres or micrometres"
    )


def _outward(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Return the triangles counter-clockwise seen from outside; the files differ in this."""
    corners = vertices[faces] - vertices.mean(0)
    areas = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    outwards = float((areas * corners.mean(1)).sum())
    return faces if outwards >= 0 else faces[:, ::-1].copy()
