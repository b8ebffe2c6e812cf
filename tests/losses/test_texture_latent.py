"""The terms of a latent's fit have the values that their formulas say."""

from __future__ import annotations

import math

import pytest
import torch

from flame_fit.losses.texture_latent import (
    colour_difference,
    identity_distance,
    latent_spread,
    light_tint,
)


def test_colours_are_summed_over_channels_and_averaged_by_weight() -> None:
    photo = torch.zeros(2, 2, 3)
    rendered = torch.zeros(2, 2, 3)
    rendered[0, 0] = torch.tensor((0.1, -0.2, 0.3))
    rendered[1, 1] = 1.0
    weight = torch.tensor(((1.0, 1.0), (0.5, 0.0)))
    assert float(colour_difference(rendered, photo, weight)) == pytest.approx(0.6 / 2.5)
    assert float(colour_difference(rendered, photo, torch.zeros(2, 2))) == 0.0


def test_faces_are_as_far_apart_as_the_angle_says() -> None:
    first = torch.tensor(((2.0, 0.0), (0.0, 3.0)))
    second = torch.tensor(((5.0, 0.0), (1.0, 1.0)))
    assert float(identity_distance(first, second)) == pytest.approx((1 - math.sqrt(0.5)) / 2)


@pytest.mark.parametrize(
    ("other", "angle"), [((3.0, 0.0, 0.0, 0.0), 0.0), ((0.0, 3.0, 0.0, 0.0), math.pi / 2)]
)
def test_latents_are_as_far_apart_as_their_angle(other, angle) -> None:
    """Two of four pairs are a latent with itself."""
    white = torch.tensor(((3.0, 0.0, 0.0, 0.0), other))
    assert float(latent_spread(white)) == pytest.approx(64 * angle**2 / 2, abs=1e-4)


def test_equal_latents_have_a_slope_that_is_a_number() -> None:
    white = torch.ones(3, 4, requires_grad=True)
    (slope,) = torch.autograd.grad(latent_spread(white), white)
    assert torch.isfinite(slope).all()


def test_only_tinted_light_costs() -> None:
    grey = torch.randn(9, 1, generator=torch.Generator().manual_seed(0)).expand(9, 3)
    assert float(light_tint(grey)) == pytest.approx(0.0, abs=1e-12)
    tinted = grey.clone()
    tinted[0] += torch.tensor((0.3, 0.0, -0.3))
    assert float(light_tint(tinted)) == pytest.approx(0.18 / 27)
