"""Colour constancy: how much brighter and how tinted each map is.

What a photo's exposure, white balance and light leave in an albedo map is taken as one factor for
each colour of linear light. Skin differs in colour too, and one map cannot say which of the two it
is; so the factor is estimated together with the map's code, both with a prior. What the components
have learnt from all maps is explained by the code, what goes against them by the factor.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.appearance import srgb_to_linear
from flame_fit.appearance.colour import EXPONENT, OFFSET
from flame_fit.texture.spaces.linear_model import LinearModel
from flame_fit.texture.spaces.maps import MapBatch

# Below this the curve is a straight line; a log ratio of darker colours is mostly their rounding.
DARKEST_SRGB = 0.04
MEDIAN_TO_DEVIATION = 1.4826
TUKEY_LIMIT = 4.685
LINE_ROUNDS = 10
# Of the part of a factor that is held at zero while the other is estimated: a deviation of 0 has no
# precision.
HELD_DEVIATION = 1e-4


@dataclass(frozen=True)
class ColourPrior:
    """Standard deviations of the logarithm of a map's colour factor; 0 holds that part at zero.

    Attributes:
        brightness: Of what the three colours have in common.
        tint: Of how each departs from that.
    """

    brightness: float = 0.10
    tint: float = 0.06

    @staticmethod
    def off() -> ColourPrior:
        """Return the prior of maps whose colours are right as they are."""
        return ColourPrior(0.0, 0.0)

    @property
    def is_on(self) -> bool:
        """Whether factors are estimated at all."""
        return self.brightness > 0 or self.tint > 0

    def precision(self, *, like: Tensor) -> Float[Tensor, "3 3"]:
        """Return the inverse covariance of a log factor."""
        grey = like.new_full((3, 3), 1.0 / 3.0)
        tint = torch.eye(3).to(like) - grey
        brightness, tone = (max(value, HELD_DEVIATION) for value in (self.brightness, self.tint))
        return grey / (3.0 * brightness**2) + tint / tone**2


@dataclass(frozen=True, eq=False)
class CorrectedBatch:
    """Maps without their colour factor.

    Attributes:
        srgb: sRGB albedo.
        slope: Derivative of the map's sRGB values by the logarithm of its factor.
    """

    srgb: Float[Tensor, "n B 3"]
    slope: Float[Tensor, "n B 3"]


def corrected(batch: MapBatch, log_factor: Float[Tensor, "n 3"]) -> CorrectedBatch:
    """Divide maps by their colour factors in linear light.

    Above its short straight part the sRGB curve is a power with an offset, so a factor of linear
    light is a factor of the sRGB value plus that offset; near black the error of taking it so
    everywhere is a fiftieth of the logarithm.

    Args:
        batch: Some texels of some maps.
        log_factor: Logarithm of each map's factor for linear red, green and blue.
    """
    factor = torch.exp(-log_factor / EXPONENT)[:, None].to(batch.srgb)
    lifted = (batch.srgb + OFFSET) * factor
    return CorrectedBatch(lifted - OFFSET, lifted / EXPONENT)


def without_colour(model: LinearModel, prior: ColourPrior) -> LinearModel:
    """Return a model of all variance without the part that the prior gives to colour factors.

    The covariance that the components stand for is that of skin and that of the factors; along the
    directions that a factor moves a map, the prior's variance is taken away, as much as there is.

    Args:
        model: For codes of unit variance.
        prior: Of the colour factors.
    """
    if not prior.is_on:
        return model
    flat = model.basis.double().reshape(-1, model.component_count)
    slope = (model.mean.double() + OFFSET) / EXPONENT
    moves = torch.diag_embed(slope).reshape(-1, 3)
    tiny = 1e-9 * flat.square().sum() * torch.eye(model.component_count).to(flat)
    inside = torch.linalg.solve(flat.T @ flat + tiny, flat.T @ moves)
    light = inside @ torch.linalg.inv(prior.precision(like=flat)) @ inside.T
    values, vectors = torch.linalg.eigh(torch.eye(model.component_count).to(flat) - light)
    left = vectors * values.clamp(0.0, 1.0).sqrt()
    return LinearModel(model.mean, model.basis @ left.to(model.basis), model.noise)


def log_ratio(
    batch: MapBatch, mean: Float[Tensor, "B 3"], *, least_confidence: float = 0.5
) -> Float[Tensor, "n 3"]:
    """Return by how much maps are brighter than a mean: the median over common texels.

    Args:
        batch: Texels of maps, enough for a median.
        mean: sRGB albedo.
        least_confidence: From which a texel counts as seen.

    Returns:
        Log ratios of linear light; NaN for a map that shows none of the texels.
    """
    usable = (mean > DARKEST_SRGB).all(dim=-1) & (batch.srgb > DARKEST_SRGB).all(dim=-1)
    seen = (batch.confidence >= least_confidence) & usable
    ratio = torch.log(srgb_to_linear(batch.srgb)) - torch.log(srgb_to_linear(mean))
    return torch.where(seen[..., None], ratio, torch.nan).nanmedian(dim=1).values


@dataclass(frozen=True, eq=False)
class ColourDistance:
    """How far the maps' colours are from those of skin.

    Attributes:
        brightness: Mean log ratio to the middle one, without sign.
        tint: Distance from the usual tint at that brightness, in robust standard deviations.
    """

    brightness: Float[Tensor, " n"]
    tint: Float[Tensor, " n"]


def colour_distance(
    log_ratios: Float[Tensor, "n 3"], *, least_deviation: float = 0.05
) -> ColourDistance:
    """Return how unusual the colours of maps are.

    Darker skin has another tint: what a pigment absorbs makes the logarithms of the colours fall in
    fixed proportions. So a tint is unusual only where it departs from a straight line over the
    logarithm of the brightness, and people of a rare colour are not taken for errors.

    Args:
        log_ratios: As `log_ratio` returns them; NaN stays NaN.
        least_deviation: Smaller spreads are taken to be this large, so that among very similar
            maps none is called unusual.
    """
    brightness = log_ratios.mean(dim=1)
    brightness = brightness - brightness.nanmedian()
    tints = torch.stack(
        (log_ratios[:, 0] - log_ratios[:, 1], log_ratios[:, 2] - log_ratios[:, 1]), dim=1
    )
    known = ~brightness.isnan()
    design = torch.stack((torch.ones_like(brightness), brightness), dim=1)[known]
    weight = torch.ones_like(brightness[known])
    distance = weight
    for _ in range(LINE_ROUNDS):
        system = design.T @ (weight[:, None] * design) + 1e-6 * torch.eye(2).to(design)
        line = torch.linalg.solve(system, design.T @ (weight[:, None] * tints[known]))
        off = (tints[known] - design @ line).abs()
        spread = MEDIAN_TO_DEVIATION * off.median(dim=0).values
        distance = (off / spread.clamp_min(least_deviation)).amax(dim=1)
        # Tukey's weights: what is far off does not bend the line.
        weight = (1.0 - (distance / TUKEY_LIMIT) ** 2).clamp_min(0.0) ** 2
    tint = torch.full_like(brightness, torch.nan)
    tint[known] = distance
    return ColourDistance(brightness=brightness.abs(), tint=tint)
