"""All soft masks and coordinates that a painted person needs, at every texel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from flame_fit.head_models.chart_source import ChartSource
from scripts.open_head.face_fields import (
    MILLIMETRE,
    Anchors,
    BrowFrame,
    blob,
    brow_frame,
    find_anchors,
    lip_line,
    part_of_texel,
    rings_from,
    smooth_mask,
    smooth_step,
    surface_modes,
)
from scripts.open_head.noise import wave_noise
from scripts.open_head.openness import openness
from scripts.open_head.texels import TexelMap

MODE_COUNT = 22
LASH_RINGS = ((1, 2, 3, 4, 5, 6, 7), (0.0, 0.5, 1.0, 1.0, 1.0, 0.45, 0.0))
"""Strength of the lash line by the number of rings of triangles from the eye socket: the lids'
edges are the fourth and fifth."""


@dataclass(frozen=True)
class SkinFields:
    """Masks (0..1) and coordinates on the skin's texels.

    Attributes:
        lips: Vermilion.
        lip_line: Where the lips meet.
        cheeks: Cheeks.
        nose: Tip and wings of the nose.
        ears: Ears.
        under_eye: Below the lower lids.
        upper_lid: Upper lids and the inner corners of the sockets.
        lash_line: Edges of the lids, where the lashes stand.
        socket: Behind the lids.
        hollow: Nostrils and other places that no light reaches.
        moustache: Between nose and mouth.
        beard: Chin, jaw and below.
        scalp: Where hair grows on the head, at soft thresholds of the hairline.
        brow: Coordinates of the brows.
        brow_hair: Streaks along the hairs of the brows.
        stubble: Fine grain.
        mottle: Coarse grain of pigment.
        spots: Freckle-like spots, 0 or more.
        modes: Smooth functions on the head, unit variance.
    """

    lips: Float[np.ndarray, "n"]
    lip_line: Float[np.ndarray, "n"]
    cheeks: Float[np.ndarray, "n"]
    nose: Float[np.ndarray, "n"]
    ears: Float[np.ndarray, "n"]
    under_eye: Float[np.ndarray, "n"]
    upper_lid: Float[np.ndarray, "n"]
    lash_line: Float[np.ndarray, "n"]
    socket: Float[np.ndarray, "n"]
    hollow: Float[np.ndarray, "n"]
    moustache: Float[np.ndarray, "n"]
    beard: Float[np.ndarray, "n"]
    scalp: Float[np.ndarray, "n"]
    brow: BrowFrame
    brow_hair: Float[np.ndarray, "n"]
    stubble: Float[np.ndarray, "n"]
    mottle: Float[np.ndarray, "n"]
    spots: Float[np.ndarray, "n"]
    modes: Float[np.ndarray, "n m"]


@dataclass(frozen=True)
class EyeFields:
    """Coordinates on the eyeballs' texels.

    Attributes:
        polar: Angle from the pupil's middle over the iris' own angle (1 at the limbus).
        streaks: Fibres of the iris.
        corner: 1 towards the corners of the eye.
    """

    polar: Float[np.ndarray, "n"]
    streaks: Float[np.ndarray, "n"]
    corner: Float[np.ndarray, "n"]


@dataclass(frozen=True)
class MouthFields:
    """Coordinates inside the mouth.

    Attributes:
        depth: 0 at the lips, 1 deep inside.
        is_tooth: Texels of the teeth.
        gap: 1 between two teeth.
        gum: 1 at the gum's side of a row of teeth.
    """

    depth: Float[np.ndarray, "n"]
    is_tooth: Bool[np.ndarray, "n"]
    gap: Float[np.ndarray, "n"]
    gum: Float[np.ndarray, "n"]


@dataclass(frozen=True)
class PaintFields:
    """Everything at the texels, by part.

    Attributes:
        size: Width of the map.
        skin_texels: Flat indices of the skin's texels.
        eye_texels: Those of the eyeballs.
        mouth_texels: Those of the mouth's inside with its teeth.
        skin: Fields on the skin.
        eyes: Fields on the eyeballs.
        mouth: Fields inside the mouth.
    """

    size: int
    skin_texels: np.ndarray
    eye_texels: np.ndarray
    mouth_texels: np.ndarray
    skin: SkinFields
    eyes: EyeFields
    mouth: MouthFields


def _beard_zones(
    points: Float[np.ndarray, "n 3"], anchors: Anchors, lips: Float[np.ndarray, "n"]
) -> tuple[np.ndarray, np.ndarray]:
    """Return moustache and beard: below a line from mouth to ear, above the throat."""
    across, up, ahead = (points / MILLIMETRE).T
    across = np.abs(across)
    mouth, nose, chin, ear = (
        getattr(anchors, k) / MILLIMETRE for k in ("mouth", "nose_tip", "chin", "ear")
    )
    corner = anchors.lip_seam[:, 0].max() / MILLIMETRE
    base = nose[1] - 9
    moustache = smooth_step(up, mouth[1] - 12, mouth[1] + 1) * smooth_step(up, base + 5, base - 4)
    moustache *= smooth_step(across, corner + 9, corner - 9)
    moustache *= smooth_step(ahead, ear[2] + 40, ear[2] + 60)
    moustache *= 1 - 0.5 * np.exp(-((across / 4) ** 2))
    # From the side of the mouth up to the front of the ear, with the sag of a cheek line.
    share = np.clip((ahead - (ear[2] + 12)) / (mouth[2] - 14 - ear[2] - 12), 0, 1)
    cheek_line = (ear[1] + 2) * (1 - share) ** 1.5 + (mouth[1] + 1) * (1 - (1 - share) ** 1.5)
    below = smooth_step(up - cheek_line, 11, -16)
    throat = chin[1] - 26 + 0.42 * (mouth[2] - ahead) * 0.7
    above = smooth_step(up - throat, -10, 8)
    front = smooth_step(ahead, ear[2] + 2, ear[2] + 18)
    soul = 1 - 0.65 * np.exp(-(((up - mouth[1] + 13) / 6) ** 2) - ((across - 14) / 8) ** 2)
    clear = 1 - smooth_step(lips, 0.05, 0.6)
    return moustache * clear, below * above * front * soul * clear


def _scalp_level(points: Float[np.ndarray, "n 3"], anchors: Anchors) -> Float[np.ndarray, "n"]:
    """Return millimetres inside the hairline (negative on the face and the neck)."""
    across, up, ahead = (points / MILLIMETRE).T
    eye, ear = anchors.eye / MILLIMETRE, anchors.ear / MILLIMETRE
    temple = np.abs(across) / 60
    # A plane from the top of the forehead down to the front of the ear, set back at the temples.
    front = np.array([eye[1] + 72, eye[2] + 6])
    side = np.array([ear[1] + 6, ear[2] + 20])
    along = (front - side) / np.linalg.norm(front - side)
    normal = np.array([along[1], -along[0]])
    behind = (up - side[0]) * normal[0] + (ahead - side[1]) * normal[1]
    behind += 7 * np.exp(-(((temple - 0.62) / 0.22) ** 2)) * -1.0
    nape = up - (ear[1] - 30) - 0.35 * np.maximum(ahead - ear[2] + 25, 0)
    sideburn = up - (ear[1] - 8)
    low = np.where(ahead > ear[2] - 2, sideburn, nape)
    return np.minimum(behind, low)


def _skin_fields(
    source: ChartSource, texels: TexelMap, here: np.ndarray, anchors: Anchors
) -> SkinFields:
    """Paint the skin's masks."""

    def at(values: np.ndarray) -> np.ndarray:
        sampled = texels.sample(values, source.faces)
        return sampled.reshape(-1, *values.shape[1:])[here]

    points = at(source.vertices)
    eye, mouth, nose = anchors.eye, anchors.mouth, anchors.nose_tip
    vermilion = smooth_step(at(source.regions["lips"].astype(float)), 0.25, 1.0)
    socket = source.regions["eye_sockets"]
    lashes = np.interp(rings_from(source, socket, 8), *LASH_RINGS)
    upper = smooth_step(points[:, 1] - eye[1], -0.002, 0.003)
    hollow = 1 - at(openness(source.vertices, source.faces))
    near_nose = blob(points, nose + [0.006, -0.008, -0.010], (9, 8, 11))
    brow = brow_frame(points, anchors)
    streak = np.stack([brow.outward + 0.9 * brow.up, brow.up - 0.5 * brow.outward], axis=1)
    moustache, beard = _beard_zones(points, anchors, vermilion)
    ears = at(
        smooth_mask(source.regions["left_ear"] | source.regions["right_ear"], source.faces, 4)
    )
    spots = wave_noise(points / MILLIMETRE, (7.0, 7.0, 7.0), 11)
    fields = SkinFields(
        lips=vermilion,
        lip_line=lip_line(points, anchors),
        cheeks=blob(
            points, np.array([eye[0] + 0.011, mouth[1] + 0.034, eye[2] - 0.002]), (15, 13, 25)
        ),
        nose=np.maximum(
            blob(points, nose, (10, 8, 14)),
            blob(points, nose + [0.014, -0.005, -0.014], (6, 7, 9)),
        ),
        ears=ears,
        under_eye=blob(points, eye + [-0.002, -0.013, 0.010], (12, 5.0, 14)),
        upper_lid=np.maximum(
            blob(points, eye + [0.001, 0.010, 0.012], (13, 4.5, 12)),
            blob(points, eye + [-0.015, 0.003, 0.006], (4.0, 7, 10)),
        ),
        lash_line=at(lashes) * (0.3 + 0.7 * upper),
        socket=at(socket.astype(float)),
        hollow=smooth_step(hollow, 0.52, 0.85) * smooth_step(near_nose, 0.15, 0.5),
        moustache=moustache,
        beard=beard,
        scalp=_scalp_level(points, anchors) + 2.0 * wave_noise(points / MILLIMETRE, (9.0,) * 3, 5),
        brow=brow,
        brow_hair=wave_noise(streak, (14.0, 2.6), 3),
        stubble=wave_noise(points / MILLIMETRE, (2.4,) * 3, 7),
        mottle=wave_noise(points / MILLIMETRE, (4.5,) * 3, 9),
        spots=smooth_step(spots, 0.9, 2.3),
        modes=at(surface_modes(source, MODE_COUNT)),
    )
    return fields


