"""Training images read from disk, varied, and brought to one size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch.utils.data import Dataset, Sampler

from flame_fit.errors import InputError
from flame_fit.image_files import load_image, warp_pixels
from flame_fit.priors.face_labels import label_scheme
from flame_fit.training.colours import changed_colours
from flame_fit.training.files import image_files
from flame_fit.training.parsing_files import ParsingItem, read_labels
from flame_fit.training.samples import ParsingBatch, UvBatch
from flame_fit.training.settings import (
    ColourChanges,
    ParsingAugmentation,
    ParsingData,
    UvAugmentation,
    UvData,
)
from flame_fit.training.uv_files import UvItem, read_background, read_uv
from flame_fit.training.warps import (
    fit_matrix,
    parsing_variation,
    still_variation,
    uv_matrix,
    warped_labels,
    warped_uv,
)

NO_CHANGES = ColourChanges(brightness=0.0, contrast=0.0, saturation=0.0, hue=0.0)


@dataclass(frozen=True)
class SampleKey:
    """Which image, and in which epoch: this alone decides how the image is varied."""

    index: int
    epoch: int = 0


class EpochSampler(Sampler[SampleKey]):
    """The order of the images in an epoch, the same whenever that epoch is run.

    Args:
        count: How many images there are.
        seed: Decides the order.
        shuffle: Whether each epoch has an order of its own.
        rank: Which of the processes that share the images this is.
        processes: How many do; all get equally many images, the first ones twice if need be.
    """

    def __init__(
        self, count: int, *, seed: int, shuffle: bool, rank: int = 0, processes: int = 1
    ) -> None:
        self._count = count
        self._seed = seed
        self._shuffle = shuffle
        self._rank = rank
        self._processes = processes
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next; the trainer calls this."""
        self._epoch = epoch if self._shuffle else 0

    def __len__(self) -> int:
        """How many images this process gets."""
        return -(-self._count // self._processes)

    def __iter__(self) -> Iterator[SampleKey]:
        """Give the images of this process, in order."""
        order = np.arange(self._count)
        if self._shuffle:
            order = np.random.default_rng((self._seed, self._epoch)).permutation(order)
        order = np.resize(order, len(self) * self._processes)
        for index in order[self._rank :: self._processes]:
            yield SampleKey(int(index), self._epoch)


class UvDataset(Dataset[UvBatch]):
    """Photos with UV, indexed by `SampleKey`.

    Args:
        items: The files.
        data: How large the images become, and what replaces their backgrounds.
        augmentation: How they are varied; None leaves them as they are.
        seed: Of all that is drawn.

    Raises:
        InputError: A folder of backgrounds is given, and it has none or no photo has a depth map.
    """

    def __init__(
        self,
        items: Sequence[UvItem],
        *,
        data: UvData,
        augmentation: UvAugmentation | None,
        seed: int,
    ) -> None:
        self.items = tuple(items)
        self._size = data.image_size
        self._changes = augmentation
        self._seed = seed
        self._backgrounds: tuple[Path, ...] = ()
        if data.background_dir is not None:
            self._backgrounds = _backgrounds(data.background_dir, self.items)

    def __len__(self) -> int:
        """How many photos there are."""
        return len(self.items)

    def __getitem__(self, key: SampleKey) -> UvBatch:
        """Read a photo and vary it; the sample has no batch axis.

        Raises:
            InputError: A file is damaged or does not go with the others.
        """
        item = self.items[key.index]
        generator = np.random.default_rng((self._seed, key.epoch, key.index))
        srgb, target = load_image(item.image).srgb, read_uv(item)
        _require_size(item.uv[0], target.mask.shape, srgb)
        srgb = self._with_background(srgb, item, generator)
        matrix = fit_matrix(target.mask.shape, self._size)
        if self._changes is not None:
            matrix = uv_matrix(self._size, self._changes, generator) @ matrix
        pixels = warp_pixels(srgb, matrix[:2], size=self._size, zero_border=True)
        changes = NO_CHANGES if self._changes is None else self._changes.colour
        target = warped_uv(target, matrix, size=self._size)
        return UvBatch(
            images=_channels_first(changed_colours(pixels, changes, generator)),
            uv=_channels_first(2.0 * target.uv - 1.0),
            mask=torch.from_numpy(target.mask[None].astype(np.float32)),
        )

    def _with_background(
        self, srgb: UInt8[np.ndarray, "H W 3"], item: UvItem, generator: np.random.Generator
    ) -> UInt8[np.ndarray, "H W 3"]:
        if not self._backgrounds:
            return srgb
        chosen = self._backgrounds[generator.integers(len(self._backgrounds))]
        behind = read_background(item)
        if behind is None:
            return srgb
        _require_size(item.depth or item.image, behind.shape, srgb)
        height, width = behind.shape
        other = cv2.resize(load_image(chosen).srgb, (width, height), interpolation=cv2.INTER_AREA)
        return np.where(behind[..., None], other, srgb)


class ParsingDataset(Dataset[ParsingBatch]):
    """Photos with classes, indexed by `SampleKey`.

    Args:
        items: The files.
        data: How large the images become, and which classes are told apart.
        augmentation: How they are varied; None leaves them as they are.
        seed: Of all that is drawn.
    """

    def __init__(
        self,
        items: Sequence[ParsingItem],
        *,
        data: ParsingData,
        augmentation: ParsingAugmentation | None,
        seed: int,
    ) -> None:
        self.items = tuple(items)
        self._data = data
        self._changes = augmentation
        self._seed = seed

    def __len__(self) -> int:
        """How many photos there are."""
        return len(self.items)

    def __getitem__(self, key: SampleKey) -> ParsingBatch:
        """Read a photo and vary it; the sample has no batch axis.

        Raises:
            InputError: A file is damaged or does not go with the others.
        """
        item, data, changes = self.items[key.index], self._data, self._changes
        generator = np.random.default_rng((self._seed, key.epoch, key.index))
        srgb = load_image(item.image).srgb
        labels = read_labels(item, classes=data.num_classes, data_classes=data.data_classes)
        _require_size(item.labels, labels.shape, srgb)
        size = data.image_size
        if changes is None:
            variation, colour = still_variation(labels.shape, size), NO_CHANGES
        else:
            variation = parsing_variation(labels.shape, size, changes, generator)
            colour = changes.colour
        pixels = warp_pixels(srgb, variation.matrix[:2], size=size, zero_border=True)
        labels = warped_labels(labels, variation, size=size, scheme=label_scheme(data.num_classes))
        pixels = _with_detail(pixels, variation.detail)
        return ParsingBatch(
            images=_channels_first(changed_colours(pixels, colour, generator)),
            labels=torch.from_numpy(labels.astype(np.int64)),
        )


def _with_detail(srgb: UInt8[np.ndarray, "H W 3"], share: float) -> UInt8[np.ndarray, "H W 3"]:
    """A picture with as little detail as if it had been taken smaller."""
    if share == 1.0:
        return srgb
    height, width = srgb.shape[:2]
    size = (max(1, round(share * width)), max(1, round(share * height)))
    small = cv2.resize(srgb, size, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def _channels_first(values: Float[np.ndarray, "H W C"]) -> Float[torch.Tensor, "C H W"]:
    return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1), dtype=np.float32))


def _require_size(path: Path, shape: tuple[int, ...], srgb: UInt8[np.ndarray, "H W 3"]) -> None:
    if shape != srgb.shape[:2]:
        raise InputError(
            f"{path} has {shape[1]} x {shape[0]} pixels, its photo "
            f"{srgb.shape[1]} x {srgb.shape[0]}; expected the same"
        )


def _backgrounds(folder: Path, items: Sequence[UvItem]) -> tuple[Path, ...]:
    found = image_files(folder)
    if not found:
        raise InputError(f"{folder} holds no picture; give a folder of backgrounds")
    if all(item.depth is None for item in items):
        raise InputError(
            "backgrounds are given but no photo has a depth map to tell its background; add "
            "depths/ or leave --background-dir out"
        )
    return found
