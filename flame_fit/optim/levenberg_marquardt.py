"""Levenberg-Marquardt on normal equations, with best-so-far and a reason for stopping."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class NormalEquations:
    """A least-squares cost `1/2 |r|^2` and its Gauss-Newton model at one point.

    Attributes:
        cost: The cost at the point.
        gradient: `J^T r`.
        matrix: `J^T J`, symmetric and positive semi-definite.
    """

    cost: float
    gradient: Float[Tensor, " n"]
    matrix: Float[Tensor, "n n"]


@runtime_checkable
class LeastSquaresProblem(Protocol):
    """What the solver asks of a problem; both answers must be of the same cost."""

    def linearise(self, value: Float[Tensor, " n"]) -> NormalEquations:
        """Return cost, gradient and Gauss-Newton matrix at `value`."""
        ...

    def cost(self, value: Float[Tensor, " n"]) -> float:
        """Return the cost at `value` alone, which is cheaper."""
        ...


class Status(enum.Enum):
    """Why the solver stopped; the value is the sentence for the report."""

    CONVERGED_COST = "converged: the cost no longer falls"
    CONVERGED_STEP = "converged: the step is negligible"
    STEP_LIMIT = "stopped: the step limit was reached"
    STALLED = "stopped: no step lowers the cost"
    NOT_FINITE = "failed: the cost is not finite"


@dataclass(frozen=True)
class LevenbergMarquardtSettings:
    """When to stop and how to damp.

    Attributes:
        max_steps: Accepted steps at most.
        initial_damping: First damping, relative to the diagonal of `J^T J`.
        cost_tolerance: Stop when a step lowers the cost by less than this share of it.
        step_tolerance: Stop when the step is shorter than this, in the problem's own units.
        max_rejections: Give up after this many rejected steps in a row.
    """

    max_steps: int = 30
    initial_damping: float = 1e-3
    cost_tolerance: float = 1e-4
    step_tolerance: float = 1e-6
    max_rejections: int = 8


@dataclass(frozen=True)
class Solution:
    """The best point that was evaluated, with the cost of that same evaluation.

    Attributes:
        value: The best point.
        cost: Its cost.
        status: Why the solver stopped.
        steps: How many steps were accepted.
        costs: The cost at the start and after each accepted step.
        final: The normal equations at the last point that was linearised.
    """

    value: Float[Tensor, " n"]
    cost: float
    status: Status
    steps: int
    costs: tuple[float, ...]
    final: NormalEquations


# Marquardt's damping is relative to the diagonal; the floor keeps a parameter that no residual
# touches from making the matrix singular.
DIAGONAL_FLOOR = 1e-9
DAMPING_RANGE = (1e-9, 1e9)
DAMPING_FALL = 0.2
DAMPING_RISE = 6.0


def _damped_step(equations: NormalEquations, damping: float) -> Float[Tensor, " n"]:
    """Solve `(A + damping diag(A)) step = -gradient` in float64."""
    matrix = equations.matrix.double()
    diagonal = torch.diagonal(matrix).clamp_min(DIAGONAL_FLOOR)
    factor, failure = torch.linalg.cholesky_ex(matrix + torch.diag(damping * diagonal))
    if int(failure) != 0:
        return torch.full_like(equations.gradient, float("nan"))
    step = torch.cholesky_solve(-equations.gradient.double()[:, None], factor)[:, 0]
    return step.to(equations.gradient.dtype)


def minimise(
    problem: LeastSquaresProblem,
    start: Float[Tensor, " n"],
    *,
    settings: LevenbergMarquardtSettings | None = None,
) -> Solution:
    """Minimise a least-squares cost from `start` (Marquardt 1963, in Nielsen's spirit of damping).

    A step is taken only if it lowers the cost, so the last accepted point is the best one.

    Args:
        problem: Cost and normal equations.
        start: First point; it is not changed.
        settings: Limits and tolerances.

    Returns:
        The best point, its cost and why the solver stopped.
    """
    settings = settings or LevenbergMarquardtSettings()
    value = start.clone()
    equations = problem.linearise(value)
    costs = [equations.cost]
    damping = settings.initial_damping
    status = Status.STEP_LIMIT
    if not torch.isfinite(torch.tensor(equations.cost)):
        return Solution(value, equations.cost, Status.NOT_FINITE, 0, tuple(costs), equations)
    while len(costs) <= settings.max_steps:
        accepted = None
        for _ in range(settings.max_rejections):
            step = _damped_step(equations, damping)
            candidate = value + step
            cost = problem.cost(candidate) if bool(torch.isfinite(step).all()) else float("inf")
            if cost < costs[-1]:
                accepted = candidate
                break
            damping = min(damping * DAMPING_RISE, DAMPING_RANGE[1])
        if accepted is None:
            status = Status.STALLED
            break
        damping = max(damping * DAMPING_FALL, DAMPING_RANGE[0])
        decrease = costs[-1] - cost
        value = accepted
        costs.append(cost)
        if decrease <= settings.cost_tolerance * cost:
            status = Status.CONVERGED_COST
            break
        if float(step.norm()) <= settings.step_tolerance:
            status = Status.CONVERGED_STEP
            break
        if len(costs) <= settings.max_steps:
            equations = problem.linearise(value)
    return Solution(value, costs[-1], status, len(costs) - 1, tuple(costs), equations)
