"""Moving frozen dataclasses of tensors between dtypes and devices."""

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
