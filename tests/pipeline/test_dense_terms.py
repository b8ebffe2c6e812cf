"""Dense points as terms: what they are worth, what is left out, and that they find the head."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from flame_fit.config import FitConfig, TermWeights
from flame_fit.geometry import points_on_surface, project
from flame_fit.geometry.tensors import stack
from flame_fit.observation import DenseCorrespondences, FaceEvidence, Landmarks
from flame_fit.optim import LevenbergMarquardtSettings, minimise
from flame_fit.pipeline.dense_terms import DenseSettings, dense_terms
from flame_fit.pipeline.landmark_terms import PointNoise
from flame_fit.pipeline.objective import Objective
from flame_fit.pipeline.plan import plan_for
from tests.pipeline.scenes import draw, facing_points, tiny_model, tiny_scene

EXACT = DenseSettings(PointNoise(1e-5, 1e4), PointNoise(1e-5, 1e4))


@pytest.fixture(scope="module")
def model():
    return tiny_model()


def dense_of(model, scene, *, count=120, sigma=0.1, depth_sigma=0.001, shift=0.0):
    """Points where the scene has them, as a network would say it."""
    points = facing_points(model, scene, count)
    mesh = model.mesh(scene.flame)
    world = points_on_surface(mesh.vertices, mesh.faces, points)
    seen = project(scene.camera, world)
    return DenseCorrespondences(
        points=points,
        pixels=seen.pixels[0].numpy() + shift,
        sigma=np.full(count, sigma),
        depth=(seen.depth[0] - seen.depth[0].mean()).numpy() + 0.2,
        depth_sigma=np.full(count, depth_sigma),
    )


def evidence_of(model, scene, dense):
    mesh = model.mesh(scene.flame)
    points = model.landmark_points(mesh, "ibug")
    pixels = project(scene.camera, points_on_surface(mesh.vertices, mesh.faces, points)).pixels[0]
    landmarks = Landmarks("ibug68", pixels.numpy(), np.ones(len(pixels)))
    return FaceEvidence((landmarks,), (0.0, 0.0, 9.0, 9.0), 1.0, 0.0, None, "truth", dense=dense)


def test_truth_costs_nothing_whatever_the_depth_of_the_neck_joint(model):
    scene = tiny_scene(model)
    terms = dense_terms(
        model, scene, [evidence_of(model, scene, dense_of(model, scene))], settings=DenseSettings()
    )
    assert [term.name for term in terms] == ["dense", "dense_depth"]
    objective = Objective(model, scene, terms=terms, priors=(), free=("shape",))
    assert float(objective.cost(objective.start())) < 1e-9


def test_points_alone_find_shape_pose_and_place(model):
    scene = tiny_scene(model)
    wrong = replace(
        scene.flame,
        shape=torch.zeros_like(scene.flame.shape),
        head_rotation=scene.flame.head_rotation + 0.1,
        translation=scene.flame.translation + 0.02,
    )
    start = replace(scene, flame=wrong)
    seen = [evidence_of(model, scene, dense_of(model, scene))]
    objective = Objective(
        model,
        start,
        terms=dense_terms(model, start, seen, settings=EXACT),
        priors=(),
        free=("shape", "head_rotation", "translation"),
    )
    settings = LevenbergMarquardtSettings(max_steps=60, cost_tolerance=1e-12)
    solution = minimise(objective, objective.start(), settings=settings)
    found = objective.scene(solution.value).flame
    assert torch.allclose(found.shape, scene.flame.shape, atol=1e-3)
    assert torch.allclose(found.translation, scene.flame.translation, atol=1e-4)


def test_points_share_what_they_are_worth_and_unknown_ones_have_no_part(model):
    scene = tiny_scene(model)
    dense = dense_of(model, scene)
    sigma, depth_sigma = dense.sigma.copy(), dense.depth_sigma.copy()
    sigma[:30], depth_sigma[:60] = np.inf, np.inf
    dense.pixels[:30], dense.depth[:60] = 1e6, np.nan
    dense = replace(dense, sigma=sigma, depth_sigma=depth_sigma)
    settings = DenseSettings(PointNoise(0.0005, 45.0, 2.0), PointNoise(0.001, 6.0))
    points, depth = dense_terms(model, scene, [evidence_of(model, scene, dense)], settings=settings)
    assert float(points.weight.sum()) == pytest.approx(90.0)
    assert float(depth.weight.sum()) == pytest.approx(6.0)
    assert not bool(points.weight[0, :30].any())
    objective = Objective(model, scene, terms=(points, depth), priors=(), free=("shape",))
    assert float(objective.cost(objective.start())) < 1e-9


def test_noise_is_what_a_point_says_and_what_the_model_cannot_follow(model):
    scene = tiny_scene(model)
    dense = dense_of(model, scene, sigma=3.0, depth_sigma=0.004)
    settings = DenseSettings(PointNoise(0.002, 10.0), PointNoise(0.003, 10.0))
    points, depth = dense_terms(model, scene, [evidence_of(model, scene, dense)], settings=settings)
    pixels_of_metre = float(scene.camera.focal[0, 0] / -scene.flame.translation[0, 2])
    expected = np.hypot(3.0, 0.002 * pixels_of_metre)
    assert float(points.sigma[0, 0]) == pytest.approx(expected)
    assert float(depth.sigma[0, 0]) == pytest.approx(0.005)


def test_no_more_points_are_compared_than_asked_for(model):
    scene = tiny_scene(model)
    dense = dense_of(model, scene)
    settings = DenseSettings(dense=PointNoise(0.0005, 9.0), points=50)
    points, depth = dense_terms(model, scene, [evidence_of(model, scene, dense)], settings=settings)
    assert points.pixels.shape[1] == depth.depth.shape[1] == 50
    assert float(points.weight.sum()) == pytest.approx(9.0)
    assert np.array_equal(points.pixels[0, [0, -1]].numpy(), dense.pixels[[0, -1]])
    objective = Objective(model, scene, terms=(points, depth), priors=(), free=("shape",))
    assert float(objective.cost(objective.start())) < 1e-9


def test_no_points_and_no_depth_give_no_terms(model):
    scene = tiny_scene(model)
    bare = evidence_of(model, scene, None)
    assert dense_terms(model, scene, [bare], settings=DenseSettings()) == ()
    flat = dense_of(model, scene, depth_sigma=np.inf)
    terms = dense_terms(model, scene, [evidence_of(model, scene, flat)], settings=DenseSettings())
    assert [term.name for term in terms] == ["dense"]


def test_a_batch_has_the_terms_of_its_faces(model):
    scenes = [tiny_scene(model, seed) for seed in (1, 2)]
    faces = [
        evidence_of(model, scene, dense_of(model, scene, shift=float(draw(3, 1)[0])))
        for scene in scenes
    ]
    together = dense_terms(model, stack(scenes), faces, settings=DenseSettings())
    for index, (scene, face) in enumerate(zip(scenes, faces, strict=True)):
        for both, one in zip(
            together, dense_terms(model, scene, [face], settings=DenseSettings()), strict=True
        ):
            assert torch.equal(both.weight[index], one.weight[0])
            assert torch.allclose(both.sigma[index], one.sigma[0])
            assert torch.equal(both.points.face_index[index], one.points.face_index[0])


def test_weights_of_the_user_reach_both_terms():
    weights = TermWeights(dense=0.5, dense_depth=0.0)
    dense = plan_for(replace(FitConfig(), weights=weights)).seen.dense
    assert dense.dense.weight == 0.5
    assert dense.dense_depth.weight == 0.0
