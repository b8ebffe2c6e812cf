"""sRGB: known values, round trip, derivative, tensors and arrays alike."""

import numpy as np
import pytest
import torch

from flame_fit.appearance.colour import (
    linear_to_srgb,
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


def test_luminance_of_white_is_one() -> None:
    assert float(luminance(torch.ones(3))) == pytest.approx(1.0)
    assert luminance(np.ones((4, 5, 3))).shape == (4, 5)
