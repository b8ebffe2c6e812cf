"""Finding training images, and holding some of them out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from flame_fit.errors import InputError

Item = TypeVar("Item")

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".webp"})


@dataclass(frozen=True)
class Split(Generic[Item]):
    """Items for training and others that the training never sees."""

    training: tuple[Item, ...]
    validation: tuple[Item, ...]


def image_files(folder: Path) -> tuple[Path, ...]:
    """Return all images in a folder and the folders in it, in order of their paths."""
    return tuple(
        sorted(
            path
            for path in folder.rglob("*")
            if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
        )
    )


def hold_out(items: Sequence[Item], *, share: float, group: Callable[[Item], str]) -> Split[Item]:
    """Split items so that no group is on both sides, and always in the same way.

    A group goes by a hash of its name, so that it stays where it is when others join.

    Args:
        items: What is split; order is kept on both sides.
        share: Share of the groups that is held out, at least one of them.
        group: The group of an item, such as the person in a photo.

    Raises:
        InputError: Nothing would be left to train on.
    """
    names = sorted({group(item) for item in items}, key=_rank)
    count = max(1, round(share * len(names)))
    if count >= len(names):
        raise InputError(
            f"{len(names)} people or images are too few to hold {count} of them out; "
            "give more of them, or a smaller --validation-share"
        )
    held = set(names[:count])
    return Split(
        training=tuple(item for item in items if group(item) not in held),
        validation=tuple(item for item in items if group(item) in held),
    )


def _rank(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
