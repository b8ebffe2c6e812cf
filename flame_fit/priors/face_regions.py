"""Parts of the face mesh drawn as masks: face region, holes in its skin, safe inner skin."""

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int

from flame_fit.priors.face_mesh_topology import (
    CHIN,
    LEFT_EYE_OUTER,
    MESH_COUNT,
    RIGHT_EYE_OUTER,
    TOP,
    face_mesh_topology,
)

# Drawing keeps this many binary digits of a pixel.
_SHIFT = 4
# The mesh ends below the hair line; skin is looked for this far above it, in face heights.
_FOREHEAD_RISE = 0.18
# Rings of triangles between a safe skin triangle and the face's rim.
_RIM_RINGS = 1
# Points around the nostrils' openings, right and left.
_NOSTRILS = ((20, 60, 79, 166, 238, 239, 241, 242), (250, 290, 309, 392, 458, 459, 461, 462))
# Lashes, brow hairs and the lips' rim reach out by this share of the face's height.
_FEATURE_MARGIN = 0.015


def fill(
    pixels: Float[np.ndarray, "n 2"],
    polygons: Sequence[Int[np.ndarray, "_"]],
    size: tuple[int, int],
) -> Float[np.ndarray, "H W"]:
    """Polygons of landmarks as a mask with smooth edges, 0..1."""
    mask = np.zeros(size, dtype=np.uint8)
    fixed = np.round((pixels - 0.5) * (1 << _SHIFT)).astype(np.int32)
    for polygon in polygons:
        cv2.fillPoly(mask, [fixed[polygon]], 255, lineType=cv2.LINE_AA, shift=_SHIFT)
    return mask.astype(np.float32) / 255


def face_region(
    pixels: Float[np.ndarray, "n 2"], size: tuple[int, int]
) -> Float[np.ndarray, "H W"]:
    """The face from chin to forehead, a little above the upper rim of the mesh."""
    oval = face_mesh_topology().face_oval
    raised = pixels.astype(np.float64).copy()
    up = pixels[TOP] - pixels[CHIN]
    height = max(float(np.linalg.norm(up)), 1e-6)
    # Points rise by how far they lie above the eye line, so that the outline stays round.
    above = (pixels - (pixels[LEFT_EYE_OUTER] + pixels[RIGHT_EYE_OUTER]) / 2) @ up / height
    top = max(float(above[TOP]), 1e-6)
    share = np.clip(above / top, 0.0, 1.0)[:, None]
    raised += share * up * _FOREHEAD_RISE
    # In a turned head the nose and brow stand out beyond the outline of the mesh.
    return fill(raised, [oval, *face_mesh_topology().triangles], size)


def skin_holes(pixels: Float[np.ndarray, "n 2"], size: tuple[int, int]) -> Float[np.ndarray, "H W"]:
    """Eye openings and the mouth opening."""
    topology = face_mesh_topology()
    return fill(pixels, [topology.left_eye, topology.right_eye, topology.lips_inner], size)


def features_of_face(
    pixels: Float[np.ndarray, "n 2"], size: tuple[int, int]
) -> Float[np.ndarray, "H W"]:
    """Brows, eyes with lids, lips and nostrils: parts of a face without skin colour."""
    topology = face_mesh_topology()
    # Brow and nostril points come unordered.
    hulls = [
        points[_hull(pixels[points])]
        for points in (topology.left_brow, topology.right_brow, *map(np.array, _NOSTRILS))
    ]
    loops = [topology.left_eye, topology.right_eye, topology.lips_outer]
    mask = fill(pixels, [*hulls, *loops], size)
    reach = max(1, round(_FEATURE_MARGIN * float(np.ptp(pixels[:, 1]))))
    return cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2))


def _hull(pixels: Float[np.ndarray, "n 2"]) -> Int[np.ndarray, "m"]:
    """Which points form the convex hull, in order."""
    return np.asarray(
        cv2.convexHull(pixels.astype(np.float32), returnPoints=False)[:, 0], dtype=int
    )


def inner_skin(pixels: Float[np.ndarray, "n 2"], size: tuple[int, int]) -> Float[np.ndarray, "H W"]:
    """Cheeks, nose, chin and lower forehead: skin in nearly every photo."""
    return fill(pixels, list(face_mesh_topology().triangles[_inner_triangles()]), size)


@lru_cache(maxsize=1)
def _feature_points() -> Bool[np.ndarray, "468"]:
    topology = face_mesh_topology()
    names = ("left_eye", "right_eye", "left_brow", "right_brow", "lips_outer", "lips_inner")
    points = np.concatenate([*(getattr(topology, name) for name in names), *_NOSTRILS])
    marked = np.zeros(MESH_COUNT, dtype=bool)
    marked[points] = True
    return marked


@lru_cache(maxsize=1)
def _inner_triangles() -> Bool[np.ndarray, "852"]:
    topology = face_mesh_topology()
    excluded = _feature_points()
    rim = np.zeros(MESH_COUNT, dtype=bool)
    rim[topology.face_oval] = True
    excluded = excluded | _grow(rim, _RIM_RINGS)
    return np.logical_and.reduce(~excluded[topology.triangles], axis=1)


def _grow(marked: Bool[np.ndarray, "468"], rings: int) -> Bool[np.ndarray, "468"]:
    triangles = face_mesh_topology().triangles
    grown = marked.copy()
    for _ in range(rings):
        grown[triangles[grown[triangles].any(axis=1)]] = True
    return grown
