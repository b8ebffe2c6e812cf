"""Head models by name or path, complete and ready to fit."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import replace
from pathlib import Path

from flame_fit.asset_files import (
    asset_folders,
    find_asset,
    sha256_of,
    user_asset_folder,
    write_atomically,
)
from flame_fit.errors import AssetError
from flame_fit.flame import FlameAssets, load_assets
from flame_fit.head_models.attach import Companions, attach_first, attach_last
from flame_fit.head_models.companions import CompanionPath, companion_paths, read_companions
from flame_fit.head_models.complete import complete_assets
from flame_fit.head_models.flame_topology import has_flame_topology
from flame_fit.head_models.install import slug
from flame_fit.head_models.model_arrays import model_arrays
from flame_fit.head_models.npz_bytes import npz_bytes
from flame_fit.head_models.records import is_whole, read_records

DEFAULT_MODEL = "open_head"
REFERENCE = "open_head"
"""The complete model that others are completed from."""
CACHE_FOLDER = "complete"
COMPLETION_VERSION = 1
"""Raised whenever completing a model gives another result, so that old results are made anew."""
MODEL_SUFFIXES = (".npz", ".pkl")


def load_head_model(name_or_path: str | Path = DEFAULT_MODEL) -> FlameAssets:
    """Load a head model with all that a fit needs.

    A name is looked up in the folders of FLAME_FIT_ASSETS, then the user's asset folder, then the
    package. What the file lacks comes from companion files beside it or installed, and the rest is
    derived; the result is kept in the user's asset folder and made once.

    Args:
        name_or_path: A model's name, or the path of a FLAME `.pkl` or `.npz`.

    Raises:
        AssetError: Not found, damaged, or not a head model; the message says what to do.
        InputError: The result cannot be kept.
    """
    path = find_head_model(name_or_path)
    folder = user_asset_folder()
    digest = _checked_digest(path, folder)
    companions = companion_paths(path, folder)
    kept = folder / CACHE_FOLDER / f"{slug(path.stem)}_{_key(digest, companions)}.npz"
    if _is_kept(kept):
        return replace(load_assets(kept), sha256=digest)
    assets = load_assets(path)
    completed = _complete(assets, companions)
    if completed is assets:
        return assets
    logging.getLogger(__name__).info("%s was completed and kept as %s", path, kept)
    write_atomically(kept, npz_bytes(model_arrays(completed, source=str(path))))
    write_atomically(kept.with_suffix(".sha256"), sha256_of(kept).encode())
    return replace(load_assets(kept), sha256=digest)


def find_head_model(name_or_path: str | Path) -> Path:
    """Return the file of a model: a path as it is, a bare name looked up in the asset folders.

    Raises:
        AssetError: There is no such file.
    """
    given = Path(name_or_path)
    if given.suffix.lower() in MODEL_SUFFIXES or len(given.parts) > 1:
        if not given.is_file():
            raise AssetError(f"model file {given} does not exist; check the path")
        return given
    for folder in asset_folders():
        for suffix in MODEL_SUFFIXES:
            candidate = folder / f"{given}{suffix}"
            if candidate.is_file():
                return candidate
    models = [r.name for r in read_records(user_asset_folder()) if r.kind == "head model"]
    raise AssetError(
        f"head model '{given}' is not installed; there are {', '.join([DEFAULT_MODEL, *models])}; "
        f"install others with: flame-fit assets install PATH"
    )


def is_complete(assets: FlameAssets) -> bool:
    """Tell whether a model has all that a fit needs."""
    landmarks = assets.landmarks
    points = () if landmarks is None else (landmarks.mediapipe, landmarks.ibug, landmarks.contour)
    rest = (assets.chart, assets.regions, assets.mirror_vertex, assets.eyelid_basis, landmarks)
    return all(part is not None for part in (*points, *rest))


def _complete(assets: FlameAssets, paths: tuple[CompanionPath, ...]) -> FlameAssets:
    """Return a model with companions and derived parts, or itself if it needs neither."""
    if is_complete(assets):
        return assets
    companions = read_companions(paths) if has_flame_topology(assets) else Companions()
    started = attach_first(assets, companions)
    reference = load_assets(find_asset(f"{REFERENCE}.npz"))
    log = logging.getLogger(__name__)
    log.warning("model '%s' is completed once, which takes a minute or two", assets.name)

    def tell(stage: str) -> None:
        log.info("completing %s: %s", assets.name, stage)

    completed = complete_assets(started, reference=reference, on_stage=tell)
    return attach_last(completed, companions)


def _checked_digest(path: Path, folder: Path) -> str:
    """Return the digest of a model's file, which an installed one must still have."""
    for record in read_records(folder) if path.parent == folder else ():
        if record.name == path.stem and not is_whole(folder, record):
            raise AssetError(
                f"{path} is not as it was installed; remove it and install {record.source} again"
            )
    return sha256_of(path)


def _key(digest: str, companions: tuple[CompanionPath, ...]) -> str:
    """Return a name for what a completed model is made of."""
    parts = (str(COMPLETION_VERSION), digest, *(companion.sha256 for companion in companions))
    parts = (*parts, sha256_of(find_asset(f"{REFERENCE}.npz")))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _is_kept(path: Path) -> bool:
    """Tell whether a completed model is there and whole."""
    digest = path.with_suffix(".sha256")
    return path.is_file() and digest.is_file() and digest.read_text() == sha256_of(path)
