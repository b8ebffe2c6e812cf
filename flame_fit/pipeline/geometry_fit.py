"""The stages of the geometry fit: what moves, on which points, for how long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.flame import FlameModel
from flame_fit.losses import GaussianPrior
from flame_fit.optim import LevenbergMarquardtSettings, minimise
from flame_fit.pipeline.geometry import (
    BlockPrior,
    DistancePrior,
    GeometryProblem,
    PointTerm,
    TermValue,
)
from flame_fit.pipeline.head_state import FOCAL_BLOCK, HeadState


@dataclass(frozen=True)
class GeometryStage:
    """One solve of the geometry.

    Attributes:
        name: What the report calls it; nothing else looks at it.
        free: Blocks that move.
        solver: When to stop.
        rounds: How often the terms are made anew (contour and visibility) and solved again.
    """

    name: str
    free: tuple[str, ...]
    solver: LevenbergMarquardtSettings = LevenbergMarquardtSettings()
    rounds: int = 1


@dataclass(frozen=True)
class PosePriors:
    """Means and spreads of the joints and the camera; the coefficients are unit Gaussians.

    Attributes:
        neck_sigma: Radians; head and neck turn together in a photo, so it stays near zero.
        jaw_mean: Radians about x; a relaxed jaw is slightly open.
        jaw_sigma: Radians about x, y, z: it opens far more than it shifts.
        eyes_sigma: Radians about x, y, z: an eye does not roll.
        log_focal_sigma: Standard deviation of the logarithm of the focal length.
        shape_weight: Weight of the identity prior, one by its own statistics.
        expression_weight: Weight of the expression prior.
        distance: Prior of the distance to the camera.
    """

    neck_sigma: float = 0.1
    jaw_mean: float = 0.03
    jaw_sigma: tuple[float, float, float] = (0.2, 0.04, 0.02)
    eyes_sigma: tuple[float, float, float] = (0.2, 0.25, 0.01)
    log_focal_sigma: float = 0.35
    shape_weight: float = 1.0
    expression_weight: float = 1.0
    distance: DistancePrior = field(default_factory=DistancePrior)


@dataclass(frozen=True)
class StageReport:
    """What one stage did.

    Attributes:
        name: The stage.
        status: Why it stopped.
        steps: Accepted steps.
        start_cost: Weighted cost before.
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
class GeometryFit:
    """The fitted head and what the stages did."""

    state: HeadState
    reports: tuple[StageReport, ...]


def block_priors(state: HeadState, settings: PosePriors) -> tuple[BlockPrior, ...]:
    """Return the priors of every block that has one, about the start's focal length."""
    like = state.flame.shape

    def diagonal(mean: list[float], sigma: list[float]) -> GaussianPrior:
        return GaussianPrior.diagonal(like.new_tensor(mean), like.new_tensor(sigma))

    def unit(count: int) -> GaussianPrior:
        return GaussianPrior.diagonal(like.new_zeros(count), like.new_ones(count))

    focal = float(torch.log(state.camera.focal[0, 0]))
    return (
        BlockPrior("shape", unit(state.flame.shape.shape[-1]), settings.shape_weight),
        BlockPrior(
            "expression", unit(state.flame.expression.shape[-1]), settings.expression_weight
        ),
        BlockPrior("neck", diagonal([0.0] * 3, [settings.neck_sigma] * 3)),
        BlockPrior("jaw", diagonal([settings.jaw_mean, 0.0, 0.0], list(settings.jaw_sigma))),
        BlockPrior("eyes", diagonal([0.0] * 6, list(settings.eyes_sigma) * 2)),
        BlockPrior(FOCAL_BLOCK, diagonal([focal], [settings.log_focal_sigma])),
    )


def fit_geometry(
    model: FlameModel,
    start: HeadState,
    *,
    make_terms: Callable[[HeadState], tuple[PointTerm, ...]],
    stages: tuple[GeometryStage, ...],
    priors: PosePriors,
) -> GeometryFit:
    """Solve the stages one after the other.

    Args:
        model: The head model.
        start: First guess; its focal length is the mean of the focal prior.
        make_terms: Gives the point terms for a head (the contour depends on the pose).
        stages: What each stage moves.
        priors: Priors of every block.
    """
    blocks = block_priors(start, priors)
    state = start
    reports = []
    for stage in stages:
        for _ in range(stage.rounds):
            problem = GeometryProblem(
                model,
                state,
                terms=make_terms(state),
                priors=blocks,
                distance=priors.distance,
                free=stage.free,
            )
            solution = minimise(problem, problem.start(), settings=stage.solver)
            state = problem.state(solution.value)
        reports.append(
            StageReport(
                stage.name,
                solution.status.value,
                solution.steps,
                solution.costs[0],
                solution.cost,
                problem.values(solution.value),
            )
        )
    return GeometryFit(state, tuple(reports))


def metres_per_pixel(state: HeadState) -> Float[Tensor, ""]:
    """Return how many metres a pixel spans at the head's distance."""
    focal = state.camera.focal[0, 0]
    if state.camera.projection == "orthographic":
        return 1.0 / focal
    return (-state.flame.translation[0, 2]).clamp_min(1e-3) / focal
