"""The unknowns of the geometry as one vector, and back."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.flame import FlameParams
from flame_fit.geometry import Camera


@dataclass(frozen=True)
class HeadState:
    """A head before a camera: everything that moves a landmark.

    Attributes:
        flame: Parameters of one head (batch of one).
        camera: Camera of the photo, in photo pixels.
    """

    flame: FlameParams
    camera: Camera


FLAME_BLOCKS = (
    "shape",
    "expression",
    "head_rotation",
    "neck",
    "jaw",
    "eyes",
    "translation",
)
FOCAL_BLOCK = "log_focal"
ALL_BLOCKS = (*FLAME_BLOCKS, FOCAL_BLOCK)


@dataclass(frozen=True)
class FreeBlocks:
    """Which blocks of a state a stage moves, and where they lie in its vector.

    Attributes:
        names: Names of the free blocks, in the order of the vector.
        sizes: Their lengths.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]

    @staticmethod
    def of(state: HeadState, names: tuple[str, ...]) -> FreeBlocks:
        """Return the layout of these blocks of a state.

        Raises:
            ValueError: If a name is no block.
        """
        unknown = [name for name in names if name not in ALL_BLOCKS]
        if unknown:
            raise ValueError(f"Unknown parameter block {unknown[0]!r}; choose from {ALL_BLOCKS}.")
        sizes = tuple(
            1 if name == FOCAL_BLOCK else int(getattr(state.flame, name).shape[-1])
            for name in names
        )
        return FreeBlocks(names, sizes)

    @property
    def length(self) -> int:
        """Length of the vector."""
        return sum(self.sizes)

    def span(self, name: str) -> slice | None:
        """Return where a block lies, or None if it does not move."""
        if name not in self.names:
            return None
        position = self.names.index(name)
        start = sum(self.sizes[:position])
        return slice(start, start + self.sizes[position])

    def pack(self, state: HeadState) -> Float[Tensor, " n"]:
        """Return the free blocks of a state as one vector."""
        parts = [
            torch.log(state.camera.focal[0, :1])
            if name == FOCAL_BLOCK
            else getattr(state.flame, name)[0]
            for name in self.names
        ]
        return torch.cat(parts)

    def unpack(self, value: Float[Tensor, " n"], base: HeadState) -> HeadState:
        """Return `base` with its free blocks replaced by a vector.

        The focal length scales both axes of the camera, so that their ratio is kept.
        """
        flame, camera = base.flame, base.camera
        moved = {}
        for name in self.names:
            part = value[self.span(name)]
            if name == FOCAL_BLOCK:
                ratio = torch.exp(part) / camera.focal[:, :1]
                camera = dataclasses.replace(camera, focal=camera.focal * ratio)
            else:
                moved[name] = part[None]
        return HeadState(dataclasses.replace(flame, **moved), camera)
