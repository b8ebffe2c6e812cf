"""What is installed: a file and a record for each model, companion and texture."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from flame_fit.asset_files import sha256_of, write_atomically
from flame_fit.errors import AssetError
from flame_fit.head_models.npz_bytes import npz_bytes

AssetKind = Literal[
    "head model", "landmarks", "vertex masks", "eyelid", "template", "texture space", "texture map"
]
RECORD_SUFFIX = ".json"
MAXIMUM_RECORD_BYTES = 2**20


@dataclass(frozen=True)
class AssetRecord:
    """One installed file; it lies beside its record under the same name.

    Attributes:
        name: How options name it.
        kind: What it is.
        title: The same for people.
        purpose: What it is for.
        terms: Its licence in a few words.
        licence: Its licence in a sentence or two.
        notice: The licence or read-me text that lay beside it, if any.
        citation: What a publication cites.
        url: Where it comes from.
        source: The file it was made from, and the archive around it.
        source_sha256: Digest of that file.
        sha256: Digest of the installed file.
        installed: The day, as 2026-01-31.
    """

    name: str
    kind: AssetKind
    title: str
    purpose: str
    terms: str
    licence: str
    notice: str
    citation: str
    url: str
    source: str
    source_sha256: str
    sha256: str
    installed: str


def read_records(folder: Path) -> tuple[AssetRecord, ...]:
    """Return the records of a folder by name; other files in it are left alone.

    Raises:
        AssetError: A record is damaged.
    """
    found = [_read_record(path) for path in sorted(folder.glob(f"*{RECORD_SUFFIX}"))]
    return tuple(record for record in found if record is not None)


def installed_path(folder: Path, record: AssetRecord) -> Path:
    """Return the installed file of a record."""
    return folder / f"{record.name}.npz"


def is_whole(folder: Path, record: AssetRecord) -> bool:
    """Tell whether the installed file is there and as it was written."""
    path = installed_path(folder, record)
    return path.is_file() and sha256_of(path) == record.sha256


def write_asset(folder: Path, record: AssetRecord, arrays: Mapping[str, np.ndarray]) -> AssetRecord:
    """Write an installed file, then its record; return the record with the file's digest.

    A file without a record is not yet installed, so a stop half-way leaves nothing that counts.

    Raises:
        InputError: The folder cannot be written to.
    """
    path = installed_path(folder, record)
    write_atomically(path, npz_bytes(arrays))
    written = replace(record, sha256=sha256_of(path))
    text = json.dumps(asdict(written), indent=2, ensure_ascii=False)
    write_atomically(path.with_suffix(RECORD_SUFFIX), text.encode())
    return written


def _read_record(path: Path) -> AssetRecord | None:
    """Return a record, or None for a JSON file that is something else."""
    try:
        if path.stat().st_size > MAXIMUM_RECORD_BYTES:
            return None
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise AssetError(f"{path} cannot be read; remove it and install the asset again") from error
    names = {field.name for field in fields(AssetRecord)}
    if not isinstance(content, dict) or not names <= set(content):
        return None
    texts: dict[str, Any] = {name: str(content[name]) for name in names}
    if texts["kind"] not in get_args(AssetKind) or texts["name"] != path.stem:
        raise AssetError(f"{path} is no sound record; remove it and install the asset again")
    return AssetRecord(**texts)
