"""Face mesh points behind something count less, others and people's own landmarks as before."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from flame_fit.observation import FaceEvidence, Landmarks, Parsing
from flame_fit.pipeline.covered_landmarks import HIDDEN_CONFIDENCE, doubt_covered
from flame_fit.priors.face_labels import FACE_LABELS, FaceLabel

PIXELS = np.array([[30.0, 45.0], [70.0, 45.0], [30.0, 55.0], [70.0, 55.0], [500.0, 500.0]])


def _parsing() -> Parsing:
    """A patch from (20, 40), 4 x 4 of 15 pixels: a hand at the left, thin hair at the right."""
    shares = np.zeros((FACE_LABELS.count, 4, 4), np.float32)
    shares[FaceLabel.FACEWEAR, :1, :2] = 1.0
    shares[FaceLabel.HAIR, :1, 2:] = 0.5
    shares[FaceLabel.SKIN] = 1.0 - shares.sum(axis=0)
    return Parsing(shares, FACE_LABELS.names, np.array([20.0, 40.0]), 15.0)


def _face(**changes) -> FaceEvidence:
    marks = Landmarks("mediapipe478", PIXELS, np.full(5, 0.5, np.float32), np.zeros(5, np.float32))
    given = {"landmarks": (marks,), "parsing": _parsing(), **changes}
    return FaceEvidence(
        box=(0.0, 0.0, 100.0, 100.0), score=1.0, roll=0.0, person=None, detector="test", **given
    )


def test_hidden_points_count_as_far_as_they_are_hidden() -> None:
    (found,) = doubt_covered(_face()).landmarks
    half = 0.5 * (1.0 + HIDDEN_CONFIDENCE)
    expected = 0.5 * np.array([HIDDEN_CONFIDENCE, half, 1.0, 1.0, 1.0])
    np.testing.assert_allclose(found.confidence, expected, rtol=1e-6)
    assert found.confidence.dtype == np.float32


def test_without_labels_or_for_own_landmarks_nothing_changes() -> None:
    bare = _face(parsing=None)
    assert doubt_covered(bare) is bare
    own = _face(landmarks=(replace(_face().landmarks[0], depth=None),))
    np.testing.assert_array_equal(doubt_covered(own).landmarks[0].confidence, np.full(5, 0.5))
