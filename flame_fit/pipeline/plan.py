"""What a configuration means for the stages: the last place that reads it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from flame_fit.config import FitConfig, TermWeights, TextureName
from flame_fit.optim import LevenbergMarquardtSettings
from flame_fit.pipeline.blocks import ALL_BLOCKS, APPEARANCE_BLOCKS, FOCAL_BLOCK, GEOMETRY_BLOCKS
from flame_fit.pipeline.dense_terms import DenseSettings
from flame_fit.pipeline.focal_search import FocalSearch
from flame_fit.pipeline.head_priors import HeadPriors
from flame_fit.pipeline.landmark_terms import LandmarkSettings, PointNoise
from flame_fit.pipeline.priors import LightSpread
from flame_fit.pipeline.seen_terms import SeenSettings
from flame_fit.pipeline.skin_evidence import SkinLevel, SkinSettings
from flame_fit.pipeline.stages import Stage

POSE_BLOCKS = ("head_rotation", "translation")
# Rounds in which the contour points of the pose are chosen anew.
CONTOUR_ROUNDS = 2


# Share of the cost below which a step no longer counts: for landmarks, which err by more than
# further steps change (heads come out no better, some a little worse), and for all evidence.
ROUGH_TOLERANCE, FINE_TOLERANCE = 1e-2, 1e-3


@dataclass(frozen=True)
class FitPlan:
    """Stages, noise and priors of a fit.

    Attributes:
        pose: The first stage: where the mean head is, by landmarks.
        geometry: The second: shape and expression too, by landmarks.
        focal_search: Focal lengths that are tried between the last two landmark stages where none
            is known; None to descend on it.
        refinement: The joint stage over landmarks and skin, None where skin moves no geometry.
        appearance: The last stage: light and texture codes.
        seen: Noise and worth of landmarks and dense points.
        skin: Noise and worth of skin colours as evidence of light and texture.
        moving_skin: The same where they also move the head.
        coarse_levels: Levels of the first look at the skin and of the rounds of the refinement.
        fine_level: Level of the last stage.
        head_priors: Priors of the geometry.
        light: Prior of the light.
        texture: What the texture is made of.
    """

    pose: Stage
    geometry: Stage
    focal_search: FocalSearch | None
    refinement: Stage | None
    appearance: Stage
    seen: SeenSettings
    skin: SkinSettings
    moving_skin: SkinSettings
    coarse_levels: tuple[SkinLevel, ...]
    fine_level: SkinLevel
    head_priors: HeadPriors
    light: LightSpread
    texture: TextureName


def plan_for(config: FitConfig) -> FitPlan:
    """Return what a configuration asks for."""
    weights, limits = config.weights, config.solver
    priors = HeadPriors(shape_weight=weights.identity, expression_weight=weights.expression)
    given = config.focal is not None or config.intrinsics is not None
    perspective = config.camera == "perspective"
    searches = perspective and not given and limits.focal_candidates > 1
    fixed = (FOCAL_BLOCK,) if perspective and (given or searches) else ()
    geometry = tuple(name for name in GEOMETRY_BLOCKS if name not in fixed)
    everything = tuple(name for name in ALL_BLOCKS if name not in fixed)
    coarse = (SkinLevel(blur=2.0, points=limits.refinement_points),) * limits.refinement_rounds
    if coarse:
        coarse = (*coarse[:-1], dataclasses.replace(coarse[-1], blur=1.0))
    refines = weights.photometric > 0 and limits.refinement_rounds > 0
    seen = _seen(weights, dense_points=limits.dense_points)
    return FitPlan(
        pose=Stage(
            "pose", POSE_BLOCKS, LevenbergMarquardtSettings(max_steps=6, cost_tolerance=1e-2)
        ),
        geometry=Stage(
            "geometry",
            geometry,
            LevenbergMarquardtSettings(
                max_steps=limits.geometry_steps, cost_tolerance=ROUGH_TOLERANCE
            ),
            CONTOUR_ROUNDS,
        ),
        focal_search=FocalSearch(count=limits.focal_candidates) if searches else None,
        refinement=Stage(
            "refinement",
            everything,
            LevenbergMarquardtSettings(
                max_steps=limits.refinement_steps, cost_tolerance=FINE_TOLERANCE
            ),
            limits.refinement_rounds,
        )
        if refines
        else None,
        appearance=Stage(
            "appearance",
            APPEARANCE_BLOCKS,
            LevenbergMarquardtSettings(max_steps=limits.appearance_steps),
        ),
        seen=seen,
        skin=SkinSettings(),
        moving_skin=SkinSettings(weight=weights.photometric, shading=config.shape_from_shading),
        coarse_levels=coarse,
        fine_level=SkinLevel(blur=0.0, points=limits.skin_pixels),
        head_priors=priors,
        light=LightSpread(),
        texture=config.texture,
    )


def _seen(weights: TermWeights, *, dense_points: int) -> SeenSettings:
    """Return the noise of the points with the weights of the user."""
    points, dense = LandmarkSettings(), DenseSettings()

    def weighted(noise: PointNoise, weight: float) -> PointNoise:
        return dataclasses.replace(noise, weight=noise.weight * weight)

    return SeenSettings(
        landmarks=LandmarkSettings(
            landmarks=weighted(points.landmarks, weights.landmarks),
            lids=weighted(points.lids, weights.lids),
            lips=weighted(points.lips, weights.lips),
            irises=weighted(points.irises, weights.irises),
            contour=weighted(points.contour, weights.contour),
            depth=weighted(points.depth, weights.depth),
            ibug=weighted(points.ibug, weights.landmarks),
            ibug_contour=weighted(points.ibug_contour, weights.contour),
        ),
        dense=DenseSettings(
            dense=weighted(dense.dense, weights.dense),
            dense_depth=weighted(dense.dense_depth, weights.dense_depth),
            points=dense_points,
        ),
    )
