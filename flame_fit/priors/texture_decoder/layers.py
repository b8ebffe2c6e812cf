"""Layers of StyleGAN2 in plain torch, named as NVIDIA's PyTorch version names its weights.

Karras and others, "Analyzing and improving the image quality of StyleGAN", CVPR 2020, with weights
scaled at run time as there. Everything is differentiable, on any device and in any float dtype.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, leaky_relu, linear, pad

NEGATIVE_SLOPE = 0.2
ACTIVATION_GAIN = math.sqrt(2.0)
"""Restores the variance that the leaky ReLU takes away."""
SMALLEST = 1e-8
FILTER_TAPS = (1.0, 3.0, 3.0, 1.0)
"""Binomial low-pass filter of all changes of resolution."""
KERNEL = 3
LARGEST = 256.0
"""Features and colours are clamped to this size either way, as they are in training."""


def low_pass_filter() -> Float[Tensor, "4 4"]:
    """Return the separable filter as a picture that sums to 1."""
    taps = torch.tensor(FILTER_TAPS)
    return torch.outer(taps, taps) / taps.sum() ** 2


def filtered(
    images: Float[Tensor, "b c h w"],
    kernel: Float[Tensor, "k k"],
    *,
    before: int,
    after: int,
    gain: float = 1.0,
) -> Float[Tensor, "b c hh ww"]:
    """Return images convolved with one filter, with zeros put around them first.

    Args:
        images: What to filter.
        kernel: The filter; it is symmetric.
        before: Zeros to the left and above.
        after: Zeros to the right and below.
        gain: Factor of the result.
    """
    channels = images.shape[1]
    weight = (gain * kernel).to(images).expand(channels, 1, *kernel.shape)
    return conv2d(pad(images, (before, after, before, after)), weight, groups=channels)


def doubled(
    images: Float[Tensor, "b c h w"], kernel: Float[Tensor, "k k"]
) -> Float[Tensor, "b c 2*h 2*w"]:
    """Return images at twice the size: zeros between the pixels, then the filter times four."""
    batch, channels, height, width = images.shape
    spread = images.new_zeros(batch, channels, height, 2, width, 2)
    spread[:, :, :, 0, :, 0] = images
    flat = spread.reshape(batch, channels, 2 * height, 2 * width)
    taps = len(kernel)
    return filtered(flat, kernel, before=(taps + 1) // 2, after=(taps - 2) // 2, gain=4.0)


def modulated_convolution(
    images: Float[Tensor, "b i h w"],
    weight: Float[Tensor, "o i k k"],
    style: Float[Tensor, "b i"],
    *,
    demodulate: bool = True,
    kernel: Float[Tensor, "t t"] | None = None,
) -> Float[Tensor, "b o hh ww"]:
    """Return a convolution whose weights each image scales by input channel.

    Args:
        images: Features.
        weight: Weights shared by all images.
        style: Scale of each input channel for each image.
        demodulate: Whether each output channel is brought back to the size that features of unit
            variance would give it.
        kernel: Low-pass filter if the result is to have twice the size.
    """
    scaled = images * style[:, :, None, None]
    if kernel is None:
        result = conv2d(scaled, weight, padding=weight.shape[-1] // 2)
    else:
        wide = conv_transpose2d(scaled, weight.transpose(0, 1), stride=2)
        result = filtered(wide, kernel, before=1, after=1, gain=4.0)
    if not demodulate:
        return result
    energy = torch.einsum("oikl,bi->bo", weight**2, style**2)
    return result * (energy + SMALLEST).rsqrt()[:, :, None, None]


class Dense(nn.Module):
    """A linear layer whose weights are scaled at run time."""

    def __init__(
        self, inputs: int, outputs: int, *, bias: float = 0.0, rate: float = 1.0, active: bool
    ) -> None:
        """Draw random weights.

        Args:
            inputs: Numbers that come in.
            outputs: Numbers that go out.
            bias: Start of the biases.
            rate: Factor by which the layer learns slower than others.
            active: Whether a leaky ReLU follows.
        """
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias / rate))
        self.rate, self.active = rate, active

    def forward(self, values: Float[Tensor, "b i"]) -> Float[Tensor, "b o"]:
        """Return the mapped numbers."""
        scale = self.rate / math.sqrt(self.weight.shape[1])
        result = linear(values, scale * self.weight, self.rate * self.bias)
        return _activated(result) if self.active else result


class StyledConvolution(nn.Module):
    """A 3 x 3 convolution under a style, with fixed noise, bias and leaky ReLU."""

    resample_filter: Tensor
    noise_const: Tensor

    def __init__(self, inputs: int, outputs: int, *, latent: int, side: int, up: bool) -> None:
        """Draw random weights and noise.

        Args:
            inputs: Input channels.
            outputs: Output channels.
            latent: Numbers of a latent.
            side: Pixels along each side of the result.
            up: Whether the result has twice the size.
        """
        super().__init__()
        self.up = up
        self.affine = Dense(latent, inputs, bias=1.0, active=False)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, KERNEL, KERNEL))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise_const", torch.randn(side, side))
        self.register_buffer("resample_filter", low_pass_filter())

    def forward(
        self, images: Float[Tensor, "b i h w"], latent: Float[Tensor, "b n"]
    ) -> Float[Tensor, "b o hh ww"]:
        """Return the features that a latent makes of others."""
        kernel = self.resample_filter if self.up else None
        result = modulated_convolution(images, self.weight, self.affine(latent), kernel=kernel)
        result = result + self.noise_strength * self.noise_const
        return _activated(result + self.bias[:, None, None]).clamp(-LARGEST, LARGEST)


class ToColours(nn.Module):
    """A 1 x 1 convolution under a style, to colours."""

    def __init__(self, inputs: int, *, latent: int, colours: int) -> None:
        """Draw random weights.

        Args:
            inputs: Input channels.
            latent: Numbers of a latent.
            colours: Output channels.
        """
        super().__init__()
        self.affine = Dense(latent, inputs, bias=1.0, active=False)
        self.weight = nn.Parameter(torch.randn(colours, inputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(colours))

    def forward(
        self, images: Float[Tensor, "b i h w"], latent: Float[Tensor, "b n"]
    ) -> Float[Tensor, "b c h w"]:
        """Return the colours that a latent makes of features."""
        style = self.affine(latent) / math.sqrt(images.shape[1])
        result = modulated_convolution(images, self.weight, style, demodulate=False)
        return (result + self.bias[:, None, None]).clamp(-LARGEST, LARGEST)


def _activated(values: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    return ACTIVATION_GAIN * leaky_relu(values, NEGATIVE_SLOPE)
