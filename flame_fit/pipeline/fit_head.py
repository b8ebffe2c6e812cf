"""The geometry of one face from its evidence: first guess, then the stages."""

from __future__ import annotations

import torch

from flame_fit.errors import InputError
from flame_fit.flame import FlameModel, FlameParams
from flame_fit.geometry import Camera, SurfacePoints, points_on_surface
from flame_fit.observation import FaceEvidence
from flame_fit.pipeline.geometry_fit import GeometryFit, fit_geometry
from flame_fit.pipeline.head_state import HeadState
from flame_fit.pipeline.landmark_terms import landmark_terms
from flame_fit.pipeline.plan import FitPlan
from flame_fit.pipeline.pose_start import start_pose

# A point that the detector does not trust still says roughly how the head is turned.
LEAST_CONFIDENCE = 1e-3


def fit_head(
    model: FlameModel, camera: Camera, evidence: FaceEvidence, *, plan: FitPlan
) -> GeometryFit:
    """Fit shape, expression, pose and focal length of one head.

    Args:
        model: The head model with the components in use.
        camera: First guess of the camera of the photo.
        evidence: What was seen of the face.
        plan: Stages, noise and priors.

    Raises:
        InputError: If the model has other landmarks than were seen.
        AssetError: If the model has no landmark embedding.
    """
    return fit_geometry(
        model,
        first_guess(model, camera, evidence),
        make_terms=lambda state: landmark_terms(model, state, evidence, settings=plan.landmarks),
        stages=plan.stages,
        priors=plan.pose_priors,
    )


def first_guess(model: FlameModel, camera: Camera, evidence: FaceEvidence) -> HeadState:
    """Return the mean head, turned and placed by the first landmark set (closed form)."""
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
    return start_pose(
        model,
        rest,
        camera,
        points=points,
        pixels=torch.from_numpy(seen.pixels).to(points),
        weight=torch.from_numpy(seen.confidence).to(points) + LEAST_CONFIDENCE,
    )


def _of_first_head(points: SurfacePoints) -> SurfacePoints:
    """Return the points of the first head where they differ from head to head."""
    if points.face_index.ndim == 1:
        return points
    return SurfacePoints(points.face_index[0], points.barycentrics[0])
