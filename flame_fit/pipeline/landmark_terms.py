"""Landmarks of faces as terms of the fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.flame import FlameMesh, FlameModel
from flame_fit.geometry import SurfacePoints, points_on_surface, project
from flame_fit.geometry.tensors import stack, take
from flame_fit.observation import FaceEvidence, Landmarks
from flame_fit.pipeline.contour import seen_outline
from flame_fit.pipeline.terms import DepthTerm, PointTerm, Term, shared_weight
from flame_fit.priors.face_mesh_topology import MESH_COUNT, POINT_COUNT, face_mesh_topology
from flame_fit.scene import SceneParams

CONTOUR_COUNT = 17
IBUG_COUNT = 68
# Confidence from which a landmark tells how far its detector errs.
SURE = 0.5
# Median length of a vector in the plane over the deviation of one coordinate (Rayleigh).
MEDIAN_LENGTH = 1.1774


@dataclass(frozen=True)
class PointNoise:
    """How far points of one kind err, and what they are worth.

    Attributes:
        sigma: Standard deviation of a point, metres on the face.
        worth: How many independent points they are worth together.
        weight: Weight of the term; at 0 it is left out.
    """

    sigma: float
    worth: float
    weight: float = 1.0


@dataclass(frozen=True)
class LandmarkSettings:
    """Noise of every kind of landmark.

    Attributes:
        landmarks: Points of the face mesh that are of no other kind.
        lids: Points along the lids, which detectors find most exactly.
        lips: Points along the lips.
        irises: The ten iris points.
        contour: Points along the outline of the face, which slide.
        depth: Depth of the face mesh, relative to its mean.
        ibug: The 51 inner points of iBUG-68.
        ibug_contour: Its 17 outline points.
        usual: Standard deviation, metres, up to which the face mesh's points are believed as they
            are once the head fits. Photographs were seen to leave 0.5 to 0.94 mm between mesh and
            fitted head; on bald rendered heads, unlike any it was trained on, the mesh errs by
            1.0 to 2.0 mm.
    """

    landmarks: PointNoise = field(default_factory=lambda: PointNoise(0.002, 100.0))
    lids: PointNoise = field(default_factory=lambda: PointNoise(0.0012, 16.0))
    lips: PointNoise = field(default_factory=lambda: PointNoise(0.0016, 20.0))
    irises: PointNoise = field(default_factory=lambda: PointNoise(0.0008, 10.0))
    contour: PointNoise = field(default_factory=lambda: PointNoise(0.003, 10.0))
    depth: PointNoise = field(default_factory=lambda: PointNoise(0.005, 30.0))
    ibug: PointNoise = field(default_factory=lambda: PointNoise(0.0015, 51.0))
    ibug_contour: PointNoise = field(default_factory=lambda: PointNoise(0.003, 17.0))
    usual: float = 0.00095


@dataclass(frozen=True)
class _Seen:
    """One landmark set of one face, and the head as it is now."""

    landmarks: Landmarks
    model: FlameModel
    mesh: FlameMesh
    scene: SceneParams

    @property
    def metres_per_pixel(self) -> Float[Tensor, ""]:
        """How many metres a pixel spans at the head's distance."""
        focal = self.scene.camera.focal[0, 0]
        if self.scene.camera.projection == "orthographic":
            return 1.0 / focal
        return (-self.scene.flame.translation[0, 2]).clamp_min(1e-3) / focal

    def pixels(self, index: np.ndarray) -> Float[Tensor, "1 n 2"]:
        """Where some of the points were seen."""
        return torch.from_numpy(self.landmarks.pixels[index]).to(self.mesh.vertices)[None]

    def confidence(self, index: np.ndarray) -> Float[Tensor, "1 n"]:
        """How sure the detector is of them."""
        return torch.from_numpy(self.landmarks.confidence[index]).to(self.mesh.vertices)[None]

    def term(
        self, name: str, points: SurfacePoints, index: np.ndarray, noise: PointNoise
    ) -> PointTerm:
        """Return a term of some of the points."""
        pixels = self.pixels(index)
        sigma = noise.sigma / self.metres_per_pixel
        return PointTerm(
            name=name,
            points=points,
            pixels=pixels,
            sigma=sigma.expand(pixels.shape[:2]),
            weight=shared_weight(self.confidence(index), worth=noise.worth, weight=noise.weight),
        )


@lru_cache(maxsize=1)
def _mesh_groups() -> tuple[tuple[str, np.ndarray], ...]:
    """Return the points of the face mesh by how exactly they are found."""
    topology = face_mesh_topology()
    lids = np.concatenate([topology.left_eye, topology.right_eye])
    lips = np.union1d(topology.lips_outer, topology.lips_inner)
    contour = topology.face_oval
    others = np.setdiff1d(np.arange(MESH_COUNT), np.concatenate([lids, lips, contour]))
    return (("landmarks", others), ("lids", lids), ("lips", lips), ("contour", contour))


