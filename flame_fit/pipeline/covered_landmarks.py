"""Landmarks that something hides are guesses, and count as such."""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float

from flame_fit.observation import FaceEvidence, Landmarks, MaskPatch
from flame_fit.priors.face_shares import COVER_LABELS

HIDDEN_CONFIDENCE = 0.14
"""Of a face mesh point behind hair, a hand or a mask: there it errs 2.7 times as much as elsewhere
(1,200 hidden points of 54 rendered heads), and confidence is a share of precision."""


def doubt_covered(face: FaceEvidence) -> FaceEvidence:
    """Return the evidence with less confidence in face mesh points that the parsing calls covered.

    Landmarks without depth are someone's own and keep theirs.

    Args:
        face: The evidence; as it is where its pixels were not parsed.
    """
    if face.parsing is None:
        return face
    cover = face.parsing.share([name for name in face.parsing.labels if name in COVER_LABELS])
    return dataclasses.replace(
        face,
        landmarks=tuple(
            each if each.depth is None else _doubted(each, cover) for each in face.landmarks
        ),
    )


def _doubted(landmarks: Landmarks, cover: MaskPatch) -> Landmarks:
    hidden = _at(cover, landmarks.pixels)
    confidence = landmarks.confidence * (1.0 - (1.0 - HIDDEN_CONFIDENCE) * hidden)
    return dataclasses.replace(landmarks, confidence=confidence.astype(landmarks.confidence.dtype))


def _at(patch: MaskPatch, pixels: Float[np.ndarray, "L 2"]) -> Float[np.ndarray, "L"]:
    """Return a mask at photo pixels, zero beside its patch."""
    column, row = np.floor((pixels - patch.origin) / patch.scale).astype(int).T
    height, width = patch.values.shape
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    value = patch.values[row.clip(0, height - 1), column.clip(0, width - 1)]
    return np.where(inside, value, 0.0).clip(0.0, 1.0)
