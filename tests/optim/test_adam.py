"""Adam finds the minima that least squares finds, and takes losses that it cannot take."""

from __future__ import annotations

import torch

from flame_fit.optim import AdamSettings, Status, descend, minimise
from tests.optim.problems import AutogradProblem, rosenbrock, rows


def bowl(value):
    return torch.stack([100.0 * value[0] - 200.0, 0.1 * value[1] + 0.3])


def test_same_minimum_as_least_squares():
    problem = AutogradProblem(bowl)
    start = rows([0.0, 0.0], [5.0, 5.0])
    squares = minimise(problem, start)
    scale = rows([0.05, 10.0]).expand(2, 2)
    settings = AdamSettings(max_steps=3000, learning_rate=1.0, patience=3000)
    adam = descend(problem.cost, start, scale=scale, settings=settings)
    assert torch.allclose(adam.value, squares.value, atol=1e-3)


def test_takes_any_differentiable_loss():
    def cost(value):
        return (value - 2.0).abs().sum(dim=-1) + torch.exp(value).sum(dim=-1) * 0.01

    found = descend(cost, rows([0.0]), settings=AdamSettings(max_steps=800))
    assert torch.allclose(found.value, rows([2.0]), atol=0.02)


def test_keeps_the_best_point_and_its_cost():
    settings = AdamSettings(max_steps=30, learning_rate=2.0)
    problem = AutogradProblem(rosenbrock)
    found = descend(problem.cost, rows([-1.2, 1.0]), settings=settings)
    costs = torch.cat([cost for cost, _ in problem.evaluated])
    assert torch.equal(found.cost[0], costs.min())
    assert torch.equal(problem.cost(found.value), found.cost)
    assert found.status == (Status.STEP_LIMIT,)


def test_stops_when_the_cost_no_longer_falls():
    found = descend(
        lambda value: ((value - 1.0) ** 2).sum(dim=-1), rows([1.0]), settings=AdamSettings()
    )
    assert found.status == (Status.CONVERGED_COST,)
    assert found.steps[0] < AdamSettings().max_steps
