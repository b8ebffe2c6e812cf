"""How far a face mesh is believed beside a head that fits."""

from __future__ import annotations

import numpy as np
import pytest

from flame_fit.appearance import load_texture_space
from flame_fit.flame import FlameModel, load_assets
from flame_fit.geometry import points_on_surface, project
from flame_fit.geometry.tensors import stack
from flame_fit.observation import FaceEvidence, Landmarks
from flame_fit.pipeline.landmark_terms import LandmarkSettings, landmark_terms
from flame_fit.synth import random_scene

SETTINGS = LandmarkSettings()
IMAGE_SIZE = (512, 512)


@pytest.fixture(scope="module")
def model():
    return FlameModel(load_assets())


@pytest.fixture(scope="module")
def scene(model):
    return random_scene(model, load_texture_space(), seed=4, image_size=IMAGE_SIZE)


@pytest.fixture(scope="module")
def true_pixels(model, scene):
    mesh = model.mesh(scene.flame)
    points = model.landmark_points(mesh, "mediapipe")
    world = points_on_surface(mesh.vertices, mesh.faces, points)
    return project(scene.camera, world).pixels[0].numpy()


def _off(pixels, scene, metres, seed=0):
    """Landmarks whose coordinates each err by so many metres at the head's distance."""
    per_metre = float(scene.camera.focal[0, 0] / -scene.flame.translation[0, 2])
    noise = np.random.default_rng(seed).normal(size=pixels.shape) * metres * per_metre
    return (pixels + noise).astype(np.float32)


def _weights(model, scene, pixels, *, kind="mediapipe478", confidence=None, fitted=True):
    sure = np.ones(len(pixels), np.float32) if confidence is None else confidence
    depth = np.zeros(len(pixels), np.float32) if kind == "mediapipe478" else None
    seen = FaceEvidence(
        landmarks=(Landmarks(kind, pixels, sure, depth),),
        box=(0.0, 0.0, 512.0, 512.0),
        score=1.0,
        roll=0.0,
        person=None,
        detector="truth",
    )
    terms = landmark_terms(model, scene, [seen], settings=SETTINGS, fitted=fitted)
    return {term.name: float(term.weight.sum()) for term in terms}


def test_a_mesh_that_agrees_keeps_its_worth(model, scene, true_pixels):
    near = _off(true_pixels, scene, 0.8 * SETTINGS.usual)
    assert _weights(model, scene, near) == _weights(model, scene, near, fitted=False)


@pytest.mark.parametrize("metres", [0.0015, 0.003])
def test_a_mesh_that_errs_loses_with_the_square_of_its_variance(model, scene, true_pixels, metres):
    far = _off(true_pixels, scene, metres)
    before = _weights(model, scene, far, fitted=False)
    after = _weights(model, scene, far)
    assert {"landmarks", "lids", "lips", "contour", "irises", "depth"} == set(before)
    shares = {name: after[name] / before[name] for name in before}
    assert max(shares.values()) == pytest.approx(min(shares.values()), rel=1e-4)
    assert shares["landmarks"] == pytest.approx((SETTINGS.usual / metres) ** 4, rel=0.25)


def test_points_that_nobody_is_sure_of_say_nothing_of_the_others(model, scene, true_pixels):
    half = np.arange(len(true_pixels)) % 2 == 0
    pixels = np.where(half[:, None], true_pixels, _off(true_pixels, scene, 0.01)).astype(np.float32)
    unsure = np.where(half, 1.0, 0.1).astype(np.float32)
    assert _weights(model, scene, pixels, confidence=unsure) == _weights(
        model, scene, pixels, confidence=unsure, fitted=False
    )
    hidden = np.full(len(pixels), 0.1, np.float32)
    assert _weights(model, scene, pixels, confidence=hidden) == _weights(
        model, scene, pixels, confidence=hidden, fitted=False
    )


def test_points_set_by_hand_are_believed_as_they_are(model, scene):
    mesh = model.mesh(scene.flame)
    points = model.landmark_points(mesh, "ibug")
    world = points_on_surface(mesh.vertices, mesh.faces, points)
    pixels = _off(project(scene.camera, world).pixels[0].numpy(), scene, 0.004)
    assert _weights(model, scene, pixels, kind="ibug68") == _weights(
        model, scene, pixels, kind="ibug68", fitted=False
    )


def test_every_face_of_a_batch_has_a_trust_of_its_own(model, scene, true_pixels):
    sure = np.ones(len(true_pixels), np.float32)
    faces = [
        FaceEvidence(
            landmarks=(Landmarks("mediapipe478", pixels, sure),),
            box=(0.0, 0.0, 512.0, 512.0),
            score=1.0,
            roll=0.0,
            person=None,
            detector="truth",
        )
        for pixels in (true_pixels, _off(true_pixels, scene, 0.003))
    ]
    two = stack([scene, scene])
    terms = landmark_terms(model, two, faces, settings=SETTINGS, fitted=True)
    near, far = terms[0].weight.sum(dim=1).tolist()
    assert near == pytest.approx(SETTINGS.landmarks.worth, rel=1e-4)
    assert far < 0.05 * near