def landmark_terms(
    model: FlameModel,
    scene: SceneParams,
    evidence: Sequence[FaceEvidence],
    *,
    settings: LandmarkSettings,
    fitted: bool = False,
) -> tuple[Term, ...]:
    """Return the terms of every landmark set of a batch of faces.

    Landmarks that were given by hand are believed as they are, a face mesh only as far as it
    agrees with heads that fit.

    Args:
        model: The head model, with its landmark embeddings.
        scene: The heads as they are now: the contour depends on their pose, the noise in pixels
            on their distance.
        evidence: What the detectors saw of each; landmarks of the same kinds in all of them.
        settings: Noise in metres and the worth of the points.
        fitted: Whether the heads fit already, so that what a face mesh leaves over is its error.

    Raises:
        AssetError: If the model has no landmark embedding.
    """
    every = [
        _terms_of_one(model, take(scene, index), seen, settings, fitted=fitted)
        for index, seen in enumerate(evidence)
    ]
    return tuple(stack(terms) for terms in zip(*every, strict=True))


def _terms_of_one(
    model: FlameModel,
    scene: SceneParams,
    evidence: FaceEvidence,
    settings: LandmarkSettings,
    *,
    fitted: bool,
) -> list[Term]:
    mesh = model.mesh(scene.flame)
    terms: list[Term] = []
    for landmarks in evidence.landmarks:
        seen = _Seen(landmarks, model, mesh, scene)
        if landmarks.kind == "ibug68":
            terms.extend(_ibug_terms(seen, settings))
        else:
            terms.extend(_mesh_terms(seen, settings, fitted=fitted))
    return terms


def _mesh_terms(seen: _Seen, settings: LandmarkSettings, *, fitted: bool) -> list[Term]:
    """Return the face mesh in groups of one precision, and the irises where they were seen."""
    embedding = seen.model.landmark_points(seen.mesh, "mediapipe")
    trust = _trust(seen, embedding, settings.usual) if fitted else 1.0
    groups = list(_mesh_groups())
    if len(seen.landmarks.pixels) >= POINT_COUNT:
        groups.append(("irises", np.arange(MESH_COUNT, POINT_COUNT)))
    terms: list[Term] = []
    for name, index in groups:
        noise = _trusted(getattr(settings, name), trust)
        if noise.weight > 0:
            points = _select(embedding, index)
            if name == "contour":
                points = seen_outline(
                    seen.model, seen.mesh, seen.scene.camera, points, seen.pixels(index)
                )
            terms.append(seen.term(name, points, index, noise))
    if settings.depth.weight > 0 and seen.landmarks.depth is not None:
        terms.append(_depth_term(seen, embedding, _trusted(settings.depth, trust)))
    return terms


def _trust(seen: _Seen, embedding: SurfacePoints, usual: float) -> float:
    """Return the share of its weight that a face mesh keeps beside a head that fits.

    Points that err by twice as much count a quarter for their variance; and as errors of one
    detector go together, they are also worth a quarter as many independent points.
    """
    index = dict(_mesh_groups())["landmarks"]
    points = _select(embedding, index)
    places = points_on_surface(seen.mesh.vertices, seen.mesh.faces, points)
    off = (project(seen.scene.camera, places).pixels - seen.pixels(index)).norm(dim=-1)
    sure = off[seen.confidence(index) >= SURE]
    if len(sure) == 0:
        return 1.0
    deviation = float(sure.median() * seen.metres_per_pixel) / MEDIAN_LENGTH
    return min(1.0, usual / max(deviation, 1e-9)) ** 4


def _trusted(noise: PointNoise, trust: float) -> PointNoise:
    return replace(noise, weight=noise.weight * trust)


def _depth_term(seen: _Seen, embedding: SurfacePoints, noise: PointNoise) -> DepthTerm:
    """Return the depth that the detector gives the points of the mesh."""
    index = np.arange(MESH_COUNT)
    given = np.asarray(seen.landmarks.depth)[index]
    depth = torch.from_numpy(given).to(seen.mesh.vertices)[None] * seen.metres_per_pixel
    return DepthTerm(
        name="depth",
        points=_select(embedding, index),
        depth=depth,
        sigma=torch.full_like(depth, noise.sigma),
        weight=shared_weight(seen.confidence(index), worth=noise.worth, weight=noise.weight),
    )


def _ibug_terms(seen: _Seen, settings: LandmarkSettings) -> list[Term]:
    """Return the 51 inner points and the 17 contour points (chosen by the head's turn)."""
    projection = seen.scene.camera.projection
    points = seen.model.landmark_points(seen.mesh, "ibug", projection=projection)
    points = SurfacePoints(points.face_index[0], points.barycentrics[0])
    contour, inner = np.arange(CONTOUR_COUNT), np.arange(CONTOUR_COUNT, IBUG_COUNT)
    groups = (
        ("landmarks", inner, settings.ibug),
        ("contour", contour, settings.ibug_contour),
    )
    return [
        seen.term(name, _select(points, index), index, noise)
        for name, index, noise in groups
        if noise.weight > 0
    ]


def _select(points: SurfacePoints, index: np.ndarray) -> SurfacePoints:
    """Return some of the points, as those of a batch of one."""
    return SurfacePoints(points.face_index[index][None], points.barycentrics[index][None])


def inter_ocular_pixels(seen: Landmarks) -> float:
    """Return the distance of the outer eye corners in pixels, as the 300-W benchmark has it."""
    first, second = (36, 45) if seen.kind == "ibug68" else (33, 263)
    return float(np.linalg.norm(seen.pixels[first] - seen.pixels[second]))
