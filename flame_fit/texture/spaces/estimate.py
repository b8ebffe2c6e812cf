"""Probabilistic principal components of maps with missing texels, out of core and resumable.

Expectation-maximisation finds mean, components and noise that make the seen texels most likely;
nothing is imputed. Given the codes of the maps, texels do not depend on each other: the codes are
found on a few thousand texels in many cheap rounds, and then all texels are solved in few. The
first rounds take every difference for one of skin; then the share of light is taken out at once.
Every block of maps or texels is a step of its own that is kept in a file, so memory is bounded and
an interruption costs one block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.texture.spaces.codes import COLOURS, MapCodes, estimate_codes
from flame_fit.texture.spaces.colour import ColourPrior, without_colour
from flame_fit.texture.spaces.linear_model import LinearModel
from flame_fit.texture.spaces.maps import MapSource, map_chunks
from flame_fit.texture.spaces.principal import principal_axes
from flame_fit.texture.spaces.rows import (
    CodeSummary,
    MapsAndCodes,
    component_variances,
    fill_share,
    solve_rows,
    summarise,
    whitened,
)
from flame_fit.texture.spaces.steps import StepFolder
from flame_fit.texture.spaces.stored import StoredCodes, StoredModel

# Bytes of the normal equations of one block of texels.
BLOCK_BYTES = 48 * 2**20
BLOCK_RANGE = (256, 8192)
TINY = 1e-6
# More components than are wanted make the first ones settle sooner, and hold what light and
# exposure do until it is told from skin.
EXTRA_COMPONENTS = 4
NARROW_ROUNDS = 4
CALM_ROUNDS = 3
# Weight that every texel has altogether; what it lacks is taken from completed colours.
LEAST_TEXEL_WEIGHT = 3.0


@dataclass(frozen=True)
class SpaceSettings:
    """How a texture space is estimated.

    Attributes:
        components: How many components it gets.
        colour: Prior of the maps' colour factors.
        robust: Whether texels that do not fit the rest of their map count less.
        coarse_rounds: Most rounds on the chosen texels.
        fine_rounds: Rounds on all texels.
        tolerance: The coarse rounds end when the noise changes by less than this share.
        least_noise: Standard deviation of sRGB that the noise is not taken to be below. One level
            of an 8-bit map; without it few maps with many components explain their own noise.
        seed: Of the first guess.
    """

    components: int
    colour: ColourPrior = ColourPrior()
    robust: bool = True
    coarse_rounds: int = 60
    fine_rounds: int = 2
    tolerance: float = 1e-3
    least_noise: float = 0.004
    seed: int = 0

    @property
    def block(self) -> int:
        """Texels that are worked on at once."""
        pairs = (self.components + 1) * (self.components + 2) // 2
        return min(BLOCK_RANGE[1], max(BLOCK_RANGE[0], BLOCK_BYTES // (8 * pairs)))


@runtime_checkable
class SpaceProgress(Protocol):
    """Shows how far the work is."""

    def stage(self, name: str, total: int) -> None:
        """Say what begins and in how many steps."""
        ...

    def advance(self) -> None:
        """Count one step."""
        ...


@dataclass(frozen=True)
class EstimatedSpace:
    """A model of all texels, and the codes that it was solved from."""

    model: StoredModel
    codes: StoredCodes


def estimate_space(
    source: MapSource,
    coarse_source: MapSource,
    *,
    settings: SpaceSettings,
    steps: StepFolder,
    progress: SpaceProgress,
) -> EstimatedSpace:
    """Return the space of maps; steps that lie in the folder already are not done again.

    Args:
        source: All texels of all maps.
        coarse_source: Some texels of the same maps, see `spread_texels`.
        settings: How it is estimated.
        steps: Keeps what is finished; it has to belong to these maps and settings.
        progress: Shows how far the work is.
    """
    extra = min(EXTRA_COMPONENTS, max(0, source.map_count - 1 - settings.components))
    more = replace(settings, components=settings.components + extra, colour=ColourPrior.off())
    wide = _Stage("wide", coarse_source, more, steps)
    few = replace(settings, coarse_rounds=NARROW_ROUNDS, tolerance=0.0)
    narrow = _Stage("narrow", coarse_source, few, steps)
    progress.stage("components on some texels", settings.coarse_rounds + NARROW_ROUNDS)
    _start(wide)
    found = _rounds(wide, progress)
    _begin_narrow(narrow, found, settings.colour)
    rough = _rounds(narrow, progress)
    return _fine(_Stage("fine", source, settings, steps), rough, progress)


@dataclass(frozen=True, eq=False)
class _Done:
    """What is kept of a finished round: the standard deviation of its noise."""

    noise: float


@dataclass(frozen=True, eq=False)
class _Seen:
    """Confidences of texels, summed over all maps."""

    weight: Float[Tensor, " B"]


@dataclass(frozen=True)
class _Stage:
    """Rounds on one set of texels."""

    name: str
    source: MapSource
    settings: SpaceSettings
    steps: StepFolder

    def model(self, number: int) -> StoredModel:
        """Return the model that a round begins with."""
        name = f"{self.name}_{number:03d}_rows"
        return StoredModel(self.steps, name, self.source.texel_count, self.settings.block)

    def codes(self, number: int) -> StoredCodes:
        """Return the codes of a round."""
        name = f"{self.name}_{number:03d}_codes"
        return StoredCodes(self.steps, name, self.source.map_count)

    def done(self, number: int) -> str:
        """Return the name of the step that ends a round."""
        return f"{self.name}_done_{number:03d}"

    def forget(self, number: int) -> None:
        """Remove what only the next round needed."""
        self.steps.forget(f"{self.name}_{number:03d}_")


def _nothing() -> None:
    """Show no progress."""


def _rounds(stage: _Stage, progress: SpaceProgress) -> EstimatedSpace:
    """Return model and codes after rounds on few texels, until the noise stays as it is."""
    settings, noises = stage.settings, _noises_of_done_rounds(stage)
    for _ in noises:
        progress.advance()
    for number in range(len(noises), settings.coarse_rounds):
        model = stage.model(number)
        before = stage.codes(number - 1) if number > 0 else None
        codes = stage.codes(number)
        for maps in codes.groups():
            _expect(stage, maps, model, codes, before)
        _summarise(stage, codes)
        noises.append(codes.summary().noise)
        progress.advance()
        if number + 1 == settings.coarse_rounds or _is_calm(noises, settings.tolerance):
            return EstimatedSpace(model, codes)
        _maximise(stage, stage.model(number + 1), codes, model, robust=number > 0)
        stage.steps.save(stage.done(number), _Done(noises[-1]))
        stage.forget(number - 1)
    raise ValueError(f"{settings.coarse_rounds} coarse rounds were asked for; give 1 or more")


def _begin_narrow(stage: _Stage, wide: EstimatedSpace, prior: ColourPrior) -> None:
    """Take light and exposure out of the components of all variance, and the first of the rest."""
    summary, parts = wide.codes.summary(), list(wide.model.parts())
    basis = torch.cat([part.basis for part in parts])
    mean = torch.cat([part.mean for part in parts]) + basis @ summary.mean.to(basis)
    whole = LinearModel(mean, basis @ summary.scale.to(basis), summary.noise)
    skin = without_colour(whole, prior)
    turn = principal_axes([skin]).rotation[:, : stage.settings.components]
    narrow = LinearModel(mean, skin.basis @ turn.to(basis), summary.noise)
    first = stage.model(0)
    if stage.steps.has(stage.done(0)):
        return
    for texels in first.blocks():
        stage.steps.once(first.step(texels), LinearModel, partial(narrow.part, texels))


def _fine(stage: _Stage, rough: EstimatedSpace, progress: SpaceProgress) -> EstimatedSpace:
    """Return the model of all texels; codes and rows take turns, rows come first and last."""
    rounds, codes, model = stage.settings.fine_rounds, rough.codes, rough.model
    first = stage.model(0)
    each = len(codes.groups()) + len(first.blocks())
    progress.stage("components on all texels", len(first.blocks()) + rounds * each)
    _maximise(stage, first, codes, model, robust=False, advance=progress.advance)
    for number in range(rounds):
        model, before, codes = stage.model(number), codes, stage.codes(number)
        for maps in codes.groups():
            _expect(stage, maps, model, codes, before)
            progress.advance()
        _summarise(stage, codes)
        following = stage.model(number + 1)
        _maximise(stage, following, codes, model, robust=True, advance=progress.advance)
    return EstimatedSpace(stage.model(rounds), codes)


def _noises_of_done_rounds(stage: _Stage) -> list[float]:
    noises: list[float] = []
    while stage.steps.has(stage.done(len(noises))):
        noises.append(stage.steps.load(stage.done(len(noises)), _Done).noise)
    return noises


def _is_calm(noises: list[float], tolerance: float) -> bool:
    """Tell whether the noise has hardly changed for some rounds."""
    last = noises[-CALM_ROUNDS - 1 :]
    calm = [abs(a - b) <= tolerance * a for a, b in pairwise(last)]
    return len(calm) == CALM_ROUNDS and all(calm)


def _start(stage: _Stage) -> None:
    """Take the mean of the maps and sums of their departures with random factors."""
    settings, source, model = stage.settings, stage.source, stage.model(0)
    generator = torch.Generator().manual_seed(settings.seed)
    factors = torch.randn(source.map_count, settings.components, generator=generator)
    if stage.steps.has(stage.done(0)):
        return
    for texels in model.blocks():
        make = partial(_start_rows, source, texels, factors)
        stage.steps.once(model.step(texels), LinearModel, make)


def _start_rows(source: MapSource, texels: slice, factors: Float[Tensor, "n K"]) -> LinearModel:
    total, weight = _sums(source, texels)
    mean = total / weight[:, None].clamp_min(TINY)
    basis, square = mean.new_zeros(*mean.shape, factors.shape[1]), 0.0
    for maps in map_chunks(source):
        batch = source.read(maps, texels)
        off = batch.confidence[..., None] * (batch.srgb - mean)
        basis += torch.einsum("nbc,nk->bck", off, factors[maps].to(off))
        square += float((off * off).sum())
    noise = (square / (COLOURS * max(float(weight.sum()), TINY))) ** 0.5
    return LinearModel(mean, basis / source.map_count**0.5, max(noise, TINY))


def _sums(source: MapSource, texels: slice) -> tuple[Tensor, Tensor]:
    """Return weighted colours and weights of texels, summed over all maps."""
    batches = (source.read(maps, texels) for maps in map_chunks(source))
    parts = [((b.confidence[..., None] * b.srgb).sum(0), b.confidence.sum(0)) for b in batches]
    return torch.stack([p[0] for p in parts]).sum(0), torch.stack([p[1] for p in parts]).sum(0)


def _expect(
    stage: _Stage,
    maps: slice,
    model: StoredModel,
    codes: StoredCodes,
    before: StoredCodes | None,
) -> None:
    """Find the codes of a chunk of maps."""
    settings, source = stage.settings, stage.source

    def known() -> MapCodes:
        if before is not None:
            return whitened(before.chunk(maps), before.summary())
        like = source.read(maps, slice(0, 1)).srgb
        return MapCodes.unknown(len(like), settings.components, like=like)

    def make() -> MapCodes:
        return estimate_codes(
            source,
            maps,
            model.part,
            before=known(),
            prior=settings.colour,
            block=settings.block,
            robust=settings.robust and before is not None,
        )

    stage.steps.once(codes.step(maps), MapCodes, make)


def _summarise(stage: _Stage, codes: StoredCodes) -> None:
    def make() -> CodeSummary:
        return summarise(codes.chunks(), least_noise=stage.settings.least_noise)

    codes.steps.once(codes.summary_step, CodeSummary, make)


def _maximise(
    stage: _Stage,
    model: StoredModel,
    codes: StoredCodes,
    before: StoredModel,
    *,
    robust: bool,
    advance: Callable[[], None] = _nothing,
) -> None:
    """Solve mean and components of all texels, block by block.

    `before` is the model that the codes were found with; to be robust it has to have these texels.
    """
    source, summary = stage.source, codes.summary()
    variances = component_variances(before.parts())

    def pieces(texels: slice) -> Iterator[MapsAndCodes]:
        for maps in codes.groups():
            yield MapsAndCodes(source.read(maps, texels), codes.chunk(maps))

    def make(texels: slice) -> LinearModel:
        seen = _seen(stage, model, texels)
        return solve_rows(
            pieces(texels),
            fill=fill_share(seen, source.map_count - seen, wanted=LEAST_TEXEL_WEIGHT),
            variances=variances,
            summary=summary,
            before=before.part(texels) if robust and stage.settings.robust else None,
        )

    for texels in model.blocks():
        stage.steps.once(model.step(texels), LinearModel, partial(make, texels))
        advance()


def _seen(stage: _Stage, model: StoredModel, texels: slice) -> Tensor:
    """Return the confidence of each texel of a block, summed over all maps."""
    name = f"{stage.name}_seen_{texels.start // model.block:05d}"

    def make() -> _Seen:
        return _Seen(_sums(stage.source, texels)[1])

    return stage.steps.once(name, _Seen, make).weight
