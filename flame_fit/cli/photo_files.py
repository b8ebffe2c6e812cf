"""Which photos a command means, and what became of each."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flame_fit.errors import InputError

if TYPE_CHECKING:
    from flame_fit.export import FitReport

PHOTO_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})


@dataclass(frozen=True)
class Outcome:
    """What became of one photo, or of one face of it."""

    photo: Path
    folder: Path | None = None
    report: FitReport | None = None
    error: BaseException | None = None


def find_photos(inputs: Sequence[Path]) -> list[Outcome]:
    """Return every photo of files, folders and patterns once, in order; bad inputs as errors."""
    found: dict[Path, Outcome] = {}
    for given in inputs:
        try:
            for photo in _photos_of(given):
                found.setdefault(photo.resolve(), Outcome(photo))
        except InputError as error:
            found.setdefault(given, Outcome(given, error=error))
    return list(found.values())


def _photos_of(given: Path) -> list[Path]:
    if given.is_dir():
        photos = sorted(
            path
            for path in given.iterdir()
            if path.suffix.lower() in PHOTO_SUFFIXES and not path.name.startswith(".")
        )
        if not photos:
            raise InputError(
                f"{given}: holds no photo; expected {', '.join(sorted(PHOTO_SUFFIXES))}"
            )
        return photos
    if not given.exists() and glob.has_magic(str(given)):
        # Path.glob takes no absolute pattern.
        names = sorted(glob.glob(str(given), recursive=True))  # noqa: PTH207
        photos = [Path(name) for name in names if Path(name).is_file()]
        if not photos:
            raise InputError(f"{given}: matches no file; check the pattern")
        return photos
    if not given.exists():
        raise InputError(f"{given}: no such file; give an image, a folder or a glob pattern")
    return [given]
