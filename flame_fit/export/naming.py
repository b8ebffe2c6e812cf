"""Which folder the result of each photo goes to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

from flame_fit.asset_files import sha256_of
from flame_fit.export.folder import earlier_result

# Trailing dots and blanks are dropped by some file systems; a leading dot would hide the folder.
UNSAFE_EDGES = ". \t"
FALLBACK_NAME = "photo"


def result_folders(
    photos: Sequence[Path], out: Path, *, every_face: bool = False
) -> tuple[Path, ...]:
    """Return a folder of its own for each photo, named after the photo.

    Photos of the same name in one call get their parent folder's name in front, then their
    extension behind, then a number. A folder that lies there already is taken only if it is
    empty or was written for the same photo, so that no result replaces that of another photo.

    Args:
        photos: Distinct files; they need not be readable.
        out: The folder that the result folders go into.
        every_face: Whether each folder is the base of `face_folder` and not written itself.
    """
    stems = Counter(_key(_stem(photo)) for photo in photos)
    taken: set[str] = set()
    folders = []
    for photo in photos:
        alone = stems[_key(_stem(photo))] == 1
        for name in _candidates(photo, alone=alone):
            folder = out / name
            written = face_folder(folder, face=1) if every_face else folder
            # A name that another photo has as its own stem is left to that photo.
            reserved = not (alone and name == _stem(photo)) and stems[_key(name)] > 0
            if _key(name) not in taken and not reserved and _is_free(written, photo):
                taken.add(_key(name))
                folders.append(folder)
                break
    return tuple(folders)


def face_folder(folder: Path, *, face: int) -> Path:
    """Return the folder of one face when all faces of a photo are written."""
    return folder.with_name(f"{folder.name}-face{face}")


def _candidates(photo: Path, *, alone: bool) -> Iterator[str]:
    stem = _stem(photo)
    if alone:
        yield stem
    parent = photo.absolute().parent.name.strip(UNSAFE_EDGES)
    name = f"{parent}-{stem}" if parent else stem
    yield name
    name = f"{name}-{photo.suffix.lstrip('.').lower()}" if photo.suffix else name
    yield name
    for number in count(2):
        yield f"{name}-{number}"


def _stem(photo: Path) -> str:
    return photo.stem.strip(UNSAFE_EDGES) or FALLBACK_NAME


def _key(name: str) -> str:
    """Return a form in which names are equal if some file system takes them for one."""
    return name.casefold()


def _is_free(folder: Path, photo: Path) -> bool:
    if not folder.exists():
        return True
    result = earlier_result(folder)
    if result is None:
        return folder.is_dir() and not any(folder.iterdir())
    if result.photo == str(photo.resolve()):
        return True
    return photo.is_file() and result.photo_sha256 == sha256_of(photo)
