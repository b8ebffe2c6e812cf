"""Light and texture codes of one photo, by Gauss-Newton on its skin pixels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.appearance import (
    linear_to_srgb,
    solve_lighting,
    spherical_harmonics,
    srgb_to_linear,
)
from flame_fit.appearance.colour import srgb_to_linear_slope
from flame_fit.appearance.texture_space import SampledTexture
from flame_fit.losses import (
    GaussianPrior,
    geman_mcclure_cost,
    geman_mcclure_weight,
    prior_residual,
)
from flame_fit.optim import (
    LevenbergMarquardtSettings,
    NormalEquations,
    Solution,
    minimise,
)

LIGHT_COUNT = 27
# Reweighted solves of the first light; hair and highlights are out after two.
ROBUST_PASSES = 2
# Light on the skin below this is darkness; its logarithm is cut off here.
DARKEST_LIGHT = 1e-3


@dataclass(frozen=True)
class SkinPixels:
    """What is seen of the skin, a row per pixel.

    Attributes:
        colour: Linear light in the photo.
        normals: Unit normals in world axes.
        texture: The texture space at the pixels' UV (sRGB, 0..1).
        weight: Confidence that the pixel shows skin, 0..1.
    """

    colour: Float[Tensor, "n 3"]
    normals: Float[Tensor, "n 3"]
    texture: SampledTexture
    weight: Float[Tensor, " n"]


@dataclass(frozen=True)
class AppearanceSettings:
    """The noise model of skin and the priors of light.

    Attributes:
        pixel_sigma: Standard deviation of a skin pixel about the model, sRGB 0..1.
        effective_pixels: How many independent pixels a face is worth: neighbouring pixels err
            together, so that counting each one would drown every prior.
        robust_scale: Residual in standard deviations at which a pixel counts half.
        exposure_sigma: Standard deviation of the logarithm of the light on the visible skin.
        tint_sigma: Standard deviation of the logarithm of one of its channels about grey.
        direction_sigma: Standard deviation of the first-order light relative to the light on the
            visible skin; the second order has half of it.
        direction_tint_sigma: The same for the tint of the directional light.
        solver: When to stop.
    """

    pixel_sigma: float = 0.05
    effective_pixels: float = 300.0
    robust_scale: float = 3.0
    exposure_sigma: float = 0.15
    tint_sigma: float = 0.15
    direction_sigma: float = 0.3
    direction_tint_sigma: float = 0.05
    solver: LevenbergMarquardtSettings = LevenbergMarquardtSettings(
        max_steps=15, cost_tolerance=1e-4
    )


@dataclass(frozen=True)
class Appearance:
    """Light and texture codes, with how they were found.

    Attributes:
        lighting: Spherical-harmonics light, one column a channel.
        texture_code: Codes of the texture space.
        solution: What the solver did.
        photometric: Mean squared residual of the skin in noise units, robust, unweighted.
        prior: Half the squared norm of the prior's residual.
    """

    lighting: Float[Tensor, "9 3"]
    texture_code: Float[Tensor, " K"]
    solution: Solution
    photometric: float
    prior: float


def relative_light(
    light: Float[Tensor, "9 3"], mean_basis: Float[Tensor, " 9"]
) -> Float[Tensor, "9 3"]:
    """Return the logarithm of the light on the visible skin, and the directions relative to it.

    In these numbers a dark photo and a bright one of the same scene differ by a constant, so that
    one prior serves both; and light from the front counts as much as light from everywhere, which
    a face seen from the front hardly tells apart.

    Args:
        light: Spherical-harmonics light.
        mean_basis: Mean of the basis over the visible skin.
    """
    on_skin = (mean_basis @ light).clamp_min(DARKEST_LIGHT)
    return torch.cat([on_skin.log()[None], light[1:] / on_skin])


def relative_light_jacobian(
    light: Float[Tensor, "9 3"], mean_basis: Float[Tensor, " 9"]
) -> Float[Tensor, "27 27"]:
    """Return the derivative of `relative_light`, both sides flattened row by row."""
    on_skin = mean_basis @ light
    slope = mean_basis[:, None] * (on_skin > DARKEST_LIGHT)
    on_skin = on_skin.clamp_min(DARKEST_LIGHT)
    jacobian = light.new_zeros(9, 3, 9, 3)
    for channel in range(3):
        level = on_skin[channel]
        block = torch.diag(1.0 / level.expand(9))
        block = block - torch.outer(light[:, channel], slope[:, channel]) / level**2
        block[0] = slope[:, channel] / level
        jacobian[:, channel, :, channel] = block
    return jacobian.reshape(LIGHT_COUNT, LIGHT_COUNT)


def light_prior(settings: AppearanceSettings, *, like: Tensor) -> GaussianPrior:
    """Return the prior of the relative light: as bright as white light, grey, even.

    The three channels of a coefficient share a grey part and differ by a small tint, so that
    the colour of skin is not explained by the light.
    """
    grey = [settings.exposure_sigma] + [settings.direction_sigma] * 3
    grey += [0.5 * settings.direction_sigma] * 5
    tint = [settings.tint_sigma] + [settings.direction_tint_sigma] * 8
    grey_variance, tint_variance = torch.tensor(grey) ** 2, torch.tensor(tint) ** 2
    covariance = torch.zeros(9, 3, 9, 3)
    index = torch.arange(9)
    covariance[index, :, index, :] = grey_variance[:, None, None] + tint_variance[
        :, None, None
    ] * torch.eye(3)
    return GaussianPrior.from_covariance(
        torch.zeros(LIGHT_COUNT).to(like),
        covariance.reshape(LIGHT_COUNT, LIGHT_COUNT).to(like),
    )


class AppearanceProblem:
    """Skin colour = albedo(codes) times light, compared in sRGB where noise is even."""

    def __init__(self, pixels: SkinPixels, settings: AppearanceSettings) -> None:
        self._pixels = pixels
        self._settings = settings
        self._basis = spherical_harmonics(pixels.normals)
        self._target = linear_to_srgb(pixels.colour)
        self._light_prior = light_prior(settings, like=pixels.colour)
        total = pixels.weight.sum().clamp_min(1e-6)
        self._mean_basis = (pixels.weight[:, None] * self._basis).sum(dim=0) / total
        share = settings.effective_pixels / pixels.weight.sum().clamp_min(1.0)
        self._weight = pixels.weight * share.clamp_max(1.0)

    def _albedo_srgb(self, value: Float[Tensor, " m"]) -> Float[Tensor, "n 3"]:
        texture = self._pixels.texture
        return (texture.mean + texture.basis @ value[LIGHT_COUNT:]).clamp(0.005, 1.0)

    def _prior_residual(self, value: Float[Tensor, " m"]) -> Float[Tensor, " m"]:
        relative = relative_light(value[:LIGHT_COUNT].reshape(9, 3), self._mean_basis)
        light = prior_residual(relative.reshape(-1), self._light_prior)
        return torch.cat([light, value[LIGHT_COUNT:]])

    def squared_residual(self, value: Float[Tensor, " m"]) -> Float[Tensor, " n"]:
        """Return each pixel's squared residual in noise units, the mean of its channels."""
        lighting = value[:LIGHT_COUNT].reshape(9, 3)
        rendered = srgb_to_linear(self._albedo_srgb(value)) * (self._basis @ lighting)
        residual = linear_to_srgb(rendered.clamp_min(0.0)) - self._target
        return ((residual / self._settings.pixel_sigma) ** 2).mean(dim=-1)

    def prior(self, value: Float[Tensor, " m"]) -> float:
        """Return half the squared norm of the prior's residual."""
        return 0.5 * float((self._prior_residual(value) ** 2).sum())

    def cost(self, value: Float[Tensor, " m"]) -> float:
        """Return the robust photometric cost plus the priors."""
        robust = geman_mcclure_cost(self.squared_residual(value), scale=self._settings.robust_scale)
        return 0.5 * float((self._weight * robust).sum()) + self.prior(value)

    def linearise(self, value: Float[Tensor, " m"]) -> NormalEquations:
        """Return cost and reweighted normal equations."""
        n = len(self._target)
        lighting = value[:LIGHT_COUNT].reshape(9, 3)
        srgb = self._albedo_srgb(value)
        albedo = srgb_to_linear(srgb)
        shading = self._basis @ lighting
        rendered = (albedo * shading).clamp_min(1e-5)
        rendered_srgb = linear_to_srgb(rendered)
        residual = (rendered_srgb - self._target) / self._settings.pixel_sigma
        squared = (residual**2).mean(dim=-1)
        robust = geman_mcclure_weight(squared, scale=self._settings.robust_scale)
        slope = 1.0 / (srgb_to_linear_slope(rendered_srgb) * self._settings.pixel_sigma)
        root = ((self._weight * robust / 3.0).sqrt())[:, None]
        light_factor = slope * albedo * root
        channel = torch.eye(3, dtype=srgb.dtype, device=srgb.device)
        light_jacobian = (
            light_factor[:, :, None, None]
            * self._basis[:, None, :, None]
            * channel[None, :, None, :]
        ).reshape(n * 3, LIGHT_COUNT)
        code_factor = slope * shading * srgb_to_linear_slope(srgb) * root
        code_jacobian = (code_factor[..., None] * self._pixels.texture.basis).reshape(n * 3, -1)
        jacobian = torch.cat([light_jacobian, code_jacobian], dim=1)
        weighted = (residual * root).reshape(-1)
        matrix = jacobian.T @ jacobian
        gradient = jacobian.T @ weighted
        whitening = self._light_prior.whitening @ relative_light_jacobian(
            lighting, self._mean_basis
        )
        prior = self._prior_residual(value)
        matrix[:LIGHT_COUNT, :LIGHT_COUNT] += whitening.T @ whitening
        gradient[:LIGHT_COUNT] += whitening.T @ prior[:LIGHT_COUNT]
        matrix.diagonal()[LIGHT_COUNT:] += 1.0
        gradient[LIGHT_COUNT:] += prior[LIGHT_COUNT:]
        return NormalEquations(self.cost(value), gradient, matrix)


