"""One look for the textures that several photos give of one person.

Exposure, white balance and what is left of the light make every photo's albedo a little different.
The statistics of brightness and tint over the texels that two photos share tell by how much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

# Rec. 601, from sRGB values to brightness and two colour differences.
YUV_FROM_RGB = (
    (0.299, 0.587, 0.114),
    (-0.14713, -0.28886, 0.436),
    (0.615, -0.51499, -0.10001),
)
# Confidence from which a photo's texel is compared.
SURE = 0.5
# Texels that two photos must share to be compared, and texels that are looked at; more change
# nothing.
FEWEST_SHARED, MOST_COMPARED = 300, 40_000
# Median absolute deviations from which a difference of two photos is no matter of their look.
OUTLIER = 3.0
ROUNDS = 3
# From the median absolute deviation to the standard deviation of a Gaussian.
MAD_TO_SIGMA = 1.4826
# Contrast may change by this factor either way: beyond it, noise or a shadow was compared.
LARGEST_CONTRAST = 1.35
LEAST_SPREAD = 1e-3
# Worth of a photo's own look beside what a comparison tells.
OWN_LOOK = 1e-3
# Worth of keeping the mean look of all photos.
COMMON_LOOK = 10.0


@dataclass(frozen=True, eq=False)
class SeenAlbedo:
    """The albedo of one photo on the covered texels of a chart, a row per texel.

    Attributes:
        srgb: sRGB from 0 to 1.
        confidence: How well the photo shows each texel, 0..1.
        resolution: Photo pixels across each texel.
        worth: How well the head is placed in the photo, above 0; only its ratios count.
    """

    srgb: Float[Tensor, "N 3"]
    confidence: Float[Tensor, " N"]
    resolution: Float[Tensor, " N"]
    worth: float = 1.0


@dataclass(frozen=True, eq=False)
class ColourMatch:
    """How the colours of one photo change: `scale * value + shift` in brightness and tints.

    Attributes:
        scale: Of Y, U and V.
        shift: Of Y, U and V, in sRGB from 0 to 1.
        compared: With how many of the other photos.
    """

    scale: Float[Tensor, "3"]
    shift: Float[Tensor, "3"]
    compared: int

    def apply(self, srgb: Float[Tensor, "N 3"]) -> Float[Tensor, "N 3"]:
        """Return sRGB values in the common look, from 0 to 1."""
        matrix = srgb.new_tensor(YUV_FROM_RGB)
        yuv = (srgb @ matrix.T) * self.scale.to(srgb) + self.shift.to(srgb)
        return (yuv @ torch.linalg.inv(matrix).T).clamp(0.0, 1.0)


def match_colours(seen: Sequence[SeenAlbedo]) -> tuple[ColourMatch, ...]:
    """Return the changes that give all photos one look.

    Medians and median absolute deviations of Y, U and V over the texels that a pair of photos
    shares are made equal, for all pairs at once by least squares; texels at which the two differ
    in more than their look are left out. The mean look, weighted by confidence, stays as it is. A
    photo that shares too little with the others keeps its own look.

    Args:
        seen: One map for each photo, all on the same texels.
    """
    step = max(1, len(seen[0].confidence) // MOST_COMPARED)
    matrix = torch.tensor(YUV_FROM_RGB, dtype=torch.float64)
    yuv = [each.srgb[::step].double().cpu() @ matrix.T for each in seen]
    sure = [each.confidence[::step].cpu() > SURE for each in seen]
    worth = torch.stack([mask.double().sum() for mask in sure]).clamp_min(1.0)
    middle = torch.stack(
        [
            _median(values[mask] if mask.any() else values)
            for values, mask in zip(yuv, sure, strict=True)
        ]
    )
    scale, shift = torch.ones_like(middle), torch.zeros_like(middle)
    for _ in range(ROUNDS):
        pairs = _compare(yuv, sure, scale, shift)
        scale = _solve(
            [_Tie(p.first, p.second, p.worth, (p.spread[1] / p.spread[0]).log()) for p in pairs],
            worth,
            torch.zeros_like(middle),
        )
        limit = float(torch.tensor(LARGEST_CONTRAST).log())
        scale = scale.clamp(-limit, limit).exp()
        ties = [
            _Tie(
                p.first,
                p.second,
                p.worth,
                scale[p.second] * p.middle[1] - scale[p.first] * p.middle[0],
            )
            for p in pairs
        ]
        shift = _solve(ties, worth, (1.0 - scale) * middle)
    compared = [sum(index in (p.first, p.second) for p in pairs) for index in range(len(seen))]
    return tuple(
        ColourMatch(scale[index].float(), shift[index].float(), compared[index])
        for index in range(len(seen))
    )


@dataclass(frozen=True, eq=False)
class _Pair:
    """Statistics of two photos over the texels they share, first photo first."""

    first: int
    second: int
    worth: float
    middle: Float[Tensor, "2 3"]
    spread: Float[Tensor, "2 3"]


@dataclass(frozen=True, eq=False)
class _Tie:
    """By how much the first photo's unknown should exceed the second's."""

    first: int
    second: int
    worth: float
    difference: Float[Tensor, "3"]


def _compare(
    yuv: Sequence[Float[Tensor, "n 3"]],
    sure: Sequence[Bool[Tensor, " n"]],
    scale: Float[Tensor, "b 3"],
    shift: Float[Tensor, "b 3"],
) -> list[_Pair]:
    pairs = []
    for first in range(len(yuv)):
        for second in range(first + 1, len(yuv)):
            rows = (sure[first] & sure[second]).nonzero()[:, 0]
            if len(rows) < FEWEST_SHARED:
                continue
            values = torch.stack([yuv[index][rows] for index in (first, second)])
            matched = values * scale[[first, second], None] + shift[[first, second], None]
            apart = matched[0] - matched[1]
            apart = (apart - _median(apart)).abs()
            alike = (apart <= OUTLIER * MAD_TO_SIGMA * _median(apart) + LEAST_SPREAD).all(dim=1)
            values = values[:, alike]
            middle = torch.stack([_median(each) for each in values])
            spread = MAD_TO_SIGMA * torch.stack(
                [_median((each - mid).abs()) for each, mid in zip(values, middle, strict=True)]
            )
            worth = float(alike.sum()) / len(sure[first])
            pairs.append(_Pair(first, second, worth, middle, spread.clamp_min(LEAST_SPREAD)))
    return pairs


def _solve(
    ties: Sequence[_Tie], worth: Float[Tensor, " b"], own: Float[Tensor, "b 3"]
) -> Float[Tensor, "b 3"]:
    """Return what the ties ask of all photos, with the weighted mean of `own`."""
    count = len(worth)
    share = worth / worth.sum()
    rows = [COMMON_LOOK * share, *(OWN_LOOK * torch.eye(count).double())]
    right = [COMMON_LOOK * (share @ own), *(OWN_LOOK * own)]
    for tie in ties:
        row = torch.zeros(count, dtype=torch.float64)
        weight = tie.worth**0.5
        row[tie.first], row[tie.second] = weight, -weight
        rows.append(row)
        right.append(weight * tie.difference)
    return torch.linalg.lstsq(torch.stack(rows), torch.stack(right)).solution


def _median(values: Float[Tensor, "n 3"]) -> Float[Tensor, "3"]:
    return values.median(dim=0).values
