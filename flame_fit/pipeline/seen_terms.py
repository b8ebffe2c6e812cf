"""All points of heads that were seen in photos, as terms of the fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from flame_fit.flame import FlameModel
from flame_fit.observation import FaceEvidence
from flame_fit.pipeline.dense_terms import DenseSettings, dense_terms
from flame_fit.pipeline.landmark_terms import LandmarkSettings, landmark_terms
from flame_fit.pipeline.terms import Term
from flame_fit.scene import SceneParams


@dataclass(frozen=True)
class SeenSettings:
    """Noise and worth of all points that are seen.

    Attributes:
        landmarks: Of the landmarks.
        dense: Of the points all over the head.
    """

    landmarks: LandmarkSettings = field(default_factory=LandmarkSettings)
    dense: DenseSettings = field(default_factory=DenseSettings)


def seen_terms(
    model: FlameModel,
    scene: SceneParams,
    evidence: Sequence[FaceEvidence],
    *,
    settings: SeenSettings,
    fitted: bool = False,
) -> tuple[Term, ...]:
    """Return the terms of landmarks and dense points of a batch of faces.

    Args:
        model: The head model, with its landmark embeddings.
        scene: The heads as they are now.
        evidence: What was seen of each; of the same kinds in all of them.
        settings: Noise and worth of the points.
        fitted: Whether the heads fit already; then landmarks are believed only as far as they
            agree.

    Raises:
        AssetError: If the model has no landmark embedding.
    """
    dense = dense_terms(model, scene, evidence, settings=settings.dense)
    landmarks = landmark_terms(model, scene, evidence, settings=settings.landmarks, fitted=fitted)
    return (*landmarks, *dense)
