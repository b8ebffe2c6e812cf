"""Landmark embeddings for FLAME's mesh in the formats in circulation.

Four files share few names: a dict `.npy` (51 inner points, 68 points, a contour table), the pair of
a static `.pkl` (51 or 68 points) and a dynamic `.npy` (the table), MediaPipe's `.npz` (105 of the
478 points with their numbers), and the dict "with eyes" (70 points).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from flame_fit.errors import AssetError
from flame_fit.flame.assets import CONTOUR_POINTS
from flame_fit.head_models.flame_topology import FACE_COUNT

INNER_COUNT = 51
IBUG_COUNT = 68
WITH_EYES_COUNT = 70
MEDIAPIPE_COUNT = 478
TABLE_ROWS = 79
"""Published tables have a row for each degree: 0 to 39, then -1 to -39."""
TABLE_LIMIT = 39
WEIGHT_TOLERANCE = 1e-3
CORNERS = 3


@dataclass(frozen=True, eq=False)
class PointArrays:
    """Points on triangles as plain arrays."""

    face_index: Int[np.ndarray, "*n"]
    barycentrics: Float[np.ndarray, "*n 3"]


@dataclass(frozen=True, eq=False)
class LandmarkFile:
    """What one embedding file holds; None for what it has not.

    Attributes:
        inner: 51 points: brows, nose, eyes, lips.
        ibug: 68 points, the first 17 the outline of a frontal face.
        eyes: Two more points, one on each eye.
        table: 79 x 17 outline points, by rising angle from -39 to 39 degrees; which way the head
            turns at a positive angle is told by the points themselves.
        mediapipe: Some of MediaPipe's points.
        mediapipe_index: Their numbers among the 478.
    """

    inner: PointArrays | None = None
    ibug: PointArrays | None = None
    eyes: PointArrays | None = None
    table: PointArrays | None = None
    mediapipe: PointArrays | None = None
    mediapipe_index: Int[np.ndarray, "n"] | None = None


def landmark_file(content: object, *, source: str) -> LandmarkFile | None:
    """Return the embedding in plain data, or None if the data are something else.

    Args:
        content: What a `.npy`, `.npz` or `.pkl` file holds.
        source: The file, for messages.

    Raises:
        AssetError: It is an embedding, and not a sound one.
    """
    if not isinstance(content, Mapping):
        return None
    keys = set(content)
    if {"lmk_face_idx", "lmk_b_coords", "landmark_indices"} <= keys:
        return _mediapipe(content, source=source)
    if {"lmk_face_idx", "lmk_b_coords"} <= keys:
        return _ringnet(content, source=source)
    if {"full_lmk_faces_idx", "full_lmk_bary_coords"} <= keys:
        return _dictionary(content, source=source)
    return None


def _dictionary(content: Mapping[str, object], *, source: str) -> LandmarkFile:
    """Read the dict format, with or without eyes and table."""
    full = _points(content, "full_lmk_faces_idx", "full_lmk_bary_coords", source=source)
    full = PointArrays(
        face_index=full.face_index.reshape(-1), barycentrics=full.barycentrics.reshape(-1, CORNERS)
    )
    count = len(full.face_index)
    if count not in (IBUG_COUNT, WITH_EYES_COUNT):
        raise AssetError(f"{source}: {count} landmarks, expected {IBUG_COUNT} or {WITH_EYES_COUNT}")
    table = None
    if "dynamic_lmk_faces_idx" in content:
        names = ("dynamic_lmk_faces_idx", "dynamic_lmk_bary_coords")
        table = _table(_points(content, *names, source=source), source=source)
    eyes = _part(full, slice(IBUG_COUNT, None)) if count == WITH_EYES_COUNT else None
    return LandmarkFile(ibug=_part(full, slice(0, IBUG_COUNT)), eyes=eyes, table=table)


def _ringnet(content: Mapping[str, object], *, source: str) -> LandmarkFile:
    """Read one of the pair that came with RingNet and FLAME_PyTorch."""
    points = _points(content, "lmk_face_idx", "lmk_b_coords", source=source)
    if points.face_index.ndim == 2:  # noqa: PLR2004 - rows of a table
        return LandmarkFile(table=_table(points, source=source))
    count = len(points.face_index)
    if count == INNER_COUNT:
        return LandmarkFile(inner=points)
    if count == IBUG_COUNT:
        return LandmarkFile(ibug=points)
    raise AssetError(f"{source}: {count} landmarks, expected {INNER_COUNT} or {IBUG_COUNT}")


def _mediapipe(content: Mapping[str, object], *, source: str) -> LandmarkFile:
    points = _points(content, "lmk_face_idx", "lmk_b_coords", source=source)
    index = _whole(content, "landmark_indices", source=source)
    if index.shape != points.face_index.shape or index.ndim != 1 or len(index) == 0:
        raise AssetError(
            f"{source}: {index.shape} landmark numbers for {points.face_index.shape} points"
        )
    if index.min() < 0 or index.max() >= MEDIAPIPE_COUNT or len(np.unique(index)) != len(index):
        raise AssetError(
            f"{source}: landmark numbers from {index.min()} to {index.max()}, expected different "
            f"ones from 0 to {MEDIAPIPE_COUNT - 1}"
        )
    return LandmarkFile(mediapipe=points, mediapipe_index=index)


def _table(points: PointArrays, *, source: str) -> PointArrays:
    """Return the outline table by rising angle."""
    if points.face_index.shape != (TABLE_ROWS, CONTOUR_POINTS):
        raise AssetError(
            f"{source}: the contour table is {points.face_index.shape}, expected "
            f"{TABLE_ROWS} x {CONTOUR_POINTS}"
        )
    rising = np.concatenate(
        [np.arange(TABLE_ROWS - 1, TABLE_LIMIT, -1), np.arange(TABLE_LIMIT + 1)]
    )
    return _part(points, rising)


def _points(
    content: Mapping[str, object], index_key: str, weight_key: str, *, source: str
) -> PointArrays:
    index = _whole(content, index_key, source=source)
    weights = np.asarray(content.get(weight_key))
    if weights.shape != (*index.shape, CORNERS) or weights.dtype.kind != "f":
        raise AssetError(
            f"{source}: '{weight_key}' is {weights.dtype} {weights.shape}, expected numbers "
            f"{(*index.shape, CORNERS)}"
        )
    if index.size and (index.min() < 0 or index.max() >= FACE_COUNT):
        raise AssetError(
            f"{source}: '{index_key}' has triangles from {index.min()} to {index.max()}, FLAME has "
            f"0 to {FACE_COUNT - 1}"
        )
    total = weights.sum(axis=-1)
    sound = np.isfinite(weights).all() and (weights >= -WEIGHT_TOLERANCE).all()
    if not sound or (np.abs(total - 1.0) > WEIGHT_TOLERANCE).any():
        raise AssetError(f"{source}: '{weight_key}' are no barycentric weights")
    weights = np.clip(weights.astype(np.float64), 0.0, 1.0)
    return PointArrays(
        face_index=index.astype(np.int64),
        barycentrics=(weights / weights.sum(axis=-1, keepdims=True)).astype(np.float32),
    )


def _whole(content: Mapping[str, object], key: str, *, source: str) -> np.ndarray:
    array = np.asarray(content[key])
    if array.dtype.kind not in "iu":
        raise AssetError(f"{source}: '{key}' is {array.dtype}, expected whole numbers")
    return array.astype(np.int64)


def _part(points: PointArrays, rows: slice | np.ndarray) -> PointArrays:
    return PointArrays(face_index=points.face_index[rows], barycentrics=points.barycentrics[rows])
