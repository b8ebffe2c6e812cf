"""The solver finds known minima, keeps the best point and says why it stopped."""

from __future__ import annotations

import pytest
import torch

from flame_fit.optim import LevenbergMarquardtSettings, NormalEquations, Status, minimise


class AutogradProblem:
    """Least squares of a residual function, linearised by autograd."""

    def __init__(self, residual) -> None:
        self.residual = residual
        self.evaluated = []

    def cost(self, value):
        cost = 0.5 * float((self.residual(value) ** 2).sum())
        self.evaluated.append((cost, value.clone()))
        return cost

    def linearise(self, value):
        residual = self.residual(value)
        jacobian = torch.autograd.functional.jacobian(self.residual, value)
        return NormalEquations(
            0.5 * float((residual**2).sum()), jacobian.T @ residual, jacobian.T @ jacobian
        )


def rosenbrock(value):
    return torch.stack([10.0 * (value[1] - value[0] ** 2), 1.0 - value[0]])


def powell(value):
    a, b, c, d = value
    return torch.stack([a + 10 * b, 5**0.5 * (c - d), (b - 2 * c) ** 2, 10**0.5 * (a - d) ** 2])


@pytest.mark.parametrize(
    ("residual", "start", "minimum", "tolerance"),
    [
        (rosenbrock, [-1.2, 1.0], [1.0, 1.0], 1e-5),
        (powell, [3.0, -1.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0], 2e-2),
        (lambda v: 3.0 * v - 6.0, [50.0], [2.0], 1e-6),
    ],
)
def test_known_minima(residual, start, minimum, tolerance):
    start = torch.tensor(start, dtype=torch.float64)
    settings = LevenbergMarquardtSettings(max_steps=200, cost_tolerance=1e-14)
    solution = minimise(AutogradProblem(residual), start, settings=settings)
    expected = torch.tensor(minimum, dtype=torch.float64)
    assert torch.allclose(solution.value, expected, atol=tolerance)
    assert solution.status in (Status.CONVERGED_COST, Status.CONVERGED_STEP, Status.STALLED)


def test_returns_the_best_evaluated_point_and_its_own_cost():
    problem = AutogradProblem(rosenbrock)
    start = torch.tensor([-1.2, 1.0], dtype=torch.float64)
    solution = minimise(problem, start, settings=LevenbergMarquardtSettings(max_steps=4))
    best = min(problem.evaluated, key=lambda pair: pair[0])
    assert solution.cost == best[0]
    assert torch.equal(solution.value, best[1])
    assert list(solution.costs) == sorted(solution.costs, reverse=True)
    assert solution.status is Status.STEP_LIMIT
    assert solution.steps == 4


def test_start_is_not_changed():
    start = torch.tensor([-1.2, 1.0], dtype=torch.float64)
    minimise(AutogradProblem(rosenbrock), start)
    assert torch.equal(start, torch.tensor([-1.2, 1.0], dtype=torch.float64))


def test_not_finite_start_is_reported():
    problem = AutogradProblem(lambda v: v * float("nan"))
    solution = minimise(problem, torch.ones(2, dtype=torch.float64))
    assert solution.status is Status.NOT_FINITE


def test_untouched_parameter_stays():
    solution = minimise(
        AutogradProblem(lambda v: v[:1] - 3.0), torch.tensor([0.0, 7.0], dtype=torch.float64)
    )
    assert torch.allclose(solution.value, torch.tensor([3.0, 7.0], dtype=torch.float64))
