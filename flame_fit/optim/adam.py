"""Adam on any differentiable cost: for unknowns and losses that least squares cannot take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.optim.levenberg_marquardt import Solution, Status

Cost = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class AdamSettings:
    """How fast to go and when to stop.

    Attributes:
        max_steps: Steps at most.
        learning_rate: Of a step, in units of `scale`.
        final_learning_rate: To which the learning rate falls over all steps, as a share of it.
        patience: Stop when the best cost has not fallen by `cost_tolerance` for this many steps.
        cost_tolerance: As a share of the cost.
    """

    max_steps: int = 500
    learning_rate: float = 0.1
    final_learning_rate: float = 0.01
    patience: int = 50
    cost_tolerance: float = 1e-6


def descend(
    cost: Cost,
    start: Float[Tensor, "b n"],
    *,
    scale: Float[Tensor, "b n"] | None = None,
    settings: AdamSettings | None = None,
) -> Solution:
    """Minimise differentiable costs with Adam (Kingma and Ba 2015), keeping the best points.

    The costs of a batch must not depend on each other's points. An `Objective`'s cost can be given
    as it is, or together with any other torch loss: `lambda value: objective.cost(value) + mine(
    value)`.

    Args:
        cost: From points (b n) to costs (b).
        start: First points; they are not changed.
        scale: Typical size of each unknown, in which steps are measured; 1 if None.
        settings: Limits and tolerances.

    Returns:
        The best points that were evaluated, their costs and why the descent stopped.
    """
    settings = settings or AdamSettings()
    unit = torch.ones_like(start) if scale is None else scale
    relative = torch.zeros_like(start).requires_grad_()
    optimiser = torch.optim.Adam([relative], lr=settings.learning_rate)
    decay = settings.final_learning_rate ** (1.0 / max(settings.max_steps, 1))
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimiser, decay)
    best_value = start.clone()
    best = torch.full_like(start[:, 0], float("inf"))
    start_cost = best
    reference, waited, steps = best, 0, 0
    while steps <= settings.max_steps and waited <= settings.patience:
        optimiser.zero_grad()
        costs = cost(start + unit * relative)
        if steps == 0:
            start_cost = costs.detach()
        better = costs.detach() < best
        best = torch.where(better, costs.detach(), best)
        best_value = torch.where(better[:, None], (start + unit * relative).detach(), best_value)
        fallen = bool((best < reference * (1.0 - settings.cost_tolerance)).any())
        reference, waited = (best, 0) if fallen else (reference, waited + 1)
        torch.where(torch.isfinite(costs), costs, 0.0).sum().backward()
        optimiser.step()
        schedule.step()
        steps += 1
    stopped = Status.CONVERGED_COST if waited > settings.patience else Status.STEP_LIMIT
    status = tuple(
        stopped if finite else Status.NOT_FINITE for finite in torch.isfinite(best).tolist()
    )
    return Solution(best_value, best, start_cost, status, (steps - 1,) * len(start))
