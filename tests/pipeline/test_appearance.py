"""Light and codes: recovery of a known light, gradient, and robustness to what is not skin."""

from __future__ import annotations

import math

import pytest
import torch

from flame_fit.appearance import spherical_harmonics, srgb_to_linear
from flame_fit.appearance.texture_space import SampledTexture
from flame_fit.pipeline.appearance import (
    LIGHT_COUNT,
    AppearanceProblem,
    AppearanceSettings,
    SkinPixels,
    fit_appearance,
)

COUNT = 3000


def _light() -> torch.Tensor:
    light = torch.zeros(9, 3, dtype=torch.float64)
    light[0] = torch.tensor([1.05, 1.0, 0.95], dtype=torch.float64)
    light[1] = 0.2
    light[2] = 0.25
    light[3] = -0.3
    light[5] = 0.05
    return light


def _skin(components: int, code: torch.Tensor | None = None) -> SkinPixels:
    generator = torch.Generator().manual_seed(0)
    normals = torch.randn(COUNT, 3, generator=generator, dtype=torch.float64)
    normals[:, 2] = normals[:, 2].abs()
    normals = normals / normals.norm(dim=-1, keepdim=True)
    mean = torch.tensor([0.78, 0.6, 0.5], dtype=torch.float64).expand(COUNT, 3)
    mean = mean + 0.02 * torch.randn(COUNT, 3, generator=generator, dtype=torch.float64)
    basis = 0.04 * torch.randn(COUNT, 3, components, generator=generator, dtype=torch.float64)
    albedo = mean if code is None else mean + basis @ code
    colour = srgb_to_linear(albedo) * (spherical_harmonics(normals) @ _light())
    texture = SampledTexture(mean, basis)
    return SkinPixels(colour, normals, texture, torch.ones(COUNT, dtype=torch.float64))


def test_light_is_recovered_within_five_percent_when_the_albedo_is_known():
    fit = fit_appearance(_skin(0))
    error = (fit.lighting - _light()).norm() / _light().norm()
    assert float(error) < 0.05


def test_codes_are_recovered():
    code = torch.tensor([1.0, -1.5, 0.5], dtype=torch.float64)
    fit = fit_appearance(_skin(3, code))
    assert torch.allclose(fit.texture_code, code, atol=0.1)


def test_a_tenth_of_foreign_pixels_does_not_move_the_light():
    skin = _skin(0)
    colour = skin.colour.clone()
    colour[: COUNT // 10] = 0.02
    spoiled = SkinPixels(colour, skin.normals, skin.texture, skin.weight)
    error = (fit_appearance(spoiled).lighting - _light()).norm() / _light().norm()
    assert float(error) < 0.05


def test_gradient_equals_finite_differences_of_the_cost():
    problem = AppearanceProblem(_skin(3), AppearanceSettings())
    generator = torch.Generator().manual_seed(5)
    value = 0.1 * torch.randn(LIGHT_COUNT + 3, generator=generator, dtype=torch.float64)
    value[:3] += 1.0
    gradient = problem.linearise(value).gradient
    for index in range(len(value)):
        step = torch.zeros_like(value)
        step[index] = 1e-6
        slope = (problem.cost(value + step) - problem.cost(value - step)) / 2e-6
        assert math.isclose(slope, float(gradient[index]), rel_tol=1e-3, abs_tol=1e-2)


@pytest.mark.parametrize("factor", [0.1, 3.0])
def test_number_of_pixels_does_not_change_the_weight_of_the_prior(factor):
    skin = _skin(2)
    scaled = SkinPixels(skin.colour, skin.normals, skin.texture, skin.weight * factor)
    one = AppearanceProblem(skin, AppearanceSettings(effective_pixels=100.0))
    two = AppearanceProblem(scaled, AppearanceSettings(effective_pixels=100.0))
    value = torch.zeros(LIGHT_COUNT + 2, dtype=torch.float64)
    value[:3] = 0.8
    assert math.isclose(one.cost(value), two.cost(value), rel_tol=1e-6)
