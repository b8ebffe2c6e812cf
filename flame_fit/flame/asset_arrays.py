"""Checked access to the arrays of a model file, with errors that name file, key and remedy."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from flame_fit.errors import AssetError
from flame_fit.untrusted import read_npz

ShapePattern = tuple[int | None, ...]
"""Expected sizes; None stands for any size."""
_LONG = 40
_MANY = 40
"""How long and how many names an error message lists."""


@dataclass(frozen=True)
class AssetArrays:
    """The arrays of one file; every access checks presence, shape, kind and values."""

    path: Path
    arrays: Mapping[str, np.ndarray]

    @staticmethod
    def read(path: Path, *, maximum_bytes: int) -> "AssetArrays":
        """Read all arrays of an `.npz` file."""
        return AssetArrays(path=path, arrays=read_npz(path, maximum_bytes=maximum_bytes))

    def __contains__(self, key: str) -> bool:
        """Tell whether the file has this key."""
        return key in self.arrays

    def floats(
        self, key: str, shape: ShapePattern, *, scale_key: str | None = None
    ) -> Float[Tensor, "..."]:
        """Return finite numbers as float32; counts are multiplied by `<key>_scale` if present."""
        array = self._checked(key, shape, kinds="fiu")
        scale_key = scale_key or f"{key}_scale"
        if scale_key in self.arrays:
            scale = self._checked(scale_key, (array.shape[-1],), kinds="f")
            array = array.astype(np.float32) * scale.astype(np.float32)
        elif array.dtype.kind in "iu":
            raise AssetError(
                f"{self.path}: '{key}' holds whole numbers but '{scale_key}' is missing; "
                "add the metres per count or store float32"
            )
        with np.errstate(over="ignore"):
            # What does not fit into float32 becomes infinite and is refused below.
            values = torch.from_numpy(np.array(array, dtype=np.float32, order="C"))
        if not bool(torch.isfinite(values).all()):
            raise AssetError(f"{self.path}: '{key}' is not finite everywhere; rebuild the file")
        return values

    def indices(self, key: str, shape: ShapePattern, *, limit: int) -> Int[Tensor, "..."]:
        """Return indices below `limit` as int64."""
        array = self._checked(key, shape, kinds="iu")
        if array.size and (array.min() < 0 or array.max() >= limit):
            raise AssetError(
                f"{self.path}: '{key}' has indices from {array.min()} to {array.max()}, "
                f"allowed are 0 to {limit - 1}; rebuild the file"
            )
        return torch.from_numpy(array.astype(np.int64))

    def flags(self, key: str, shape: ShapePattern) -> Bool[Tensor, "..."]:
        """Return truth values."""
        return torch.from_numpy(self._checked(key, shape, kinds="b").copy())

    def names(self, key: str) -> tuple[str, ...]:
        """Return a list of strings."""
        return tuple(str(name) for name in self._checked(key, (None,), kinds="U"))

    def text(self, key: str) -> str:
        """Return one string."""
        return str(self._checked(key, (), kinds="U"))

    def integer(self, key: str) -> int:
        """Return one whole number."""
        return int(self._checked(key, (), kinds="iu"))

    def raw(self, key: str, shape: ShapePattern, *, kinds: str) -> np.ndarray:
        """Return an array of one of the given NumPy kinds, values unchecked."""
        return self._checked(key, shape, kinds=kinds)

    def _present(self) -> str:
        """Return the names in the file, of which a file may have many and strange ones."""
        names = [name for name in sorted(self.arrays) if name.isprintable() and len(name) < _LONG]
        shown = ", ".join(names[:_MANY]) or "no arrays with proper names"
        return f"{shown} and more" if len(self.arrays) > min(len(names), _MANY) else shown

    def _checked(self, key: str, shape: ShapePattern, *, kinds: str) -> np.ndarray:
        if key not in self.arrays:
            raise AssetError(f"{self.path}: '{key}' is missing (the file has {self._present()})")
        array = self.arrays[key]
        fits = array.ndim == len(shape) and all(
            expected is None or size == expected
            for size, expected in zip(array.shape, shape, strict=True)
        )
        if not fits:
            wanted = " x ".join("any" if size is None else str(size) for size in shape) or "scalar"
            found = " x ".join(str(size) for size in array.shape) or "scalar"
            raise AssetError(f"{self.path}: '{key}' is {found}, expected {wanted}; rebuild it")
        if array.dtype.kind not in kinds:
            raise AssetError(
                f"{self.path}: '{key}' has type {array.dtype}, expected one of kind '{kinds}'; "
                "rebuild the file"
            )
        return array
