"""Quantised, reproducible `.npz` files, and merging a stage's keys into what is already there."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

INT16_LIMIT = 32767
ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The same time for every member, so that the same arrays give the same bytes."""


@dataclass(frozen=True)
class Quantised:
    """Directions as counts times a scale per component.

    Attributes:
        counts: Values in units of `scale`.
        scale: Metres per count.
    """

    counts: Int[np.ndarray, "V 3 C"]
    scale: Float[np.ndarray, " C"]

    def values(self) -> Float[np.ndarray, "V 3 C"]:
        """The directions that a reader gets, metres."""
        return self.counts.astype(np.float32) * self.scale


def quantise(directions: Float[np.ndarray, "V 3 C"], step: float) -> Quantised:
    """Round to a common step, or to a coarser one where a component would overflow.

    Args:
        directions: Offsets per component, metres.
        step: Wanted metres per count.
    """
    peak = np.abs(directions).max(axis=(0, 1))
    scale = np.maximum(step, peak / INT16_LIMIT).astype(np.float32)
    counts = np.rint(directions / scale).clip(-INT16_LIMIT, INT16_LIMIT).astype(np.int16)
    # Component after component in the file: small components then compress to a few bits.
    return Quantised(np.asfortranarray(counts), scale)


def update_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write keys into an archive, keeping the keys of other stages.

    Args:
        path: The archive; made if it does not exist.
        arrays: Keys to add or replace.
    """
    merged: dict[str, np.ndarray] = {}
    if path.exists():
        with np.load(path, allow_pickle=False) as existing:
            merged = {key: existing[key] for key in existing.files}
    merged.update(arrays)
    temporary = path.with_suffix(".npz.partial")
    with zipfile.ZipFile(temporary, "w") as archive:
        for key in sorted(merged):
            member = zipfile.ZipInfo(f"{key}.npy", date_time=ZIP_EPOCH)
            member.compress_type = zipfile.ZIP_DEFLATED
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.asanyarray(merged[key]), allow_pickle=False)
            archive.writestr(member, buffer.getvalue(), compresslevel=9)
    temporary.replace(path)


def file_sha256(path: Path) -> str:
    """Digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
