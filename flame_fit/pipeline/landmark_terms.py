"""Landmarks of a face as terms of the geometry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.flame import FlameModel
from flame_fit.geometry import SurfacePoints
from flame_fit.observation import FaceEvidence, Landmarks
from flame_fit.pipeline.geometry import PointTerm
from flame_fit.pipeline.geometry_fit import metres_per_pixel
from flame_fit.pipeline.head_state import HeadState

MESH_COUNT = 468
IRIS_COUNT = 10
CONTOUR_COUNT = 17


@dataclass(frozen=True)
class LandmarkSettings:
    """How far detectors err, and how much their points are worth.

    Attributes:
        mesh_sigma: Standard deviation of a face-mesh point, metres on the face.
        iris_sigma: The same for the ten iris points.
        ibug_sigma: The same for the 51 inner iBUG points.
        contour_sigma: The same for the 17 contour points, which slide along the jaw.
        mesh_count: Independent points the 468 are worth.
        weight: Weight of all landmark terms.
    """

    mesh_sigma: float = 0.002
    iris_sigma: float = 0.0008
    ibug_sigma: float = 0.0015
    contour_sigma: float = 0.003
    mesh_count: float = 100.0
    weight: float = 1.0


def _select(points: SurfacePoints, index: slice) -> SurfacePoints:
    return SurfacePoints(points.face_index[index], points.barycentrics[index])


def _term(
    name: str,
    points: SurfacePoints,
    seen: Landmarks,
    index: slice,
    *,
    sigma: Float[Tensor, ""],
    count: float,
    weight: float,
) -> PointTerm:
    pixels = torch.from_numpy(seen.pixels[index]).to(sigma)
    return PointTerm(
        name=name,
        points=points,
        pixels=pixels,
        sigma=sigma.expand(len(pixels)),
        confidence=torch.from_numpy(seen.confidence[index]).to(sigma),
        weight=weight,
        effective_count=count,
    )


def landmark_terms(
    model: FlameModel,
    state: HeadState,
    evidence: FaceEvidence,
    *,
    settings: LandmarkSettings,
) -> tuple[PointTerm, ...]:
    """Return the point terms of every landmark set of a face.

    Args:
        model: The head model, with its landmark embeddings.
        state: The head as it is now: the contour depends on its pose, the noise in pixels on
            its distance.
        evidence: What the detectors saw.
        settings: Noise in metres and the worth of the points.

    Raises:
        AssetError: If the model has no landmark embedding.
    """
    mesh = model.mesh(state.flame)
    pixel = metres_per_pixel(state).detach()
    terms: list[PointTerm] = []
    for seen in evidence.landmarks:
        if seen.kind == "ibug68":
            points = model.landmark_points(mesh, "ibug", projection=state.camera.projection)
            terms.extend(_ibug_terms(points, seen, pixel=pixel, settings=settings))
            continue
        embedding = model.landmark_points(mesh, "mediapipe")
        face = slice(0, MESH_COUNT)
        terms.append(
            _term(
                "landmarks",
                _select(embedding, face),
                seen,
                face,
                sigma=settings.mesh_sigma / pixel,
                count=settings.mesh_count,
                weight=settings.weight,
            )
        )
        if len(seen.pixels) >= MESH_COUNT + IRIS_COUNT:
            iris = slice(MESH_COUNT, MESH_COUNT + IRIS_COUNT)
            terms.append(
                _term(
                    "irises",
                    _select(embedding, iris),
                    seen,
                    iris,
                    sigma=settings.iris_sigma / pixel,
                    count=float(IRIS_COUNT),
                    weight=settings.weight,
                )
            )
    return tuple(terms)


def _ibug_terms(
    points: SurfacePoints,
    seen: Landmarks,
    *,
    pixel: Float[Tensor, ""],
    settings: LandmarkSettings,
) -> tuple[PointTerm, PointTerm]:
    """Return the 51 inner points and the 17 contour points (chosen by the head's turn)."""
    points = SurfacePoints(points.face_index[0], points.barycentrics[0])
    contour, inner = slice(0, CONTOUR_COUNT), slice(CONTOUR_COUNT, None)
    return (
        _term(
            "landmarks",
            _select(points, inner),
            seen,
            inner,
            sigma=settings.ibug_sigma / pixel,
            count=51.0,
            weight=settings.weight,
        ),
        _term(
            "contour",
            _select(points, contour),
            seen,
            contour,
            sigma=settings.contour_sigma / pixel,
            count=float(CONTOUR_COUNT),
            weight=settings.weight,
        ),
    )


def inter_ocular_pixels(seen: Landmarks) -> float:
    """Return the distance of the outer eye corners in pixels, as the 300-W benchmark has it."""
    first, second = (36, 45) if seen.kind == "ibug68" else (33, 263)
    return float(np.linalg.norm(seen.pixels[first] - seen.pixels[second]))
