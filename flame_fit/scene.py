"""What is estimated about one photograph or a batch of them."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.flame.params import FlameParams
from flame_fit.geometry.cameras import Camera
from flame_fit.geometry.tensors import move


@dataclass(frozen=True, eq=False)
class SceneParams:
    """Head, camera, albedo and light; a field with batch size 1 is shared by the batch."""

    flame: FlameParams
    camera: Camera
    texture_code: Float[Tensor, "#b K"]
    """Coefficients of a texture space at unit variance."""
    lighting: Float[Tensor, "#b 9 3"]
    """Spherical harmonics of the light by colour channel (`appearance.lighting`)."""

    @property
    def batch_size(self) -> int:
        """Number of scenes: the largest batch size among the fields."""
        sizes = (self.camera.focal, self.camera.principal_point, self.texture_code, self.lighting)
        return max(self.flame.batch_size, *(len(field) for field in sizes))

    def to(
        self, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
    ) -> "SceneParams":
        """Return the scene with another dtype or on another device."""
        return move(self, dtype=dtype, device=device)
