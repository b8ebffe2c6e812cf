"""What a parsing says of the things that pass for skin most easily."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from flame_fit.geometry import Crop
from flame_fit.observation import Parsing
from flame_fit.priors.face_labels import CoarseFaceLabel, FaceLabel

SKIN_COLOURED = frozenset({FaceLabel.FACEWEAR.name, CoarseFaceLabel.ACCESSORY.name})
"""Hands, above all. Glasses are not: the dark of an eye socket is taken for them."""


@dataclass(frozen=True, eq=False)
class SkinRivals:
    """How much of each pixel of a crop shows what passes for skin, 0..1.

    Attributes:
        alike: Things that have the colours of skin: hands.
        hair: Hair, of which thin strands run over the face.
    """

    alike: Float[np.ndarray, "H W"]
    hair: Float[np.ndarray, "H W"]


def skin_rivals(parsing: Parsing, crop: Crop) -> SkinRivals:
    """Return what a crop shows by a parsing of either label scheme.

    Args:
        parsing: Labels of `FaceLabel` or `CoarseFaceLabel`; pixels beside its patch show nothing.
        crop: Of one photo.
    """

    def share(names: frozenset[str]) -> Float[np.ndarray, "H W"]:
        values = parsing.share([name for name in parsing.labels if name in names]).on_crop(crop)
        return np.clip(values, 0.0, 1.0).astype(np.float32)

    return SkinRivals(alike=share(SKIN_COLOURED), hair=share(frozenset({FaceLabel.HAIR.name})))
