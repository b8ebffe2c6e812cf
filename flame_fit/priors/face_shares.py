"""What a parsing says about a head's surface: skin, beard, eyes and mouth, or something else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from flame_fit.geometry import Crop
from flame_fit.observation import Parsing
from flame_fit.priors.face_labels import CoarseFaceLabel, FaceLabel

SKIN_LABELS = frozenset(
    {
        *(FaceLabel.SKIN.name, FaceLabel.NOSE.name, FaceLabel.NECK.name),
        *(FaceLabel.RIGHT_BROW.name, FaceLabel.LEFT_BROW.name, CoarseFaceLabel.EYE_BROW.name),
        *(FaceLabel.RIGHT_EAR.name, FaceLabel.LEFT_EAR.name, CoarseFaceLabel.EAR.name),
        *(FaceLabel.TOP_LIP.name, FaceLabel.BOTTOM_LIP.name),
    }
)
"""Skin with what grows so close on it that it belongs to its texture: brows and lips."""
INNER_LABELS = frozenset(
    {
        *(FaceLabel.RIGHT_EYE.name, FaceLabel.LEFT_EYE.name, CoarseFaceLabel.EYE.name),
        FaceLabel.MOUTH_INTERIOR.name,
    }
)
COVER_LABELS = frozenset(
    {
        *(FaceLabel.HAIR.name, FaceLabel.CLOTHING.name, FaceLabel.HEADWEAR.name),
        *(FaceLabel.FACEWEAR.name, CoarseFaceLabel.ACCESSORY.name),
    }
)
"""What hides an eye or a mouth; through most glasses the eyes are seen."""
SKIN_COLOURED_LABELS = frozenset({FaceLabel.FACEWEAR.name, CoarseFaceLabel.ACCESSORY.name})
"""Hands, above all. Glasses are not: the dark of an eye socket is taken for them."""


@dataclass(frozen=True, eq=False)
class FaceShares:
    """How much of each pixel of a crop shows what, 0..1.

    Attributes:
        skin: Skin, brows and lips.
        beard: Beard.
        inner: Eyes and the inside of the mouth.
        cover: Hair, clothes, hats, hands and whatever else hides eyes or mouth.
        skin_coloured: Of these, what has the colours of skin: hands.
        hair: Of these, hair, of which thin strands run over the face.
    """

    skin: Float[np.ndarray, "H W"]
    beard: Float[np.ndarray, "H W"]
    inner: Float[np.ndarray, "H W"]
    cover: Float[np.ndarray, "H W"]
    skin_coloured: Float[np.ndarray, "H W"]
    hair: Float[np.ndarray, "H W"]


def face_shares(parsing: Parsing, crop: Crop) -> FaceShares:
    """Return what a crop shows by a parsing of either label scheme.

    Args:
        parsing: Labels of `FaceLabel` or `CoarseFaceLabel`; pixels beside its patch show nothing.
        crop: Of one photo.
    """

    def share(names: frozenset[str]) -> Float[np.ndarray, "H W"]:
        known = [name for name in parsing.labels if name in names]
        values = parsing.share(known).on_crop(crop)
        return np.clip(values, 0.0, 1.0).astype(np.float32)

    return FaceShares(
        skin=share(SKIN_LABELS),
        beard=share(frozenset({FaceLabel.BEARD.name})),
        inner=share(INNER_LABELS),
        cover=share(COVER_LABELS),
        skin_coloured=share(SKIN_COLOURED_LABELS),
        hair=share(frozenset({FaceLabel.HAIR.name})),
    )
