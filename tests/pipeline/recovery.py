"""How well the pipeline finds a head that it knows: synthetic scenes with their truth."""

from __future__ import annotations

import dataclasses
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.config import FitConfig
from flame_fit.flame import FlameModel, FlameParams
from flame_fit.geometry import axis_angle_to_matrix, points_on_surface, project
from flame_fit.geometry.alignment import closest_points_on_mesh, similarity_alignment
from flame_fit.geometry.cameras import centred_camera
from flame_fit.image_files import save_png
from flame_fit.observation import FaceEvidence, Landmarks
from flame_fit.pipeline.fit_head import first_guess, fit_landmarks
from flame_fit.pipeline.head_priors import head_priors
from flame_fit.pipeline.landmark_terms import LandmarkSettings, PointNoise
from flame_fit.pipeline.lens import DEFAULT_FOCAL_RATIO
from flame_fit.pipeline.plan import plan_for
from flame_fit.pipeline.seen_terms import SeenSettings
from flame_fit.pipeline.session import FitSession
from flame_fit.scene import SceneParams
from flame_fit.synth import random_scene, render_scene

IMAGE_SIZE = (512, 512)
MILLIMETRES = 1000.0
# True landmarks have no detector's noise; what is left stands for rounding.
EXACT_LANDMARKS = LandmarkSettings(
    landmarks=PointNoise(0.0003, 360.0),
    lids=PointNoise(0.0003, 32.0),
    lips=PointNoise(0.0003, 40.0),
    irises=PointNoise(0.0008, 10.0),
    contour=PointNoise(0.0003, 36.0, weight=0.0),
    depth=PointNoise(0.005, 30.0, weight=0.0),
)


@dataclass(frozen=True)
class RecoveryErrors:
    """Errors of one recovered head.

    Attributes:
        landmark_pixels: Mean distance of fitted from true landmarks in the picture.
        geometry_mm: Median distance of the true neutral face from the fitted one, after a
            similarity alignment, millimetres.
        template_mm: The same for the mean head: what an estimate must beat.
        rotation_degrees: Angle between fitted and true head rotation.
        light_error: Distance of fitted from true light over the length of the true one.
    """

    landmark_pixels: float
    geometry_mm: float
    template_mm: float
    rotation_degrees: float
    light_error: float


def recover_exact(session: FitSession, seed: int) -> RecoveryErrors:
    """Fit a synthetic head from its true landmarks (no picture is looked at; light is NaN)."""
    truth = _Truth.draw(session, seed)
    pixels = truth.landmarks()
    evidence = FaceEvidence(
        landmarks=(Landmarks("mediapipe478", pixels, np.ones(len(pixels), np.float32)),),
        box=(*pixels.min(axis=0).tolist(), *pixels.max(axis=0).tolist()),
        score=1.0,
        roll=0.0,
        person=None,
        detector="truth",
    )
    focal = torch.tensor([DEFAULT_FOCAL_RATIO * max(IMAGE_SIZE)])
    plan = plan_for(_landmarks_only(session.config))
    plan = dataclasses.replace(plan, seen=SeenSettings(landmarks=EXACT_LANDMARKS))
    model = session.tools.model
    camera = centred_camera(focal, IMAGE_SIZE)
    start = first_guess(model, camera, evidence, texture_count=session.tools.texture_count)
    priors = head_priors(start, plan.head_priors, focal_known=[False])
    stages = fit_landmarks(model, start, [evidence], plan=plan, priors=priors)
    return truth.errors(session, stages[-1].scene, lit=False)


def _landmarks_only(config: FitConfig) -> FitConfig:
    return dataclasses.replace(config, weights=dataclasses.replace(config.weights, photometric=0.0))


