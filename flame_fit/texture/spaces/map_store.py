"""Maps on disk, a row of covered texels each, so that memory does not depend on how many there are.

A row is only appended. What was appended before an interruption stays, and the caller says how many
rows of it count.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from flame_fit.texture.spaces.maps import MapBatch

LEVELS = 65535
CHANNELS = 4
"""Red, green, blue and confidence of a texel."""


@dataclass(frozen=True)
class MapStore:
    """Maps in one file of 16-bit numbers.

    Attributes:
        path: The file.
        map_count: Rows that count.
        texel_count: Texels of a row.
    """

    path: Path
    map_count: int
    texel_count: int

    @property
    def row_bytes(self) -> int:
        """Size of one map."""
        return self.texel_count * CHANNELS * np.dtype(np.uint16).itemsize

    def read(self, maps: slice, texels: slice) -> MapBatch:
        """Return a part of the maps, float32."""
        shape = (self.map_count, self.texel_count, CHANNELS)
        rows = np.memmap(self.path, np.uint16, "r", shape=shape)[maps, texels]
        values = torch.from_numpy(rows.astype(np.float32) / np.float32(LEVELS))
        return MapBatch(values[..., :3].contiguous(), values[..., 3].contiguous())

    @contextmanager
    def appending(self) -> Iterator[MapAppender]:
        """Yield what appends rows; those beyond `map_count` are dropped first."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as file:
            file.truncate(self.map_count * self.row_bytes)
            yield MapAppender(file)


@dataclass(frozen=True)
class MapAppender:
    """Appends maps to an open file."""

    file: BinaryIO

    def append(self, srgb: Float[Tensor, "T 3"], confidence: Float[Tensor, " T"]) -> None:
        """Write one map; it lies in the file when this returns."""
        row = torch.cat((srgb, confidence[:, None]), dim=1).clamp(0.0, 1.0)
        self.file.write((row * LEVELS).round().numpy().astype(np.uint16).tobytes())
        self.file.flush()


def spread_texels(count: int, *, wanted: int, seed: int) -> Int[Tensor, " C"]:
    """Return up to `wanted` of `count` texels, drawn by chance and in order."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(count, generator=generator)[:wanted].sort().values
