"""Stages of a fit: what moves, for how long, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from jaxtyping import Float
from torch import Tensor

from flame_fit.flame import FlameModel
from flame_fit.optim import LevenbergMarquardtSettings, minimise
from flame_fit.pipeline.objective import Objective, TermValue
from flame_fit.pipeline.priors import Prior
from flame_fit.pipeline.terms import Term
from flame_fit.scene import SceneParams

# Share of the cost below which a step no longer counts, at least, in rounds before the last: terms
# that are made anew afterwards are worth no fine solution.
EARLY_TOLERANCE = 1e-2


@dataclass(frozen=True)
class Stage:
    """One solve.

    Attributes:
        name: What the report calls it; nothing else looks at it.
        free: Blocks that move.
        solver: When to stop.
        rounds: How often the terms are made anew (contour, visibility, noise) and solved again.
    """

    name: str
    free: tuple[str, ...]
    solver: LevenbergMarquardtSettings = LevenbergMarquardtSettings()
    rounds: int = 1


@dataclass(frozen=True)
class StageReport:
    """What one stage did to one scene.

    Attributes:
        name: The stage.
        status: Why its last round stopped.
        steps: Accepted steps of all rounds.
        start_cost: Weighted cost before the last round.
        cost: Weighted cost after.
        terms: Each term's unweighted and weighted value after.
    """

    name: str
    status: str
    steps: int
    start_cost: float
    cost: float
    terms: tuple[TermValue, ...]


@dataclass(frozen=True)
class Evidence:
    """Terms and priors of a batch of scenes."""

    terms: tuple[Term, ...]
    priors: tuple[Prior, ...]


@dataclass(frozen=True)
class StageResult:
    """Scenes after a stage.

    Attributes:
        scene: The batch of scenes.
        reports: One for each scene.
        objective: Of the last round, made at the scenes that it began with.
        value: The solution in the objective's free blocks.
    """

    scene: SceneParams
    reports: tuple[StageReport, ...]
    objective: Objective
    value: Float[Tensor, "b n"]


def run_stage(
    model: FlameModel,
    scene: SceneParams,
    stage: Stage,
    *,
    evidence: Callable[[SceneParams, int], Evidence],
) -> StageResult:
    """Solve a stage from a batch of scenes.

    Args:
        model: The head model.
        scene: Where to start.
        stage: What to do.
        evidence: Gives terms and priors for scenes and the number of the round.
    """
    steps = [0] * scene.batch_size
    for round_number in range(stage.rounds):
        found = evidence(scene, round_number)
        objective = Objective(model, scene, terms=found.terms, priors=found.priors, free=stage.free)
        last = round_number == stage.rounds - 1
        solver = stage.solver if last else _roughly(stage.solver)
        solution = minimise(objective, objective.start(), settings=solver)
        scene = objective.scene(solution.value)
        steps = [total + new for total, new in zip(steps, solution.steps, strict=True)]
    values = objective.values(solution.value)
    reports = tuple(
        StageReport(stage.name, status.value, count, start, cost, terms)
        for status, count, start, cost, terms in zip(
            solution.status,
            steps,
            solution.start_cost.tolist(),
            solution.cost.tolist(),
            values,
            strict=True,
        )
    )
    return StageResult(scene, reports, objective, solution.value)


def _roughly(solver: LevenbergMarquardtSettings) -> LevenbergMarquardtSettings:
    return replace(solver, cost_tolerance=max(solver.cost_tolerance, EARLY_TOLERANCE))


def reports_of(stages: Sequence[StageResult], index: int) -> tuple[StageReport, ...]:
    """Return the reports of one scene."""
    return tuple(stage.reports[index] for stage in stages)
