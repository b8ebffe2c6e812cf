"""Parameters in the layouts of other tools, in and out."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path

import numpy as np
import scipy.io

from flame_fit.errors import InputError, UsageError
from flame_fit.export.foreign import head_tracker, mica, scaled_orthographic, vhap
from flame_fit.export.foreign.content import ForeignContent
from flame_fit.export.foreign.layout import (
    Exported,
    ForeignArrays,
    Imported,
    ImportOptions,
    Layout,
    LayoutName,
)
from flame_fit.export.foreign.scaled_orthographic import DECA, SEED
from flame_fit.export.params_file import params_bytes, read_params
from flame_fit.export.scene import ExportParams
from flame_fit.flame import FlameAssets
from flame_fit.untrusted.pickle_writer import npy_of_dictionary

OWN_KEYS = ("head_rotation", "principal_point", "model_sha256")


def load_params(
    path: Path,
    *,
    assets: FlameAssets,
    layout: LayoutName | None = None,
    image_size: tuple[int, int] | None = None,
    frame: int = 0,
) -> Imported:
    """Read parameters of any known tool; each layout's module states its conventions.

    The vertices that the tool computes with the same model, moved into this library's camera frame,
    are those that this library computes from the result.

    Args:
        path: A `.npz`, `.npy`, `.mat` or `.pkl` file; nothing in it is ever run.
        assets: The model that the parameters belong to; the files do not name it.
        layout: Told by the content if not given.
        image_size: Width and height in pixels of the image that the camera belongs to; the layout's
            own by default.
        frame: Which picture, where a file has several.

    Raises:
        AssetError: Missing, damaged or too large.
        InputError: Of no known layout, or something in it is missing or of another size.
        UsageError: The layout needs a size that was not given.
    """
    content = ForeignContent.read(path, frame=frame)
    chosen = _layout(layout) if layout is not None else recognise(content)
    return chosen.load(content, ImportOptions(assets=assets, image_size=image_size))


def save_params(params: ExportParams, *, assets: FlameAssets, layout: LayoutName) -> Exported:
    """Return parameters as the content of a file for another tool.

    Args:
        params: A fitted head.
        assets: Its model.
        layout: For which tool.

    Raises:
        UsageError: The parameters belong to another model, or the layout cannot hold the camera.
    """
    if params.model_sha256 != assets.sha256:
        raise UsageError(
            f"the parameters belong to model '{params.model_name}' ({params.model_sha256[:12]}), "
            f"not to '{assets.name}' ({assets.sha256[:12]}); give that model (--model)"
        )
    return _layout(layout).save(params, assets)


def layout_suffix(layout: LayoutName) -> str:
    """Return how files of a layout end when they are written."""
    return _layout(layout).suffix


def recognise(content: ForeignContent) -> Layout:
    """Return the layout of a file by its keys.

    Raises:
        InputError: It is none of them.
    """
    for layout in LAYOUTS:
        if layout.recognises(content):
            return layout
    names = ", ".join(layout.name for layout in LAYOUTS)
    keys = ", ".join(sorted(content.arrays)[:12])
    raise InputError(f"{content.path}: has {keys}, which is none of the layouts {names}")


def _layout(name: LayoutName) -> Layout:
    return next(layout for layout in LAYOUTS if layout.name == name)


def _is_own(content: ForeignContent) -> bool:
    # The last key is text, which `ForeignContent` leaves out.
    return all(key in content for key in OWN_KEYS[:-1])


def _load_own(content: ForeignContent, options: ImportOptions) -> Imported:
    params = read_params(content.path)
    if params.model_sha256 != options.assets.sha256:
        raise UsageError(
            f"{content.path}: belongs to model '{params.model_name}' ({params.model_sha256[:12]}), "
            f"not to '{options.assets.name}' ({options.assets.sha256[:12]}); give it (--model)"
        )
    return Imported(params=params, layout="flame-fit", notes=())


def _save_own(params: ExportParams, assets: FlameAssets) -> Exported:
    del assets
    return Exported(data=params_bytes(params), notes=())


def _save_seed(params: ExportParams, assets: FlameAssets) -> Exported:
    codes = scaled_orthographic.arrays(SEED, params, assets)
    return Exported(data=npy_of_dictionary(codes.arrays), notes=codes.notes)


def _save_deca(params: ExportParams, assets: FlameAssets) -> Exported:
    codes = scaled_orthographic.arrays(DECA, params, assets)
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, codes.arrays)
    return Exported(data=buffer.getvalue(), notes=codes.notes)


def _save_vhap(params: ExportParams, assets: FlameAssets) -> Exported:
    return _npz(vhap.arrays(params, assets))


def _save_head_tracker(params: ExportParams, assets: FlameAssets) -> Exported:
    return _npz(head_tracker.arrays(params, assets))


def _npz(content: ForeignArrays) -> Exported:
    buffer = io.BytesIO()
    arrays = {key: np.asarray(value) for key, value in content.arrays.items()}
    np.savez(buffer, allow_pickle=False, **arrays)
    return Exported(data=buffer.getvalue(), notes=content.notes)


LAYOUTS: tuple[Layout, ...] = (
    Layout("flame-fit", ".npz", _is_own, _load_own, _save_own),
    Layout("vhap", ".npz", vhap.recognises, vhap.load, _save_vhap),
    Layout(
        "flame-head-tracker", ".npz", head_tracker.recognises, head_tracker.load, _save_head_tracker
    ),
    Layout(
        "seed",
        ".npy",
        partial(scaled_orthographic.recognises, SEED),
        partial(scaled_orthographic.load, SEED),
        _save_seed,
    ),
    Layout(
        "deca",
        ".mat",
        partial(scaled_orthographic.recognises, DECA),
        partial(scaled_orthographic.load, DECA),
        _save_deca,
    ),
    Layout("mica", ".npy", mica.recognises, mica.load, mica.save),
)
