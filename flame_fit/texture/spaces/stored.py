"""Linear models and codes in files: a step for each block of texels and each chunk of maps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flame_fit.texture.spaces.codes import MapCodes
from flame_fit.texture.spaces.linear_model import LinearModel
from flame_fit.texture.spaces.maps import MAP_CHUNK, parts_of
from flame_fit.texture.spaces.rows import CodeSummary
from flame_fit.texture.spaces.steps import StepFolder


@dataclass(frozen=True)
class StoredModel:
    """A linear model whose blocks of texels are steps.

    Attributes:
        steps: Where the blocks are.
        name: How their names begin.
        texel_count: Texels altogether.
        block: Texels of each block.
    """

    steps: StepFolder
    name: str
    texel_count: int
    block: int

    def blocks(self) -> tuple[slice, ...]:
        """Return the texels of each block."""
        return parts_of(self.texel_count, self.block)

    def step(self, texels: slice) -> str:
        """Return the name of a block's step."""
        return f"{self.name}_{texels.start // self.block:05d}"

    def part(self, texels: slice) -> LinearModel:
        """Return the model of one of the blocks."""
        return self.steps.load(self.step(texels), LinearModel)

    def parts(self) -> Iterator[LinearModel]:
        """Return all blocks in order."""
        for texels in self.blocks():
            yield self.part(texels)


@dataclass(frozen=True)
class StoredCodes:
    """Codes of all maps whose chunks are steps, and what they have in common.

    Attributes:
        steps: Where the chunks are.
        name: How their names begin.
        map_count: Maps altogether.
    """

    steps: StepFolder
    name: str
    map_count: int

    def groups(self) -> tuple[slice, ...]:
        """Return the maps of each chunk."""
        return parts_of(self.map_count, MAP_CHUNK)

    def step(self, maps: slice) -> str:
        """Return the name of a chunk's step."""
        return f"{self.name}_{maps.start // MAP_CHUNK:05d}"

    def chunk(self, maps: slice) -> MapCodes:
        """Return the codes of one of the chunks."""
        return self.steps.load(self.step(maps), MapCodes)

    def chunks(self) -> Iterator[MapCodes]:
        """Return all codes in order."""
        for maps in self.groups():
            yield self.chunk(maps)

    @property
    def summary_step(self) -> str:
        """Name of the summary's step."""
        return f"{self.name}_summary"

    def summary(self) -> CodeSummary:
        """Return what all codes have in common."""
        return self.steps.load(self.summary_step, CodeSummary)
