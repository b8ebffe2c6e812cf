"""Which class of face parsing each pixel of a rendered picture shows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Bool, Float, Int8, Int32, UInt8
from torch import Tensor

from flame_fit.errors import AssetError
from flame_fit.flame import FlameAssets
from flame_fit.geometry import points_on_surface
from flame_fit.priors.face_labels import IGNORE, FaceLabel

JAW_JOINT = 2
LEAST_JAW = 0.1
"""Weight of the jaw on the lips below which a model has none."""
# Of the face mesh: where the lips meet, from the person's right to the left.
UPPER_INNER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
LOWER_INNER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
HALF = 0.5
"""Value of a soft mask from which a texel belongs to it."""
LOWER_SHARE = 0.2
"""Share of the jaw's largest weight on the lips from which a triangle is of the lower lip; the
corners of the mouth follow the jaw by about this much."""
SOLID_LABELS = {
    "hair": FaceLabel.HAIR,
    "beard": FaceLabel.BEARD,
    "hat": FaceLabel.HEADWEAR,
    "headscarf": FaceLabel.HEADWEAR,
    "clothes": FaceLabel.CLOTHING,
    "scarf": FaceLabel.CLOTHING,
    "bare_shoulders": FaceLabel.NECK,
    "glasses": FaceLabel.GLASSES,
    "hand": FaceLabel.FACEWEAR,
    "microphone": FaceLabel.FACEWEAR,
    "mask": FaceLabel.FACEWEAR,
}
"""What things count as, by the names of their solids; others are not labelled."""
# Regions in the order in which they are painted over each other, and what they show.
REGION_LABELS = (
    ("neck", FaceLabel.NECK),
    ("nose", FaceLabel.NOSE),
    ("left_ear", FaceLabel.LEFT_EAR),
    ("right_ear", FaceLabel.RIGHT_EAR),
    ("lips", FaceLabel.TOP_LIP),
    ("mouth_interior", FaceLabel.MOUTH_INTERIOR),
    ("teeth", FaceLabel.MOUTH_INTERIOR),
    ("eye_sockets", FaceLabel.RIGHT_EYE),
    ("left_eyeball", FaceLabel.LEFT_EYE),
    ("right_eyeball", FaceLabel.RIGHT_EYE),
)
NEEDED_REGIONS = ("nose", "lips", "left_eyeball", "right_eyeball")


@dataclass(frozen=True, eq=False)
class HeadLabels:
    """The classes of a head's surface.

    Attributes:
        faces: Class of each triangle, `FaceLabel`.
        left: Which triangles lie on the person's left.
        texels: What the texels of the chart show that are skin or nose by `faces`, the brows of
            both sides as the right one; None to go by the triangles alone.
    """

    faces: UInt8[Tensor, "F"]
    left: Bool[Tensor, "F"]
    texels: UInt8[Tensor, "U U"] | None = None


@lru_cache(maxsize=8)
def head_labels(assets: FlameAssets) -> HeadLabels | None:
    """Return the classes of a model's triangles, without eyebrows.

    None if its file does not say where nose, lips and eyes are. A bald scalp is skin; what lies
    between an eyeball and its lids belongs to the eye.

    Args:
        assets: The head model.

    Raises:
        AssetError: It has regions, but neither a jaw nor landmarks to tell the lips apart.
    """
    regions = assets.regions
    if regions is None or any(name not in regions.names for name in NEEDED_REGIONS):
        return None
    faces = assets.faces
    centres = assets.v_template[faces].mean(1)
    left = centres[:, 0] > 0.0
    labels = torch.full_like(faces[:, 0], int(FaceLabel.SKIN), dtype=torch.uint8)
    for name, label in REGION_LABELS:
        if name in regions.names:
            labels[regions.mask(name)[faces].all(-1)] = int(label)
    lower = _lower_lip(assets, labels == int(FaceLabel.TOP_LIP))
    labels[lower] = int(FaceLabel.BOTTOM_LIP)
    labels[(labels == int(FaceLabel.RIGHT_EYE)) & left] = int(FaceLabel.LEFT_EYE)
    return HeadLabels(labels, left)


def needed_head_labels(assets: FlameAssets) -> HeadLabels:
    """Return the classes of a model's triangles.

    Raises:
        AssetError: Its file does not say where nose, lips and eyes are.
    """
    labels = head_labels(assets)
    if labels is None:
        raise AssetError(
            f"model '{assets.name}' has no regions {', '.join(NEEDED_REGIONS)}; use open_head or "
            "install the model with 'flame-fit assets install'"
        )
    return labels


def with_texels(
    labels: HeadLabels, brows: Float[np.ndarray, "U U"], nose: Float[np.ndarray, "U U"]
) -> HeadLabels:
    """Return labels with eyebrows, and a nose whose outline does not follow the triangles.

    Args:
        labels: From `head_labels`.
        brows: Strength of the eyebrows on the chart, 0 to 1.
        nose: Soft mask of the nose on the chart.
    """
    shown = np.full(brows.shape, int(FaceLabel.SKIN), dtype=np.uint8)
    shown[nose > HALF] = int(FaceLabel.NOSE)
    shown[brows > HALF] = int(FaceLabel.RIGHT_BROW)
    return replace(labels, texels=torch.from_numpy(shown))


def picture_labels(
    labels: HeadLabels | None,
    face_index: Int32[np.ndarray, "H W"],
    uv: Float[np.ndarray, "H W 2"],
    solid: Int8[np.ndarray, "H W"],
    *,
    names: tuple[str, ...],
    behind_glass: Bool[np.ndarray, "H W"],
) -> UInt8[np.ndarray, "H W"]:
    """Return the class that each pixel shows.

    Args:
        labels: Of the head; without, its pixels are `IGNORE`.
        face_index: Triangle of the head, -1 where it is not seen.
        uv: Its chart coordinates, u right and v up.
        solid: What is seen: -1 background, 0 the head, else an index into `names`.
        names: What the numbers of `solid` are, the head first.
        behind_glass: Seen through glass, which counts as glasses.
    """
    table = [int(FaceLabel.BACKGROUND), IGNORE]
    table += [int(SOLID_LABELS.get(name, IGNORE)) for name in names[1:]]
    picture = np.asarray(table, dtype=np.uint8)[solid.astype(np.int64) + 1]
    if labels is not None:
        seen = solid == 0
        face = face_index[seen]
        found = labels.faces.cpu().numpy()[face]
        if labels.texels is not None:
            found = _by_texels(found, labels.texels, labels.left[face], uv[seen])
        picture[seen] = found
    picture[behind_glass] = int(FaceLabel.GLASSES)
    return picture


def _by_texels(
    found: UInt8[np.ndarray, "n"],
    texels: UInt8[Tensor, "U U"],
    left: Bool[Tensor, "n"],
    uv: Float[np.ndarray, "n 2"],
) -> UInt8[np.ndarray, "n"]:
    size = texels.shape[0]
    column = np.clip((uv[:, 0] * size).astype(int), 0, size - 1)
    row = np.clip(((1.0 - uv[:, 1]) * size).astype(int), 0, size - 1)
    shown = texels.cpu().numpy()[row, column]
    brow = shown == int(FaceLabel.RIGHT_BROW)
    shown = np.where(brow & left.cpu().numpy(), int(FaceLabel.LEFT_BROW), shown)
    skin = (found == int(FaceLabel.SKIN)) | (found == int(FaceLabel.NOSE))
    return np.where(skin, shown, found).astype(np.uint8)


def _lower_lip(assets: FlameAssets, lips: Bool[Tensor, "F"]) -> Bool[Tensor, "F"]:
    """Return which triangles of the lips follow the jaw; without one, which lie low.

    Releases without a jaw tell the lips apart by the line between them on the face mesh.
    """
    if not bool(lips.any()):
        return lips
    weight = assets.skinning_weights[:, JAW_JOINT][assets.faces].mean(1)
    most = weight[lips].amax()
    if float(most) > LEAST_JAW:
        return lips & (weight > LOWER_SHARE * most)
    if assets.landmarks is None or assets.landmarks.mediapipe is None:
        raise AssetError(f"model '{assets.name}' has no jaw and no landmarks; use open_head")
    points = points_on_surface(assets.v_template[None], assets.faces, assets.landmarks.mediapipe)[0]
    line = 0.5 * (points[list(UPPER_INNER)] + points[list(LOWER_INNER)]).cpu().numpy()
    centres = assets.v_template[assets.faces].mean(1).cpu().numpy()
    height = np.interp(centres[:, 0], line[:, 0], line[:, 1])
    return lips & torch.from_numpy(centres[:, 1] < height).to(lips.device)
