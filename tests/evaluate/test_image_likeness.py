"""PSNR and SSIM: closed forms, a direct sum, and the part of a picture that counts."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from flame_fit.errors import InputError
from flame_fit.evaluate import image_likeness, structural_similarity


def picture(*, seed: int = 0, size: tuple[int, int] = (40, 50)) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*size, 3, generator=generator, dtype=torch.float64)


def everywhere(image: torch.Tensor) -> torch.Tensor:
    return torch.ones(image.shape[:2], dtype=torch.bool)


def direct_ssim(first: np.ndarray, second: np.ndarray, mask: np.ndarray, place: tuple) -> float:
    """The index of one pixel and channel by the formula, weights summed one by one."""
    row, column = place
    height, width = mask.shape
    weights, x, y = [], [], []
    for r in range(max(row - 5, 0), min(row + 6, height)):
        for c in range(max(column - 5, 0), min(column + 6, width)):
            if mask[r, c]:
                weights.append(math.exp(-((r - row) ** 2 + (c - column) ** 2) / (2 * 1.5**2)))
                x.append(first[r, c])
                y.append(second[r, c])
    w, x, y = np.array(weights) / sum(weights), np.array(x), np.array(y)
    mx, my = (w * x).sum(), (w * y).sum()
    vx, vy = (w * (x - mx) ** 2).sum(), (w * (y - my) ** 2).sum()
    cov = (w * (x - mx) * (y - my)).sum()
    c1, c2 = 0.01**2, 0.03**2
    return (2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))


def test_equal_pictures_are_perfectly_alike() -> None:
    found = image_likeness(picture(), picture(), everywhere(picture()))
    assert found.psnr == math.inf
    assert found.ssim == pytest.approx(1.0)
    assert found.pixels == 40 * 50


def test_an_even_difference_has_its_closed_form() -> None:
    first, second = torch.full((20, 20, 3), 0.4), torch.full((20, 20, 3), 0.5)
    found = image_likeness(first, second, everywhere(first))
    assert found.psnr == pytest.approx(20.0, abs=1e-4)
    expected = (2 * 0.4 * 0.5 + 1e-4) / (0.4**2 + 0.5**2 + 1e-4)
    assert found.ssim == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("place", [(0, 0), (3, 47), (20, 25), (21, 10), (39, 49)])
def test_ssim_is_that_of_the_formula(place: tuple) -> None:
    first = picture()
    second = 0.7 * first + 0.3 * picture(seed=1)
    mask = torch.rand(40, 50, generator=torch.Generator().manual_seed(2)) > 0.3
    mask[place] = True
    expected = np.mean(
        [
            direct_ssim(first[..., k].numpy(), second[..., k].numpy(), mask.numpy(), place)
            for k in range(3)
        ]
    )
    assert float(structural_similarity(first, second, mask)[place]) == pytest.approx(expected)


def test_ssim_is_that_of_scikit_image_away_from_the_border() -> None:
    metrics = pytest.importorskip("skimage.metrics", reason="needs scikit-image")
    first, second = picture(), picture(seed=1)
    _, expected = metrics.structural_similarity(
        first.numpy(),
        second.numpy(),
        channel_axis=2,
        data_range=1.0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    found = structural_similarity(first, second, everywhere(first)).numpy()
    np.testing.assert_allclose(found[5:-5, 5:-5], expected.mean(-1)[5:-5, 5:-5], atol=1e-9)


def test_nothing_outside_the_mask_counts() -> None:
    first, second = picture(), picture(seed=1)
    mask = torch.zeros(40, 50, dtype=torch.bool)
    mask[10:30, 12:40] = True
    expected = image_likeness(first, second, mask)
    other = torch.where(mask[..., None], first, torch.nan)
    assert image_likeness(other, second, mask).ssim == expected.ssim
    assert expected.pixels == 20 * 28
    assert float(structural_similarity(first, second, mask)[~mask].abs().max()) == 0.0


def test_pictures_without_pixels_to_compare_are_refused() -> None:
    with pytest.raises(InputError, match="the mask is empty"):
        image_likeness(picture(), picture(), torch.zeros(40, 50, dtype=torch.bool))
    broken = picture()
    broken[20, 20, 1] = torch.nan
    with pytest.raises(InputError, match="not finite"):
        image_likeness(broken, picture(), everywhere(broken))
