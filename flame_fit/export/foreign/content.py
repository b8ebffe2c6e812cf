"""Checked access to the arrays of other tools' parameter files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from flame_fit.errors import InputError
from flame_fit.untrusted import read_npy, read_npz, read_pickle
from flame_fit.untrusted.mat_files import read_mat

MAXIMUM_FILE_BYTES = 2**30
SUFFIXES = (".npy", ".npz", ".mat", ".pkl")
BARE = "array"
"""Key of the array of a file that holds nothing else."""
KINDS = "fiu"


@dataclass(frozen=True, eq=False)
class ForeignContent:
    """The arrays of one file; every access checks size and values."""

    path: Path
    arrays: Mapping[str, np.ndarray]
    frame: int = 0
    """Which row is meant where an array has one for each picture."""

    @staticmethod
    def read(path: Path, *, frame: int = 0) -> ForeignContent:
        """Read a `.npy` (an array or a dictionary), `.npz`, `.mat` or `.pkl` file.

        Nothing in a file is ever run; what is no array of numbers is left out.

        Raises:
            AssetError: Missing, damaged or too large.
            InputError: Another kind of file, or nothing in it.
        """
        arrays = _read(path)
        if not arrays:
            raise InputError(f"{path}: holds no arrays of numbers; give a file of parameters")
        return ForeignContent(path=path, arrays=arrays, frame=frame)

    def __contains__(self, key: str) -> bool:
        """Tell whether the file has this key."""
        return key in self.arrays

    def values(self, key: str, *shape: int) -> Float64[np.ndarray, "..."]:
        """Return finite numbers of exactly this shape, the frame's row if there are more.

        Raises:
            InputError: Missing, of another size, no such frame, or not finite.
        """
        size = int(np.prod(shape))
        flat = self._flat(key)
        rows, rest = divmod(flat.size, size)
        if rest or rows == 0:
            found = " x ".join(str(extent) for extent in flat.shape) or "a single number"
            wanted = " x ".join(str(extent) for extent in shape)
            raise InputError(f"{self.path}: '{key}' is {found}, expected {wanted} for each picture")
        return self._row(flat.reshape(rows, *shape))

    def codes(self, key: str) -> Float64[np.ndarray, "count"]:
        """Return a list of coefficients, the frame's row if there are several lists.

        Raises:
            InputError: Missing, no list, no such frame, or not finite.
        """
        flat = self._flat(key)
        if flat.ndim == 0:
            raise InputError(f"{self.path}: '{key}' is a single number, expected coefficients")
        return self._row(flat.reshape(-1, flat.shape[-1]))

    def _flat(self, key: str) -> np.ndarray:
        if key not in self.arrays:
            present = ", ".join(sorted(self.arrays))
            raise InputError(f"{self.path}: lacks '{key}'; it has {present}")
        return self.arrays[key]

    def _row(self, rows: np.ndarray) -> np.ndarray:
        # A tool that fits one identity to many pictures stores it once.
        number = 0 if len(rows) == 1 else self.frame
        if not 0 <= number < len(rows):
            raise InputError(
                f"{self.path}: has {len(rows)} pictures, number {number} was asked for; "
                f"give 0 to {len(rows) - 1}"
            )
        row = np.array(rows[number], dtype=np.float64)
        if not np.isfinite(row).all():
            raise InputError(f"{self.path}: has values that are not finite; fit that photo again")
        return row


def _read(path: Path) -> dict[str, np.ndarray]:
    suffix = path.suffix.lower()
    if suffix == ".npz":
        content: object = read_npz(path, maximum_bytes=MAXIMUM_FILE_BYTES)
    elif suffix == ".npy":
        content = read_npy(path, maximum_bytes=MAXIMUM_FILE_BYTES)
    elif suffix == ".mat":
        content = read_mat(path, maximum_bytes=MAXIMUM_FILE_BYTES)
    elif suffix == ".pkl":
        content = read_pickle(path, maximum_bytes=MAXIMUM_FILE_BYTES)
    else:
        raise InputError(
            f"{path}: ends in '{path.suffix}'; parameters are read from {', '.join(SUFFIXES)}"
        )
    if isinstance(content, np.ndarray):
        content = {BARE: content}
    named = content.items() if isinstance(content, dict) else ()
    arrays = {str(key): np.asarray(value) for key, value in named if _is_numbers(value)}
    return arrays


def _is_numbers(value: object) -> bool:
    if isinstance(value, np.ndarray):
        return value.dtype.kind in KINDS
    return isinstance(value, int | float)
