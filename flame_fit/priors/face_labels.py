"""The classes of face parsing: both schemes of names, their colours, and how they map."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from jaxtyping import Int64, Shaped, UInt8

from flame_fit.errors import UsageError

IGNORE = 255
"""Stands in label pictures for pixels nobody labelled; no loss and no score counts them."""


class FaceLabel(IntEnum):
    """The 19 classes of FaceSynthetics; right and left are the person's.

    A hand, a microphone or a medical mask before the face is FACEWEAR, a scarf CLOTHING.
    """

    BACKGROUND = 0
    SKIN = 1
    NOSE = 2
    RIGHT_EYE = 3
    LEFT_EYE = 4
    RIGHT_BROW = 5
    LEFT_BROW = 6
    RIGHT_EAR = 7
    LEFT_EAR = 8
    MOUTH_INTERIOR = 9
    TOP_LIP = 10
    BOTTOM_LIP = 11
    NECK = 12
    HAIR = 13
    BEARD = 14
    CLOTHING = 15
    GLASSES = 16
    HEADWEAR = 17
    FACEWEAR = 18


class CoarseFaceLabel(IntEnum):
    """The 11 classes of the older FaceParsing checkpoints, which do not tell the sides apart."""

    BACKGROUND = 0
    SKIN = 1
    EYE = 2
    EYE_BROW = 3
    EAR = 4
    MOUTH_INTERIOR = 5
    TOP_LIP = 6
    BOTTOM_LIP = 7
    HAIR = 8
    BEARD = 9
    ACCESSORY = 10


@dataclass(frozen=True)
class LabelScheme:
    """One set of classes.

    Attributes:
        names: Of each class by its number, as in `FaceLabel` or `CoarseFaceLabel`.
        palette: sRGB colour (0..255) of each class.
        mirror: The class each one becomes when the picture is flipped left to right.
    """

    names: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    mirror: tuple[int, ...]

    @property
    def count(self) -> int:
        """How many classes there are."""
        return len(self.names)

    def numbers(self, names: Collection[str]) -> tuple[int, ...]:
        """The numbers of some classes.

        Raises:
            UsageError: The scheme has no class of that name.
        """
        unknown = sorted(set(names) - set(self.names))
        if unknown:
            raise UsageError(
                f"label {unknown[0]!r} does not exist; choose from {', '.join(self.names)}"
            )
        return tuple(self.names.index(name) for name in names)


# The colours of the published FaceParsing predictor by number, so that pictures look alike.
_PALETTE = (
    (0, 0, 0), (204, 0, 0), (76, 153, 0), (204, 204, 0), (51, 51, 255), (204, 0, 204),
    (0, 255, 255), (255, 204, 204), (102, 51, 0), (255, 0, 0), (102, 204, 0), (255, 255, 0),
    (0, 0, 153), (0, 0, 204), (255, 51, 255), (0, 204, 204), (0, 51, 0), (255, 255, 255),
    (0, 204, 0),
)  # fmt: skip
_SIDES = (
    (FaceLabel.RIGHT_EYE, FaceLabel.LEFT_EYE),
    (FaceLabel.RIGHT_BROW, FaceLabel.LEFT_BROW),
    (FaceLabel.RIGHT_EAR, FaceLabel.LEFT_EAR),
)
_OTHER_SIDE = {one: other for pair in _SIDES for one, other in (pair, pair[::-1])}

FACE_LABELS = LabelScheme(
    names=tuple(label.name for label in FaceLabel),
    palette=_PALETTE,
    mirror=tuple(int(_OTHER_SIDE.get(label, label)) for label in FaceLabel),
)
"""The scheme of 19 classes, `FaceLabel`."""

COARSE_FACE_LABELS = LabelScheme(
    names=tuple(label.name for label in CoarseFaceLabel),
    palette=_PALETTE[: len(CoarseFaceLabel)],
    mirror=tuple(range(len(CoarseFaceLabel))),
)
"""The scheme of 11 classes, `CoarseFaceLabel`."""

TO_COARSE: tuple[int, ...] = (0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 6, 7, 1, 8, 9, 0, 10, 10, 10)
"""The `CoarseFaceLabel` of each `FaceLabel`: nose and neck are skin, clothing is background."""


def label_scheme(count: int) -> LabelScheme:
    """The scheme that has this many classes.

    Raises:
        UsageError: Neither scheme has.
    """
    for scheme in (FACE_LABELS, COARSE_FACE_LABELS):
        if scheme.count == count:
            return scheme
    raise UsageError(
        f"there is no label scheme of {count} classes; choose {FACE_LABELS.count} or"
        f" {COARSE_FACE_LABELS.count}"
    )


def coarse_labels(labels: UInt8[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    """Labels of the 19 classes as those of the 11; all other numbers become `IGNORE`."""
    return _look_up(TO_COARSE)[labels]


def mirrored_labels(
    labels: UInt8[np.ndarray, "*shape W"], scheme: LabelScheme = FACE_LABELS
) -> UInt8[np.ndarray, "*shape W"]:
    """A label picture flipped left to right, right and left classes exchanged."""
    return np.ascontiguousarray(_look_up(scheme.mirror)[labels[..., ::-1]])


def known_labels(
    labels: Shaped[np.ndarray, "*shape"], scheme: LabelScheme = FACE_LABELS
) -> UInt8[np.ndarray, "*shape"]:
    """Whole numbers of any kind as labels; those outside the scheme become `IGNORE`."""
    inside = (labels >= 0) & (labels < scheme.count)
    return np.where(inside, labels, IGNORE).astype(np.uint8)


def label_colours(
    labels: UInt8[np.ndarray, "*shape"], scheme: LabelScheme = FACE_LABELS
) -> UInt8[np.ndarray, "*shape 3"]:
    """The sRGB picture of labels; numbers outside the scheme are black."""
    table = np.zeros((IGNORE + 1, 3), dtype=np.uint8)
    table[: scheme.count] = scheme.palette
    return table[labels]


def mirror_permutation(scheme: LabelScheme = FACE_LABELS) -> Int64[np.ndarray, "C"]:
    """Indices that exchange the sides of class maps: `flipped[mirror_permutation()]`."""
    return np.asarray(scheme.mirror, dtype=np.int64)


def _look_up(table: tuple[int, ...]) -> UInt8[np.ndarray, "256"]:
    values = np.full(IGNORE + 1, IGNORE, dtype=np.uint8)
    values[: len(table)] = table
    return values
