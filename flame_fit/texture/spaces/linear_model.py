"""A linear model of maps, texel by texel, and the symmetric matrices that estimate it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, eq=False)
class LinearModel:
    """sRGB albedo of every texel as mean + components * code + noise.

    Attributes:
        mean: sRGB albedo.
        basis: What a code of one standard deviation adds.
        noise: Standard deviation of what the components do not explain, for one colour of a texel.
    """

    mean: Float[Tensor, "T 3"]
    basis: Float[Tensor, "T 3 K"]
    noise: float

    @property
    def component_count(self) -> int:
        """How many components there are."""
        return self.basis.shape[-1]

    def part(self, texels: slice) -> LinearModel:
        """Return the model of some texels."""
        return LinearModel(self.mean[texels], self.basis[texels], self.noise)


def packed_products(rows: Float[Tensor, "n R"]) -> Float[Tensor, "n P"]:
    """Return the products of all pairs of a row's entries, each pair once."""
    first, second = _pairs(rows.shape[-1], rows.device)
    return rows[:, first] * rows[:, second]


def packed(matrices: Float[Tensor, "n R R"]) -> Float[Tensor, "n P"]:
    """Return symmetric matrices with each pair of entries once."""
    first, second = _pairs(matrices.shape[-1], matrices.device)
    return matrices[:, first, second]


def unpacked(pairs: Float[Tensor, "n P"]) -> Float[Tensor, "n R R"]:
    """Return the symmetric matrices of `packed`."""
    size = round(((8 * pairs.shape[-1] + 1) ** 0.5 - 1) / 2)
    first, second = _pairs(size, pairs.device)
    matrices = pairs.new_empty(pairs.shape[0], size, size)
    matrices[:, first, second] = pairs
    matrices[:, second, first] = pairs
    return matrices


def _pairs(size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    indices = torch.triu_indices(size, size, device=device)
    return indices[0], indices[1]
