"""The unknowns of a scene as one vector, and back."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.scene import SceneParams

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
LIGHT_BLOCK = "lighting"
TEXTURE_BLOCK = "texture_code"
GEOMETRY_BLOCKS = (*FLAME_BLOCKS, FOCAL_BLOCK)
APPEARANCE_BLOCKS = (LIGHT_BLOCK, TEXTURE_BLOCK)
ALL_BLOCKS = (*GEOMETRY_BLOCKS, *APPEARANCE_BLOCKS)


def block_of(scene: SceneParams, name: str) -> Float[Tensor, "b size"]:
    """Return one block of a scene as rows; the light is flattened with colour fastest."""
    if name == FOCAL_BLOCK:
        return torch.log(scene.camera.focal[:, :1])
    if name == LIGHT_BLOCK:
        return scene.lighting.flatten(1)
    return scene.texture_code if name == TEXTURE_BLOCK else getattr(scene.flame, name)


@dataclass(frozen=True)
class FreeBlocks:
    """Which blocks of a scene a stage moves, and where they lie in its vector.

    Attributes:
        names: Names of the free blocks, in the order of the vector.
        sizes: Their lengths.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]

    @staticmethod
    def of(scene: SceneParams, names: tuple[str, ...]) -> FreeBlocks:
        """Return the layout of these blocks of a scene.

        Raises:
            ValueError: If a name is no block.
        """
        unknown = [name for name in names if name not in ALL_BLOCKS]
        if unknown:
            raise ValueError(f"Unknown parameter block {unknown[0]!r}; choose from {ALL_BLOCKS}.")
        return FreeBlocks(names, tuple(block_of(scene, name).shape[-1] for name in names))

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

    def pack(self, scene: SceneParams) -> Float[Tensor, "b n"]:
        """Return the free blocks of a batch of scenes as one vector each."""
        batch = scene.batch_size
        return torch.cat([block_of(scene, name).expand(batch, -1) for name in self.names], dim=-1)

    def unpack(self, value: Float[Tensor, "b n"], base: SceneParams) -> SceneParams:
        """Return `base` with its free blocks replaced by vectors.

        The focal length scales both axes of the camera, so that their ratio is kept.
        """
        camera, lighting, code = base.camera, base.lighting, base.texture_code
        moved = {}
        for name in self.names:
            part = value[:, self.span(name)]
            if name == FOCAL_BLOCK:
                ratio = torch.exp(part) / camera.focal[:, :1]
                camera = dataclasses.replace(camera, focal=camera.focal * ratio)
            elif name == LIGHT_BLOCK:
                lighting = part.unflatten(-1, (-1, 3))
            elif name == TEXTURE_BLOCK:
                code = part
            else:
                moved[name] = part
        flame = dataclasses.replace(base.flame, **moved)
        return SceneParams(flame=flame, camera=camera, texture_code=code, lighting=lighting)
