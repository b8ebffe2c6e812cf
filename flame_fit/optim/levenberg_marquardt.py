"""Levenberg-Marquardt on normal equations, for a batch of problems at once."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class NormalEquations:
    """Least-squares costs `1/2 |r|^2` and their Gauss-Newton models, one for each problem.

    Attributes:
        cost: The costs at the points.
        gradient: `J^T r`.
        matrix: `J^T J`, symmetric and positive semi-definite.
    """

    cost: Float[Tensor, " b"]
    gradient: Float[Tensor, "b n"]
    matrix: Float[Tensor, "b n n"]


@runtime_checkable
class LeastSquaresProblem(Protocol):
    """What the solver asks of a batch of problems; both answers must be of the same costs."""

    def linearise(self, value: Float[Tensor, "b n"]) -> NormalEquations:
        """Return costs, gradients and Gauss-Newton matrices at `value`."""
        ...

    def cost(self, value: Float[Tensor, "b n"]) -> Float[Tensor, " b"]:
        """Return the costs at `value` alone, which is cheaper."""
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
    """The best points that were evaluated, with the costs of those same evaluations.

    Attributes:
        value: The best point of each problem.
        cost: Its cost.
        start_cost: The cost at the start.
        status: Why the solver stopped, for each problem.
        steps: How many steps were accepted, for each problem.
    """

    value: Float[Tensor, "b n"]
    cost: Float[Tensor, " b"]
    start_cost: Float[Tensor, " b"]
    status: tuple[Status, ...]
    steps: tuple[int, ...]


# Marquardt's damping is relative to the diagonal; the floor keeps a parameter that no residual
# touches from making the matrix singular.
DIAGONAL_FLOOR = 1e-9
DAMPING_RANGE = (1e-9, 1e9)
# After a step that lowered the cost as the model promised, damping falls; it rises after one that
# brought little of the promise (Nielsen 1999), and more after one that is rejected.
GOOD_GAIN, POOR_GAIN = 0.75, 0.25
DAMPING_FALL, DAMPING_RISE, DAMPING_REJECTED = 0.15, 2.0, 6.0


def _damped_step(equations: NormalEquations, damping: Float[Tensor, " b"]) -> Float[Tensor, "b n"]:
    """Solve `(A + damping diag(A)) step = -gradient` in float64; NaN where that fails."""
    matrix = equations.matrix.double()
    diagonal = torch.diagonal(matrix, dim1=-2, dim2=-1).clamp_min(DIAGONAL_FLOOR)
    damped = matrix + torch.diag_embed(damping.double()[:, None] * diagonal)
    factor, failure = torch.linalg.cholesky_ex(damped)
    step = torch.cholesky_solve(-equations.gradient.double()[..., None], factor)[..., 0]
    step = torch.where((failure == 0)[:, None], step, torch.nan)
    return step.to(equations.gradient.dtype)


def _promised_decrease(
    equations: NormalEquations, step: Float[Tensor, "b n"]
) -> Float[Tensor, " b"]:
    """Return by how much the quadratic model lowers the costs."""
    curved = (equations.matrix @ step[..., None])[..., 0]
    return -(step * (equations.gradient + 0.5 * curved)).sum(dim=-1)


@dataclass(frozen=True)
class _Trial:
    """A step that was tried.

    Attributes:
        step: The step.
        cost: The costs after it.
        promised: By how much the model had promised to lower the costs.
    """

    step: Float[Tensor, "b n"]
    cost: Float[Tensor, " b"]
    promised: Float[Tensor, " b"]


@dataclass
class _Progress:
    """Where each problem of the batch is."""

    value: Float[Tensor, "b n"]
    cost: Float[Tensor, " b"]
    damping: Float[Tensor, " b"]
    rejections: Int[Tensor, " b"]
    steps: Int[Tensor, " b"]
    status: list[Status | None]

    def active(self) -> Bool[Tensor, " b"]:
        return torch.tensor([each is None for each in self.status], device=self.cost.device)

    def finish(self, which: Bool[Tensor, " b"], reason: Status) -> None:
        for index in which.nonzero()[:, 0].tolist():
            if self.status[index] is None:
                self.status[index] = reason

    def take(
        self,
        trial: _Trial,
        accepted: Bool[Tensor, " b"],
        settings: LevenbergMarquardtSettings,
    ) -> None:
        """Move the accepted problems and say which of them are done."""
        step, cost = trial.step, trial.cost
        decrease = self.cost - cost
        gain = decrease / trial.promised.clamp_min(torch.finfo(cost.dtype).tiny)
        self.value = torch.where(accepted[:, None], self.value + step, self.value)
        self.cost = torch.where(accepted, cost, self.cost)
        self.steps = self.steps + accepted
        factor = torch.where(gain > GOOD_GAIN, DAMPING_FALL, 1.0)
        factor = torch.where(gain < POOR_GAIN, DAMPING_RISE, factor)
        factor = torch.where(accepted, factor, DAMPING_REJECTED)
        self.damping = (self.damping * factor).clamp(*DAMPING_RANGE)
        self.rejections = torch.where(accepted, 0, self.rejections + 1)
        flat = decrease <= settings.cost_tolerance * cost
        self.finish(accepted & flat, Status.CONVERGED_COST)
        short = step.norm(dim=-1) <= settings.step_tolerance
        self.finish(accepted & short, Status.CONVERGED_STEP)
        self.finish(accepted & (self.steps >= settings.max_steps), Status.STEP_LIMIT)
        self.finish(~accepted & (self.rejections >= settings.max_rejections), Status.STALLED)


@torch.no_grad()
def minimise(
    problem: LeastSquaresProblem,
    start: Float[Tensor, "b n"],
    *,
    settings: LevenbergMarquardtSettings | None = None,
) -> Solution:
    """Minimise least-squares costs from `start` (Levenberg 1944, Marquardt 1963).

    A step is taken only if it lowers the cost of its problem, so the last accepted point is the
    best one. The problems of a batch do not influence each other; those that are done wait.

    Args:
        problem: Costs and normal equations.
        start: First points; they are not changed.
        settings: Limits and tolerances.

    Returns:
        The best points, their costs and why the solver stopped.
    """
    settings = settings or LevenbergMarquardtSettings()
    equations = problem.linearise(start)
    start_cost = equations.cost
    whole = torch.zeros(len(start), dtype=torch.long, device=start.device)
    progress = _Progress(
        value=start.clone(),
        cost=equations.cost,
        damping=torch.full_like(equations.cost, settings.initial_damping),
        rejections=whole,
        steps=whole,
        status=[None] * len(start),
    )
    progress.finish(~torch.isfinite(equations.cost), Status.NOT_FINITE)
    while None in progress.status:
        step = _damped_step(equations, progress.damping)
        usable = torch.isfinite(step).all(dim=-1)
        step = torch.where((usable & progress.active())[:, None], step, 0.0)
        promised = _promised_decrease(equations, step)
        # At the bottom rounding decides whether the cost falls; what the model promises does not.
        progress.finish(
            usable & (promised <= settings.cost_tolerance * progress.cost), Status.CONVERGED_COST
        )
        active = usable & progress.active()
        if not bool(active.any()) and bool(usable.all()):
            break
        cost = problem.cost(progress.value + step)
        accepted = active & (cost < progress.cost)
        progress.take(_Trial(step, cost, promised), accepted, settings)
        if bool((accepted & progress.active()).any()):
            equations = problem.linearise(progress.value)
    return Solution(
        progress.value,
        progress.cost,
        start_cost=start_cost,
        status=tuple(status for status in progress.status if status is not None),
        steps=tuple(progress.steps.tolist()),
    )
