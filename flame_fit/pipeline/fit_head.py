"""A head from landmarks: first guess in closed form, then pose, then shape and expression."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from flame_fit.appearance import white_lighting
from flame_fit.errors import InputError
from flame_fit.flame import FlameModel, FlameParams
from flame_fit.geometry import Camera, SurfacePoints, points_on_surface
from flame_fit.observation import FaceEvidence
from flame_fit.pipeline.focal_search import search_focal
from flame_fit.pipeline.plan import FitPlan
from flame_fit.pipeline.pose_start import start_pose
from flame_fit.pipeline.priors import Prior
from flame_fit.pipeline.seen_terms import seen_terms
from flame_fit.pipeline.stages import Evidence, StageResult, run_stage
from flame_fit.scene import SceneParams

# A point that the detector does not trust still says roughly how the head is turned.
LEAST_CONFIDENCE = 1e-3


def fit_landmarks(
    model: FlameModel,
    start: SceneParams,
    evidence: Sequence[FaceEvidence],
    *,
    plan: FitPlan,
    priors: tuple[Prior, ...],
) -> tuple[StageResult, ...]:
    """Fit shape, expression, pose and focal length of a batch of heads to their landmarks.

    Args:
        model: The head model with the components in use.
        start: First guesses.
        evidence: What was seen of each face.
        plan: Stages and noise.
        priors: Priors of the geometry.

    Raises:
        AssetError: If the model has no landmark embedding.
    """

    def known(scene: SceneParams, round_number: int) -> Evidence:
        terms = seen_terms(model, scene, evidence, settings=plan.seen)
        return Evidence(terms, priors)

    posed = run_stage(model, start, plan.pose, evidence=known)
    scene = posed.scene
    if plan.focal_search is not None:
        scene = search_focal(
            model,
            scene,
            evidence,
            settings=plan.seen,
            priors=priors,
            search=plan.focal_search,
        )
    return posed, run_stage(model, scene, plan.geometry, evidence=known)


def first_guess(
    model: FlameModel, camera: Camera, evidence: FaceEvidence, *, texture_count: int
) -> SceneParams:
    """Return the mean head, turned and placed by the first landmark set (closed form).

    Args:
        model: The head model with the components in use.
        camera: First guess of the camera of the photo.
        evidence: What was seen of the face.
        texture_count: How many texture codes the scene has; they are zero, and the light white.

    Raises:
        InputError: If the model has other landmarks than were seen.
        AssetError: If the model has no landmark embedding.
    """
    rest = FlameParams.zeros(
        shape=model.shape_count,
        expression=model.expression_count,
        dtype=model.dtype,
        device=model.device,
    )
    mesh = model.mesh(rest)
    seen = evidence.landmarks[0]
    kind = "ibug" if seen.kind == "ibug68" else "mediapipe"
    embedded = _of_first_head(model.landmark_points(mesh, kind))
    points = points_on_surface(mesh.vertices, mesh.faces, embedded)[0, : len(seen.pixels)]
    if len(points) != len(seen.pixels):
        raise InputError(
            f"{len(seen.pixels)} landmarks were seen, the model has {len(points)}; "
            "use a model with an embedding of this kind"
        )
    start = start_pose(
        model,
        rest,
        camera,
        points=points,
        pixels=torch.from_numpy(seen.pixels).to(points),
        weight=torch.from_numpy(seen.confidence).to(points) + LEAST_CONFIDENCE,
    )
    return SceneParams(
        flame=start.flame,
        camera=start.camera,
        texture_code=torch.zeros(1, texture_count, dtype=model.dtype, device=model.device),
        lighting=white_lighting(dtype=model.dtype, device=model.device),
    )


def _of_first_head(points: SurfacePoints) -> SurfacePoints:
    """Return the points of the first head where they differ from head to head."""
    if points.face_index.ndim == 1:
        return points
    return SurfacePoints(points.face_index[0], points.barycentrics[0])
