r"""Distant light as nine spherical-harmonic coefficients for each colour.

The basis is that of real orthonormal spherical harmonics convolved with the clamped cosine of a
matte surface, in units in which the first function is the constant 1:

    B_k(n) = (A_l / A_0) Y_k(n) / Y_0,   A = (pi, 2 pi / 3, pi / 4),   Y_0 = 1 / sqrt(4 pi)

in the order 1, y, z, x, xy, yz, 3z^2-1, xz, x^2-y^2 of the unit normal n in world axes. Shading is
the light a white matte surface sends back, sum_k B_k(n) lighting_k, so lighting (1, 0, ..., 0) is
even white light with shading 1. Radiance coefficients L_k in the orthonormal basis are
lighting_k = L_k Y_0.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

BASIS_SIZE = 9
# A_l / A_0 for the three bands, times the normalisation of each polynomial over that of the first.
BAND_1 = (2.0 / 3.0) * math.sqrt(3.0)
BAND_2_PRODUCT = 0.25 * math.sqrt(15.0)
BAND_2_ZONAL = 0.25 * math.sqrt(5.0) / 2.0
BAND_2_DIFFERENCE = 0.25 * math.sqrt(15.0) / 2.0
BAND_OF = (0, 1, 1, 1, 2, 2, 2, 2, 2)
LAMBERT_BY_BAND = (1.0, 2.0 / 3.0, 0.25)

# Assumed standard deviations by band, in units of even white light. Lamps and skies differ far
# more in brightness than in tint, how far a colour departs from grey.
PRIOR_BRIGHTNESS_DEVIATION = (0.5, 0.4, 0.2)
PRIOR_TINT_DEVIATION = (0.15, 0.1, 0.05)

# A residual of 1.345 standard deviations is where Huber's weight starts to fall: 95 % efficient.
HUBER_THRESHOLD = 1.345
MEDIAN_TO_DEVIATION = 1.4826
MINIMUM_DEVIATION = 1e-4


@dataclass(frozen=True, eq=False)
class LightingPrior:
    """A Gaussian over the 27 coefficients, flattened with colour fastest."""

    mean: Float[Tensor, "9 3"]
    precision: Float[Tensor, "27 27"]


def spherical_harmonics(normals: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 9"]:
    """Return the nine basis functions at unit normals in world axes."""
    return torch.stack(_harmonics(*normals.unbind(-1)), dim=-1)


def _harmonics(
    x: Float[Tensor, "*n"], y: Float[Tensor, "*n"], z: Float[Tensor, "*n"]
) -> tuple[Float[Tensor, "*n"], ...]:
    """Return each of the nine basis functions at unit normals."""
    return (
        torch.ones_like(x),
        BAND_1 * y,
        BAND_1 * z,
        BAND_1 * x,
        BAND_2_PRODUCT * x * y,
        BAND_2_PRODUCT * y * z,
        BAND_2_ZONAL * (3.0 * z * z - 1.0),
        BAND_2_PRODUCT * x * z,
        BAND_2_DIFFERENCE * (x * x - y * y),
    )


def spherical_harmonics_jacobian(normals: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 9 3"]:
    """Return the derivative of `spherical_harmonics` with respect to the normal's entries."""
    x, y, z = (2.0 * BAND_2_DIFFERENCE * part for part in normals.unbind(-1))
    zero = torch.zeros_like(x)
    band_1 = torch.full_like(x, BAND_1)
    zonal = 6.0 * BAND_2_ZONAL * normals[..., 2]
    rows = (
        (zero, zero, zero),
        (zero, band_1, zero),
        (zero, zero, band_1),
        (band_1, zero, zero),
        (y, x, zero),
        (zero, z, y),
        (zero, zero, zonal),
        (z, zero, x),
        (x, -y, zero),
    )
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def shade(
    normals: Float[Tensor, "b *n 3"], lighting: Float[Tensor, "#b 9 3"]
) -> Float[Tensor, "b *n 3"]:
    """Return the shading of unit normals in world axes; it is linear in the light, not clamped."""
    # A plane for each coordinate and each function: rows of nine would be written in leaps, which
    # takes twice as long on the millions of texels of a chart.
    planes = normals.movedim(-1, 0).contiguous()
    basis = torch.stack(_harmonics(*planes.unbind(0)))
    return (basis.flatten(2).permute(1, 2, 0) @ lighting).reshape(normals.shape)


