"""The objective: exact derivatives of every term, and what its parts mean."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from flame_fit.geometry.tensors import stack
from flame_fit.pipeline.blocks import ALL_BLOCKS
from flame_fit.pipeline.head_priors import HeadPriors, head_priors
from flame_fit.pipeline.objective import Objective
from flame_fit.pipeline.priors import LightSpread, light_prior, texture_prior
from flame_fit.pipeline.terms import shared_weight
from tests.pipeline.scenes import (
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


@pytest.fixture(scope="module")
def scene(model):
    return tiny_scene(model)


def priors_of(scene):
    mean_basis = torch.tensor([[1.0, 0.1, 0.9, -0.1, 0.0, 0.1, 0.3, 0.0, 0.1]]).double()
    light = light_prior(mean_basis, LightSpread())
    return (
        *head_priors(scene, HeadPriors(), focal_known=[False]),
        light,
        texture_prior(scene.texture_code),
    )


def terms_of(model, scene, name):
    points = facing_points(model, scene)
    return {
        "points": lambda: point_term(model, scene, points),
        "depth": lambda: depth_term(model, scene, points),
        "skin": lambda: skin_term(points),
    }[name]()


@pytest.mark.parametrize("name", ["points", "depth", "skin"])
def test_gradient_equals_finite_differences_of_the_cost(model, scene, name):
    moved = dataclasses.replace(
        scene,
        flame=dataclasses.replace(
            scene.flame,
            head_rotation=scene.flame.head_rotation + 0.05,
            translation=scene.flame.translation + 0.01,
        ),
    )
    term = terms_of(model, scene, name)
    objective = Objective(model, moved, terms=(term,), priors=priors_of(moved), free=ALL_BLOCKS)
    value = objective.start() + 0.02 * draw(8, 1, objective.layout.length)
    gradient = objective.linearise(value).gradient[0]
    for index in range(objective.layout.length):
        step = torch.zeros_like(value)
        step[0, index] = 1e-6
        ahead, behind = objective.cost(value + step), objective.cost(value - step)
        slope = float(ahead - behind) / 2e-6
        assert math.isclose(slope, float(gradient[index]), rel_tol=2e-4, abs_tol=2e-3), index


@pytest.mark.parametrize("name", ["points", "depth", "skin"])
def test_cost_is_differentiable_and_equals_the_linearised_one(model, scene, name):
    term = terms_of(model, scene, name)
    objective = Objective(model, scene, terms=(term,), priors=priors_of(scene), free=ALL_BLOCKS)
    value = (objective.start() + 0.02).requires_grad_()
    cost = objective.cost(value)
    (gradient,) = torch.autograd.grad(cost.sum(), value)
    equations = objective.linearise(value.detach())
    assert torch.allclose(cost.detach(), equations.cost)
    assert torch.allclose(gradient, equations.gradient, rtol=1e-6, atol=1e-6)


def test_cost_is_the_sum_of_the_reported_terms(model, scene):
    terms = tuple(terms_of(model, scene, name) for name in ("points", "depth", "skin"))
    objective = Objective(model, scene, terms=terms, priors=priors_of(scene), free=ALL_BLOCKS)
    value = objective.start() + 0.01
    (values,) = objective.values(value)
    assert math.isclose(float(objective.cost(value)), sum(term.weighted for term in values))


@pytest.mark.parametrize("name", ["points", "depth", "skin"])
def test_blocks_in_another_order_give_the_same_equations_in_that_order(model, scene, name):
    shuffled = ("lighting", "expression", "jaw", "log_focal", "head_rotation", "shape")
    found = []
    for free in (shuffled, tuple(block for block in ALL_BLOCKS if block in shuffled)):
        term = terms_of(model, scene, name)
        objective = Objective(model, scene, terms=(term,), priors=(), free=free)
        equations = objective.linearise(objective.start())
        columns = torch.arange(objective.layout.length)
        order = torch.cat([columns[objective.layout.span(block)] for block in shuffled])
        found.append((equations.gradient[:, order], equations.matrix[:, order][:, :, order]))
    assert torch.allclose(found[0][0], found[1][0])
    assert torch.allclose(found[0][1], found[1][1])


def test_colours_that_may_not_bend_the_shape_still_move_it(model, scene):
    points = facing_points(model, scene)
    gradients = []
    for bends in (True, False):
        term = skin_term(points, shading_moves=torch.tensor([bends]))
        objective = Objective(model, scene, terms=(term,), priors=(), free=("shape",))
        value = objective.start()
        gradients.append(objective.linearise(value).gradient)
    assert gradients[1].norm() > 0
    assert not torch.allclose(gradients[0], gradients[1], rtol=1e-3)


def test_a_constant_of_relative_depth_costs_nothing(model, scene):
    points = facing_points(model, scene)
    term = depth_term(model, scene, points)
    near = dataclasses.replace(term, depth=term.depth - 0.3)
    costs = [
        Objective(model, scene, terms=(each,), priors=(), free=("shape",)) for each in (term, near)
    ]
    values = [float(each.cost(each.start() + 0.3)) for each in costs]
    assert math.isclose(values[0], values[1], rel_tol=1e-9)
    assert float(costs[0].cost(costs[0].start())) < 1e-12


def test_a_batch_has_the_costs_and_derivatives_of_its_scenes(model):
    scenes = [tiny_scene(model, seed) for seed in (1, 2)]
    points = facing_points(model, scenes[0])
    term = point_term(model, scenes[0], points)
    both = stack(scenes)
    pixels = term.pixels.expand(2, -1, -1)
    pair = dataclasses.replace(
        term,
        pixels=pixels,
        sigma=term.sigma.expand(2, -1),
        weight=term.weight.expand(2, -1),
    )
    together = Objective(model, both, terms=(pair,), priors=(), free=ALL_BLOCKS[:8])
    equations = together.linearise(together.start())
    for index, scene in enumerate(scenes):
        alone = Objective(model, scene, terms=(term,), priors=(), free=ALL_BLOCKS[:8])
        expected = alone.linearise(alone.start())
        assert torch.allclose(equations.cost[index], expected.cost[0])
        assert torch.allclose(equations.gradient[index], expected.gradient[0])
        assert torch.allclose(equations.matrix[index], expected.matrix[0])


def test_confident_points_share_what_a_term_is_worth():
    confidence = torch.tensor([[1.0, 1.0, 0.0, 2.0]])
    weight = shared_weight(confidence, worth=2.0, weight=3.0)
    assert torch.allclose(weight, torch.tensor([[1.5, 1.5, 0.0, 3.0]]))
    few = shared_weight(torch.tensor([[0.5, 0.0]]), worth=2.0, weight=1.0)
    assert torch.allclose(few, torch.tensor([[0.5, 0.0]]))