def _eye_fields(points: Float[np.ndarray, "n 3"], anchors: Anchors) -> EyeFields:
    """Measure angles on the eyeballs."""
    centre = np.where(points[:, :1] > 0, 1, -1) * [1, 0, 0] * anchors.eye + [0, 1, 1] * anchors.eye
    direction = points - centre
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    polar = np.arccos(np.clip(direction[:, 2], -1, 1)) / anchors.iris_angle
    turn = np.arctan2(direction[:, 1], np.sign(points[:, 0]) * direction[:, 0])
    # Waves on a cylinder: periodic around, slow along the radius.
    ring = np.stack([np.cos(turn) * 3, np.sin(turn) * 3, polar * 1.2], axis=1)
    streaks = 0.7 * wave_noise(ring, (1.0, 1.0, 2.5), 21) + 0.5 * wave_noise(ring, (2.2,) * 3, 22)
    corner = smooth_step(np.abs(direction[:, 0]), 0.40, 0.85)
    return EyeFields(polar, streaks, corner)


def _mouth_fields(
    points: Float[np.ndarray, "n 3"], is_tooth: np.ndarray, is_upper: np.ndarray, anchors: Anchors
) -> MouthFields:
    """Measure depth in the mouth and count teeth along their rows."""
    depth = smooth_step((anchors.mouth[2] - points[:, 2]) / MILLIMETRE, 4, 45)
    front = points[is_tooth][:, 2].max() if is_tooth.any() else 0.0
    bend = np.arctan2(points[:, 0], points[:, 2] - front + 0.026) * 0.027 / MILLIMETRE
    gap = np.exp(-((np.abs(bend / 7.6 - np.round(bend / 7.6)) * 7.6 / 0.45) ** 2))
    gum = np.zeros(len(points))
    for row, sign in ((is_tooth & is_upper, 1), (is_tooth & ~is_upper, -1)):
        if row.any():
            height = sign * points[row, 1] / MILLIMETRE
            gum[row] = smooth_step(height, np.percentile(height, 78), height.max())
    return MouthFields(depth, is_tooth, gap, gum)


def paint_fields(source: ChartSource, texels: TexelMap) -> PaintFields:
    """Compute every field on the texels of a chart."""
    anchors = find_anchors(source)
    parts = {name: mask.ravel() for name, mask in part_of_texel(source, texels).items()}
    points = texels.sample(source.vertices, source.faces).reshape(-1, 3)
    skin = np.flatnonzero(parts["skin"])
    eyes = np.flatnonzero(parts["left_eyeball"] | parts["right_eyeball"])
    mouth = np.flatnonzero(parts["mouth_interior"] | parts["upper_teeth"] | parts["lower_teeth"])
    is_upper = parts["upper_teeth"][mouth]
    is_tooth = is_upper | parts["lower_teeth"][mouth]
    return PaintFields(
        size=texels.face.shape[0],
        skin_texels=skin,
        eye_texels=eyes,
        mouth_texels=mouth,
        skin=_skin_fields(source, texels, skin, anchors),
        eyes=_eye_fields(points[eyes], anchors),
        mouth=_mouth_fields(points[mouth], is_tooth, is_upper, anchors),
    )
