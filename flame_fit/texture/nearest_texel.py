"""The nearest texel with surface, for those that have none."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int


@dataclass(frozen=True, eq=False)
class NearestTexel:
    """For each texel the nearest one with surface, itself if it has.

    Attributes:
        row: Its number among the texels with surface, in the order of the flattened map.
        distance: How far it is, in texels.
    """

    row: Int[np.ndarray, "U U"]
    distance: Float[np.ndarray, "U U"]


def nearest_covered(covered: Bool[np.ndarray, "U U"]) -> NearestTexel:
    """Find the nearest texel with surface; where there is none at all, the rows are 0.

    Args:
        covered: Texels with surface.
    """
    distance, label = cv2.distanceTransformWithLabels(
        (~covered).astype(np.uint8),
        cv2.DIST_L2,
        cv2.DIST_MASK_5,
        labelType=cv2.DIST_LABEL_PIXEL,
    )
    label = label.astype(np.int64)
    row_of_label = np.zeros(int(label.max()) + 1, dtype=np.int64)
    row_of_label[label[covered]] = np.arange(covered.sum())
    return NearestTexel(row_of_label[label], distance)
