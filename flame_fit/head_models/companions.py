"""Finding the companion files for a model: beside its file, and among what is installed."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flame_fit.asset_files import sha256_of
from flame_fit.errors import AssetError
from flame_fit.head_models.attach import Companions
from flame_fit.head_models.landmark_companions import LandmarkFile, landmark_file
from flame_fit.head_models.mesh_companions import (
    EyelidFile,
    MaskFile,
    TemplateFile,
    eyelid_file,
    mask_file,
    template_file,
)
from flame_fit.head_models.recognise import (
    EYELID_KEY,
    LARGEST_COMPANION_BYTES,
    file_format,
    recognise_file,
)
from flame_fit.head_models.records import AssetKind, installed_path, read_records
from flame_fit.untrusted import read_npz

MOST_NEIGHBOURS = 100
COMPANION_KINDS: frozenset[AssetKind] = frozenset(
    {"landmarks", "vertex masks", "eyelid", "template"}
)
_FORMATS = frozenset({"npz", "npy", "pickle", "obj"})


@dataclass(frozen=True)
class CompanionPath:
    """A file that may be a companion.

    Attributes:
        path: The file.
        sha256: Its digest.
        kind: What it is, None where it has yet to be recognised.
    """

    path: Path
    sha256: str
    kind: AssetKind | None = None


def companion_paths(model: Path, folder: Path) -> tuple[CompanionPath, ...]:
    """Return what may go with a model, beside its file first, then installed.

    Args:
        model: The model's file.
        folder: The user's asset folder.
    """
    installed = [
        CompanionPath(installed_path(folder, record), record.sha256, record.kind)
        for record in read_records(folder)
        if record.kind in COMPANION_KINDS
    ]
    beside = [] if model.parent == folder else _neighbours(model)
    known = {companion.sha256 for companion in beside}
    return (*beside, *(companion for companion in installed if companion.sha256 not in known))


def read_companions(paths: Sequence[CompanionPath]) -> Companions:
    """Read companion files; files beside a model that are something else are passed over.

    Raises:
        AssetError: An installed file is damaged.
    """
    found: list[LandmarkFile | MaskFile | EyelidFile | TemplateFile] = []
    for companion in paths:
        if companion.kind is not None:
            found.append(_part(companion.kind, read_npz(companion.path), companion.path))
            continue
        try:
            recognised = recognise_file(companion.path)
        except AssetError as error:
            logging.getLogger(__name__).debug("beside the model: %s", error)
            continue
        if recognised.kind in COMPANION_KINDS:
            found.append(_part(recognised.kind, recognised.arrays, companion.path))
    return Companions(
        landmarks=tuple(part for part in found if isinstance(part, LandmarkFile)),
        masks=tuple(part for part in found if isinstance(part, MaskFile)),
        eyelids=tuple(part for part in found if isinstance(part, EyelidFile)),
        templates=tuple(part for part in found if isinstance(part, TemplateFile)),
    )


def _part(
    kind: AssetKind, arrays: Mapping[str, np.ndarray], path: Path
) -> LandmarkFile | MaskFile | EyelidFile | TemplateFile:
    """Return what the arrays of an installed companion mean."""
    part: LandmarkFile | MaskFile | EyelidFile | TemplateFile | None = None
    if kind == "landmarks":
        part = landmark_file(arrays, source=str(path))
    elif kind == "vertex masks":
        part = mask_file(arrays, source=str(path))
    elif kind == "eyelid":
        part = eyelid_file(arrays.get(EYELID_KEY), source=str(path))
    elif {"f", "vt", "ft"} <= set(arrays):
        part = template_file(arrays["f"], arrays["vt"], arrays["ft"], source=str(path))
    if part is None:
        raise AssetError(f"{path} is not the {kind} file it was; remove it and install it again")
    return part


def _neighbours(model: Path) -> list[CompanionPath]:
    """Return the small files of known formats in a model's folder."""
    found: list[CompanionPath] = []
    for path in sorted(model.parent.iterdir())[:MOST_NEIGHBOURS]:
        if path == model or not path.is_file() or path.name.startswith("."):
            continue
        if 0 < path.stat().st_size <= LARGEST_COMPANION_BYTES and file_format(path) in _FORMATS:
            found.append(CompanionPath(path, sha256_of(path)))
    return found
