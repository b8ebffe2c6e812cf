"""Sparse matrices and chumpy objects of a pickle as full arrays, without scipy and chumpy."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeGuard, runtime_checkable

import numpy as np

from flame_fit.untrusted.array_values import checked_shape
from flame_fit.untrusted.pickle_machine import Deferred
from flame_fit.untrusted.refusal import Refused


@runtime_checkable
class Values(Protocol):
    """Computes the values of a pickle within a budget of memory."""

    def value(self, item: object) -> object:
        """Return the plain value of one object of the pickle."""
        ...

    def spend(self, count: int) -> None:
        """Count bytes about to be allocated; raises `Refused` past the budget."""
        ...


@dataclass(frozen=True)
class UnresolvedExpression:
    """A chumpy expression that is not computed here; its name tells which."""

    name: str


def _mapping(item: object, what: str) -> Mapping:
    if not isinstance(item, dict):
        raise Refused(f"{what} has no state; copy or download the file again")
    return item


def sparse_value(values: Values, item: Deferred) -> np.ndarray:
    """Return a sparse matrix as a full one.

    Raises:
        Refused: its parts do not fit together, or the full matrix is too large.
    """
    state = _mapping(item.state, "a sparse matrix")
    shape = checked_shape(values.value(state.get("_shape", state.get("shape"))))
    if len(shape) != 2:  # noqa: PLR2004
        raise Refused("a sparse matrix has no two sizes; get the file again")
    entries = _vector(values, state.get("data"), "fiub")
    places = _coordinates(values, item.name.name[:3], state, shape, len(entries))
    outside = (places.rows >= shape[0]) | (places.columns >= shape[1])
    if bool(outside.any()):
        raise Refused("a sparse matrix has entries outside its shape; get the file again")
    values.spend(math.prod(shape) * entries.dtype.itemsize)
    full = np.zeros(shape, dtype=entries.dtype)
    np.add.at(full, (places.rows, places.columns), entries)
    return full


@dataclass(frozen=True, eq=False)
class _Coordinates:
    rows: np.ndarray
    columns: np.ndarray


def _coordinates(
    values: Values, form: str, state: Mapping, shape: tuple[int, ...], count: int
) -> _Coordinates:
    if form == "coo":
        pair = state.get("coords")
        row, column = pair if _is_pair(pair) else (state.get("row"), state.get("col"))
        rows, columns = _indices(values, row), _indices(values, column)
        if not len(rows) == len(columns) == count:
            raise Refused("a sparse matrix has parts of different length; get the file again")
        return _Coordinates(rows, columns)
    starts = _indices(values, state.get("indptr"))
    inner = _indices(values, state.get("indices"))
    lines = shape[1] if form == "csc" else shape[0]
    steps = np.diff(starts)
    fits = len(starts) == lines + 1 and len(inner) == count and starts[0] == 0
    if not fits or starts[-1] != count or (steps < 0).any():
        raise Refused("a sparse matrix has parts that do not fit together; get the file again")
    outer = np.repeat(np.arange(lines), steps)
    return _Coordinates(inner, outer) if form == "csc" else _Coordinates(outer, inner)


def _is_pair(item: object) -> TypeGuard[tuple]:
    return isinstance(item, tuple) and len(item) == 2  # noqa: PLR2004


def _vector(values: Values, item: object, kinds: str) -> np.ndarray:
    array = values.value(item)
    if not isinstance(array, np.ndarray) or array.ndim != 1 or array.dtype.kind not in kinds:
        raise Refused("a matrix or selection has parts that are no lists of numbers")
    return array


def _indices(values: Values, item: object) -> np.ndarray:
    array = _vector(values, item, "iu").astype(np.int64)
    if array.size and array.min() < 0:
        raise Refused("a matrix or selection has negative indices; get the file again")
    return array


def chumpy_value(values: Values, item: Deferred) -> object:
    """Return the array a chumpy object stands for, or an `UnresolvedExpression`.

    Raises:
        Refused: its state is damaged, or the array is too large.
    """
    maker = _CHUMPY_MAKERS.get(item.name.name)
    if maker is None:
        return UnresolvedExpression(item.name.label)
    state = _mapping(item.state, "a chumpy object")
    parts = [values.value(state.get(name)) for name in maker.operands]
    if any(isinstance(part, UnresolvedExpression) for part in parts):
        return UnresolvedExpression(item.name.label)
    arrays = [part if isinstance(part, np.ndarray) else np.asarray(_number(part)) for part in parts]
    return maker.compute(values, state, *arrays)


def _number(part: object) -> float:
    if isinstance(part, bool) or not isinstance(part, int | float):
        raise Refused("a chumpy object holds something that is no array; get the file again")
    return float(part)


def _chumpy_value(values: Values, state: Mapping, array: np.ndarray) -> np.ndarray:
    return array


def _chumpy_selection(values: Values, state: Mapping, array: np.ndarray) -> np.ndarray:
    indices = _indices(values, state.get("idxs"))
    values.spend(len(indices) * array.dtype.itemsize)
    selected = array.ravel()[indices]
    shape = values.value(state.get("preferred_shape"))
    return selected if shape is None else selected.reshape(checked_shape(shape))


def _chumpy_transposed(values: Values, state: Mapping, array: np.ndarray) -> np.ndarray:
    axes = values.value(state.get("axes"))
    return np.ascontiguousarray(np.transpose(array, None if axes is None else checked_shape(axes)))


def _chumpy_reshaped(values: Values, state: Mapping, array: np.ndarray) -> np.ndarray:
    return array.reshape(checked_shape(values.value(state.get("newshape"))))


def _chumpy_sum(values: Values, state: Mapping, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    # Two thin arrays may broadcast to a huge one.
    values.spend(math.prod(np.broadcast_shapes(left.shape, right.shape)) * 8)
    return left + right


@dataclass(frozen=True)
class _ChumpyMaker:
    operands: tuple[str, ...]
    compute: Callable[..., np.ndarray]


_CHUMPY_MAKERS = {
    "Ch": _ChumpyMaker(("x",), _chumpy_value),
    "Select": _ChumpyMaker(("a",), _chumpy_selection),
    "transpose": _ChumpyMaker(("a",), _chumpy_transposed),
    "Reshape": _ChumpyMaker(("a",), _chumpy_reshaped),
    "add": _ChumpyMaker(("a", "b"), _chumpy_sum),
}