def recover_detected(session: FitSession, seed: int) -> RecoveryErrors:
    """Fit a rendered synthetic head from its picture alone."""
    truth = _Truth.draw(session, seed)
    picture = render_scene(
        truth.scene,
        truth.model,
        session.tools.texture_space,
        image_size=IMAGE_SIZE,
        rasterizer=session.tools.rasterizer,
        seed=seed,
    )
    with tempfile.TemporaryDirectory() as folder:
        path = save_png(Path(folder) / f"synthetic_{seed}.png", picture.srgb)
        (result,) = session.fit(path)
    return truth.errors(session, result.scene, lit=True)


def session_for_recovery(config: FitConfig | None = None) -> FitSession:
    """Return a session with a small texture, of which recovery measures nothing."""
    return FitSession(config or dataclasses.replace(FitConfig(), texture_size=256))


@dataclass(frozen=True)
class _Truth:
    """A scene of the whole model: all coefficients are drawn, not only those that are fitted."""

    model: FlameModel
    scene: SceneParams

    @staticmethod
    def draw(session: FitSession, seed: int) -> _Truth:
        model = FlameModel(session.assets, device=session.tools.device)
        scene = random_scene(model, session.tools.texture_space, seed=seed, image_size=IMAGE_SIZE)
        return _Truth(model, scene)

    def landmarks(self) -> Float[np.ndarray, "L 2"]:
        """Return the true landmarks in the picture."""
        return _landmark_pixels(self.model, self.scene.flame, self.scene).cpu().numpy()

    def errors(self, session: FitSession, state: SceneParams, *, lit: bool) -> RecoveryErrors:
        """Return how far a fitted head is from the truth."""
        fitted_scene = dataclasses.replace(self.scene, camera=state.camera)
        fitted = _landmark_pixels(session.tools.model, state.flame, fitted_scene)
        true = _landmark_pixels(self.model, self.scene.flame, self.scene)
        turned = axis_angle_to_matrix(
            torch.stack([state.flame.head_rotation[0], self.scene.flame.head_rotation[0]])
        )
        cosine = (torch.trace(turned[0] @ turned[1].T) - 1.0) / 2.0
        light = float("nan")
        if lit:
            light = float(
                (state.lighting - self.scene.lighting).norm() / self.scene.lighting.norm()
            )
        shape = self.scene.flame.shape
        return RecoveryErrors(
            landmark_pixels=float((fitted - true).norm(dim=-1).mean()),
            geometry_mm=self._distance(_neutral(session.tools.model, state.flame.shape), shape),
            template_mm=self._distance(_neutral(self.model, torch.zeros_like(shape)), shape),
            rotation_degrees=float(torch.rad2deg(torch.arccos(cosine.clamp(-1.0, 1.0)))),
            light_error=light,
        )

    def _distance(self, estimate: Float[Tensor, "V 3"], shape: Float[Tensor, "1 S"]) -> float:
        """Return the median distance of the true face's vertices from an estimate, mm."""
        truth = _neutral(self.model, shape).double()
        regions = self.model.assets.regions
        face = regions.mask("face") if regions else torch.ones(len(truth), dtype=torch.bool)
        found = estimate.double()
        aligned = similarity_alignment(found[face], truth[face]).apply(found)
        closest = closest_points_on_mesh(truth[face], aligned, self.model.assets.faces)
        return float(closest.distance.median()) * MILLIMETRES


def _neutral(model: FlameModel, shape: Float[Tensor, "1 S"]) -> Float[Tensor, "V 3"]:
    rest = FlameParams.zeros(
        shape=shape.shape[-1], expression=0, dtype=shape.dtype, device=shape.device
    )
    return model.mesh(dataclasses.replace(rest, shape=shape)).vertices[0]


def _landmark_pixels(
    model: FlameModel, flame: FlameParams, scene: SceneParams
) -> Float[Tensor, "L 2"]:
    mesh = model.mesh(flame)
    points = model.landmark_points(mesh, "mediapipe")
    world = points_on_surface(mesh.vertices, mesh.faces, points)
    return project(scene.camera, world).pixels[0]
