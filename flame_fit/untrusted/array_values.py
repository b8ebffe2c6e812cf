"""Arrays out of raw bytes: kinds, sizes and values are checked before numpy sees them."""

import math
import re

import numpy as np

from flame_fit.untrusted.refusal import Refused, quoted

OBJECT = "object"
"""Stands for numpy's object type, whose elements are Python objects."""
LONGEST_TEXT = 1_000_000
"""Characters or bytes of one element of a text array."""
MOST_DIMENSIONS = 16

_CODE = re.compile(r"([<>|=]?)([biufcSUO])(\d{0,7})", re.ASCII)
_SIZES = {
    "b": (1,),
    "i": (1, 2, 4, 8),
    "u": (1, 2, 4, 8),
    "f": (2, 4, 8),
    "c": (8, 16),
}
_LARGEST_CODE_POINT = 0x10FFFF
_SURROGATES = (0xD800, 0xDFFF)
_MOST_ELEMENTS = 2**48


def plain_dtype(code: object, *, order: str = "") -> np.dtype | str:
    """Return the numpy type of a code such as "<f8", or `OBJECT`.

    Args:
        code: kind and size, with or without byte order.
        order: byte order that overrides the code's; "" and "|" keep it.

    Raises:
        Refused: a record, a date, a type of unknown size, or no type at all.
    """
    found = _CODE.fullmatch(code) if isinstance(code, str) else None
    if found is None:
        raise Refused(f"the array type {quoted(code)} is not one of plain numbers or text")
    own_order, kind, digits = found.groups()
    if kind == "O":
        return OBJECT
    size = int(digits or 0)
    if size not in _SIZES.get(kind, range(1, LONGEST_TEXT + 1)):
        raise Refused(f"the array type {quoted(code)} has a size that numbers and text do not have")
    order = order if order in ("<", ">") else own_order
    return np.dtype(f"{order}{kind}{size}")


def checked_shape(shape: object) -> tuple[int, ...]:
    """Return array sizes that are whole, not negative and not absurd.

    Raises:
        Refused: anything else.
    """
    if not isinstance(shape, tuple | list) or len(shape) > MOST_DIMENSIONS:
        raise Refused("an array has no proper shape; copy or download the file again")
    for size in shape:
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < _MOST_ELEMENTS:
            raise Refused(f"an array announces a size of {quoted(size)}; the file is damaged")
    return tuple(shape)


def array_of_bytes(
    data: bytes, dtype: np.dtype, shape: tuple[int, ...], *, fortran_order: bool = False
) -> np.ndarray:
    """Return a writable array in the machine's byte order from exactly its bytes.

    Raises:
        Refused: the number of bytes is another, or they are no values of that type.
    """
    count = math.prod(shape)
    if count * dtype.itemsize != len(data):
        raise Refused(
            f"an array announces {quoted(count)} elements of {dtype} but has {len(data)} bytes; "
            "copy or download the file again"
        )
    if count == 0:
        return np.zeros(_small(shape), dtype=dtype.newbyteorder("="))
    flat = np.frombuffer(data, dtype=dtype)
    _check_values(flat)
    # A copy, because the bytes cannot be written to and may be in the other byte order.
    whole = flat.astype(dtype.newbyteorder("="), copy=True)
    return whole.reshape(shape, order="F" if fortran_order else "C")


def _small(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Check that the sizes of an empty array are no trap for code that multiplies them."""
    if math.prod(size for size in shape if size) >= _MOST_ELEMENTS:
        raise Refused("an empty array announces absurd sizes; copy or download the file again")
    return shape


def _check_values(flat: np.ndarray) -> None:
    """Check for bit patterns that make numpy or Python fail much later."""
    if flat.dtype.kind == "b" and int(flat.view(np.uint8).max()) > 1:
        raise Refused("an array of truth values has others than true and false")
    if flat.dtype.kind == "U":
        codes = flat.view(f"{flat.dtype.str[0]}u4")
        low, high = _SURROGATES
        if bool(((codes > _LARGEST_CODE_POINT) | ((codes >= low) & (codes <= high))).any()):
            raise Refused("a text array has characters that do not exist")