def white_lighting(
    batch: int = 1, *, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> Float[Tensor, "b 9 3"]:
    """Return even white light, under which shading is 1 everywhere."""
    lighting = torch.zeros(batch, BASIS_SIZE, 3, dtype=dtype, device=device)
    lighting[:, 0] = 1.0
    return lighting


def directional_to_sh(
    direction: Float[Tensor, "*b 3"], colour: Float[Tensor, "*b 3"]
) -> Float[Tensor, "*b 9 3"]:
    """Return the nine-coefficient approximation of a far lamp.

    Args:
        direction: unit vectors towards the lamp in world axes.
        colour: exact shading of a surface that faces it; the approximation gives 17/16 of it there.
    """
    bands = direction.new_tensor([LAMBERT_BY_BAND[band] for band in BAND_OF])
    # The radiance coefficients of the lamp are pi * colour * Y_k(direction), Y_k / Y_0 = B_k / A_l,
    # and Y_0^2 pi = 1/4.
    harmonics = 0.25 * spherical_harmonics(direction) / bands
    return harmonics[..., None] * colour[..., None, :]


def lighting_prior(
    *, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> LightingPrior:
    """Return the default prior: even white light, free brightness, tints kept small."""
    brightness = torch.tensor(PRIOR_BRIGHTNESS_DEVIATION, dtype=torch.float64)[list(BAND_OF)] ** 2
    tint = torch.tensor(PRIOR_TINT_DEVIATION, dtype=torch.float64)[list(BAND_OF)] ** 2
    grey = torch.full((3, 3), 1.0 / 3.0, dtype=torch.float64)
    colour = torch.eye(3, dtype=torch.float64) - grey
    blocks = grey / brightness[:, None, None] + colour / tint[:, None, None]
    precision = torch.block_diag(*blocks)
    return LightingPrior(
        mean=white_lighting(dtype=dtype, device=device)[0],
        precision=precision.to(dtype=dtype, device=device),
    )


def solve_lighting(
    albedo: Float[Tensor, "n 3"],
    colours: Float[Tensor, "n 3"],
    normals: Float[Tensor, "n 3"],
    weights: Float[Tensor, "n"],
    *,
    ridge: float = 1e-3,
    prior: LightingPrior | None = None,
    robust_passes: int = 0,
) -> Float[Tensor, "9 3"]:
    """Return the light that best explains colours as albedo times shading.

    It minimises the weighted mean of the squared colour residual plus `ridge` times the prior's
    squared Mahalanobis distance.

    Args:
        albedo: linear albedo.
        colours: linear colours seen.
        normals: unit normals in world axes.
        weights: not negative.
        ridge: weight of the prior.
        prior: `lighting_prior()` by default.
        robust_passes: times the solve is repeated with Huber weights against highlights, cast
            shadows and occluders, the scale taken from the median residual.
    """
    if prior is None:
        prior = lighting_prior(dtype=albedo.dtype, device=albedo.device)
    basis = spherical_harmonics(normals)
    lighting = _weighted_solve(albedo, colours, basis, weights, ridge=ridge, prior=prior)
    for _ in range(robust_passes):
        residual = torch.linalg.vector_norm(colours - albedo * (basis @ lighting), dim=-1)
        factor = _huber_weights(residual, weights)
        lighting = _weighted_solve(
            albedo, colours, basis, weights * factor, ridge=ridge, prior=prior
        )
    return lighting


def _weighted_solve(
    albedo: Float[Tensor, "n 3"],
    colours: Float[Tensor, "n 3"],
    basis: Float[Tensor, "n 9"],
    weights: Float[Tensor, "n"],
    *,
    ridge: float,
    prior: LightingPrior,
) -> Float[Tensor, "9 3"]:
    """Solve the 27 normal equations; the colours meet only in the prior."""
    share = weights / weights.sum().clamp_min(torch.finfo(weights.dtype).tiny)
    normal = ridge * prior.precision.to(torch.float64)
    right = normal @ prior.mean.to(torch.float64).flatten()
    normal = normal.reshape(9, 3, 9, 3).clone()
    right = right.reshape(9, 3).clone()
    for channel in range(3):
        design = basis * albedo[:, channel, None]
        weighted = design * share[:, None]
        normal[:, channel, :, channel] += (weighted.T @ design).to(torch.float64)
        right[:, channel] += (weighted.T @ colours[:, channel]).to(torch.float64)
    solution = torch.linalg.solve(normal.reshape(27, 27), right.flatten())
    return solution.reshape(9, 3).to(albedo.dtype)


def _huber_weights(residual: Float[Tensor, "n"], weights: Float[Tensor, "n"]) -> Float[Tensor, "n"]:
    """Return Huber's weights with the scale from the median over points that count."""
    counted = residual[weights > 0]
    if counted.numel() == 0:
        return torch.ones_like(residual)
    deviation = (MEDIAN_TO_DEVIATION * counted.median()).clamp_min(MINIMUM_DEVIATION)
    limit = HUBER_THRESHOLD * deviation
    return limit / torch.maximum(residual, limit)
