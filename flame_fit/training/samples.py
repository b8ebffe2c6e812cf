"""Images and truth as the networks take them, one by one and in batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Float, Int64
from torch import Tensor


@dataclass(frozen=True, eq=False)
class UvBatch:
    """Photos with UV.

    Attributes:
        images: sRGB, 0..1.
        uv: u and v from -1 to 1; meaningless outside the mask.
        mask: 1 where the head is.
    """

    images: Float[Tensor, "*b 3 H W"]
    uv: Float[Tensor, "*b 2 H W"]
    mask: Float[Tensor, "*b 1 H W"]

    def to(self, device: torch.device) -> UvBatch:
        """The same on another device."""
        return replace(self, **_moved(self, device))

    def pin_memory(self) -> UvBatch:
        """The same in memory that a GPU copies from directly; the loader calls this."""
        return replace(self, **_pinned(self))


@dataclass(frozen=True, eq=False)
class ParsingBatch:
    """Photos with classes.

    Attributes:
        images: sRGB, 0..1.
        labels: Class of each pixel, 255 where it does not count.
    """

    images: Float[Tensor, "*b 3 H W"]
    labels: Int64[Tensor, "*b H W"]

    def to(self, device: torch.device) -> ParsingBatch:
        """The same on another device."""
        return replace(self, **_moved(self, device))

    def pin_memory(self) -> ParsingBatch:
        """The same in memory that a GPU copies from directly; the loader calls this."""
        return replace(self, **_pinned(self))


def stacked_uv(samples: Sequence[UvBatch]) -> UvBatch:
    """One batch of samples without batch axis."""
    return UvBatch(**_stacked(samples))


def stacked_parsing(samples: Sequence[ParsingBatch]) -> ParsingBatch:
    """One batch of samples without batch axis."""
    return ParsingBatch(**_stacked(samples))


def _tensors(batch: UvBatch | ParsingBatch) -> dict[str, Tensor]:
    return {field.name: getattr(batch, field.name) for field in fields(batch)}


def _moved(batch: UvBatch | ParsingBatch, device: torch.device) -> dict[str, Tensor]:
    return {name: tensor.to(device, non_blocking=True) for name, tensor in _tensors(batch).items()}


def _pinned(batch: UvBatch | ParsingBatch) -> dict[str, Tensor]:
    return {name: tensor.pin_memory() for name, tensor in _tensors(batch).items()}


def _stacked(samples: Sequence[UvBatch] | Sequence[ParsingBatch]) -> dict[str, Tensor]:
    names = _tensors(samples[0])
    return {name: torch.stack([getattr(sample, name) for sample in samples]) for name in names}
