"""The solver finds known minima, keeps the best point and says why it stopped."""

from __future__ import annotations

import pytest
import torch

from flame_fit.optim import LevenbergMarquardtSettings, Status, minimise
from tests.optim.problems import AutogradProblem, powell, rosenbrock, rows


@pytest.mark.parametrize(
    ("residual", "start", "minimum", "tolerance"),
    [
        (rosenbrock, [-1.2, 1.0], [1.0, 1.0], 1e-5),
        (powell, [3.0, -1.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0], 2e-2),
        (lambda v: 3.0 * v - 6.0, [50.0], [2.0], 1e-6),
    ],
)
def test_known_minima(residual, start, minimum, tolerance):
    settings = LevenbergMarquardtSettings(max_steps=200, cost_tolerance=1e-14)
    solution = minimise(AutogradProblem(residual), rows(start), settings=settings)
    assert torch.allclose(solution.value, rows(minimum), atol=tolerance)
    assert solution.status[0] in (Status.CONVERGED_COST, Status.CONVERGED_STEP, Status.STALLED)


def test_returns_the_best_evaluated_point_and_its_own_cost():
    problem = AutogradProblem(rosenbrock)
    settings = LevenbergMarquardtSettings(max_steps=4)
    solution = minimise(problem, rows([-1.2, 1.0]), settings=settings)
    cost, value = min(problem.evaluated, key=lambda pair: float(pair[0]))
    assert torch.equal(solution.cost, cost)
    assert torch.equal(solution.value, value)
    assert float(solution.cost) < float(solution.start_cost)
    assert solution.status == (Status.STEP_LIMIT,)
    assert solution.steps == (4,)


def test_start_is_not_changed():
    start = rows([-1.2, 1.0])
    minimise(AutogradProblem(rosenbrock), start)
    assert torch.equal(start, rows([-1.2, 1.0]))


def test_not_finite_start_is_reported_and_the_others_are_solved():
    problem = AutogradProblem(lambda v: (v - 1.0) / (v > 0))
    solution = minimise(problem, rows([-1.0], [5.0]))
    assert solution.status[0] is Status.NOT_FINITE
    assert torch.allclose(solution.value[1], rows([1.0])[0])


def test_untouched_parameter_stays():
    solution = minimise(AutogradProblem(lambda v: v[:1] - 3.0), rows([0.0, 7.0]))
    assert torch.allclose(solution.value, rows([3.0, 7.0]))


def test_a_batch_is_solved_as_its_problems_one_by_one():
    starts = rows([-1.2, 1.0], [0.9, 0.9], [2.0, -1.0])
    settings = LevenbergMarquardtSettings(max_steps=12, cost_tolerance=1e-10)
    together = minimise(AutogradProblem(rosenbrock), starts, settings=settings)
    for index, start in enumerate(starts):
        alone = minimise(AutogradProblem(rosenbrock), start[None], settings=settings)
        assert torch.allclose(together.value[index], alone.value[0])
        assert together.status[index] is alone.status[0]
        assert together.steps[index] == alone.steps[0]
