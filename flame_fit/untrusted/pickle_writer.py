"""Pickles of dictionaries of arrays, for other people's code that reads nothing else.

Written opcode by opcode: what the pickler of Python writes depends on the numpy and scipy at hand,
and older ones cannot read it. Only names that every version knows are used.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import sparse

PickleValue = str | int | np.ndarray | sparse.csc_array
MAXIMUM_ARRAY_BYTES = 2**31 - 1
"""The length of a Python 2 byte string is a signed 32-bit number."""
_ONE_BYTE, _TWO_BYTES = 2**8, 2**16
_NPY_MAGIC = b"\x93NUMPY\x01\x00"
_NPY_ALIGNMENT = 64


def python_two_pickle(content: Mapping[str, PickleValue]) -> bytes:
    """Return a dictionary as Python 2 pickled it; `encoding="latin1"` reads it in Python 3.

    Arrays become `numpy.ndarray`, sparse ones `scipy.sparse.csc_matrix`, texts byte strings, which
    is what published head models hold.

    Args:
        content: keys and texts in ASCII, arrays of numbers below 2 GiB.
    """
    return b"\x80\x02" + _PYTHON_TWO.dictionary(content) + b"."


def npy_of_dictionary(content: Mapping[str, PickleValue]) -> bytes:
    """Return what `numpy.save` writes for a dictionary: an object array without dimensions.

    `numpy.load(path, allow_pickle=True).item()` reads it, and so does this library without it.

    Args:
        content: keys and texts in ASCII, arrays of numbers below 2 GiB.
    """
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (), }"
    unpadded = len(_NPY_MAGIC) + 2 + len(header) + 1
    header += b" " * (-unpadded % _NPY_ALIGNMENT) + b"\n"
    state = (
        _integer(1) + b")" + _PYTHON_THREE.dtype("O8", b"|", 63) + b"\x89"
        + b"](" + _PYTHON_THREE.dictionary(content) + b"e"
    )  # fmt: skip
    array = _PYTHON_THREE.empty_array() + _tuple(state) + b"b"
    return _NPY_MAGIC + struct.pack("<H", len(header)) + header + b"\x80\x03" + array + b"."


@dataclass(frozen=True)
class _Dialect:
    """How a version of Python writes texts and bytes; the rest is common to both."""

    short_bytes: bytes
    """Opcode of bytes whose length fits into one byte."""
    long_bytes: bytes
    has_unicode: bool
    """Texts are unicode rather than bytes."""

    def dictionary(self, content: Mapping[str, PickleValue]) -> bytes:
        items = b"".join(self.text(key) + self._value(value) for key, value in content.items())
        return b"}(" + items + b"u"

    def text(self, text: str) -> bytes:
        data = text.encode("ascii")
        if self.has_unicode:
            return b"X" + struct.pack("<I", len(data)) + data
        return self.byte_string(data)

    def byte_string(self, data: bytes) -> bytes:
        if len(data) < _ONE_BYTE:
            return self.short_bytes + bytes((len(data),)) + data
        return self.long_bytes + struct.pack("<i", len(data)) + data

    def dtype(self, code: str, order: bytes, flags: int) -> bytes:
        """Return numpy's type as its own reduction, with its byte order as state."""
        made = _name("numpy", "dtype") + _tuple(self.text(code) + _integer(0) + _integer(1))
        sizes = _integer(-1) + _integer(-1) + _integer(flags)
        return made + b"R" + _tuple(_integer(3) + self.text(order.decode()) + b"NNN" + sizes) + b"b"

    def empty_array(self) -> bytes:
        arguments = _name("numpy", "ndarray") + _tuple(_integer(0)) + self.byte_string(b"b")
        return _name("numpy.core.multiarray", "_reconstruct") + _tuple(arguments) + b"R"

    def _value(self, value: PickleValue) -> bytes:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, int):
            return _integer(value)
        if isinstance(value, np.ndarray):
            return self._array(value)
        return self._sparse(value)

    def _array(self, array: np.ndarray) -> bytes:
        # Transposed arrays are copied; zero-dimensional ones must keep having no dimension.
        data = array.astype(array.dtype.newbyteorder("<"), order="C")
        order = b"|" if data.dtype.itemsize == 1 else b"<"
        shape = _tuple(b"".join(_integer(size) for size in data.shape))
        kind = self.dtype(data.dtype.str[1:], order, 0)
        state = _integer(1) + shape + kind + b"\x89" + self.byte_string(data.tobytes())
        return self.empty_array() + _tuple(state) + b"b"

    def _sparse(self, matrix: sparse.csc_array) -> bytes:
        rows, columns = matrix.shape
        state = {
            "data": matrix.data,
            "indices": matrix.indices.astype(np.int32),
            "indptr": matrix.indptr.astype(np.int32),
            "maxprint": 50,
        }
        shape = self.text("_shape") + _tuple(_integer(rows) + _integer(columns))
        items = b"".join(self.text(key) + self._value(value) for key, value in state.items())
        made = _name("copy_reg", "_reconstructor") + _tuple(
            _name("scipy.sparse", "csc_matrix") + _name("__builtin__", "object") + b"N"
        )
        return made + b"R}(" + shape + items + b"ub"


_PYTHON_TWO = _Dialect(short_bytes=b"U", long_bytes=b"T", has_unicode=False)
_PYTHON_THREE = _Dialect(short_bytes=b"C", long_bytes=b"B", has_unicode=True)


def _integer(value: int) -> bytes:
    if 0 <= value < _ONE_BYTE:
        return b"K" + bytes((value,))
    if 0 <= value < _TWO_BYTES:
        return b"M" + struct.pack("<H", value)
    return b"J" + struct.pack("<i", value)


def _tuple(parts: bytes) -> bytes:
    return b"(" + parts + b"t"


def _name(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()
