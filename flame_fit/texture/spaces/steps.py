"""Finished steps of long work, kept as files so that work killed anywhere goes on where it was."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from flame_fit.asset_files import read_npz, write_atomically

SUFFIX = ".npz"
MAXIMUM_STEP_BYTES = 2 * 2**30

Step = TypeVar("Step")


class StepFolder:
    """Results of steps by name: frozen dataclasses of tensors and numbers."""

    def __init__(self, folder: Path, *, device: torch.device | str = "cpu") -> None:
        """Name the folder; it is made with the first step.

        Args:
            folder: Where the files lie.
            device: Where loaded tensors go.
        """
        self._folder = folder
        self._device = device

    def has(self, name: str) -> bool:
        """Tell whether a step is finished."""
        return self._path(name).is_file()

    def once(self, name: str, kind: type[Step], make: Callable[[], Step]) -> Step:
        """Return a step's result, from its file if it was finished before.

        The result always takes the way through the file, so that nothing depends on whether the
        work was interrupted.
        """
        if not self.has(name):
            self.save(name, make())
        return self.load(name, kind)

    def save(self, name: str, value: object) -> None:
        """Keep the result of a step."""
        arrays: dict[str, Any] = {
            field.name: _array(getattr(value, field.name))
            for field in fields(value)  # type: ignore[arg-type]
        }
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        write_atomically(self._path(name), buffer.getvalue())

    def load(self, name: str, kind: type[Step]) -> Step:
        """Return the kept result of a step."""
        arrays = read_npz(self._path(name), maximum_bytes=MAXIMUM_STEP_BYTES)
        return kind(**{key: self._value(array) for key, array in arrays.items()})

    def forget(self, prefix: str) -> None:
        """Remove the steps whose names begin like this."""
        for path in sorted(self._folder.glob(f"{prefix}*{SUFFIX}")):
            path.unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}{SUFFIX}"

    def _value(self, array: np.ndarray) -> Tensor | float:
        if array.ndim == 0:
            return float(array)
        return torch.from_numpy(array).to(self._device)


def _array(value: Tensor | float) -> np.ndarray:
    return (
        value.detach().cpu().numpy() if isinstance(value, Tensor) else np.array(value, np.float64)
    )