def _light_on_mean(pixels: SkinPixels) -> Float[Tensor, " 27"]:
    """Return the light on the mean texture, by robust linear least squares."""
    albedo = srgb_to_linear(pixels.texture.mean.clamp(0.0, 1.0))
    light = solve_lighting(
        albedo, pixels.colour, pixels.normals, pixels.weight, robust_passes=ROBUST_PASSES
    )
    return light.reshape(-1)


def fit_appearance(
    pixels: SkinPixels,
    *,
    settings: AppearanceSettings | None = None,
    start: Float[Tensor, " m"] | None = None,
) -> Appearance:
    """Fit light and texture codes to skin pixels.

    Args:
        pixels: What is seen; at least a few hundred pixels of skin.
        settings: Noise and priors.
        start: 27 light coefficients (row-major 9 x 3) and the codes; the light that explains the
            photo best with the mean texture if None.

    Returns:
        Light and codes at the best point found.
    """
    settings = settings or AppearanceSettings()
    problem = AppearanceProblem(pixels, settings)
    code_count = pixels.texture.basis.shape[-1]
    if start is None:
        start = torch.cat([_light_on_mean(pixels), pixels.texture.basis.new_zeros(code_count)])
    solution = minimise(problem, start, settings=settings.solver)
    squared = problem.squared_residual(solution.value)
    robust = geman_mcclure_cost(squared, scale=settings.robust_scale)
    total = pixels.weight.sum().clamp_min(1e-6)
    return Appearance(
        lighting=solution.value[:LIGHT_COUNT].reshape(9, 3),
        texture_code=solution.value[LIGHT_COUNT:],
        solution=solution,
        photometric=float((pixels.weight * robust).sum() / total),
        prior=problem.prior(solution.value),
    )
