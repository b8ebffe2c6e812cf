"""Many albedo maps of one chart, read a part at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

MAP_CHUNK = 64


@dataclass(frozen=True, eq=False)
class MapBatch:
    """Some texels of some maps.

    Attributes:
        srgb: sRGB albedo, black 0 and white 1; completed where it was not seen.
        confidence: How well each texel was seen, 0..1.
    """

    srgb: Float[Tensor, "n B 3"]
    confidence: Float[Tensor, "n B"]


@runtime_checkable
class MapSource(Protocol):
    """Maps of which any part can be read."""

    @property
    def map_count(self) -> int:
        """How many maps there are."""
        ...

    @property
    def texel_count(self) -> int:
        """How many texels each map has."""
        ...

    def read(self, maps: slice, texels: slice) -> MapBatch:
        """Return a part of the maps, float32."""
        ...


@dataclass(frozen=True, eq=False)
class MapsInMemory:
    """Maps that fit into memory.

    Attributes:
        all_maps: All texels of all maps.
    """

    all_maps: MapBatch

    @property
    def map_count(self) -> int:
        """How many maps there are."""
        return self.all_maps.confidence.shape[0]

    @property
    def texel_count(self) -> int:
        """How many texels each map has."""
        return self.all_maps.confidence.shape[1]

    def read(self, maps: slice, texels: slice) -> MapBatch:
        """Return a part of the maps."""
        return MapBatch(self.all_maps.srgb[maps, texels], self.all_maps.confidence[maps, texels])


@dataclass(frozen=True, eq=False)
class ChosenMaps:
    """Some of the maps of a source, in runs of neighbours so that reading stays cheap.

    Attributes:
        source: All maps.
        rows: Numbers of the chosen ones, ascending.
    """

    source: MapSource
    rows: tuple[int, ...]

    @property
    def map_count(self) -> int:
        """How many maps are chosen."""
        return len(self.rows)

    @property
    def texel_count(self) -> int:
        """How many texels each map has."""
        return self.source.texel_count

    def read(self, maps: slice, texels: slice) -> MapBatch:
        """Return a part of the chosen maps."""
        batches = [self.source.read(run, texels) for run in _runs(self.rows[maps])]
        return MapBatch(
            torch.cat([batch.srgb for batch in batches]),
            torch.cat([batch.confidence for batch in batches]),
        )


def parts_of(total: int, size: int) -> tuple[slice, ...]:
    """Return slices of at most `size` that together are `range(total)`."""
    return tuple(slice(start, min(start + size, total)) for start in range(0, total, size))


def map_chunks(source: MapSource) -> tuple[slice, ...]:
    """Return the maps of a source in chunks that are worked on at once."""
    return parts_of(source.map_count, MAP_CHUNK)


def _runs(rows: tuple[int, ...]) -> list[slice]:
    """Return ascending numbers as slices of neighbours."""
    runs: list[slice] = []
    for row in rows:
        if runs and runs[-1].stop == row:
            runs[-1] = slice(runs[-1].start, row + 1)
        else:
            runs.append(slice(row, row + 1))
    return runs
