"""Where beards, brows, lids and lips lie on a head's chart."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float, Int

from flame_fit.appearance import TextureSpace, luminance, srgb_to_linear
from flame_fit.errors import AssetError
from flame_fit.flame import FlameAssets

# Points of MediaPipe's face mesh, the person's right side from the ear to the middle, then the
# same points of the left side.
RIGHT = (
    *(234, 137, 147, 187, 207, 206, 165, 167, 132, 58, 172, 136, 150, 149, 176, 148, 92, 186),
    *(61, 216, 202, 210, 170, 135, 192, 214, 70, 63, 105, 66, 107, 55, 65, 52, 53, 46, 123, 205),
    *(33, 246, 161, 160, 159, 158, 157, 173, 133, 225, 224, 223, 222, 221, 50, 203, 101, 118, 177),
)
LEFT = (
    *(454, 366, 376, 411, 427, 426, 391, 393, 361, 288, 397, 365, 379, 378, 400, 377, 322, 410),
    *(291, 436, 422, 430, 395, 364, 416, 434, 300, 293, 334, 296, 336, 285, 295, 282, 283, 276),
    *(352, 425, 263, 466, 388, 387, 386, 385, 384, 398, 362, 445, 444, 443, 442, 441, 280, 423),
    *(330, 347, 401),
)
MIRRORED = dict(zip(RIGHT, LEFT, strict=True))
UNDER_NOSE, CHIN, UNDER_LIP, BETWEEN_LIPS = 164, 152, 18, 13
# Half outlines, from the person's right to the middle.
FULL_TOP = (234, 137, 147, 187, 207, 206, 165, 167)
JAW = (132, 58, 172, 136, 150, 149, 176, 148)
MOUSTACHE_TOP = (186, 92, 165, 167)
GOATEE = (216, 202, 210, 170)
STRAP_TOP = (234, 177, 192, 135, 170)
BROW = (46, 70, 63, 105, 66, 107, 55, 65, 52, 53)
LID = (33, 246, 161, 160, 159, 158, 157, 173, 133, 221, 222, 223, 224, 225)
CHEEK = (50, 123, 187, 205, 203, 101, 118)
BELOW_JAW = 0.16
"""How far a beard reaches under the jaw: share of its distance from the middle of the lips."""
BROW_REACH, SURROUNDINGS = 0.02, 0.03
"""Widths of the chart within which brows lie around their outline, and of the skin around them."""
DARKER = 0.10
"""Share by which hair makes the mean texture's brows darker than the skin around them, at least."""
FULL_DARKNESS = 0.3
VERTEX_MAP_SIZE = 512


@dataclass(frozen=True, eq=False)
class FaceMap:
    """Soft masks over a chart, 0 to 1; row 0 is v = 1.

    Attributes:
        beard: Cheeks, jaw and chin, without the moustache.
        moustache: Between nose and lips.
        goatee: Chin and around the mouth.
        strap: Along the jaw only.
        lips: Red of the lips.
        lids: Between eyes and brows.
        cheeks: Where cheeks blush.
        nose: The nose.
        skin: All skin.
    """

    beard: Float[np.ndarray, "U W"]
    moustache: Float[np.ndarray, "U W"]
    goatee: Float[np.ndarray, "U W"]
    strap: Float[np.ndarray, "U W"]
    lips: Float[np.ndarray, "U W"]
    lids: Float[np.ndarray, "U W"]
    cheeks: Float[np.ndarray, "U W"]
    nose: Float[np.ndarray, "U W"]
    skin: Float[np.ndarray, "U W"]


@lru_cache(maxsize=8)
def face_map(assets: FlameAssets, size: int) -> FaceMap:
    """Return the masks of a model on its chart.

    Args:
        assets: The head model.
        size: Texels along each side.

    Raises:
        AssetError: The model has no chart, regions or embedding of MediaPipe's points.
    """
    points = _chart_points(assets) * size - 0.5
    middle = points[[UNDER_NOSE, UNDER_LIP]].mean(axis=0)

    def half(*numbers: int) -> Float[np.ndarray, "n 2"]:
        return points[list(numbers)]

    def both(top: tuple[int, ...], bottom: Float[np.ndarray, "m 2"]) -> Float[np.ndarray, "k 2"]:
        """Return an outline: the top edge from right to left, then the bottom from left."""
        left = half(*(MIRRORED[number] for number in reversed(top)))
        return np.concatenate((half(*top), left, bottom))

    jaw = np.concatenate(
        (half(*(MIRRORED[number] for number in JAW)), half(CHIN), half(*reversed(JAW)))
    )
    jaw = middle + (1.0 + BELOW_JAW) * (jaw - middle)
    lips = _region(assets, "lips", size)
    bare = 1.0 - _soft(cv2.dilate(lips, np.ones((3, 3))), 0.002 * size)
    moustache = _filled(both(MOUSTACHE_TOP, half(291, BETWEEN_LIPS, 61)), size)
    goatee_low = jaw[5:-5]
    soft = 0.012 * size
    return FaceMap(
        beard=_soft(_filled(both(FULL_TOP, jaw), size) * (1.0 - moustache), soft) * bare,
        moustache=_soft(moustache, 0.6 * soft) * bare,
        goatee=_soft(_filled(both(GOATEE, goatee_low), size), 0.7 * soft) * bare,
        strap=_soft(_filled(both(STRAP_TOP, jaw), size), 0.7 * soft) * bare,
        lips=_soft(lips, 0.002 * size),
        lids=_soft(_sides(points, LID, size), 0.5 * soft),
        cheeks=_soft(_sides(points, CHEEK, size), 2.5 * soft),
        nose=_soft(_region(assets, "nose", size), soft),
        skin=_region(assets, "skin", size),
    )


