"""Turns what a pickle holds into plain containers, numbers, text and numpy arrays."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from flame_fit.untrusted.array_values import array_of_bytes, checked_shape, plain_dtype
from flame_fit.untrusted.pickle_expressions import (
    chumpy_value,
    sparse_value,
)
from flame_fit.untrusted.pickle_machine import Deferred
from flame_fit.untrusted.pickle_names import Meaning, Name, foreign_refusal
from flame_fit.untrusted.refusal import Refused, quoted
from flame_fit.untrusted.torch_storage import parse_reference, read_legacy, strided_values

MAXIMUM_DEPTH = 60
"""Containers inside containers."""
MAXIMUM_VALUES = 1_000_000
"""Values in all, a value in several places counted each time."""
MAXIMUM_LEGACY_DEPTH = 3
"""Torch files inside torch files."""


StorageReader = Callable[[Deferred], np.ndarray]
"""Finds the data of a reference to outside the pickle."""


def _no_storages(reference: Deferred) -> np.ndarray:
    raise Refused("the pickle refers to data outside the file; get it from its publisher")


def plain_value(
    root: object,
    *,
    maximum_bytes: int,
    storages: StorageReader = _no_storages,
    legacy_depth: int = 0,
) -> object:
    """Return the content of a pickle as plain containers, numbers, text and arrays.

    Object arrays become nested lists, one without dimensions its only element; sparse matrices,
    chumpy objects and tensors become arrays; tensors of bf16 become float32.

    Args:
        root: the root of a `PickleContent`.
        maximum_bytes: most bytes the arrays may take together.
        storages: finds data outside the pickle.
        legacy_depth: how many torch files this one is inside of.

    Raises:
        Refused: damaged, too large, too deep, in a circle, or of a kind that models do not have.
    """
    resolver = _Resolver(maximum_bytes, storages, legacy_depth)
    try:
        return resolver.value(root)
    except (ValueError, TypeError, IndexError, KeyError, OverflowError, MemoryError) as error:
        if isinstance(error, Refused):
            raise
        raise Refused(f"the pickle holds no proper values ({error}); get the file again") from None


@dataclass(frozen=True, eq=False)
class _Known:
    """A value that was computed, and how many values it counts for."""

    value: object
    count: int


class _Resolver:
    def __init__(self, maximum_bytes: int, storages: StorageReader, legacy_depth: int) -> None:
        self.bytes_left = maximum_bytes
        self.storages = storages
        self.legacy_depth = legacy_depth
        self.known: dict[int, _Known | None] = {}
        self.depth = 0
        self.count = 0

    def value(self, item: object) -> object:
        """Return the plain value of one object of the pickle, computed once."""
        if item is None or isinstance(item, bool | int | float | str | bytes):
            self.count += 1
            return item
        key = id(item)
        if key not in self.known:
            self.known[key] = None
            before = self.count
            self.depth += 1
            if self.depth > MAXIMUM_DEPTH:
                raise Refused(f"the pickle nests more than {MAXIMUM_DEPTH} levels; no model does")
            found = self._computed(item)
            self.depth -= 1
            self.known[key] = _Known(found, self.count - before + 1)
            self.count = before
        known = self.known[key]
        if known is None:
            raise Refused("the pickle holds something that contains itself; no model does")
        # A value used in several places counts each time: so a small file cannot unfold into a
        # structure that nobody can walk through.
        self.count += known.count
        if self.count > MAXIMUM_VALUES:
            raise Refused(f"the pickle unfolds into over {MAXIMUM_VALUES} values; no model does")
        return known.value

    def spend(self, count: int) -> None:
        """Count bytes about to be allocated."""
        self.bytes_left -= count
        if self.bytes_left < 0:
            raise Refused("the arrays of the pickle take more memory than allowed here")

    def _computed(self, item: object) -> object:
        if isinstance(item, list):
            return [self.value(part) for part in item]
        if isinstance(item, tuple):
            return tuple(self.value(part) for part in item)
        if isinstance(item, dict):
            return {key: self.value(part) for key, part in item.items()}
        if isinstance(item, set | frozenset):
            self.count += len(item)
            return item
        if isinstance(item, Deferred):
            return _MAKERS[item.name.meaning](self, item)
        if isinstance(item, Name) and item.meaning is Meaning.TORCH_DTYPE:
            return item.label
        if isinstance(item, Name) and item.meaning is Meaning.FOREIGN:
            raise foreign_refusal(item.label)
        label = item.label if isinstance(item, Name) else type(item).__name__
        raise Refused(f"the pickle holds {quoted(label)} itself as a value; no model does")

    def text_or_bytes(self, item: object) -> bytes:
        """Return raw data, which Python 2 wrote as text and Python 3 as bytes."""
        data = self.value(item)
        if isinstance(data, str):
            self.spend(len(data))
            return data.encode("latin-1")
        if isinstance(data, bytes):
            return data
        raise Refused("an array has no data; copy or download the file again")


def _fields(item: object, count: int, what: str) -> tuple:
    if not isinstance(item, tuple) or len(item) < count:
        raise Refused(f"{what} is not stored the way numpy and torch store it; get the file again")
    return item


def _dtype(resolver: _Resolver, item: Deferred) -> np.dtype | str:
    code = _fields(item.arguments, 1, "an array type")[0]
    state = _fields(item.state, 5, "an array type") if item.has_state else ()
    if any(part is not None for part in state[2:5]):
        raise Refused("a pickled array has records as elements; models have plain numbers")
    order = state[1] if state else ""
    return plain_dtype(resolver.value(code), order=order if isinstance(order, str) else "")


def _number_type(resolver: _Resolver, item: object) -> np.dtype:
    dtype = _element_type(resolver, item)
    if isinstance(dtype, str):
        raise Refused("a number is stored as a Python object; get the file from its publisher")
    return dtype


def _element_type(resolver: _Resolver, item: object) -> np.dtype | str:
    if not isinstance(item, Deferred) or item.name.meaning is not Meaning.DTYPE:
        raise Refused("an array has no type; copy or download the file again")
    return _dtype(resolver, item)


def _array(resolver: _Resolver, item: Deferred) -> object:
    made = _fields(item.arguments, 1, "an array")[0]
    if not isinstance(made, Name) or made.meaning is not Meaning.ARRAY_CLASS:
        raise Refused("an array is of a class of its own; models have plain arrays")
    _, shape, kind, fortran, data = _fields(item.state, 5, "an array")[:5]
    sizes = checked_shape(resolver.value(shape))
    dtype = _element_type(resolver, kind)
    if isinstance(dtype, str):
        return _nested(resolver.value(data), sizes)
    raw = resolver.text_or_bytes(data)
    resolver.spend(len(raw))
    return array_of_bytes(raw, dtype, sizes, fortran_order=fortran is True or fortran == 1)


def _nested(items: object, shape: tuple[int, ...]) -> object:
    """Return the elements of an object array as nested lists; that of a scalar array itself."""
    if not isinstance(items, list) or len(items) != math.prod(shape):
        raise Refused("an array of objects has another number of elements than it announces")
    if not shape:
        return items[0]
    for size in reversed(shape[1:]):
        if size == 0:
            raise Refused("an array of objects is empty; copy or download the file again")
        items = [items[start : start + size] for start in range(0, len(items), size)]
    return items


def _array_of_buffer(resolver: _Resolver, item: Deferred) -> np.ndarray:
    data, kind, shape, order = _fields(item.arguments, 4, "an array")[:4]
    raw = resolver.text_or_bytes(data)
    resolver.spend(len(raw))
    return array_of_bytes(
        raw,
        _number_type(resolver, kind),
        checked_shape(resolver.value(shape)),
        fortran_order=order == "F",
    )


def _scalar(resolver: _Resolver, item: Deferred) -> object:
    kind, data = _fields(item.arguments, 2, "a number")[:2]
    return array_of_bytes(resolver.text_or_bytes(data), _number_type(resolver, kind), ()).item()


def _bytes_of_text(resolver: _Resolver, item: Deferred) -> bytes:
    text, encoding = _fields(item.arguments, 2, "data")[:2]
    if encoding not in ("latin1", "latin-1") or not isinstance(text, str):
        raise Refused("data are encoded in another way than Python does; get the file again")
    resolver.spend(len(text))
    return text.encode("latin-1")


def _bytes(resolver: _Resolver, item: Deferred) -> bytes:
    parts = tuple(resolver.value(part) for part in item.arguments)
    if not parts:
        return b""
    return resolver.text_or_bytes(parts[0])


def _tensor(resolver: _Resolver, item: Deferred) -> np.ndarray:
    storage, offset, shape, strides = _fields(item.arguments, 4, "a tensor")[:4]
    values = resolver.value(storage)
    if not isinstance(values, np.ndarray) or values.ndim != 1:
        raise Refused("a tensor has no storage; copy or download the file again")
    sizes = checked_shape(resolver.value(shape))
    resolver.spend(math.prod(sizes) * values.dtype.itemsize)
    return strided_values(values, offset=offset, shape=sizes, strides=resolver.value(strides))


def _parameter(resolver: _Resolver, item: Deferred) -> object:
    return resolver.value(_fields(item.arguments, 1, "a tensor")[0])


def _storage(resolver: _Resolver, item: Deferred) -> np.ndarray:
    resolver.spend(parse_reference(item).byte_count)
    return resolver.storages(item)


def _storage_of_bytes(resolver: _Resolver, item: Deferred) -> object:
    """Return the storage in a torch file that is itself an argument of the pickle."""
    if resolver.legacy_depth >= MAXIMUM_LEGACY_DEPTH:
        raise Refused("the file has torch files inside torch files; no model does")
    data = resolver.text_or_bytes(_fields(item.arguments, 1, "a tensor")[0])
    resolver.spend(len(data))
    content = read_legacy(data)
    return plain_value(
        content.root,
        maximum_bytes=resolver.bytes_left,
        storages=lambda reference: content.storages[parse_reference(reference).key],
        legacy_depth=resolver.legacy_depth + 1,
    )


def _size(resolver: _Resolver, item: Deferred) -> tuple[int, ...]:
    return checked_shape(resolver.value(_fields(item.arguments, 1, "a size")[0]))


def _device(resolver: _Resolver, item: Deferred) -> str:
    return str(resolver.value(_fields(item.arguments, 1, "a device")[0]))[:32]


def _foreign(resolver: _Resolver, item: Deferred) -> object:
    raise foreign_refusal(item.name.label)


def _type_itself(resolver: _Resolver, item: Deferred) -> str:
    return str(_dtype(resolver, item))


_MAKERS: dict[Meaning, Callable[[_Resolver, Deferred], object]] = {
    Meaning.ARRAY: _array,
    Meaning.ARRAY_OF_BUFFER: _array_of_buffer,
    Meaning.SCALAR: _scalar,
    Meaning.DTYPE: _type_itself,
    Meaning.BYTES_OF_TEXT: _bytes_of_text,
    Meaning.BYTES: _bytes,
    Meaning.SPARSE: sparse_value,
    Meaning.CHUMPY: chumpy_value,
    Meaning.TENSOR: _tensor,
    Meaning.PARAMETER: _parameter,
    Meaning.STORAGE: _storage,
    Meaning.STORAGE_OF_BYTES: _storage_of_bytes,
    Meaning.SIZE: _size,
    Meaning.DEVICE: _device,
    Meaning.FOREIGN: _foreign,
}
