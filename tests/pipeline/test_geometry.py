"""The geometry problem: its gradient, its start, and the recovery of a known head."""

from __future__ import annotations

import math

import pytest
import torch

from flame_fit.flame import FlameModel, FlameParams
from flame_fit.geometry import (
    SurfacePoints,
    axis_angle_to_matrix,
    points_on_surface,
    project,
)
from flame_fit.geometry.cameras import centred_camera
from flame_fit.pipeline.geometry import DistancePrior, GeometryProblem, PointTerm
from flame_fit.pipeline.geometry_fit import (
    GeometryStage,
    PosePriors,
    block_priors,
    fit_geometry,
)
from flame_fit.pipeline.head_state import ALL_BLOCKS, HeadState
from flame_fit.pipeline.pose_start import scaled_orthographic_pose, start_pose
from flame_fit.testing import tiny_assets


@pytest.fixture(scope="module")
def model() -> FlameModel:
    return FlameModel(tiny_assets(), dtype=torch.float64)


def _true_state(model: FlameModel) -> HeadState:
    generator = torch.Generator().manual_seed(1)

    def draw(count: int) -> torch.Tensor:
        return torch.randn(1, count, generator=generator, dtype=torch.float64)

    flame = FlameParams(
        shape=0.7 * draw(model.shape_count),
        expression=0.5 * draw(model.expression_count),
        head_rotation=torch.tensor([[0.1, 0.4, 0.05]], dtype=torch.float64),
        neck=0.02 * draw(3),
        jaw=torch.tensor([[0.1, 0.0, 0.0]], dtype=torch.float64),
        eyes=0.02 * draw(6),
        translation=torch.tensor([[0.03, -0.02, -0.8]], dtype=torch.float64),
    )
    camera = centred_camera(torch.tensor([900.0], dtype=torch.float64), (512, 512))
    return HeadState(flame, camera)


def _points(model: FlameModel, count: int = 150) -> SurfacePoints:
    generator = torch.Generator().manual_seed(2)
    faces = torch.randperm(len(model.assets.faces), generator=generator)[:count]
    weights = torch.rand(len(faces), 3, generator=generator, dtype=torch.float64) + 0.1
    return SurfacePoints(faces, weights / weights.sum(-1, keepdim=True))


def _term(model: FlameModel, state: HeadState, points: SurfacePoints) -> PointTerm:
    mesh = model.mesh(state.flame)
    pixels = project(state.camera, points_on_surface(mesh.vertices, mesh.faces, points)).pixels[0]
    ones = torch.ones(len(pixels), dtype=torch.float64)
    return PointTerm("landmarks", points, pixels, 0.5 * ones, ones, effective_count=1e6)


def test_gradient_equals_finite_differences_of_the_cost(model):
    true = _true_state(model)
    base = HeadState(
        FlameParams(
            **{
                **vars(true.flame),
                "head_rotation": true.flame.head_rotation + 0.05,
                "translation": true.flame.translation + 0.01,
            }
        ),
        true.camera,
    )
    problem = GeometryProblem(
        model,
        base,
        terms=(_term(model, true, _points(model)),),
        priors=block_priors(base, PosePriors()),
        distance=DistancePrior(),
        free=ALL_BLOCKS,
    )
    value = problem.start()
    gradient = problem.linearise(value).gradient
    for index in range(len(value)):
        step = torch.zeros_like(value)
        step[index] = 1e-6
        slope = (problem.cost(value + step) - problem.cost(value - step)) / 2e-6
        assert math.isclose(slope, float(gradient[index]), rel_tol=2e-4, abs_tol=2e-3)


def test_cost_is_the_sum_of_the_reported_terms(model):
    true = _true_state(model)
    problem = GeometryProblem(
        model,
        true,
        terms=(_term(model, true, _points(model)),),
        priors=block_priors(true, PosePriors()),
        distance=DistancePrior(),
        free=ALL_BLOCKS,
    )
    value = problem.start() + 0.01
    assert math.isclose(problem.cost(value), sum(t.weighted for t in problem.values(value)))


def test_scaled_orthographic_pose_is_exact_without_noise():
    generator = torch.Generator().manual_seed(3)
    points = torch.randn(30, 3, generator=generator, dtype=torch.float64)
    rotation = axis_angle_to_matrix(torch.tensor([0.3, -0.6, 0.2], dtype=torch.float64))
    expected = 120.0 * rotation[:2]
    expected[1] = -expected[1]
    pixels = points @ expected.T + torch.tensor([40.0, 60.0], dtype=torch.float64)
    matrix = scaled_orthographic_pose(points, pixels, torch.ones(30, dtype=torch.float64))
    assert torch.allclose(matrix[:, :3], expected)
    assert torch.allclose(matrix[:, 3], torch.tensor([40.0, 60.0], dtype=torch.float64))


@pytest.mark.parametrize("roll_degrees", [0.0, 90.0, 180.0, -120.0])
def test_recovers_a_head_from_exact_points_at_any_roll(model, roll_degrees):
    true = _true_state(model)
    roll = torch.tensor([0.0, 0.0, math.radians(roll_degrees)], dtype=torch.float64)
    turned = axis_angle_to_matrix(roll) @ axis_angle_to_matrix(true.flame.head_rotation[0])
    from flame_fit.geometry import matrix_to_axis_angle

    flame = FlameParams(**{**vars(true.flame), "head_rotation": matrix_to_axis_angle(turned)[None]})
    true = HeadState(flame, true.camera)
    points = _points(model)
    term = _term(model, true, points)
    rest = FlameParams.zeros(
        shape=model.shape_count, expression=model.expression_count, dtype=torch.float64
    )
    mesh = model.mesh(rest)
    start = start_pose(
        model,
        rest,
        true.camera,
        points=points_on_surface(mesh.vertices, mesh.faces, points)[0],
        pixels=term.pixels,
        weight=term.confidence,
    )
    fit = fit_geometry(
        model,
        start,
        make_terms=lambda state: (term,),
        stages=(
            GeometryStage("pose", ("head_rotation", "translation")),
            GeometryStage("all", ALL_BLOCKS),
        ),
        priors=PosePriors(),
    )
    found = model.mesh(fit.state.flame)
    pixels = project(
        fit.state.camera, points_on_surface(found.vertices, found.faces, points)
    ).pixels[0]
    assert float((pixels - term.pixels).norm(dim=-1).mean()) < 0.5
    assert fit.reports[-1].cost < fit.reports[0].start_cost
