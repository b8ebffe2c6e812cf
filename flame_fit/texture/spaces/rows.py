"""The maximisation step: mean and components of each texel, given the codes of the maps.

A texel is a regression of its colours on the codes of the maps that show it. Components that few
maps speak for are held down by a prior as wide as the component is on other texels; texels that too
few maps show borrow just as much weight from the completed colours as they lack.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.texture.spaces.codes import MapCodes, robust_weights
from flame_fit.texture.spaces.colour import corrected
from flame_fit.texture.spaces.linear_model import LinearModel, packed, packed_products, unpacked
from flame_fit.texture.spaces.maps import MapBatch

# Keeps the mean of a texel that nobody shows solvable.
LEAST_WEIGHT = 1e-6


@dataclass(frozen=True, eq=False)
class CodeSummary:
    """What the codes of all maps have in common.

    Attributes:
        mean: Mean code.
        scale: Lower triangular; a code is mean + scale * whitened code.
        log_factor: Mean logarithm of the colour factors.
        noise: Standard deviation of the noise that the residuals show.
    """

    mean: Float[Tensor, " K"]
    scale: Float[Tensor, "K K"]
    log_factor: Float[Tensor, " 3"]
    noise: float


@dataclass(frozen=True, eq=False)
class MapsAndCodes:
    """A block of texels of some maps, and the codes of those maps."""

    batch: MapBatch
    codes: MapCodes


def summarise(chunks: Iterable[MapCodes], *, least_noise: float) -> CodeSummary:
    """Return the moments of all codes.

    Args:
        chunks: The codes of all maps.
        least_noise: Standard deviation that the noise is not taken to be below.
    """
    count, total, pairs, factor, residual, weight = 0, None, None, None, 0.0, 0.0
    for codes in chunks:
        moment = packed_products(codes.code) + codes.covariance
        count += len(codes.code)
        total = codes.code.sum(0) + (0.0 if total is None else total)
        pairs = moment.sum(0) + (0.0 if pairs is None else pairs)
        factor = codes.log_factor.sum(0) + (0.0 if factor is None else factor)
        residual += float(codes.residual.sum())
        weight += float(codes.weight.sum())
    if total is None or pairs is None or factor is None:
        raise ValueError("no maps were given")
    mean = total / count
    spread = unpacked((pairs / count)[None])[0] - mean[:, None] * mean
    tiny = 1e-9 * spread.diagonal().mean().clamp_min(1e-30) * torch.eye(len(mean)).to(spread)
    noise = (residual / max(weight, LEAST_WEIGHT)) ** 0.5
    return CodeSummary(
        mean=mean,
        scale=torch.linalg.cholesky(spread + tiny),
        log_factor=factor / count,
        noise=max(noise, least_noise),
    )


def whitened(codes: MapCodes, summary: CodeSummary) -> MapCodes:
    """Return the codes with mean 0 and variance 1 over all maps, and factors with mean 1.

    The model stays the same once its mean and components are solved anew for them; it only gets
    there in far fewer rounds.
    """
    inverse = torch.linalg.inv(summary.scale)
    covariance = inverse @ unpacked(codes.covariance) @ inverse.T
    return MapCodes(
        code=(codes.code - summary.mean) @ inverse.T,
        covariance=packed(covariance),
        log_factor=codes.log_factor - summary.log_factor,
        cross=codes.cross @ inverse.T,
        residual=codes.residual,
        weight=codes.weight,
    )


def fill_share(
    seen: Float[Tensor, " T"], unseen: Float[Tensor, " T"], *, wanted: float
) -> Float[Tensor, " T"]:
    """Return which weight completed colours need, so that no texel has too little altogether.

    Args:
        seen: Sum of each texel's confidence over all maps.
        unseen: The same of 1 - confidence.
        wanted: Weight that each texel should have.
    """
    return ((wanted - seen) / unseen.clamp_min(LEAST_WEIGHT)).clamp(0.0, 1.0)


def component_variances(parts: Iterable[LinearModel]) -> Float[Tensor, " K"]:
    """Return the mean square of each component over all texels and colours."""
    total, count = None, 0
    for part in parts:
        square = part.basis.double().reshape(-1, part.component_count)
        count += len(square)
        square = (square**2).sum(dim=0)
        total = square if total is None else total + square
    if total is None:
        raise ValueError("a model without texels has no components")
    return total / count


def solve_rows(
    chunks: Iterable[MapsAndCodes],
    *,
    fill: Float[Tensor, " B"],
    variances: Float[Tensor, " K"],
    summary: CodeSummary,
    before: LinearModel | None,
) -> LinearModel:
    """Return mean and components of a block of texels.

    Args:
        chunks: The maps and their codes, not whitened.
        fill: Weight of completed colours, see `fill_share`.
        variances: How wide the components are expected to be, each mean square.
        summary: Of the codes.
        before: The model that the codes were estimated with, which tells foreign texels; None for
            none.
    """
    gram, right = None, None
    for chunk in chunks:
        codes = whitened(chunk.codes, summary)
        clean = corrected(chunk.batch, codes.log_factor)
        weight = chunk.batch.confidence
        if before is not None:
            old = corrected(chunk.batch, chunk.codes.log_factor)
            weight = weight * robust_weights(old, before, chunk.codes.code)
        weight = weight + fill * (1.0 - chunk.batch.confidence)
        moments, one = _moments(codes)
        told = (weight.T @ moments.to(weight)).double()
        values = (weight[..., None] * clean.srgb).permute(1, 2, 0) @ one.to(weight)
        # Were the factor larger, the corrected colour would be darker and the code another one.
        sloped = (weight[..., None] * clean.slope).permute(2, 1, 0)
        values[..., 1:] -= (sloped @ codes.cross.transpose(0, 1).to(weight)).transpose(0, 1)
        gram = told if gram is None else gram + told
        right = values.double() if right is None else right + values.double()
    if gram is None or right is None:
        raise ValueError("no maps were given")
    ridge = summary.noise**2 / variances.clamp_min(1e-30)
    ridge = torch.cat((ridge.new_full((1,), LEAST_WEIGHT), ridge))
    system = unpacked(gram) + torch.diag(ridge)
    solved = torch.linalg.solve(system, right.transpose(1, 2)).transpose(1, 2)
    solved = solved.to(fill)
    return LinearModel(solved[..., 0], solved[..., 1:].contiguous(), summary.noise)


def _moments(codes: MapCodes) -> tuple[Tensor, Tensor]:
    """Return the packed second moments of the codes with a one before them, and those codes."""
    one = torch.cat((torch.ones_like(codes.code[:, :1]), codes.code), dim=1)
    maps, size = one.shape
    covariance = one.new_zeros(maps, size, size)
    covariance[:, 1:, 1:] = unpacked(codes.covariance)
    return packed_products(one) + packed(covariance), one
