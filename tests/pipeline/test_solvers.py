"""A head is found again from exact evidence, by both solvers, at any focal length, surely."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from flame_fit.flame import FlameParams
from flame_fit.geometry import (
    axis_angle_to_matrix,
    matrix_to_axis_angle,
    points_on_surface,
    project,
)
from flame_fit.optim import AdamSettings, LevenbergMarquardtSettings, descend, minimise
from flame_fit.pipeline.blocks import ALL_BLOCKS, GEOMETRY_BLOCKS
from flame_fit.pipeline.head_priors import HeadPriors, head_priors
from flame_fit.pipeline.objective import Objective
from flame_fit.pipeline.pose_start import scaled_orthographic_pose, start_pose
from flame_fit.pipeline.priors import LightSpread, light_prior, texture_prior
from flame_fit.pipeline.stages import Evidence, Stage, run_stage
from flame_fit.pipeline.uncertainty import uncertainty_of, vertex_deviation
from tests.pipeline.scenes import (
    FLOAT,
    depth_term,
    draw,
    facing_points,
    point_term,
    skin_term,
    tiny_model,
    tiny_scene,
)


@pytest.fixture(scope="module")
def model():
    return tiny_model()


def rested(model, scene, points):
    """The mean head placed by its points."""
    rest = FlameParams.zeros(
        shape=model.shape_count, expression=model.expression_count, dtype=FLOAT
    )
    mesh = model.mesh(rest)
    term = point_term(model, scene, points)
    start = start_pose(
        model,
        rest,
        scene.camera,
        points=points_on_surface(mesh.vertices, mesh.faces, points)[0],
        pixels=term.pixels[0],
        weight=term.weight[0],
    )
    return dataclasses.replace(scene, flame=start.flame, camera=start.camera)


def error_pixels(model, scene, found, points):
    def seen(each):
        mesh = model.mesh(each.flame)
        world = points_on_surface(mesh.vertices, mesh.faces, points)
        return project(each.camera, world).pixels

    return float((seen(scene) - seen(found)).norm(dim=-1).mean())


def test_scaled_orthographic_pose_is_exact_without_noise():
    points = draw(3, 30, 3)
    rotation = axis_angle_to_matrix(torch.tensor([0.3, -0.6, 0.2], dtype=FLOAT))
    expected = 120.0 * rotation[:2]
    expected[1] = -expected[1]
    pixels = points @ expected.T + torch.tensor([40.0, 60.0], dtype=FLOAT)
    matrix = scaled_orthographic_pose(points, pixels, torch.ones(30, dtype=FLOAT))
    assert torch.allclose(matrix[:, :3], expected)
    assert torch.allclose(matrix[:, 3], torch.tensor([40.0, 60.0], dtype=FLOAT))


@pytest.mark.parametrize("roll_degrees", [0.0, 90.0, 180.0, -120.0])
def test_recovers_a_head_from_exact_points_at_any_roll(model, roll_degrees):
    scene = tiny_scene(model)
    roll = torch.tensor([0.0, 0.0, math.radians(roll_degrees)], dtype=FLOAT)
    turned = axis_angle_to_matrix(roll) @ axis_angle_to_matrix(scene.flame.head_rotation[0])
    flame = dataclasses.replace(scene.flame, head_rotation=matrix_to_axis_angle(turned)[None])
    scene = dataclasses.replace(scene, flame=flame)
    points = facing_points(model, scene)
    start = rested(model, scene, points)
    priors = head_priors(start, HeadPriors(), focal_known=[False])
    evidence = Evidence((point_term(model, scene, points),), priors)
    posed = run_stage(
        model,
        start,
        Stage("pose", ("head_rotation", "translation")),
        evidence=lambda scene, number: evidence,
    )
    found = run_stage(
        model, posed.scene, Stage("all", GEOMETRY_BLOCKS), evidence=lambda scene, number: evidence
    )
    assert error_pixels(model, scene, found.scene, points) < 0.5
    assert found.reports[0].cost < posed.reports[0].start_cost


def test_an_orthographic_camera_finds_its_scale(model):
    scene = tiny_scene(model)
    camera = dataclasses.replace(
        scene.camera, focal=torch.full((1, 2), 1500.0, dtype=FLOAT), projection="orthographic"
    )
    scene = dataclasses.replace(scene, camera=camera)
    points = facing_points(model, scene)
    term = point_term(model, scene, points)
    rest = FlameParams.zeros(
        shape=model.shape_count, expression=model.expression_count, dtype=FLOAT
    )
    mesh = model.mesh(rest)
    placed = start_pose(
        model,
        rest,
        dataclasses.replace(camera, focal=camera.focal / 3),
        points=points_on_surface(mesh.vertices, mesh.faces, points)[0],
        pixels=term.pixels[0],
        weight=term.weight[0],
    )
    assert math.isclose(float(placed.camera.focal[0, 0]), 1500.0, rel_tol=0.1)
    start = dataclasses.replace(scene, flame=placed.flame, camera=placed.camera)
    priors = head_priors(start, HeadPriors(), focal_known=[False])
    found = run_stage(
        model,
        start,
        Stage("all", GEOMETRY_BLOCKS),
        evidence=lambda scene, number: Evidence((term,), priors),
    )
    assert error_pixels(model, scene, found.scene, points) < 0.5


def joint_objective(model, scene, start):
    points = facing_points(model, scene)
    terms = (point_term(model, scene, points), depth_term(model, scene, points), skin_term(points))
    mean_basis = torch.tensor([[1.0, 0.1, 0.9, -0.1, 0.0, 0.1, 0.3, 0.0, 0.1]], dtype=FLOAT)
    priors = (
        *head_priors(scene, HeadPriors(), focal_known=[True]),
        light_prior(mean_basis, LightSpread()),
        texture_prior(scene.texture_code),
    )
    return Objective(model, start, terms=terms, priors=priors, free=ALL_BLOCKS)


def test_adam_and_levenberg_marquardt_reach_the_same_optimum(model):
    scene = tiny_scene(model)
    objective = joint_objective(model, scene, scene)
    start = objective.start()
    settings = LevenbergMarquardtSettings(max_steps=200, cost_tolerance=1e-12)
    squares = minimise(objective, start, settings=settings)
    (unsure,) = uncertainty_of(objective, squares.value)
    scale = torch.diagonal(unsure.covariance).sqrt()[None]
    adam = descend(
        objective.cost,
        start,
        scale=scale,
        settings=AdamSettings(max_steps=700, learning_rate=0.3, patience=700),
    )
    assert math.isclose(float(adam.cost), float(squares.cost), rel_tol=5e-3)
    # Half a standard deviation along what the evidence hardly tells.
    assert float(((adam.value - squares.value) / scale).abs().max()) < 0.5


def test_deviations_are_those_of_a_linear_problem(model):
    """Without other evidence the posterior is the prior; points make it narrower."""
    scene = tiny_scene(model)
    points = facing_points(model, scene)
    term = point_term(model, scene, points)
    silent = dataclasses.replace(term, weight=torch.zeros_like(term.weight))
    priors = head_priors(scene, HeadPriors(), focal_known=[False])
    found = []
    for each in (silent, term):
        objective = Objective(model, scene, terms=(each,), priors=priors, free=("shape",))
        found.append(uncertainty_of(objective, objective.start())[0])
    assert torch.allclose(found[0].deviation("shape"), torch.ones(6, dtype=FLOAT))
    assert bool((found[1].deviation("shape") < 1.0).all())
    with pytest.raises(ValueError, match="'jaw' did not move"):
        found[0].deviation("jaw")
    expected = model.basis[..., :6].square().sum(dim=(1, 2)).sqrt()
    assert torch.allclose(vertex_deviation(model, found[0]), expected)
    assert bool((vertex_deviation(model, found[1]) < expected).all())
