"""Adam on several unknowns at once, each with a rate of its own, some of them on spheres.

It is another loop than `adam.descend`, which solves a batch of problems of one shape, keeps the
best point of each and stops when none improves: here one cost has unknowns of any shapes, and all
steps are taken, since the rates cool down over the last of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.errors import UsageError
from flame_fit.optim.levenberg_marquardt import Status

JointCost = Callable[[tuple[Tensor, ...]], Tensor]
SMALLEST_LENGTH = 1e-8


@dataclass(frozen=True, eq=False)
class Unknown:
    """One of the tensors that a descent moves.

    Attributes:
        start: Its first value.
        rate: Learning rate: how far an entry moves in a step, in its own unit.
        on_sphere: Whether each row of the last axis keeps its length.
    """

    start: Float[Tensor, "*shape"]
    rate: float
    on_sphere: bool = False


@dataclass(frozen=True)
class JointSettings:
    """How long to go.

    Attributes:
        steps: How often the unknowns move.
        cool_down: Share of the steps at the end over which the rates fall to 0, by half a cosine.
    """

    steps: int
    cool_down: float

    def __post_init__(self) -> None:
        """Refuse what is no descent."""
        if self.steps < 1 or not 0.0 < self.cool_down <= 1.0:
            raise UsageError(
                f"{self.steps} steps that cool down over a share of {self.cool_down} are no "
                "descent; give 1 step or more and a share above 0, up to 1"
            )


@dataclass(frozen=True, eq=False)
class JointSolution:
    """The best values of one evaluation.

    Attributes:
        values: In the order of the unknowns.
        cost: Of these values.
        start_cost: Of the first values.
        status: `STEP_LIMIT`, or `NOT_FINITE` where a cost was no number.
        steps: Steps that were taken.
    """

    values: tuple[Tensor, ...]
    cost: float
    start_cost: float
    status: Status
    steps: int


def descend_jointly(
    cost: JointCost, unknowns: Sequence[Unknown], *, settings: JointSettings
) -> JointSolution:
    """Minimise a differentiable cost with Adam (Kingma and Ba 2015), keeping the best values.

    Rows on a sphere move along it and are brought back to their length after each step (after the
    spherical optimiser of Menon and others, "PULSE", CVPR 2020).

    Args:
        cost: From values in the order of the unknowns to a number.
        unknowns: What moves; the first values are not changed.
        settings: How long to go.
    """
    values = [each.start.detach().clone().requires_grad_() for each in unknowns]
    lengths = [each.start.norm(dim=-1, keepdim=True) if each.on_sphere else None
               for each in unknowns]  # fmt: skip
    optimiser = torch.optim.Adam(
        [{"params": [value], "lr": each.rate} for value, each in zip(values, unknowns, strict=True)]
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: _rate_share(step, settings)
    )
    best, best_values = math.inf, tuple(value.detach().clone() for value in values)
    start_cost, steps = math.nan, 0
    for step in range(settings.steps + 1):
        optimiser.zero_grad()
        result = cost(tuple(values))
        now = float(result.detach())
        start_cost = now if step == 0 else start_cost
        if not math.isfinite(now):
            break
        if now < best:
            best, best_values = now, tuple(value.detach().clone() for value in values)
        if step == settings.steps:
            return JointSolution(best_values, best, start_cost, Status.STEP_LIMIT, steps)
        result.backward()
        _lay_along(values, lengths)
        optimiser.step()
        schedule.step()
        steps += 1
        _bring_back(values, lengths)
    return JointSolution(best_values, best, start_cost, Status.NOT_FINITE, steps)


def _rate_share(step: int, settings: JointSettings) -> float:
    """Return the share of the rates at a step, one until the cool-down begins."""
    left = max(0.0, 1.0 - step / settings.steps) / settings.cool_down
    return 0.5 - 0.5 * math.cos(math.pi * min(1.0, left))


def _lay_along(values: Sequence[Tensor], lengths: Sequence[Tensor | None]) -> None:
    """Take from the gradients of rows on spheres what points away from their sphere.

    Adam divides each entry by its own size, so it would turn that part into steps along the sphere.
    """
    with torch.no_grad():
        for value, length in zip(values, lengths, strict=True):
            if length is not None and value.grad is not None:
                square = value.square().sum(dim=-1, keepdim=True).clamp_min(SMALLEST_LENGTH)
                value.grad -= value * (value * value.grad).sum(dim=-1, keepdim=True) / square


def _bring_back(values: Sequence[Tensor], lengths: Sequence[Tensor | None]) -> None:
    """Give rows on spheres their length again; the tensors are the descent's own."""
    with torch.no_grad():
        for value, length in zip(values, lengths, strict=True):
            if length is not None:
                now = value.norm(dim=-1, keepdim=True).clamp_min(SMALLEST_LENGTH)
                value.mul_(length / now)
