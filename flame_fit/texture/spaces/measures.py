"""How much of the maps a space explains: of those it was made from, and of others."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from flame_fit.texture.spaces.codes import Evidence, MapCodes, estimate_codes, gather_evidence
from flame_fit.texture.spaces.colour import ColourPrior
from flame_fit.texture.spaces.estimate import EstimatedSpace, SpaceProgress
from flame_fit.texture.spaces.linear_model import unpacked
from flame_fit.texture.spaces.maps import MapBatch, MapSource, map_chunks
from flame_fit.texture.spaces.rows import whitened
from flame_fit.texture.spaces.stored import StoredModel
from flame_fit.texture.texel_geometry import TexelGeometry

# Cells of the chart along each side; every other one is hidden.
HIDDEN_CELLS = 16
# Rounds in which the codes of a new map, its colour and its foreign texels are found.
NEW_MAP_ROUNDS = 4


@dataclass(frozen=True, eq=False)
class SquareSums:
    """Squared errors of maps, a value for each number of components from 0 upwards.

    Attributes:
        error: Weighted sum over texels and colours.
        weight: Sum of the weights.
    """

    error: Float[Tensor, " C"]
    weight: Float[Tensor, ""]

    @staticmethod
    def none(components: int) -> SquareSums:
        """Return the sums over no map."""
        zeros = torch.zeros(components + 1, dtype=torch.float64)
        return SquareSums(zeros, torch.zeros((), dtype=torch.float64))

    def __add__(self, other: SquareSums) -> SquareSums:
        """Return the sums over both sets of maps."""
        return SquareSums(self.error + other.error, self.weight + other.weight)

    def explained(self) -> Float[Tensor, " C"]:
        """Return the share of the squared departures from the mean that components explain."""
        return 1.0 - self.error / self.error[0].clamp_min(1e-30)

    def root_mean_square(self) -> Float[Tensor, " C"]:
        """Return the error in sRGB, black 0 and white 1; NaN over no map."""
        return (self.error / self.weight).sqrt()


@dataclass(frozen=True, eq=False)
class NewMapErrors:
    """How well maps are shown that the space was not made from.

    Attributes:
        shown: Of the texels that the code was found from.
        hidden: Of texels in cells of the chart that were hidden from it.
    """

    shown: SquareSums
    hidden: SquareSums

    def __add__(self, other: NewMapErrors) -> NewMapErrors:
        """Return the sums over both sets of maps."""
        return NewMapErrors(self.shown + other.shown, self.hidden + other.hidden)


@dataclass(frozen=True, eq=False)
class PartlyHidden:
    """Maps of which some texels count as not seen.

    Attributes:
        source: The maps.
        visible: Texels that stay.
    """

    source: MapSource
    visible: Bool[Tensor, " T"]

    @property
    def map_count(self) -> int:
        """How many maps there are."""
        return self.source.map_count

    @property
    def texel_count(self) -> int:
        """How many texels each map has."""
        return self.source.texel_count

    def read(self, maps: slice, texels: slice) -> MapBatch:
        """Return a part of the maps."""
        batch = self.source.read(maps, texels)
        return MapBatch(batch.srgb, batch.confidence * self.visible[texels].to(batch.confidence))


def chequered(texels: TexelGeometry) -> Bool[Tensor, " T"]:
    """Return the covered texels in every other cell of the chart."""
    cell = max(1, texels.size // HIDDEN_CELLS)
    row = texels.texel.div(texels.size * cell, rounding_mode="floor")
    column = texels.texel.remainder(texels.size).div(cell, rounding_mode="floor")
    return (row + column) % 2 == 0


def seen_share(source: MapSource, model: StoredModel) -> Float[Tensor, " T"]:
    """Return the mean confidence of each texel over all maps."""
    parts = [
        torch.stack(
            [source.read(maps, texels).confidence.sum(dim=0) for maps in map_chunks(source)]
        )
        for texels in model.blocks()
    ]
    return torch.cat([part.sum(dim=0) for part in parts]) / source.map_count


def known_map_errors(
    source: MapSource, maps: slice, model: StoredModel, known: MapCodes
) -> SquareSums:
    """Return how well maps are shown that the space was made from.

    Args:
        source: The maps.
        maps: Some of them.
        model: The space with principal components.
        known: Their colour factors; the codes are found anew for each number of components.
    """
    evidence = _evidence(source, maps, model, known)
    return _errors(evidence, evidence, noise=_noise(model))


def new_map_errors(
    source: MapSource,
    maps: slice,
    model: StoredModel,
    visible: Bool[Tensor, " T"],
    *,
    prior: ColourPrior,
) -> NewMapErrors:
    """Return how well maps are shown that the space was not made from.

    Args:
        source: The maps.
        maps: Some of them.
        model: The space with principal components.
        visible: Texels that the codes are found from; each half is hidden once.
        prior: Of the colour factors.
    """
    whole = _new_codes(source, maps, model, prior)
    shown = _evidence(source, maps, model, whole)
    noise = _noise(model)
    hidden = SquareSums.none(shown.right.shape[-1])
    for half in (visible, ~visible):
        seen, unseen = PartlyHidden(source, half), PartlyHidden(source, ~half)
        codes = _new_codes(seen, maps, model, prior)
        hidden = hidden + _errors(
            _evidence(seen, maps, model, codes),
            _evidence(unseen, maps, model, codes),
            noise=noise,
        )
    return NewMapErrors(_errors(shown, shown, noise=noise), hidden)


def _noise(model: StoredModel) -> float:
    return model.part(model.blocks()[0]).noise


def _new_codes(source: MapSource, maps: slice, model: StoredModel, prior: ColourPrior) -> MapCodes:
    first = model.part(model.blocks()[0])
    codes = MapCodes.unknown(maps.stop - maps.start, first.component_count, like=first.mean)
    for number in range(NEW_MAP_ROUNDS):
        codes = estimate_codes(
            source,
            maps,
            model.part,
            before=codes,
            prior=prior,
            block=model.block,
            robust=number > 0,
        )
    return codes


def _evidence(source: MapSource, maps: slice, model: StoredModel, codes: MapCodes) -> Evidence:
    """Return the evidence of all texels at these colour factors, none of them mistrusted."""
    found = None
    for texels in model.blocks():
        part = gather_evidence(source.read(maps, texels), model.part(texels), codes, robust=False)
        found = part if found is None else found + part
    if found is None:
        raise ValueError("a model without texels shows nothing")
    return found


def _errors(told: Evidence, judged: Evidence, *, noise: float) -> SquareSums:
    """Return the errors on one set of texels of codes that were found from another.

    Args:
        told: What the codes are found from.
        judged: Where the errors are measured.
        noise: Standard deviation of the noise.
    """
    gram, target = unpacked(told.gram), unpacked(judged.gram)
    count = gram.shape[-1]
    errors = [judged.square.sum()]
    eye = noise**2 * torch.eye(count).to(gram)
    for used in range(1, count + 1):
        system = gram[:, :used, :used] + eye[:used, :used]
        code = torch.linalg.solve(system, told.right[:, :used])
        fitted = (code * (target[:, :used, :used] @ code[..., None])[..., 0]).sum()
        errors.append(judged.square.sum() - 2.0 * (code * judged.right[:, :used]).sum() + fitted)
    return SquareSums(torch.stack(errors).clamp_min(0.0), judged.weight.sum())


@dataclass(frozen=True)
class ColourSpread:
    """Root mean square of the logarithms of the used maps' colour factors.

    Attributes:
        brightness: Of what the three colours have in common.
        tint: Of how each departs from that.
    """

    brightness: float
    tint: float


@dataclass(frozen=True, eq=False)
class JudgedSpace:
    """How well a space shows maps.

    Attributes:
        used: Those it was made from.
        new: Those that were held out; its weights are 0 if none were.
        colours: What was taken for a matter of light and exposure.
    """

    used: SquareSums
    new: NewMapErrors
    colours: ColourSpread


def judge_space(
    used: MapSource,
    held_out: MapSource,
    found: EstimatedSpace,
    model: StoredModel,
    *,
    visible: Bool[Tensor, " T"],
    prior: ColourPrior,
    progress: SpaceProgress,
) -> JudgedSpace:
    """Return how well a space shows the maps it was made from, and others.

    Args:
        used: The maps it was made from.
        held_out: Other maps.
        found: The estimate, for the colour factors of the used maps.
        model: The space with principal components.
        visible: Half of the texels, see `chequered`.
        prior: Of the colour factors.
        progress: Shows how far the work is.
    """
    progress.stage("measuring", len(map_chunks(used)) + len(map_chunks(held_out)))
    count = model.part(model.blocks()[0]).component_count
    known = SquareSums.none(count)
    factors = []
    for maps in map_chunks(used):
        codes = whitened(found.codes.chunk(maps), found.codes.summary())
        factors.append(codes.log_factor)
        known = known + known_map_errors(used, maps, model, codes)
        progress.advance()
    new = NewMapErrors(SquareSums.none(count), SquareSums.none(count))
    for maps in map_chunks(held_out):
        new = new + new_map_errors(held_out, maps, model, visible, prior=prior)
        progress.advance()
    return JudgedSpace(known, new, _spread(torch.cat(factors)))


def _spread(log_factors: Float[Tensor, "n 3"]) -> ColourSpread:
    brightness = log_factors.mean(dim=1, keepdim=True)
    return ColourSpread(
        brightness=float((brightness**2).mean().sqrt()),
        tint=float(((log_factors - brightness) ** 2).mean().sqrt()),
    )
