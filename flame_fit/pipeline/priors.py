"""What is known of heads, cameras and light before a photo is looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.losses import GaussianPrior, prior_residual
from flame_fit.pipeline.blocks import FOCAL_BLOCK, LIGHT_BLOCK, TEXTURE_BLOCK
from flame_fit.pipeline.relative_light import LIGHT_COUNT, relative_light, relative_light_jacobian


@runtime_checkable
class Prior(Protocol):
    """A Gaussian of a block, or of a function of it.

    Attributes:
        name: What the report calls it.
        block: The block it speaks of.
        weight: One is what the Gaussian says.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def block(self) -> str: ...  # noqa: D102
    @property
    def weight(self) -> float: ...  # noqa: D102

    def residual(self, part: Float[Tensor, "b size"]) -> Float[Tensor, "b m"]:
        """Return the whitened residual of a block."""
        ...

    def jacobian(self, part: Float[Tensor, "b size"]) -> Float[Tensor, "#b m size"]:
        """Return the derivative of the residual by the block."""
        ...


@dataclass(frozen=True)
class BlockPrior:
    """A Gaussian of one block; see `Prior`.

    Attributes:
        prior: Its Gaussian.
    """

    block: str
    prior: GaussianPrior
    weight: float = 1.0

    @property
    def name(self) -> str:
        """What the report calls it."""
        return f"prior_{self.block}"

    def residual(self, part: Float[Tensor, "b size"]) -> Float[Tensor, "b size"]:
        """Return the whitened distance from the mean."""
        return prior_residual(part, self.prior)

    def jacobian(self, part: Float[Tensor, "b size"]) -> Float[Tensor, "1 size size"]:
        """Return the whitening, the same everywhere."""
        return self.prior.whitening[None]


@dataclass(frozen=True)
class FocalPrior:
    """A log-normal prior of the focal length about each photo's own guess; see `Prior`.

    Attributes:
        mean: Logarithm of the guess in pixels.
        sigma: Standard deviation of the logarithm: small where the focal length was measured.
    """

    mean: Float[Tensor, "b 1"]
    sigma: Float[Tensor, "b 1"]
    weight: float = 1.0
    name: str = "prior_focal"
    block: str = FOCAL_BLOCK

    def residual(self, part: Float[Tensor, "b 1"]) -> Float[Tensor, "b 1"]:
        """Return the distance from the guess in standard deviations."""
        return (part - self.mean) / self.sigma

    def jacobian(self, part: Float[Tensor, "b 1"]) -> Float[Tensor, "b 1 1"]:
        """Return the derivative, the same everywhere."""
        return 1.0 / self.sigma[..., None]


@dataclass(frozen=True)
class DistancePrior:
    """A log-normal prior of how far the head is from the camera; see `Prior`.

    Attributes:
        metres: Median distance.
        sigma: Standard deviation of its logarithm.
    """

    metres: float = 0.9
    sigma: float = 0.4
    weight: float = 1.0
    name: str = "prior_distance"
    block: str = "translation"

    def residual(self, part: Float[Tensor, "b 3"]) -> Float[Tensor, "b 1"]:
        """Return the logarithm of the distance over the median, in standard deviations."""
        depth = (-part[:, 2:]).clamp_min(1e-3)
        return (depth / self.metres).log() / self.sigma

    def jacobian(self, part: Float[Tensor, "b 3"]) -> Float[Tensor, "b 1 3"]:
        """Return the derivative by the translation."""
        slope = 1.0 / (part[:, 2:].clamp_max(-1e-3) * self.sigma)
        return torch.nn.functional.pad(slope, (2, 0))[:, None]


@dataclass(frozen=True)
class LightSpread:
    """Light relative to the light on the visible skin: standard deviations, and how bright it is.

    Attributes:
        brightness: Mean of the logarithm of the light on the visible skin. Below 0: photos are
            exposed for what faces the light, and skin mostly turns away from it.
        exposure: Of the logarithm of the light on the visible skin.
        tint: Of the logarithm of one of its channels about grey.
        direction: Of the first-order light; the second order has half of it.
        direction_tint: The same for the tint of the directional light.
    """

    brightness: float = -0.15
    exposure: float = 0.15
    tint: float = 0.15
    direction: float = 0.3
    direction_tint: float = 0.05


@dataclass(frozen=True)
class LightPrior:
    """Of usual brightness, grey and even, as far as the photo lets it be; see `Prior`.

    Attributes:
        mean_basis: Mean of the harmonics over the visible skin of each photo.
        mean: Of the relative light.
        whitening: Of the relative light, flattened with colour fastest.
    """

    mean_basis: Float[Tensor, "b 9"]
    mean: Float[Tensor, "27"]
    whitening: Float[Tensor, "27 27"]
    weight: float = 1.0
    name: str = "prior_lighting"
    block: str = LIGHT_BLOCK

    def residual(self, part: Float[Tensor, "b 27"]) -> Float[Tensor, "b 27"]:
        """Return the whitened relative light."""
        relative = relative_light(part.unflatten(-1, (9, 3)), self.mean_basis)
        return (relative.flatten(1) - self.mean) @ self.whitening.T

    def jacobian(self, part: Float[Tensor, "b 27"]) -> Float[Tensor, "b 27 27"]:
        """Return the derivative by the light."""
        slope = relative_light_jacobian(part.unflatten(-1, (9, 3)), self.mean_basis)
        return self.whitening @ slope


def light_prior(mean_basis: Float[Tensor, "b 9"], spread: LightSpread) -> LightPrior:
    """Return the prior of the light of photos.

    The three channels of a coefficient share a grey part and differ by a small tint, so that
    the colour of skin is not explained by the light.

    Args:
        mean_basis: Mean of the harmonics over the visible skin of each photo.
        spread: How far light departs from even white.
    """
    grey = [spread.exposure] + [spread.direction] * 3 + [0.5 * spread.direction] * 5
    tint = [spread.tint] + [spread.direction_tint] * 8
    grey_variance, tint_variance = torch.tensor(grey) ** 2, torch.tensor(tint) ** 2
    covariance = torch.zeros(9, 3, 9, 3)
    index = torch.arange(9)
    covariance[index, :, index, :] = grey_variance[:, None, None] + tint_variance[
        :, None, None
    ] * torch.eye(3)
    mean = torch.zeros(9, 3)
    mean[0] = spread.brightness
    gaussian = GaussianPrior.from_covariance(
        mean.flatten(), covariance.reshape(LIGHT_COUNT, LIGHT_COUNT)
    )
    return LightPrior(mean_basis, gaussian.mean.to(mean_basis), gaussian.whitening.to(mean_basis))


def texture_prior(code: Float[Tensor, "b K"]) -> BlockPrior:
    """Return the prior of texture codes, which have unit variance."""
    return BlockPrior(TEXTURE_BLOCK, unit_gaussian(code.shape[-1], like=code))


def unit_gaussian(count: int, *, like: Tensor) -> GaussianPrior:
    """Return the standard Gaussian of independent coordinates."""
    return GaussianPrior.diagonal(like.new_zeros(count), like.new_ones(count))
