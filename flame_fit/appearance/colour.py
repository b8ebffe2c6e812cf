"""sRGB and linear light, for tensors and NumPy arrays alike."""

from types import ModuleType
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float, UInt8

ArrayType = TypeVar("ArrayType", torch.Tensor, np.ndarray)

# IEC 61966-2-1.
LINEAR_SLOPE = 12.92
OFFSET = 0.055
EXPONENT = 2.4
SRGB_THRESHOLD = 0.04045
LINEAR_THRESHOLD = 0.0031308
SHARED_BITS = 15
"""Trailing bits of a 32-bit float that tell no level of sRGB from the next: 256 steps an octave."""
LUMINANCE_WEIGHTS = (0.2126, 0.7152, 0.0722)
"""Rec. 709 shares of linear red, green and blue."""


def srgb_to_linear(srgb: ArrayType) -> ArrayType:
    """Return linear light from sRGB values (black 0, white 1); below 0 the line goes on."""
    library, low = _library(srgb), srgb <= SRGB_THRESHOLD
    safe = library.where(low, library.ones_like(srgb), srgb)
    return library.where(low, srgb / LINEAR_SLOPE, ((safe + OFFSET) / (1 + OFFSET)) ** EXPONENT)


def linear_to_srgb(linear: ArrayType) -> ArrayType:
    """Return sRGB values from linear light (black 0, white 1); below 0 the line goes on."""
    library, low = _library(linear), linear <= LINEAR_THRESHOLD
    safe = library.where(low, library.ones_like(linear), linear)
    curve = (1 + OFFSET) * safe ** (1 / EXPONENT) - OFFSET
    return library.where(low, linear * LINEAR_SLOPE, curve)


def linear_to_srgb8(linear: Float[torch.Tensor, "*shape"]) -> UInt8[torch.Tensor, "*shape"]:
    """Return linear light as the nearest of the 256 levels of sRGB, clamped to black and white.

    No value is raised to a power: floats that share their leading bits lie so close together that
    at most one level begins among them, so a table of leading bits holds the level and its end.
    """
    levels = torch.arange(1, 256, dtype=torch.float64, device=linear.device)
    exact = srgb_to_linear((levels - 0.5) / 255.0)
    begin = exact.to(torch.float32)
    begin = torch.where(begin < exact, begin.nextafter(exact.new_tensor(1.0).float()), begin)
    leading = begin.view(torch.int32) >> SHARED_BITS
    lowest = int(leading[0])
    slots = leading - lowest
    end = begin.new_full((int(slots[-1]) + 1,), torch.inf)
    end[slots] = begin
    inside = torch.bincount(slots)
    level = (inside.cumsum(0) - inside).to(torch.uint8)
    values = linear.to(torch.float32)
    slot = ((values.view(torch.int32) >> SHARED_BITS) - lowest).clamp_(0, len(end) - 1)
    slot = slot.reshape(-1)
    passed = values.reshape(-1) >= end.index_select(0, slot)
    return level.index_select(0, slot).add_(passed).reshape(linear.shape)


def srgb_to_linear_slope(srgb: ArrayType) -> ArrayType:
    """Return the derivative of `srgb_to_linear`."""
    library, low = _library(srgb), srgb <= SRGB_THRESHOLD
    safe = library.where(low, library.ones_like(srgb), srgb)
    curve = EXPONENT / (1 + OFFSET) * ((safe + OFFSET) / (1 + OFFSET)) ** (EXPONENT - 1)
    return library.where(low, library.full_like(srgb, 1 / LINEAR_SLOPE), curve)


def luminance(linear: ArrayType) -> ArrayType:
    """Return the luminance of linear RGB in the last axis, which is dropped."""
    red, green, blue = LUMINANCE_WEIGHTS
    return linear[..., 0] * red + linear[..., 1] * green + linear[..., 2] * blue


def _library(values: Any) -> ModuleType:  # noqa: ANN401
    return torch if isinstance(values, torch.Tensor) else np
