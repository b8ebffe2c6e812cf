"""sRGB: known values, round trip, derivative, tensors and arrays alike."""

import numpy as np
import pytest
import torch

from flame_fit.appearance.colour import (
    linear_to_srgb,
    linear_to_srgb8,
    luminance,
    srgb_to_linear,
    srgb_to_linear_slope,
)


def test_known_values() -> None:
    srgb = np.array((0.0, 0.04045, 0.5, 1.0))
    np.testing.assert_allclose(
        srgb_to_linear(srgb), (0.0, 0.0031308, 0.2140411, 1.0), rtol=1e-4, atol=1e-12
    )


def test_round_trip_and_agreement_of_libraries() -> None:
    values = np.linspace(-0.1, 1.5, 200)
    np.testing.assert_allclose(linear_to_srgb(srgb_to_linear(values)), values, atol=2e-7)
    tensor = torch.from_numpy(values)
    np.testing.assert_allclose(srgb_to_linear(tensor).numpy(), srgb_to_linear(values), rtol=1e-14)
    assert srgb_to_linear(values.astype(np.float32)).dtype == np.float32


def test_derivative() -> None:
    values = torch.tensor((0.0, 0.02, 0.2, 0.9, 1.2), dtype=torch.float64, requires_grad=True)
    (expected,) = torch.autograd.grad(srgb_to_linear(values).sum(), values)
    torch.testing.assert_close(srgb_to_linear_slope(values), expected)
    (inverse,) = torch.autograd.grad(linear_to_srgb(values).sum(), values)
    assert torch.isfinite(inverse).all()


def test_eight_bits_are_the_rounded_formula_at_every_level_and_its_borders() -> None:
    levels = torch.arange(1, 256, dtype=torch.float64)
    borders = srgb_to_linear((levels - 0.5) / 255.0).to(torch.float32)
    near = borders.view(torch.int32)[:, None] + torch.arange(-50, 51, dtype=torch.int32)
    middle = srgb_to_linear(levels / 255.0).to(torch.float32)
    spread = torch.linspace(0.0, 1.0, 100_001)
    values = torch.cat([near.view(torch.float32).flatten(), middle, spread, spread**6])
    exact = (linear_to_srgb(values.double()).clamp(0.0, 1.0) * 255.0).round()
    assert torch.equal(linear_to_srgb8(values).double(), exact)


def test_eight_bits_end_at_black_and_white_and_keep_the_shape() -> None:
    values = torch.tensor([[-torch.inf, -0.5, 0.0], [1.0, 1.5, torch.inf]], dtype=torch.float64)
    expected = torch.tensor([[0, 0, 0], [255, 255, 255]], dtype=torch.uint8)
    assert torch.equal(linear_to_srgb8(values), expected)
    assert torch.equal(linear_to_srgb8(values.T), expected.T)


def test_luminance_of_white_is_one() -> None:
    assert float(luminance(torch.ones(3))) == pytest.approx(1.0)
    assert luminance(np.ones((4, 5, 3))).shape == (4, 5)
