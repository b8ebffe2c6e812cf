"""Moving frozen dataclasses of tensors between dtypes and devices, and stacking them."""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

DataclassType = TypeVar("DataclassType")


def move(
    data: DataclassType,
    *,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> DataclassType:
    """Return a copy whose tensors lie on `device`; floating ones have `dtype`, others keep theirs.

    Nested dataclasses and tuples of them are moved too; everything else is kept as it is.
    """
    changes = {
        field.name: _moved(getattr(data, field.name), dtype, device)
        for field in fields(data)  # type: ignore[arg-type]
        if field.init
    }
    return replace(data, **changes)  # type: ignore[type-var]


def _moved(value: Any, dtype: torch.dtype | None, device: torch.device | str | None) -> Any:  # noqa: ANN401
    if isinstance(value, Tensor):
        return value.to(device=device, dtype=dtype if value.is_floating_point() else None)
    if isinstance(value, tuple):
        return tuple(_moved(item, dtype, device) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        return move(value, dtype=dtype, device=device)
    return value


def stack(items: Sequence[DataclassType]) -> DataclassType:
    """Return one dataclass whose tensors hold those of all items along their first axis.

    Where the second axes differ in length, shorter tensors are filled up with zeros. Nested
    dataclasses are stacked too; everything else must be the same in all items.

    Raises:
        ValueError: If the items differ in something that is no tensor.
    """
    first = items[0]
    changes = {
        field.name: _stacked(field.name, [getattr(item, field.name) for item in items])
        for field in fields(first)  # type: ignore[arg-type]
        if field.init
    }
    return replace(first, **changes)  # type: ignore[type-var]


def _stacked(name: str, values: list[Any]) -> Any:  # noqa: ANN401
    first = values[0]
    if isinstance(first, Tensor):
        return _concatenated(values)
    if is_dataclass(first) and not isinstance(first, type):
        return stack(values)
    if any(value != first for value in values):
        raise ValueError(f"{name} differs within a batch: {values}")
    return first


def _concatenated(values: list[Tensor]) -> Tensor:
    if values[0].ndim > 1:
        longest = max(value.shape[1] for value in values)
        padding = (0, 0) * (values[0].ndim - 2)
        values = [
            torch.nn.functional.pad(value, (*padding, 0, longest - value.shape[1]))
            for value in values
        ]
    return torch.cat(values)


def take(data: DataclassType, index: int) -> DataclassType:
    """Return one item of stacked data, as a batch of one; what the batch shares is kept."""
    changes = {
        field.name: _taken(getattr(data, field.name), index)
        for field in fields(data)  # type: ignore[arg-type]
        if field.init
    }
    return replace(data, **changes)  # type: ignore[type-var]


def _taken(value: Any, index: int) -> Any:  # noqa: ANN401
    if isinstance(value, Tensor):
        return value if len(value) == 1 else value[index : index + 1]
    if is_dataclass(value) and not isinstance(value, type):
        return take(value, index)
    return value