@lru_cache(maxsize=8)
def texture_brows(assets: FlameAssets, space: TextureSpace) -> Float[np.ndarray, "U U"]:
    """Return where the mean of a texture space has eyebrows, 0 to 1.

    They are what is darker than its surroundings near the brows of the face mesh.

    Args:
        assets: The head model.
        space: Its texture space.

    Raises:
        AssetError: The model has no chart or no embedding of MediaPipe's points.
    """
    size = space.mean.shape[0]
    outline = _sides(_chart_points(assets) * size - 0.5, BROW, size)
    light = luminance(srgb_to_linear(space.mean.cpu().double().clamp(0.0, 1.0))).numpy()
    near = cv2.dilate(outline, np.ones((max(int(BROW_REACH * size), 1),) * 2))
    away, sigma = 1.0 - near, SURROUNDINGS * size
    around = _soft(light * away, sigma) / np.maximum(_soft(away, sigma), 1e-6)
    darker = 1.0 - light / np.maximum(around, 1e-6)
    strength = np.clip((darker - DARKER) / (FULL_DARKNESS - DARKER), 0.0, 1.0) * near
    return strength.astype(np.float32)


@lru_cache(maxsize=8)
def vertex_masks(assets: FlameAssets) -> FaceMap:
    """Return the masks at a model's vertices: each field has one row, V columns.

    Args:
        assets: The head model.

    Raises:
        AssetError: The model has no chart or no embedding of MediaPipe's points.
    """
    masks = face_map(assets, VERTEX_MAP_SIZE)
    if assets.chart is None:
        raise AssetError(f"model '{assets.name}' has no UV chart; use 'open_head'")
    place = np.zeros((len(assets.v_template), 2))
    place[assets.faces.cpu().numpy()] = assets.chart.uv[assets.chart.faces].cpu().numpy()
    column = np.clip((place[:, 0] * VERTEX_MAP_SIZE).astype(int), 0, VERTEX_MAP_SIZE - 1)
    row = np.clip(((1.0 - place[:, 1]) * VERTEX_MAP_SIZE).astype(int), 0, VERTEX_MAP_SIZE - 1)
    return FaceMap(
        **{field.name: getattr(masks, field.name)[row, column][None] for field in fields(masks)}
    )


def _chart_points(assets: FlameAssets) -> Float[np.ndarray, "L 2"]:
    """Return MediaPipe's points on the chart: right and down, 0 to 1."""
    landmarks = assets.landmarks
    if assets.chart is None or landmarks is None or landmarks.mediapipe is None:
        raise AssetError(
            f"model '{assets.name}' has no chart with landmarks; use open_head or install the "
            "model with 'flame-fit assets install'"
        )
    points = landmarks.mediapipe
    corners = assets.chart.uv[assets.chart.faces[points.face_index]]
    uv = (corners * points.barycentrics[..., None]).sum(-2).cpu().double().numpy()
    return np.stack((uv[:, 0], 1.0 - uv[:, 1]), axis=-1)


def _sides(
    points: Float[np.ndarray, "L 2"], right: tuple[int, ...], size: int
) -> Float[np.ndarray, "U U"]:
    left = [MIRRORED[number] for number in right]
    return np.maximum(_filled(points[list(right)], size), _filled(points[left], size))


def _filled(outline: Float[np.ndarray, "n 2"], size: int) -> Float[np.ndarray, "U U"]:
    picture = np.zeros((size, size), dtype=np.uint8)
    cv2.fillPoly(picture, [np.rint(outline).astype(np.int32)], (1,))
    return picture.astype(np.float32)


def _soft(mask: Float[np.ndarray, "U U"], sigma: float) -> Float[np.ndarray, "U U"]:
    return cv2.GaussianBlur(mask, (0, 0), max(sigma, 0.3))


def _region(assets: FlameAssets, name: str, size: int) -> Float[np.ndarray, "U U"]:
    """Return the texels of a region; none where the model does not name it."""
    picture = np.zeros((size, size), dtype=np.uint8)
    if assets.chart is None or assets.regions is None or name not in assets.regions.names:
        return picture.astype(np.float32)
    chosen = assets.regions.mask(name)[assets.faces].all(-1)
    uv = assets.chart.uv[assets.chart.faces[chosen]].cpu().double().numpy()
    corners = np.stack((uv[..., 0], 1.0 - uv[..., 1]), axis=-1) * size - 0.5
    triangles: Int[np.ndarray, "n 3 2"] = np.rint(corners).astype(np.int32)
    for triangle in triangles:
        cv2.fillConvexPoly(picture, triangle, (1,))
    return picture.astype(np.float32)
