"""What training lowers: errors, errors of the shape once more; and how its rate goes."""

from __future__ import annotations

import pytest
import torch

from flame_fit.priors.head_network.network import LABEL_COUNT, HeadAnswer
from scripts.training.objective import affine_basis, loss_of
from scripts.training.samples import Batch
from scripts.training.train import Recipe, learning_rate

POINTS = torch.randn(60, 3, generator=torch.Generator().manual_seed(0))


def batch() -> Batch:
    labels = torch.zeros(1, 4, 4, dtype=torch.uint8)
    empty = torch.zeros(1, 1, 8, 8)
    seen = torch.ones(1, len(POINTS), dtype=torch.bool)
    return Batch(empty, empty, labels, POINTS[None], seen, torch.ones(1), torch.zeros(1, 468, 3))


def loss_with(error: torch.Tensor) -> float:
    points = POINTS[None] + error
    fixed = torch.zeros(1, len(POINTS))
    logits = torch.zeros(1, LABEL_COUNT, 4, 4)
    answer = HeadAnswer(points[..., :2], fixed, points[..., 2], fixed, logits)
    return float(loss_of(answer, batch(), affine_basis(POINTS)))


def test_what_an_affine_map_explains_counts_once_and_shape_twice() -> None:
    none = loss_with(torch.zeros(1, len(POINTS), 3))
    affine = 0.05 * POINTS @ torch.tensor([[1.0, 0.2, 0.0], [-0.3, 1.0, 0.0], [0.1, 0.0, 0.0]])
    basis = affine_basis(POINTS)
    shape = torch.randn(len(POINTS), 3, generator=torch.Generator().manual_seed(1))
    shape = 0.05 * (shape - basis @ (basis.T @ shape)) * torch.tensor([1.0, 1.0, 0.0])
    lengths = [each[:, :2].norm(dim=1).mean() for each in (affine, shape)]
    per_length = [
        (loss_with(each[None]) - none) / float(length)
        for each, length in zip((affine, shape), lengths, strict=True)
    ]
    assert per_length[1] == pytest.approx(2.0 * per_length[0], rel=0.05)


def test_each_cycle_rises_to_its_rate_and_falls_to_almost_nothing() -> None:
    recipe = Recipe(steps=(50, 30), rates=(1e-3, 2e-4), warm_up=10)
    rates = [learning_rate(step, recipe) for step in range(80)]
    assert max(rates[:50]) == pytest.approx(1e-3) and rates.index(max(rates)) in (9, 10)
    assert max(rates[50:]) == pytest.approx(2e-4)
    assert rates[49] < 0.02 * 1e-3 and rates[79] < 0.03 * 2e-4
    assert rates[50] == pytest.approx(2e-5)
