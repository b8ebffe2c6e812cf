"""Parameters of a fit as a plain `.npz`, by whole names."""

from __future__ import annotations

import io
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from flame_fit.asset_files import read_npz
from flame_fit.errors import InputError
from flame_fit.export.scene import ExportParams, ExportUncertainty

# Keys of standard deviations begin with this.
PREFIX = "deviation_"
TEXT_FIELDS = ("projection", "model_name", "model_sha256")
LATENTS = "texture_latents"
OPTIONAL_FIELDS = ("uncertainty", LATENTS)


def params_bytes(params: ExportParams) -> bytes:
    """Return the content of a `params.npz`; texts are stored as arrays of no dimension."""
    arrays = {name: np.asarray(getattr(params, name)) for name in _names()}
    if params.uncertainty is not None:
        arrays |= {
            PREFIX + field.name: getattr(params.uncertainty, field.name).astype(np.float32)
            for field in fields(ExportUncertainty)
        }
    if params.texture_latents is not None:
        arrays[LATENTS] = params.texture_latents
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _names() -> list[str]:
    """Return the parameters that every file has."""
    return [field.name for field in fields(ExportParams) if field.name not in OPTIONAL_FIELDS]


def read_params(path: str | Path) -> ExportParams:
    """Read a `params.npz` that a fit has written; nothing in the file is executed.

    Raises:
        AssetError: If the file is missing or damaged.
        InputError: If it lacks a parameter.
    """
    values = read_npz(Path(path))
    names = _names()
    missing = [name for name in names if name not in values]
    if missing:
        raise InputError(
            f"{path}: lacks {', '.join(missing)}; give a params.npz that flame_fit has written"
        )
    content: dict[str, Any] = {
        name: str(values[name]) if name in TEXT_FIELDS else values[name] for name in names
    }
    deviations = {
        field.name: values.get(PREFIX + field.name) for field in fields(ExportUncertainty)
    }
    if all(value is not None for value in deviations.values()):
        content["uncertainty"] = ExportUncertainty(**deviations)  # type: ignore[arg-type]
    return ExportParams(**content, texture_latents=values.get(LATENTS))
