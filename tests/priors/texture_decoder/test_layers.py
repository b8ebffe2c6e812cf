"""StyleGAN2's operations against plain formulas."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch.nn.functional import conv2d, leaky_relu

from flame_fit.priors.texture_decoder.layers import (
    Dense,
    StyledConvolution,
    ToColours,
    doubled,
    filtered,
    low_pass_filter,
    modulated_convolution,
)

DOUBLE = torch.float64


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))


def upsampled_row(row: np.ndarray) -> np.ndarray:
    """Each output of the published filter is a mix 3 : 1 of the two nearest inputs."""
    wide = np.concatenate([[0.0], row, [0.0]])
    even = 0.75 * wide[1:-1] + 0.25 * wide[:-2]
    odd = 0.75 * wide[1:-1] + 0.25 * wide[2:]
    return np.stack([even, odd], axis=1).reshape(-1)


def test_the_filter_is_binomial_and_sums_to_one() -> None:
    kernel = low_pass_filter()
    torch.testing.assert_close(kernel.sum(), torch.tensor(1.0))
    torch.testing.assert_close(64 * kernel[1], torch.tensor([3.0, 9.0, 9.0, 3.0]))


def test_doubling_mixes_neighbours_three_to_one() -> None:
    image = numbers(2, 3, 5, 6)
    result = doubled(image, low_pass_filter()).numpy()
    rows = np.apply_along_axis(upsampled_row, 3, image.numpy())
    np.testing.assert_allclose(result, np.apply_along_axis(upsampled_row, 2, rows), atol=1e-12)
    flat = doubled(torch.ones(1, 1, 8, 8), low_pass_filter())[0, 0, 1:-1, 1:-1]
    torch.testing.assert_close(flat, torch.ones_like(flat))


def test_filtering_pads_with_zeros() -> None:
    image = numbers(1, 2, 4, 4)
    result = filtered(image, low_pass_filter(), before=2, after=1, gain=4.0)
    assert result.shape == image.shape
    assert math.isclose(float(result[0, 0, 0, 0]), 4 * float(
        (image[0, 0, :2, :2] * low_pass_filter().double()[2:, 2:]).sum()
    ), rel_tol=1e-9)  # fmt: skip


def test_each_image_is_convolved_with_its_own_demodulated_weights() -> None:
    images, weight, style = numbers(3, 4, 6, 6), numbers(5, 4, 3, 3, seed=1), numbers(3, 4, seed=2)
    result = modulated_convolution(images, weight, style)
    for number in range(3):
        own = weight * style[number][None, :, None, None]
        own = own / (own.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        norms = own.square().sum((1, 2, 3))
        torch.testing.assert_close(norms, torch.ones_like(norms))
        expected = conv2d(images[number : number + 1], own, padding=1)
        torch.testing.assert_close(result[number : number + 1], expected)
    torch.testing.assert_close(modulated_convolution(images, weight, 7.0 * style), result)
    plain = modulated_convolution(images, weight, style, demodulate=False)
    twice = modulated_convolution(images, weight, 2.0 * style, demodulate=False)
    torch.testing.assert_close(twice, 2.0 * plain)


def test_unit_noise_keeps_unit_variance() -> None:
    images, weight = numbers(2, 16, 40, 40), numbers(24, 16, 3, 3, seed=1)
    inner = modulated_convolution(images, weight, numbers(2, 16, seed=2))[..., 1:-1, 1:-1]
    assert abs(float(inner.std()) - 1.0) < 0.03


def test_the_doubling_convolution_spreads_each_pixel_by_weight_and_filter() -> None:
    """One lit pixel gives the weights as they are, spaced two apart, filtered, times four."""
    images, weight = torch.zeros(1, 1, 5, 5, dtype=DOUBLE), numbers(1, 1, 3, 3)
    images[0, 0, 2, 2] = 1.0
    style = torch.ones(1, 1, dtype=DOUBLE)
    result = modulated_convolution(
        images, weight, style, demodulate=False, kernel=low_pass_filter()
    )
    assert result.shape == (1, 1, 10, 10)
    spread = np.zeros((16, 16))
    spread[4:7, 4:7] = weight[0, 0].numpy()
    kernel = 4.0 * low_pass_filter().double().numpy()
    expected = np.zeros((13, 13))
    for row in range(4):
        for column in range(4):
            expected += kernel[row, column] * spread[row : row + 13, column : column + 13]
    # The weights lie on rows 4 to 6 of the doubled grid, which the padding moves by one.
    np.testing.assert_allclose(result[0, 0].numpy()[2:8, 2:8], expected[1:7, 1:7], atol=1e-12)


def test_dense_layers_scale_their_weights() -> None:
    layer = Dense(4, 3, bias=1.0, rate=0.01, active=True).double()
    values = numbers(2, 4)
    linear = values @ (0.01 / 2.0 * layer.weight).T + 0.01 * layer.bias
    torch.testing.assert_close(layer(values), math.sqrt(2.0) * leaky_relu(linear, 0.2))
    torch.testing.assert_close(0.01 * layer.bias, torch.ones(3, dtype=DOUBLE))
    plain = Dense(4, 3, active=False).double()
    torch.testing.assert_close(plain(values), values @ plain.weight.T / 2.0)


def test_noise_bias_and_activation_follow_the_convolution() -> None:
    layer = StyledConvolution(4, 6, latent=3, side=8, up=False).double()
    with torch.no_grad():
        layer.noise_strength.fill_(0.5)
        layer.bias.copy_(numbers(6))
    images, latent = numbers(2, 4, 8, 8), numbers(2, 3, seed=3)
    plain = modulated_convolution(images, layer.weight, layer.affine(latent))
    shifted = plain + 0.5 * layer.noise_const + layer.bias[:, None, None]
    torch.testing.assert_close(layer(images, latent), math.sqrt(2.0) * leaky_relu(shifted, 0.2))
    assert StyledConvolution(4, 6, latent=3, side=16, up=True)(
        images.float(), latent.float()
    ).shape == (2, 6, 16, 16)


def test_huge_features_are_clamped() -> None:
    layer = StyledConvolution(2, 2, latent=3, side=4, up=False)
    huge = layer(torch.full((1, 2, 4, 4), 1e6), torch.zeros(1, 3)).detach()
    assert float(huge.max()) <= 256.0 and float(huge.min()) >= -256.0
    flat = torch.full((1, 2, 4, 4), 1e6)
    colours = ToColours(2, latent=3, colours=3)(flat, torch.zeros(1, 3)).detach()
    assert float(colours.abs().max()) == 256.0


def test_colours_are_not_demodulated() -> None:
    layer = ToColours(4, latent=3, colours=3).double()
    images, latent = numbers(2, 4, 5, 5), numbers(2, 3, seed=3)
    style = layer.affine(latent) / 2.0
    expected = torch.einsum("oi,bi,bihw->bohw", layer.weight[..., 0, 0], style, images)
    torch.testing.assert_close(layer(images, latent), expected + layer.bias[:, None, None])
