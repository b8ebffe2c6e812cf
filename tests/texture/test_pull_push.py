"""Holes are filled from around; what is known stays."""

from __future__ import annotations

import pytest
import torch

from flame_fit.texture.pull_push import pull_push


@pytest.mark.parametrize("size", [(16, 16), (13, 21), (1, 7)])
def test_known_texels_keep_their_values_and_constants_spread(size: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(2, *size, 3, generator=generator)
    known = torch.rand(size, generator=generator) < 0.3
    known[0, 0] = True
    filled = pull_push(image, known)
    assert torch.equal(filled[:, known], image[:, known])
    low, high = image[:, known].amin(1), image[:, known].amax(1)
    inside = filled.flatten(1, 2)
    assert bool((inside >= low[:, None] - 1e-6).all() and (inside <= high[:, None] + 1e-6).all())
    constant = pull_push(torch.full((1, *size, 1), 0.7), known)
    torch.testing.assert_close(constant, torch.full((1, *size, 1), 0.7))


def test_near_colours_count_more_than_far_ones() -> None:
    known = torch.zeros(64, 64, dtype=torch.bool)
    known[:, :8] = known[:, 56:] = True
    image = torch.zeros(1, 64, 64, 1)
    image[:, :, 56:] = 1.0
    row = pull_push(image, known)[0, 32, :, 0]
    assert float(row[9]) < 0.1 and float(row[54]) > 0.9
    assert bool((row.diff() >= -1e-6).all())
    assert 0.3 < float(row[32]) < 0.7


def test_unknown_values_do_not_matter_even_if_they_are_not_numbers() -> None:
    image = torch.full((1, 8, 8, 1), torch.nan)
    known = torch.zeros(8, 8, dtype=torch.bool)
    known[3, 4], image[0, 3, 4] = True, 0.5
    torch.testing.assert_close(pull_push(image, known), torch.full((1, 8, 8, 1), 0.5))
    nothing = pull_push(image, torch.zeros(8, 8, dtype=torch.bool))
    assert not bool(nothing.any())


def test_it_is_linear() -> None:
    known = torch.rand(12, 12, generator=torch.Generator().manual_seed(3)) < 0.4
    first, second = torch.rand(2, 1, 12, 12, 2, dtype=torch.float64)
    together = pull_push(first + 3 * second, known)
    torch.testing.assert_close(together, pull_push(first, known) + 3 * pull_push(second, known))
