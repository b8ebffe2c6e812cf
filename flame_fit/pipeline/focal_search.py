"""The focal length by trying several: descending on it is badly conditioned."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.flame import FlameModel
from flame_fit.geometry.tensors import stack, take
from flame_fit.observation import FaceEvidence
from flame_fit.optim import LevenbergMarquardtSettings, minimise
from flame_fit.pipeline.blocks import FOCAL_BLOCK, GEOMETRY_BLOCKS, block_of
from flame_fit.pipeline.objective import Objective
from flame_fit.pipeline.priors import FocalPrior, Prior
from flame_fit.pipeline.seen_terms import SeenSettings, seen_terms
from flame_fit.scene import SceneParams


@dataclass(frozen=True)
class FocalSearch:
    """Which focal lengths are tried.

    Attributes:
        count: How many, spread evenly in the logarithm about the guess.
        reach: The farthest from the guess, in its logarithm.
        solver: How long each is tried.
    """

    count: int = 5
    reach: float = 0.5
    solver: LevenbergMarquardtSettings = LevenbergMarquardtSettings(
        max_steps=6, cost_tolerance=1e-3
    )


def with_focal(scene: SceneParams, factor: Float[Tensor, " b"]) -> SceneParams:
    """Return scenes with another focal length, the head moved so that it keeps its size.

    Args:
        scene: A batch of scenes.
        factor: What each focal length is multiplied with.
    """
    camera = dataclasses.replace(scene.camera, focal=scene.camera.focal * factor[:, None])
    place = scene.flame.translation
    place = torch.cat([place[:, :2], place[:, 2:] * factor[:, None]], dim=-1)
    return dataclasses.replace(
        scene, flame=dataclasses.replace(scene.flame, translation=place), camera=camera
    )


def search_focal(
    model: FlameModel,
    scene: SceneParams,
    evidence: Sequence[FaceEvidence],
    *,
    settings: SeenSettings,
    priors: Sequence[Prior],
    search: FocalSearch,
) -> SceneParams:
    """Return a batch of scenes at the focal lengths at which they cost least.

    All focal lengths of all scenes are solved side by side, the rest of the head following each;
    the minimum is that of the parabola through the best one and its neighbours.

    Args:
        model: The head model.
        scene: Heads that stand roughly right.
        evidence: What was seen of each.
        settings: Noise and worth of the points.
        priors: Priors of the geometry; that of the focal length counts.
        search: Which focal lengths are tried.
    """
    offsets = torch.linspace(-search.reach, search.reach, search.count).to(scene.camera.focal)
    batch, count = scene.batch_size, search.count
    every = stack([take(scene, index // count) for index in range(batch * count)])
    tried = with_focal(every, torch.exp(offsets).repeat(batch))
    objective = Objective(
        model,
        tried,
        terms=seen_terms(
            model, tried, [seen for seen in evidence for _ in range(count)], settings=settings
        ),
        priors=[prior for prior in priors if not isinstance(prior, FocalPrior)],
        free=tuple(name for name in GEOMETRY_BLOCKS if name != FOCAL_BLOCK),
    )
    solution = minimise(objective, objective.start(), settings=search.solver)
    found = objective.scene(solution.value)
    costs = solution.cost.reshape(batch, count) + _focal_costs(found, priors, (batch, count))
    best = [take(found, index * count + int(row.argmin())) for index, row in enumerate(costs)]
    chosen = torch.stack([_minimum_of_parabola(offsets, row) for row in costs])
    reached = torch.stack([offsets[row.argmin()] for row in costs])
    return with_focal(stack(best), torch.exp(chosen - reached))


def _focal_costs(
    scene: SceneParams, priors: Sequence[Prior], shape: tuple[int, int]
) -> Float[Tensor, "b count"]:
    """Return what the prior of the focal length says of every candidate."""
    logarithm = block_of(scene, FOCAL_BLOCK).reshape(shape)
    total = torch.zeros_like(logarithm)
    for prior in priors:
        if isinstance(prior, FocalPrior):
            total = total + 0.5 * prior.weight * ((logarithm - prior.mean) / prior.sigma) ** 2
    return total


def _minimum_of_parabola(
    places: Float[Tensor, " count"], costs: Float[Tensor, " count"]
) -> Float[Tensor, ""]:
    """Return where the parabola through the lowest cost and its neighbours is lowest."""
    index = int(costs.argmin())
    if index in (0, len(places) - 1):
        return places[index]
    left, middle, right = costs[index - 1 : index + 2]
    step = places[index + 1] - places[index]
    return places[index] + 0.5 * step * (left - right) / (left - 2.0 * middle + right).clamp_min(
        1e-12
    )
