"""The expectation step: codes and colour factors of maps, given a linear model.

For each map the seen texels give `srgb - mean = basis * code + slope * step + noise`, where `step`
is what remains of the logarithm of its colour factor. With the priors on both this is one small
system of equations for each map, gathered over blocks of texels. Texels that the model cannot
explain, such as a strand of hair, count less.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.texture.spaces.colour import ColourPrior, CorrectedBatch, corrected
from flame_fit.texture.spaces.linear_model import LinearModel, packed, packed_products, unpacked
from flame_fit.texture.spaces.maps import MapBatch, MapSource, parts_of

COLOURS = 3
# A texel whose colours are so much off, root mean square of sRGB, counts half. Skin differs by less
# from what the components say of it, and a strand of hair by more; and what no component shows yet
# must not be taken for foreign, or none ever will.
FOREIGN = 0.04
FOREIGN_BY_NOISE = 2.0


@dataclass(frozen=True, eq=False)
class MapCodes:
    """What is known of some maps.

    Attributes:
        code: Codes.
        covariance: Their posterior covariance, packed.
        log_factor: Logarithm of the colour factors.
        cross: Posterior covariance of each colour's logarithm with the codes: what is not known of
            the one is not known of the other.
        residual: Expected sum of the weighted squared residuals.
        weight: Sum of the confidences of all colours.
    """

    code: Float[Tensor, "n K"]
    covariance: Float[Tensor, "n P"]
    log_factor: Float[Tensor, "n 3"]
    cross: Float[Tensor, "n 3 K"]
    residual: Float[Tensor, " n"]
    weight: Float[Tensor, " n"]

    @staticmethod
    def unknown(count: int, components: int, *, like: Tensor) -> MapCodes:
        """Return codes at their prior, in double precision."""
        like = like.double()
        covariance = packed(torch.eye(components).to(like)[None]).repeat(count, 1)
        return MapCodes(
            code=like.new_zeros(count, components),
            covariance=covariance,
            log_factor=like.new_zeros(count, COLOURS),
            cross=like.new_zeros(count, COLOURS, components),
            residual=like.new_zeros(count),
            weight=like.new_zeros(count),
        )


@dataclass(frozen=True, eq=False)
class Evidence:
    """Normal equations of some maps before noise and priors, in double precision.

    Attributes:
        gram: basis' W basis, packed.
        right: basis' W (srgb - mean).
        cross: slope' W basis for each colour.
        colour_gram: slope' W slope for each colour.
        colour_right: slope' W (srgb - mean) for each colour.
        square: (srgb - mean)' W (srgb - mean).
        weight: Sum of the confidences of all colours.
    """

    gram: Float[Tensor, "n P"]
    right: Float[Tensor, "n K"]
    cross: Float[Tensor, "n 3 K"]
    colour_gram: Float[Tensor, "n 3"]
    colour_right: Float[Tensor, "n 3"]
    square: Float[Tensor, " n"]
    weight: Float[Tensor, " n"]

    def __add__(self, other: Evidence) -> Evidence:
        """Return the evidence of both sets of texels."""
        return Evidence(*(a + b for a, b in zip(self._parts(), other._parts(), strict=True)))

    def _parts(self) -> tuple[Tensor, ...]:
        return tuple(vars(self).values())


def estimate_codes(
    source: MapSource,
    maps: slice,
    model_part: Callable[[slice], LinearModel],
    *,
    before: MapCodes,
    prior: ColourPrior,
    block: int,
    robust: bool = True,
) -> MapCodes:
    """Return the codes and colour factors of some maps.

    Args:
        source: The maps.
        maps: Which of them.
        model_part: Returns the model of a range of texels.
        before: Codes and factors that residuals and slopes are taken at.
        prior: Of the colour factors.
        block: Texels that are worked on at once.
        robust: Whether badly explained texels count less; needs codes in `before`.
    """
    evidence, noise = None, 0.0
    for texels in parts_of(source.texel_count, block):
        model = model_part(texels)
        noise = model.noise
        found = gather_evidence(source.read(maps, texels), model, before, robust=robust)
        evidence = found if evidence is None else evidence + found
    if evidence is None:
        raise ValueError("maps without texels have no codes")
    return solve_codes(evidence, before, prior=prior, noise=noise)


def gather_evidence(
    batch: MapBatch, model: LinearModel, before: MapCodes, *, robust: bool
) -> Evidence:
    """Return what a block of texels says about some maps."""
    maps, components = batch.confidence.shape[0], model.component_count
    clean = corrected(batch, before.log_factor)
    off = clean.srgb - model.mean
    weight = batch.confidence
    if robust:
        weight = weight * robust_weights(clean, model, before.code)
    basis = model.basis
    pairs = packed_products(basis.reshape(-1, components))
    pairs = pairs.reshape(-1, COLOURS, pairs.shape[-1]).sum(dim=1)
    weighted = weight[..., None] * off
    sloped = weight[..., None] * clean.slope
    by_colour = basis.permute(1, 0, 2)
    return Evidence(
        gram=(weight @ pairs).double(),
        right=(weighted.reshape(maps, -1) @ basis.reshape(-1, components)).double(),
        cross=torch.bmm(sloped.permute(2, 0, 1), by_colour).permute(1, 0, 2).double(),
        colour_gram=(sloped * clean.slope).double().sum(dim=1),
        colour_right=(sloped * off).double().sum(dim=1),
        square=(weighted * off).double().sum(dim=(1, 2)),
        weight=COLOURS * batch.confidence.double().sum(dim=1),
    )


def robust_weights(
    clean: CorrectedBatch, model: LinearModel, code: Float[Tensor, "n K"]
) -> Float[Tensor, "n B"]:
    """Return how well each texel agrees with the model, 1 where it does (Cauchy's weights)."""
    maps, components = code.shape
    told = code.to(model.basis) @ model.basis.reshape(-1, components).T
    off = clean.srgb - model.mean - told.reshape(maps, -1, COLOURS)
    scale = max(FOREIGN, FOREIGN_BY_NOISE * model.noise)
    return 1.0 / (1.0 + (off / scale).square().mean(dim=-1))


def solve_codes(
    evidence: Evidence, before: MapCodes, *, prior: ColourPrior, noise: float
) -> MapCodes:
    """Solve the normal equations of each map.

    Args:
        evidence: Of all its texels.
        before: Codes and factors that the evidence was gathered at.
        prior: Of the colour factors.
        noise: Standard deviation of the noise.
    """
    maps, components = evidence.right.shape
    size = components + (COLOURS if prior.is_on else 0)
    data = evidence.right.new_zeros(maps, size, size)
    data[:, :components, :components] = unpacked(evidence.gram)
    right = evidence.right.new_zeros(maps, size)
    right[:, :components] = evidence.right
    precision = torch.eye(size).to(data)
    pull = evidence.right.new_zeros(maps, size)
    if prior.is_on:
        data[:, components:, :components] = evidence.cross
        data[:, :components, components:] = evidence.cross.transpose(1, 2)
        data[:, components:, components:] = torch.diag_embed(evidence.colour_gram)
        right[:, components:] = evidence.colour_right
        precision[components:, components:] = prior.precision(like=data)
        pull[:, components:] = -before.log_factor @ precision[components:, components:]
    covariance = noise**2 * torch.linalg.inv(data + noise**2 * precision)
    value = (covariance @ (right / noise**2 + pull)[..., None])[..., 0]
    fitted = (value * (data @ value[..., None])[..., 0]).sum(dim=1)
    spread = (data * covariance).sum(dim=(1, 2))
    step, cross = torch.zeros_like(before.log_factor), torch.zeros_like(before.cross)
    if prior.is_on:
        step, cross = value[:, components:], covariance[:, components:, :components]
    return MapCodes(
        code=value[:, :components],
        covariance=packed(covariance[:, :components, :components]),
        log_factor=before.log_factor + step,
        cross=cross,
        residual=(evidence.square - 2.0 * (value * right).sum(dim=1) + fitted).clamp_min(0.0)
        + spread,
        weight=evidence.weight,
    )
