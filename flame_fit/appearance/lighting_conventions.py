"""Spherical-harmonic light to and from the two other conventions in circulation.

* Convention A (DECA, VHAP, photometric_optimization and others): order 1, x, y, z, xy, xz, yz,
  x^2-y^2, 3z^2-1; the Lambert kernel is included for the second and third band only, so even white
  light of shading 1 has sqrt(4 pi) as its first coefficient.
* Convention B (Deep3D, FFHQ-UV): order 1, -y, z, -x, xy, -yz, 3z^2-1, -xz, x^2-y^2 with the whole
  kernel; codes are stored relative to an offset of 0.8 in the first coefficient.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.appearance.lighting import (
    BAND_1,
    BAND_2_DIFFERENCE,
    BAND_2_PRODUCT,
    BAND_2_ZONAL,
)

CONVENTION_B_OFFSET = 0.8

_OUR_SCALES = (
    1.0, BAND_1, BAND_1, BAND_1, BAND_2_PRODUCT, BAND_2_PRODUCT, BAND_2_ZONAL, BAND_2_PRODUCT,
    BAND_2_DIFFERENCE,
)  # fmt: skip

# For each of our basis functions the position of the same polynomial in convention A.
_POSITION_IN_A = (0, 2, 3, 1, 4, 6, 8, 5, 7)
_BAND_1_A = (2.0 * math.pi / 3.0) * math.sqrt(3.0 / (4.0 * math.pi))
_BAND_2_A = (math.pi / 4.0) * math.sqrt(5.0 / (12.0 * math.pi))
_SCALES_A = (
    1.0 / math.sqrt(4.0 * math.pi), _BAND_1_A, _BAND_1_A, _BAND_1_A, 3.0 * _BAND_2_A,
    3.0 * _BAND_2_A, 3.0 * _BAND_2_A, 1.5 * _BAND_2_A,
    (math.pi / 4.0) * 0.5 * math.sqrt(5.0 / (4.0 * math.pi)),
)  # fmt: skip

_BAND_0_B = math.pi / math.sqrt(4.0 * math.pi)
_BAND_1_B = (2.0 * math.pi / math.sqrt(3.0)) * math.sqrt(3.0) / math.sqrt(4.0 * math.pi)
_BAND_2_B = (2.0 * math.pi / math.sqrt(8.0)) * 3.0 * math.sqrt(5.0) / math.sqrt(12.0 * math.pi)
_SCALES_B = (
    _BAND_0_B, -_BAND_1_B, _BAND_1_B, -_BAND_1_B, _BAND_2_B, -_BAND_2_B,
    0.5 * _BAND_2_B / math.sqrt(3.0), -_BAND_2_B, 0.5 * _BAND_2_B,
)  # fmt: skip


def from_convention_a(lighting: Float[Tensor, "*b 9 3"]) -> Float[Tensor, "*b 9 3"]:
    """Return our coefficients for light given in convention A; shading stays the same."""
    return _rescaled(lighting, _SCALES_A, _OUR_SCALES, _POSITION_IN_A)


def to_convention_a(lighting: Float[Tensor, "*b 9 3"]) -> Float[Tensor, "*b 9 3"]:
    """Return convention A's coefficients for our light; shading stays the same."""
    inverse = tuple(_POSITION_IN_A.index(k) for k in range(len(_POSITION_IN_A)))
    return _rescaled(lighting, _OUR_SCALES, _SCALES_A, inverse)


def from_convention_b(
    codes: Float[Tensor, "*b 9 3"], *, offset: float = CONVENTION_B_OFFSET
) -> Float[Tensor, "*b 9 3"]:
    """Return our coefficients for codes in convention B; shading stays the same.

    Args:
        codes: coefficients as stored.
        offset: what the renderer of that convention adds to the first one.
    """
    shifted = torch.cat((codes[..., :1, :] + offset, codes[..., 1:, :]), dim=-2)
    return _rescaled(shifted, _SCALES_B, _OUR_SCALES, tuple(range(len(_SCALES_B))))


def to_convention_b(
    lighting: Float[Tensor, "*b 9 3"], *, offset: float = CONVENTION_B_OFFSET
) -> Float[Tensor, "*b 9 3"]:
    """Return convention B's codes for our light; shading stays the same."""
    plain = _rescaled(lighting, _OUR_SCALES, _SCALES_B, tuple(range(len(_SCALES_B))))
    return torch.cat((plain[..., :1, :] - offset, plain[..., 1:, :]), dim=-2)


def _rescaled(
    lighting: Float[Tensor, "*b 9 3"],
    from_scales: tuple[float, ...],
    to_scales: tuple[float, ...],
    position: tuple[int, ...],
) -> Float[Tensor, "*b 9 3"]:
    """Return coefficients of the same function for basis functions of another order and scale."""
    factors = [from_scales[source] / to_scales[k] for k, source in enumerate(position)]
    return lighting[..., list(position), :] * lighting.new_tensor(factors)[:, None]
