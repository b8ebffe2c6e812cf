"""Residuals have the values and slopes that their formulas say."""

from __future__ import annotations

import math

import torch

from flame_fit.losses import (
    GaussianPrior,
    geman_mcclure_cost,
    geman_mcclure_weight,
    landmark_error,
    peak_signal_to_noise,
    prior_residual,
    reprojection_residual,
)


def test_reprojection_is_in_standard_deviations():
    pixels = torch.tensor([[10.0, 20.0], [5.0, 5.0]])
    target = torch.tensor([[7.0, 20.0], [5.0, 9.0]])
    residual = reprojection_residual(pixels, target, torch.tensor([3.0, 2.0]))
    assert torch.allclose(residual, torch.tensor([[1.0, 0.0], [0.0, -2.0]]))


def test_landmark_error_is_the_mean_distance_over_scale():
    pixels = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    assert math.isclose(landmark_error(pixels, torch.zeros(2, 2), scale=10.0), 0.25, rel_tol=1e-6)


def test_robust_weight_is_the_slope_of_the_cost_and_the_cost_is_bounded():
    squared = torch.linspace(0.0, 400.0, 50, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(geman_mcclure_cost(squared, scale=3.0).sum(), squared)
    assert torch.allclose(slope, geman_mcclure_weight(squared.detach(), scale=3.0))
    assert float(geman_mcclure_cost(torch.tensor(1e12), scale=3.0)) <= 9.0
    assert float(geman_mcclure_cost(torch.tensor(9.0), scale=3.0)) == 4.5


def test_prior_residual_norm_is_the_mahalanobis_distance():
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(5, 5, generator=generator, dtype=torch.float64)
    covariance = root @ root.T + torch.eye(5, dtype=torch.float64)
    mean = torch.arange(5.0, dtype=torch.float64)
    value = torch.randn(5, generator=generator, dtype=torch.float64)
    residual = prior_residual(value, GaussianPrior.from_covariance(mean, covariance))
    difference = value - mean
    expected = difference @ torch.linalg.solve(covariance, difference)
    assert torch.allclose((residual**2).sum(), expected)


def test_psnr_of_a_known_error_and_its_weight():
    photo = torch.zeros(4, 3)
    rendered = torch.zeros(4, 3)
    rendered[:2] = 0.1
    rendered[2:] = 0.5
    weight = torch.tensor([1.0, 1.0, 0.0, 0.0])
    assert math.isclose(peak_signal_to_noise(rendered, photo, weight), 20.0, rel_tol=1e-5)
    assert peak_signal_to_noise(photo, photo, weight) == math.inf
    assert math.isnan(peak_signal_to_noise(photo, photo, torch.zeros(4)))
