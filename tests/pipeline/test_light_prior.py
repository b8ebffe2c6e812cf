"""How bright, how grey and how even light is thought to be before a photo is looked at."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import normalize

from flame_fit.appearance import spherical_harmonics, white_lighting
from flame_fit.pipeline.priors import LightSpread, light_prior

SPREAD = LightSpread()


@pytest.fixture(scope="module")
def mean_basis():
    """The harmonics over half a ball that is turned a little aside."""
    points = torch.randn(4000, 3, generator=torch.Generator().manual_seed(1))
    normals = normalize(points, dim=1)
    seen = normals[normals @ torch.tensor([0.3, 0.1, 0.95]) > 0.0]
    return spherical_harmonics(seen).mean(dim=0)[None]


def _cost(mean_basis, light, spread=SPREAD):
    residual = light_prior(mean_basis, spread).residual(light.flatten(1))
    return float(residual.square().sum())


def _white(brightness):
    return white_lighting() * math.exp(brightness)


def test_even_grey_light_of_usual_brightness_costs_nothing(mean_basis):
    assert _cost(mean_basis, _white(SPREAD.brightness)) < 1e-4
    plain = replace(SPREAD, brightness=0.0)
    assert _cost(mean_basis, _white(0.0), plain) < 1e-4


@pytest.mark.parametrize("change", [-0.3, 0.3])
def test_brightness_costs_by_its_deviation(mean_basis, change):
    cost = _cost(mean_basis, _white(SPREAD.brightness + change))
    assert cost == pytest.approx((change / SPREAD.exposure) ** 2, rel=0.3)


def test_tint_and_direction_cost_more_than_a_photo_of_usual_light(mean_basis):
    usual = _white(SPREAD.brightness)
    tinted = usual * torch.tensor([1.2, 1.0, 0.8])
    aside = usual.clone()
    aside[:, 1] = 0.5 * usual[:, 0]
    assert _cost(mean_basis, tinted) > 1.0
    assert _cost(mean_basis, aside) > 1.0
