"""The focal length that costs least is found among several, for each scene of a batch."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from flame_fit.flame import FlameModel
from flame_fit.geometry import points_on_surface, project
from flame_fit.geometry.tensors import stack
from flame_fit.observation import FaceEvidence, Landmarks
from flame_fit.optim import LevenbergMarquardtSettings
from flame_fit.pipeline.focal_search import FocalSearch, search_focal, with_focal
from flame_fit.pipeline.head_priors import HeadPriors, head_priors
from flame_fit.pipeline.landmark_terms import LandmarkSettings, PointNoise
from flame_fit.pipeline.seen_terms import SeenSettings
from flame_fit.testing import tiny_assets
from tests.pipeline.scenes import tiny_scene

EXACT = LandmarkSettings(
    ibug=PointNoise(0.0001, 51.0), ibug_contour=PointNoise(0.001, 17.0, weight=0.0)
)
SEARCH = FocalSearch(
    count=7, reach=0.6, solver=LevenbergMarquardtSettings(max_steps=25, cost_tolerance=1e-6)
)


@pytest.fixture(scope="module")
def model():
    return FlameModel(tiny_assets(), dtype=torch.float64)


def near_scene(model, seed, focal):
    """A head so near that perspective tells the focal length."""
    scene = tiny_scene(model, seed)
    place = torch.tensor([[0.02, -0.01, -0.3]], dtype=torch.float64)
    camera = dataclasses.replace(scene.camera, focal=torch.full_like(scene.camera.focal, focal))
    flame = dataclasses.replace(scene.flame, shape=0.0 * scene.flame.shape, translation=place)
    return dataclasses.replace(scene, flame=flame, camera=camera)


def seen(model, scene):
    mesh = model.mesh(scene.flame)
    points = model.landmark_points(mesh, "ibug")
    pixels = project(scene.camera, points_on_surface(mesh.vertices, mesh.faces, points)).pixels[0]
    landmarks = Landmarks("ibug68", pixels.numpy(), torch.ones(len(pixels)).double().numpy())
    return FaceEvidence((landmarks,), (0.0, 0.0, 1.0, 1.0), 1.0, 0.0, None, "truth")


def test_size_in_the_photo_stays_when_the_focal_length_changes(model):
    scene = near_scene(model, 1, 500.0)
    far = with_focal(scene, torch.tensor([2.0], dtype=torch.float64))
    assert torch.allclose(far.camera.focal, 2.0 * scene.camera.focal)
    assert torch.allclose(far.flame.translation[:, 2], 2.0 * scene.flame.translation[:, 2])
    assert torch.equal(far.flame.translation[:, :2], scene.flame.translation[:, :2])


def test_each_scene_of_a_batch_gets_its_focal_length_back(model):
    true = [near_scene(model, seed, focal) for seed, focal in ((1, 500.0), (2, 620.0))]
    wrong = torch.tensor([1.4, 0.75], dtype=torch.float64)
    start = with_focal(stack(true), wrong)
    priors = head_priors(start, HeadPriors(log_focal_sigma=5.0), focal_known=[False, False])
    found = search_focal(
        model,
        start,
        [seen(model, scene) for scene in true],
        settings=SeenSettings(landmarks=EXACT),
        priors=priors,
        search=SEARCH,
    )
    before = (start.camera.focal[:, 0] / stack(true).camera.focal[:, 0]).log().abs()
    after = (found.camera.focal[:, 0] / stack(true).camera.focal[:, 0]).log().abs()
    assert bool((after < 0.12).all()), (before, after)


def test_a_known_focal_length_is_kept(model):
    scene = near_scene(model, 1, 500.0)
    start = with_focal(scene, torch.tensor([1.3], dtype=torch.float64))
    priors = head_priors(start, HeadPriors(known_log_focal_sigma=1e-4), focal_known=[True])
    found = search_focal(
        model,
        start,
        [seen(model, scene)],
        settings=SeenSettings(landmarks=EXACT),
        priors=priors,
        search=SEARCH,
    )
    assert torch.allclose(found.camera.focal, start.camera.focal, rtol=1e-2)
