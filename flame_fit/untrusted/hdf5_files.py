"""Reading plain arrays out of HDF5 files."""

from __future__ import annotations

import math
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from flame_fit.errors import AssetError
from flame_fit.untrusted.file_bytes import MAXIMUM_BYTES, check_file
from flame_fit.untrusted.refusal import Refused, asset_error, quoted

if TYPE_CHECKING:
    import h5py

# Compression, shuffling and checksums, which are part of HDF5 itself; others may load code.
_OWN_FILTERS = frozenset({1, 2, 3})


def read_hdf5(
    path: Path, *, keys: Collection[str], maximum_bytes: int = MAXIMUM_BYTES
) -> dict[str, np.ndarray]:
    """Read arrays of numbers or text; links to other places and files are not followed.

    Args:
        path: the file.
        keys: paths inside the file, such as "shape/model/mean"; those it has not are left out.
        maximum_bytes: most bytes the file, and the arrays read, may take.

    Raises:
        AssetError: missing, damaged, too large, of another kind, or h5py is not installed.
    """
    check_file(path, maximum_bytes=maximum_bytes)
    try:
        import h5py
    except ImportError as error:
        raise AssetError(
            f"{path} is an HDF5 file, which h5py reads; run: pip install 'flame-fit[basel]'"
        ) from error
    found: dict[str, np.ndarray] = {}
    budget = maximum_bytes
    try:
        with h5py.File(path, "r") as file:
            for key in keys:
                dataset = _dataset(file, key)
                if dataset is None:
                    continue
                budget -= _checked_size(dataset, key)
                if budget < 0:
                    raise Refused(f"{quoted(key)} is larger than allowed here; it is not the file")
                found[key] = _content(dataset, key)
    except (OSError, KeyError, ValueError, RuntimeError, TypeError, MemoryError) as error:
        raise asset_error(path, error, kind=".h5") from error
    return found


def _dataset(file: h5py.File, key: str) -> h5py.Dataset | None:
    """Return a dataset reached by real groups only, None where there is none."""
    import h5py

    place = file
    for part in key.split("/"):
        if not isinstance(place, h5py.Group) or part not in place:
            return None
        if not isinstance(place.get(part, getlink=True), h5py.HardLink):
            raise Refused(f"{quoted(key)} is a link to elsewhere; get the file again")
        place = place[part]
    if not isinstance(place, h5py.Dataset):
        raise Refused(f"{quoted(key)} is no array; get the file again")
    return place


def _checked_size(dataset: h5py.Dataset, key: str) -> int:
    """Return the bytes of a dataset that holds its own plain values."""
    if dataset.is_virtual or dataset.external:
        raise Refused(f"{quoted(key)} takes its values from other files; get the file again")
    settings = dataset.id.get_create_plist()
    filters = {settings.get_filter(k)[0] for k in range(settings.get_nfilters())}
    if not filters <= _OWN_FILTERS:
        raise Refused(f"{quoted(key)} is packed in an unusual way; save it with gzip or unpacked")
    if dataset.shape is None or dataset.dtype.kind not in "fiuSO":
        raise Refused(f"{quoted(key)} is no array of numbers or text; get the file again")
    return math.prod(dataset.shape) * dataset.dtype.itemsize


def _content(dataset: h5py.Dataset, key: str) -> np.ndarray:
    import h5py

    if dataset.dtype.kind in "fiu":
        return np.asarray(dataset[()])
    if h5py.check_string_dtype(dataset.dtype) is None or math.prod(dataset.shape) != 1:
        raise Refused(f"{quoted(key)} holds more than one text; get the file again")
    text = np.asarray(dataset.asstr()[()]).reshape(-1)[0]
    return np.array(str(text))
