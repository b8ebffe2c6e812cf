"""Landmarks of a face as terms of the geometry."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

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
from flame_fit.priors.face_mesh_topology import face_mesh_topology

MESH_COUNT = 468
IRIS_COUNT = 10
CONTOUR_COUNT = 17
IBUG_COUNT = 68


@dataclass(frozen=True)
class LandmarkSettings:
    """How far detectors err, and how much their points are worth.

    Attributes:
        mesh_sigma: Standard deviation of a face-mesh point, metres on the face.
        lid_sigma: The same for the points along the lids, which detectors find most exactly.
        lip_sigma: The same for the points along the lips.
        iris_sigma: The same for the ten iris points.
        ibug_sigma: The same for the 51 inner iBUG points.
        contour_sigma: The same for the 17 contour points, which slide along the jaw.
        mesh_count: Independent points that the mesh without lids and lips is worth.
        lid_count: Independent points the 32 along the lids are worth.
        lip_count: Independent points the 40 along the lips are worth.
        weight: Weight of all landmark terms.
    """

    mesh_sigma: float = 0.002
    lid_sigma: float = 0.0012
    lip_sigma: float = 0.0016
    iris_sigma: float = 0.0008
    ibug_sigma: float = 0.0015
    contour_sigma: float = 0.003
    mesh_count: float = 100.0
    lid_count: float = 16.0
    lip_count: float = 20.0
    weight: float = 1.0


@lru_cache(maxsize=1)
def _mesh_groups() -> tuple[tuple[str, np.ndarray], ...]:
    """Return the points of the face mesh by how exactly they are found."""
    topology = face_mesh_topology()
    lids = np.concatenate([topology.left_eye, topology.right_eye])
    lips = np.union1d(topology.lips_outer, topology.lips_inner)
    others = np.setdiff1d(np.arange(MESH_COUNT), np.concatenate([lids, lips]))
    return (("landmarks", others), ("lids", lids), ("lips", lips))


def _select(points: SurfacePoints, index: np.ndarray) -> SurfacePoints:
    return SurfacePoints(points.face_index[index], points.barycentrics[index])


def _term(
    name: str,
    points: SurfacePoints,
    seen: Landmarks,
    index: np.ndarray,
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
        terms.extend(_mesh_terms(embedding, seen, pixel=pixel, settings=settings))
    return tuple(terms)


def _mesh_terms(
    points: SurfacePoints,
    seen: Landmarks,
    *,
    pixel: Float[Tensor, ""],
    settings: LandmarkSettings,
) -> list[PointTerm]:
    """Return the face mesh in groups of one precision, and the irises where they were seen."""
    groups = list(_mesh_groups())
    sigmas = [settings.mesh_sigma, settings.lid_sigma, settings.lip_sigma]
    counts = [settings.mesh_count, settings.lid_count, settings.lip_count]
    if len(seen.pixels) >= MESH_COUNT + IRIS_COUNT:
        groups.append(("irises", np.arange(MESH_COUNT, MESH_COUNT + IRIS_COUNT)))
        sigmas.append(settings.iris_sigma)
        counts.append(float(IRIS_COUNT))
    return [
        _term(
            name,
            _select(points, index),
            seen,
            index,
            sigma=sigma / pixel,
            count=count,
            weight=settings.weight,
        )
        for (name, index), sigma, count in zip(groups, sigmas, counts, strict=True)
    ]


def _ibug_terms(
    points: SurfacePoints,
    seen: Landmarks,
    *,
    pixel: Float[Tensor, ""],
    settings: LandmarkSettings,
) -> tuple[PointTerm, PointTerm]:
    """Return the 51 inner points and the 17 contour points (chosen by the head's turn)."""
    points = SurfacePoints(points.face_index[0], points.barycentrics[0])
    contour, inner = np.arange(CONTOUR_COUNT), np.arange(CONTOUR_COUNT, IBUG_COUNT)
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
