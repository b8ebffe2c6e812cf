"""Priors of everything that moves a vertex: identity, expression, joints, focal length, place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from flame_fit.losses import GaussianPrior
from flame_fit.pipeline.priors import (
    BlockPrior,
    DistancePrior,
    FocalPrior,
    Prior,
    unit_gaussian,
)
from flame_fit.scene import SceneParams


@dataclass(frozen=True)
class HeadPriors:
    """Means and spreads of the joints and the camera; the coefficients are unit Gaussians.

    Attributes:
        neck_sigma: Radians; head and neck turn together in a photo, so it stays near zero.
        jaw_mean: Radians about x; a relaxed jaw is slightly open.
        jaw_sigma: Radians about x, y, z: it opens far more than it shifts.
        eyes_sigma: Radians about x, y, z: an eye does not roll.
        log_focal_sigma: Standard deviation of the logarithm of a guessed focal length.
        known_log_focal_sigma: The same for one that was measured: its reading error.
        shape_weight: Weight of the identity prior, one by its own statistics.
        expression_weight: Weight of the expression prior.
        distance: Prior of the distance to the camera.
        identity: Gaussian of the identity; the unit Gaussian if None.
    """

    neck_sigma: float = 0.1
    jaw_mean: float = 0.03
    jaw_sigma: tuple[float, float, float] = (0.2, 0.04, 0.02)
    eyes_sigma: tuple[float, float, float] = (0.2, 0.25, 0.01)
    log_focal_sigma: float = 0.35
    known_log_focal_sigma: float = 0.02
    shape_weight: float = 1.0
    expression_weight: float = 1.0
    distance: DistancePrior = field(default_factory=DistancePrior)
    identity: GaussianPrior | None = None


def head_priors(
    scene: SceneParams, settings: HeadPriors, *, focal_known: Sequence[bool]
) -> tuple[Prior, ...]:
    """Return the priors of every block of the geometry, about the scenes' own focal lengths.

    Args:
        scene: First guesses.
        settings: Means and spreads.
        focal_known: Whether the focal length of each scene was measured.
    """
    like = scene.flame.shape
    focal_sigma = like.new_tensor(
        [
            [settings.known_log_focal_sigma if known else settings.log_focal_sigma]
            for known in focal_known
        ]
    )

    def diagonal(mean: list[float], sigma: list[float]) -> GaussianPrior:
        return GaussianPrior.diagonal(like.new_tensor(mean), like.new_tensor(sigma))

    shape = settings.identity or unit_gaussian(like.shape[-1], like=like)
    expression = unit_gaussian(scene.flame.expression.shape[-1], like=like)
    return (
        BlockPrior("shape", shape, settings.shape_weight),
        BlockPrior("expression", expression, settings.expression_weight),
        BlockPrior("neck", diagonal([0.0] * 3, [settings.neck_sigma] * 3)),
        BlockPrior("jaw", diagonal([settings.jaw_mean, 0.0, 0.0], list(settings.jaw_sigma))),
        BlockPrior("eyes", diagonal([0.0] * 6, list(settings.eyes_sigma) * 2)),
        FocalPrior(torch.log(scene.camera.focal[:, :1]), focal_sigma),
        settings.distance,
    )
