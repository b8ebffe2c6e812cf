"""Reading `.npy` and `.npz` files; the objects some of them hold go through the safe unpickler."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flame_fit.errors import AssetError
from flame_fit.untrusted.array_values import array_of_bytes, checked_shape, plain_dtype
from flame_fit.untrusted.file_bytes import MAXIMUM_BYTES, read_file
from flame_fit.untrusted.pickle_machine import read_instructions
from flame_fit.untrusted.pickle_values import plain_value
from flame_fit.untrusted.refusal import Refused, asset_error
from flame_fit.untrusted.zip_files import open_zip

MAGIC = b"\x93NUMPY"
LONGEST_HEADER = 4096
_VERSIONS = {b"\1\0": 2, b"\2\0": 4, b"\3\0": 4}
"""Bytes of the length of the header in each version of the format."""
_HEADER = {
    "descr": re.compile(r"'descr'\s*:\s*'([^']*)'"),
    "fortran_order": re.compile(r"'fortran_order'\s*:\s*(True|False)"),
    "shape": re.compile(r"'shape'\s*:\s*\(([\d\s,L]*)\)", re.ASCII),
}


def read_npy(path: Path, *, maximum_bytes: int = MAXIMUM_BYTES) -> object:
    """Read a `.npy` file: an array, or the plain content of an object array.

    Landmark embeddings are object arrays without dimensions that hold a dict; the dict is returned,
    with torch tensors in it as numpy arrays. Nothing a file contains is ever run.

    Args:
        path: the file.
        maximum_bytes: most bytes the file, and the arrays in it, may take.

    Raises:
        AssetError: missing, damaged, too large, or with objects that models do not have.
    """
    data = read_file(path, maximum_bytes=maximum_bytes)
    try:
        return _decode(data, objects=True, maximum_bytes=maximum_bytes)
    except (ValueError, MemoryError) as error:
        raise asset_error(path, error, kind=".npy") from error


def read_npz(
    path: Path,
    *,
    keys: Collection[str] | None = None,
    maximum_bytes: int = MAXIMUM_BYTES,
) -> dict[str, np.ndarray]:
    """Read plain arrays from an `.npz` file without ever running what a file contains.

    Sizes are checked against the headers before anything is allocated.

    Args:
        path: the file.
        keys: names to read; the others are skipped. All by default.
        maximum_bytes: most bytes the arrays may take together.

    Raises:
        AssetError: missing, damaged, too large, or with Python objects inside.
    """
    content = _read_members(path, keys=keys, maximum_bytes=maximum_bytes, objects=False)
    return {key: value for key, value in content.items() if isinstance(value, np.ndarray)}


def read_npz_objects(path: Path, *, maximum_bytes: int = MAXIMUM_BYTES) -> dict[str, object]:
    """Read an `.npz` file in which sparse matrices and the like may stand as Python objects.

    The objects are rebuilt as by `read_pickle`; nothing a file contains is ever run.

    Args:
        path: the file.
        maximum_bytes: most bytes the arrays may take together.

    Raises:
        AssetError: missing, damaged, too large, or with objects that models do not have.
    """
    return _read_members(path, keys=None, maximum_bytes=maximum_bytes, objects=True)


def _read_members(
    path: Path, *, keys: Collection[str] | None, maximum_bytes: int, objects: bool
) -> dict[str, object]:
    folder = open_zip(path, maximum_bytes=maximum_bytes, kind=".npz")
    content: dict[str, object] = {}
    for member in folder.members:
        key = member.name.removesuffix(".npy")
        if key == member.name or (keys is not None and key not in keys):
            continue
        try:
            content[key] = _decode(
                folder.read(member.name), objects=objects, maximum_bytes=maximum_bytes
            )
        except AssetError:
            raise
        except (ValueError, MemoryError) as error:
            raise asset_error(f"{path}: '{member.name}'", error, kind=".npy") from error
    return content


@dataclass(frozen=True)
class _Header:
    descr: str
    fortran_order: bool
    shape: tuple[int, ...]
    end: int


def _decode(data: bytes, *, objects: bool, maximum_bytes: int) -> object:
    header = _header(data)
    dtype = plain_dtype(header.descr)
    if not isinstance(dtype, str):
        return array_of_bytes(
            data[header.end :], dtype, header.shape, fortran_order=header.fortran_order
        )
    if not objects:
        raise Refused("it holds Python objects, which could run code; save it as plain numbers")
    content = read_instructions(data, header.end)
    value = plain_value(content.root, maximum_bytes=maximum_bytes)
    # numpy pickles the whole array, whose own shape the value already has.
    return value


def _header(data: bytes) -> _Header:
    version = data[len(MAGIC) : len(MAGIC) + 2]
    if not data.startswith(MAGIC) or version not in _VERSIONS:
        raise Refused("it does not begin as .npy files do; copy or download it again")
    start = len(MAGIC) + 2 + _VERSIONS[version]
    length = int.from_bytes(data[len(MAGIC) + 2 : start], "little")
    if length > min(LONGEST_HEADER, len(data) - start):
        raise Refused("its header is longer than arrays of numbers need; copy or download it again")
    text = data[start : start + length].decode("latin-1")
    found = {name: pattern.findall(text) for name, pattern in _HEADER.items()}
    if any(len(values) != 1 for values in found.values()):
        raise Refused("its header describes no array of numbers; copy or download it again")
    sizes = [size.strip().removesuffix("L") for size in found["shape"][0].split(",")]
    shape = checked_shape(tuple(_whole(size) for size in sizes if size))
    return _Header(found["descr"][0], found["fortran_order"][0] == "True", shape, start + length)


def _whole(text: str) -> int:
    if not text.isdigit() or len(text) > 20:  # noqa: PLR2004
        raise Refused("its header announces a size that is no number; copy or download it again")
    return int(text)
