"""Reading numbers out of MATLAB's `.mat` files (level 5: saved with -v6 or -v7)."""

import math
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from flame_fit.untrusted.array_values import array_of_bytes, checked_shape
from flame_fit.untrusted.file_bytes import MAXIMUM_BYTES, read_file
from flame_fit.untrusted.refusal import Refused, asset_error, quoted

HEADER_BYTES = 128
LONGEST_PREFIX = 4096
"""Bytes in which the description of a matrix must be complete: flags, sizes and name."""
_MATRIX, _COMPRESSED = 14, 15
_ENDIANNESS = {b"IM": "<", b"MI": ">"}
_STORED_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8",
                 13: "u8"}  # fmt: skip
"""Number types that values may be stored as, which may be smaller than the matrix's own."""
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8",
            15: "u8"}  # fmt: skip
"""Number types of matrices; other classes are text, cells, structures, objects, functions."""
_COMPLEX_FLAG = 0x0800


def read_mat(
    path: Path, *, keys: Collection[str] | None = None, maximum_bytes: int = MAXIMUM_BYTES
) -> dict[str, np.ndarray]:
    """Read matrices of real numbers from a `.mat` file; nothing else in it is looked at.

    Args:
        path: the file.
        keys: names to read; the others are skipped. All by default.
        maximum_bytes: most bytes the file, and the matrices in it, may take.

    Raises:
        AssetError: missing, damaged, too large, of another level, or a wanted name is no matrix of
            real numbers.
    """
    data = read_file(path, maximum_bytes=maximum_bytes)
    try:
        order = _byte_order(data)
        found: dict[str, np.ndarray] = {}
        budget = maximum_bytes
        for element in _elements(memoryview(data)[HEADER_BYTES:], order):
            matrix = _matrix(element, order, keys=keys, budget=budget)
            if matrix is not None:
                budget -= matrix.values.nbytes
                found[matrix.name] = matrix.values
    except (ValueError, MemoryError, zlib.error) as error:
        raise asset_error(path, error, kind=".mat") from error
    return found


@dataclass(frozen=True)
class _Element:
    kind: int
    data: memoryview


@dataclass(frozen=True)
class _Description:
    """What stands before the values of a matrix."""

    name: str
    code: int
    is_complex: bool
    shape: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class _Matrix:
    name: str
    values: np.ndarray


def _byte_order(data: bytes) -> str:
    if data.startswith(b"MATLAB 7.3"):
        raise Refused("it was saved with -v7.3; save it in MATLAB with -v7 and give that file")
    order = _ENDIANNESS.get(data[126:128])
    if len(data) < HEADER_BYTES or order is None:
        raise Refused("it does not begin as .mat files do; copy or download it again")
    return order


def _elements(data: bytes | memoryview, order: str) -> Iterator[_Element]:
    """Yield the parts that stand one after the other."""
    view, position = memoryview(data), 0
    byte_order = _long(order)
    while position + 8 <= len(view):
        word = int.from_bytes(view[position : position + 4], byte_order)
        if word >> 16:
            # Up to four bytes of data stand in the tag itself.
            kind, length, start, end = word & 0xFFFF, word >> 16, position + 4, position + 8
        else:
            length = int.from_bytes(view[position + 4 : position + 8], byte_order)
            kind, start = word, position + 8
            padding = 0 if kind == _COMPRESSED else -length % 8
            end = start + length + padding
        if start + length > min(len(view), max(end, start)):
            raise Refused("a part of it is longer than the file; copy or download it again")
        yield _Element(kind, view[start : start + length])
        position = end


def _matrix(
    element: _Element, order: str, *, keys: Collection[str] | None, budget: int
) -> _Matrix | None:
    """Return the matrix of an element if it is wanted and one of numbers."""
    if element.kind not in (_MATRIX, _COMPRESSED):
        return None
    prefix = _prefix(element, order)
    description = _description(prefix, order)
    wanted = keys is None or description.name in keys
    dtype = _CLASSES.get(description.code)
    if not wanted or (dtype is None and keys is None):
        return None
    name = quoted(description.name)
    if dtype is None or description.is_complex:
        raise Refused(f"{name} is no matrix of real numbers; get the file again")
    size = math.prod(description.shape) * np.dtype(dtype).itemsize
    if size > budget:
        raise Refused(f"{name} takes {size} bytes, more than allowed here; it is not the file")
    body = _body(element, order, limit=size + LONGEST_PREFIX)
    parts = list(_elements(body, order))
    if len(parts) < 4:  # noqa: PLR2004 - flags, sizes, name, values
        raise Refused(f"{name} has no values; copy or download the file again")
    stored = _STORED_TYPES.get(parts[3].kind)
    if stored is None:
        raise Refused(f"{name} has values of an unknown type; copy or download the file again")
    values = array_of_bytes(
        bytes(parts[3].data), np.dtype(f"{order}{stored}"), description.shape, fortran_order=True
    )
    return _Matrix(description.name, values.astype(dtype, copy=False))


def _prefix(element: _Element, order: str) -> bytes:
    """Return the first bytes of a matrix, unpacked."""
    if element.kind == _MATRIX:
        return bytes(element.data[:LONGEST_PREFIX])
    start = zlib.decompressobj().decompress(element.data, LONGEST_PREFIX + 8)
    return start[8:] if int.from_bytes(start[:4], _long(order)) == _MATRIX else b""


def _body(element: _Element, order: str, *, limit: int) -> memoryview:
    """Return all of a matrix, unpacked, if it is no longer than allowed."""
    if element.kind == _MATRIX:
        return element.data
    whole = zlib.decompressobj().decompress(element.data, limit + 8)
    length = int.from_bytes(whole[4:8], _long(order))
    if len(whole) < length + 8:
        raise Refused("a matrix unpacks to another length than announced; download it again")
    return memoryview(whole)[8 : 8 + length]


def _description(prefix: bytes, order: str) -> _Description:
    parts: list[_Element] = []
    try:
        for part in _elements(prefix, order):
            parts.append(part)
            if len(parts) == 3:  # noqa: PLR2004 - flags, sizes, name
                break
    except Refused:
        parts = []
    if len(parts) < 3 or len(parts[0].data) < 8:  # noqa: PLR2004
        raise Refused("a matrix has no description; copy or download the file again")
    flags = int.from_bytes(parts[0].data[:4], _long(order))
    sizes = np.frombuffer(bytes(parts[1].data), dtype=f"{order}i4") if parts[1].data else ()
    return _Description(
        name=bytes(parts[2].data).decode("latin-1"),
        code=flags & 0xFF,
        is_complex=bool(flags & _COMPLEX_FLAG),
        shape=checked_shape(tuple(int(size) for size in sizes)),
    )


def _long(order: str) -> Literal["little", "big"]:
    return "little" if order == "<" else "big"
