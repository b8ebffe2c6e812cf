"""What head models, companion files and textures there are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flame_fit.asset_files import asset_folders, sha256_of
from flame_fit.head_models.recognise import TEXTURE_KEYS, array_names
from flame_fit.head_models.records import AssetRecord, installed_path, read_records

CC0 = "CC0 1.0"
_CC0_TEXT = "made from public-domain data (MakeHuman); CC0 1.0: anything goes, selling included"
_OPEN_HEAD_URL = "https://static.makehumancommunity.org"
_FOREIGN = "see its source"


@dataclass(frozen=True)
class ListedAsset:
    """One thing that options can name, or that goes with it.

    Attributes:
        name: How options name it.
        kind: What it is.
        title: The same for people.
        purpose: What it is for.
        terms: Its licence in a few words.
        licence: Its licence in a sentence or two.
        citation: What a publication cites.
        url: Where it comes from.
        sha256: Digest of the file.
        size_bytes: Of the file.
        folder: Where it lies.
    """

    name: str
    kind: str
    title: str
    purpose: str
    terms: str
    licence: str
    citation: str
    url: str
    sha256: str
    size_bytes: int
    folder: Path


def list_assets() -> tuple[ListedAsset, ...]:
    """Return all that is found by name, in the order of the search; the first of a name counts.

    Raises:
        AssetError: A record is damaged.
    """
    found: dict[str, ListedAsset] = {}
    for folder in asset_folders():
        records = {record.name: record for record in read_records(folder)}
        for path in sorted(folder.glob("*.npz")) if folder.is_dir() else ():
            record = records.get(path.stem)
            listed = _installed(folder, record) if record is not None else _plain(path)
            found.setdefault(listed.name, listed)
    return tuple(found.values())


def _installed(folder: Path, record: AssetRecord) -> ListedAsset:
    return ListedAsset(
        name=record.name,
        kind=record.kind,
        title=record.title,
        purpose=record.purpose,
        terms=record.terms,
        licence=record.licence,
        citation=record.citation,
        url=record.url,
        sha256=record.sha256,
        size_bytes=installed_path(folder, record).stat().st_size,
        folder=folder,
    )


def _plain(path: Path) -> ListedAsset:
    """Describe a file without a record: one of the package, or one that a user put there."""
    is_texture = any(keys <= array_names(path) for keys in TEXTURE_KEYS)
    is_ours = path.parent not in _user_folders()
    kind = "texture space" if is_texture else "head model"
    return ListedAsset(
        name=path.stem,
        kind=kind,
        title=f"{kind} that comes with the package" if is_ours else f"{kind}, put there by hand",
        purpose="--texture-model" if is_texture else "--model",
        terms=CC0 if is_ours else _FOREIGN,
        licence=_CC0_TEXT if is_ours else _FOREIGN,
        citation="",
        url=_OPEN_HEAD_URL if is_ours else "",
        sha256=sha256_of(path),
        size_bytes=path.stat().st_size,
        folder=path.parent,
    )


def _user_folders() -> tuple[Path, ...]:
    """Return all searched folders but the last two, which belong to the package."""
    return asset_folders()[:-2]
