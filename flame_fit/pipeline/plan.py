"""What a configuration means for the stages: the last place that reads it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from flame_fit.config import FitConfig
from flame_fit.optim import LevenbergMarquardtSettings
from flame_fit.pipeline.appearance import AppearanceSettings
from flame_fit.pipeline.geometry_fit import GeometryStage, PosePriors
from flame_fit.pipeline.head_state import ALL_BLOCKS, FOCAL_BLOCK
from flame_fit.pipeline.landmark_terms import LandmarkSettings

POSE_BLOCKS = ("head_rotation", "translation")
# With a focal length that was measured, only its reading error is left.
KNOWN_LOG_FOCAL_SIGMA = 0.02
# Rounds in which the contour points of the pose are chosen anew.
CONTOUR_ROUNDS = 2


@dataclass(frozen=True)
class FitPlan:
    """Stages, noise and priors of a fit.

    Attributes:
        stages: Stages of the geometry.
        landmarks: Noise and worth of the landmarks.
        pose_priors: Priors of the geometry.
        appearance: Noise and priors of light and texture codes.
    """

    stages: tuple[GeometryStage, ...]
    landmarks: LandmarkSettings
    pose_priors: PosePriors
    appearance: AppearanceSettings


def plan_for(config: FitConfig, *, focal_known: bool) -> FitPlan:
    """Return what to do for a photo.

    Args:
        config: The configuration.
        focal_known: Whether the focal length comes from the user or from EXIF.
    """
    priors = PosePriors(
        shape_weight=config.weights.identity, expression_weight=config.weights.expression
    )
    free = ALL_BLOCKS
    if focal_known:
        priors = dataclasses.replace(priors, log_focal_sigma=KNOWN_LOG_FOCAL_SIGMA)
    if config.focal is not None:
        free = tuple(name for name in ALL_BLOCKS if name != FOCAL_BLOCK)
    return FitPlan(
        stages=(
            GeometryStage("pose", POSE_BLOCKS, LevenbergMarquardtSettings(max_steps=6)),
            GeometryStage(
                "geometry",
                free,
                LevenbergMarquardtSettings(max_steps=config.solver.geometry_steps),
                CONTOUR_ROUNDS,
            ),
        ),
        landmarks=LandmarkSettings(weight=config.weights.landmarks),
        pose_priors=priors,
        appearance=AppearanceSettings(
            solver=LevenbergMarquardtSettings(
                max_steps=config.solver.appearance_steps, cost_tolerance=1e-4
            )
        ),
    )
