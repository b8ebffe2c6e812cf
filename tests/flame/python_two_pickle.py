"""Writes pickles as Python 2 did (protocol 2, byte strings), of objects that need not exist here.

The published head models were written by Python 2 with chumpy and scipy.sparse. A `Named` stands
for an object of any module, so that such a file can be made without those packages.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Named:
    """An object of a named class and the dictionary that is its state."""

    module: str
    name: str
    state: dict


def chumpy_array(array: np.ndarray) -> Named:
    """A `chumpy.Ch` that holds an array, with the other fields chumpy writes."""
    return Named("chumpy.ch", "Ch", {"x": array, "_dirty_vars": {"x"}, "_itr": None})


def sparse_columns(matrix: np.ndarray) -> Named:
    """A `scipy.sparse.csc_matrix`."""
    rows, columns = np.nonzero(matrix)
    order = np.lexsort((rows, columns))
    starts = np.searchsorted(columns[order], np.arange(matrix.shape[1] + 1))
    state = {
        "_shape": matrix.shape,
        "maxprint": 50,
        "data": matrix[rows[order], columns[order]],
        "indices": rows[order].astype(np.int32),
        "indptr": starts.astype(np.int32),
    }
    return Named("scipy.sparse.csc", "csc_matrix", state)


def dumps(value: object) -> bytes:
    """Return the pickle of plain values, arrays and `Named` objects."""
    return b"\x80\x02" + _encode(value) + b"."


def _encode(value: object) -> bytes:
    if value is None or isinstance(value, bool):
        return {None: b"N", True: b"\x88", False: b"\x89"}[value]
    for kinds, encode in _ENCODERS.items():
        if isinstance(value, kinds):
            return encode(value)
    raise TypeError(f"cannot write {type(value).__name__}")


def _integer(value: int) -> bytes:
    if 0 <= value < 256:
        return b"K" + bytes([value])
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    data = int(value).to_bytes(9, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def _string(value: str | bytes) -> bytes:
    data = value if isinstance(value, bytes) else value.encode("latin-1")
    if len(data) < 256:
        return b"U" + bytes([len(data)]) + data
    return b"T" + struct.pack("<i", len(data)) + data


def _tuple(value: tuple) -> bytes:
    return b"(" + b"".join(map(_encode, value)) + b"t"


def _list(value: list) -> bytes:
    return b"](" + b"".join(map(_encode, value)) + b"e"


def _dict(value: dict) -> bytes:
    return b"}(" + b"".join(_encode(part) for pair in value.items() for part in pair) + b"u"


def _set(value: set) -> bytes:
    return b"c__builtin__\nset\n" + _list(sorted(value)) + b"\x85R"


def _dtype(value: np.dtype) -> bytes:
    made = b"cnumpy\ndtype\n" + _tuple((value.str[1:], 0, 1)) + b"R"
    order = value.str[0]
    sizes = (-1, -1, 0)
    if value.kind == "U":
        sizes = (value.itemsize, 4, 8)
    return made + _tuple((3, order, None, None, None, *sizes)) + b"b"


def _array(value: np.ndarray) -> bytes:
    start = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n" + _tuple((0,)) + _string("b")
    fortran = value.ndim > 1 and value.flags.f_contiguous and not value.flags.c_contiguous
    data = value.tobytes(order="F" if fortran else "C")
    state = (1, tuple(value.shape), value.dtype, fortran, data)
    return start + b"\x87R" + _tuple(state) + b"b"


def _scalar(value: np.generic) -> bytes:
    made = b"cnumpy.core.multiarray\nscalar\n"
    return made + _tuple((value.dtype, value.tobytes())) + b"R"


def _named(value: Named) -> bytes:
    return f"c{value.module}\n{value.name}\n".encode() + b")\x81" + _dict(value.state) + b"b"


_ENCODERS = {
    np.dtype: _dtype,
    np.ndarray: _array,
    np.generic: _scalar,
    int: _integer,
    float: lambda value: b"G" + struct.pack(">d", value),
    (str, bytes): _string,
    tuple: _tuple,
    list: _list,
    dict: _dict,
    set: _set,
    Named: _named,
}
