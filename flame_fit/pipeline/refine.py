"""Skin and landmarks together: light and texture first, then everything at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from flame_fit.geometry.tensors import stack, take
from flame_fit.image_files import Photo
from flame_fit.observation import FaceEvidence
from flame_fit.pipeline.head_crop import HeadSquare
from flame_fit.pipeline.plan import FitPlan
from flame_fit.pipeline.priors import Prior, light_prior, texture_prior
from flame_fit.pipeline.seen_terms import seen_terms
from flame_fit.pipeline.skin_evidence import (
    SKIN_TERM,
    SkinEvidence,
    SkinLevel,
    SkinNoise,
    SkinSettings,
    skin_brightness,
    skin_evidence,
    skin_noise,
    usual_noise,
)
from flame_fit.pipeline.skin_view import SkinView, view_skin
from flame_fit.pipeline.stages import Evidence, StageReport, StageResult, run_stage
from flame_fit.pipeline.tools import FitTools
from flame_fit.scene import SceneParams

# Side of the crop in which skin moves the head.
COARSE_SIZE = 256


@dataclass(frozen=True)
class PhotoFace:
    """One face of one photo.

    Attributes:
        photo: The whole photo.
        evidence: What the detectors saw of the face.
        square: Part of the photo around the head.
    """

    photo: Photo
    evidence: FaceEvidence
    square: HeadSquare


def fit_appearance(
    skins: Sequence[SkinView],
    start: SceneParams,
    level: SkinLevel,
    *,
    tools: FitTools,
    plan: FitPlan,
    seed: int,
) -> StageResult:
    """Fit light and texture codes to the skin of a batch of photos; the heads do not move.

    Args:
        skins: What a crop shows of each head.
        start: The scenes; where all codes are zero, the light starts from least squares on the
            mean texture.
        level: How finely to look.
        tools: Models and backends.
        plan: Noise and priors.
        seed: Of the choice of pixels.
    """
    noise = [usual_noise(plan.skin)] * len(skins)
    found = _skin_of_batch(skins, level, noise, plan.skin, tools=tools, seed=seed)
    if not bool(start.texture_code.any()):
        start = dataclasses.replace(start, lighting=found.first_light)
    known = Evidence((found.term,), _appearance_priors(found, start, plan))
    return run_stage(tools.model, start, plan.appearance, evidence=lambda scene, number: known)


def refine(
    faces: Sequence[PhotoFace],
    start: SceneParams,
    *,
    priors: tuple[Prior, ...],
    tools: FitTools,
    plan: FitPlan,
    seed: int,
) -> tuple[StageResult, ...]:
    """Fit everything to landmarks and skin at once, after a first look at light and texture.

    Args:
        faces: The photos.
        start: The scenes as the landmarks alone have them.
        priors: Priors of the geometry.
        tools: Models and backends.
        plan: Stages and noise.
        seed: Of the choice of pixels.
    """
    if plan.refinement is None:
        return ()

    def look(scene: SceneParams, earlier: Sequence[SkinView | None]) -> list[SkinView]:
        return [
            view_skin(
                face.photo,
                face.evidence,
                take(scene, index),
                face.square,
                size=COARSE_SIZE,
                tools=tools,
                earlier=before,
            )
            for index, (face, before) in enumerate(zip(faces, earlier, strict=True))
        ]

    first = look(start, [None] * len(faces))
    level = plan.coarse_levels[0]
    lit = fit_appearance(first, start, level, tools=tools, plan=plan, seed=seed)
    evidence = [face.evidence for face in faces]
    noise = [
        skin_noise(_left_over(report), skin_brightness(skin), plan.moving_skin)
        for report, skin in zip(lit.reports, first, strict=True)
    ]

    def known(scene: SceneParams, number: int) -> Evidence:
        # Light and texture have not moved the head: the first view is that of the first round.
        skins = look(scene, first) if number else first
        level = plan.coarse_levels[number]
        found = _skin_of_batch(skins, level, noise, plan.moving_skin, tools=tools, seed=seed)
        seen = seen_terms(tools.model, scene, evidence, settings=plan.seen, fitted=True)
        appearance = _appearance_priors(found, scene, plan)
        return Evidence((*seen, found.term), (*priors, *appearance))

    return lit, run_stage(tools.model, lit.scene, plan.refinement, evidence=known)


def _skin_of_batch(
    skins: Sequence[SkinView],
    level: SkinLevel,
    noise: Sequence[SkinNoise],
    settings: SkinSettings,
    *,
    tools: FitTools,
    seed: int,
) -> SkinEvidence:
    return stack(
        [
            skin_evidence(skin, level, noise=own, settings=settings, tools=tools, seed=seed)
            for skin, own in zip(skins, noise, strict=True)
        ]
    )


def _left_over(report: StageReport) -> float:
    """Return half the mean square of the colours' residuals, in standard deviations."""
    (value,) = [term.unweighted for term in report.terms if term.name == SKIN_TERM]
    return value


def _appearance_priors(skin: SkinEvidence, scene: SceneParams, plan: FitPlan) -> tuple[Prior, ...]:
    return (light_prior(skin.mean_basis, plan.light), texture_prior(scene.texture_code))
