"""Texture spaces and maps as they are published: FLAME's, BFM's, AlbedoMM's, single pictures."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float

from flame_fit.appearance.colour import linear_to_srgb, srgb_to_linear_slope
from flame_fit.errors import AssetError, InputError, UsageError
from flame_fit.flame.assets import UvChart
from flame_fit.image_files import load_image
from flame_fit.untrusted import read_npz

MAXIMUM_FILE_BYTES = 2 * 2**30
PICTURE_SUFFIXES = frozenset({".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
TextureLayoutName = Literal["published", "basel", "albedomm", "picture"]

BYTE_RANGE = 255.0
COLOURS = 3
COMPONENT_DIMENSIONS = 4
# A mean above this is not in the range 0 to 1, one below it is not in the range 0 to 255.
UNIT_LIMIT = 2.0
_PUBLISHED = ("mean", "tex_dir")
_BASEL = ("MU", "PC")
# AlbedoMM stores diffuse and specular albedo in linear light; the others are as pictures are.
_LINEAR_MARK = "specMU"
_KEYS = (*_PUBLISHED, "tex_dir_scale", *_BASEL, _LINEAR_MARK, "vt", "ft")


@dataclass(frozen=True, eq=False)
class TextureFile:
    """What a file says: sRGB albedo, RGB order, black 0 and white 1, row 0 at v = 1."""

    mean: Float[np.ndarray, "U U 3"]
    components: Float[np.ndarray, "U U 3 K"]
    """What a code of one standard deviation adds."""
    chart: UvChart | None
    """The chart it is drawn on, if the file has it."""
    layout: TextureLayoutName
    """How the file is laid out, see `read_texture_file`."""


def read_texture_file(path: Path, *, component_count: int | None = None) -> TextureFile:
    """Read a texture space or a single map; the layout is told by the content.

    Layouts: `mean` and `tex_dir` (0 to 255, BGR: FLAME's own, and this library's with
    `tex_dir_scale`); `MU` and `PC` (0 to 1, BGR: the Basel Face Model carried to FLAME); the same
    with `specMU` (AlbedoMM: linear light, of which the diffuse part is taken, to first order about
    its mean); a square picture (a space without components, such as an FFHQ-UV map).

    Args:
        path: an `.npz` file or a picture.
        component_count: components to keep, the first ones; all by default.

    Raises:
        AssetError: missing, damaged, or in none of these layouts.
        UsageError: more components asked for than there are.
    """
    if path.suffix.lower() in PICTURE_SUFFIXES:
        return _read_picture(path, component_count=component_count)
    arrays = read_npz(path, keys=_KEYS, maximum_bytes=MAXIMUM_FILE_BYTES)
    if all(key in arrays for key in _BASEL):
        return _read_basel(path, arrays, component_count=component_count)
    missing = [key for key in _PUBLISHED if key not in arrays]
    if missing:
        raise AssetError(f"{path}: '{missing[0]}' is missing; it is not a texture space")
    mean = _numbers(path, arrays, "mean")
    components = _numbers(path, arrays, "tex_dir")
    _check_layout(path, mean, components)
    if mean.size and np.nanmax(mean) <= UNIT_LIMIT:
        raise AssetError(f"{path}: 'mean' is at most {np.nanmax(mean):.3g}, expected 0 to 255")
    basis = _first(path, components, component_count)
    if "tex_dir_scale" in arrays:
        basis = basis * arrays["tex_dir_scale"][: basis.shape[-1]].astype(np.float32)
    _check_finite(path, mean, basis)
    return TextureFile(
        mean=_rgb(mean) / np.float32(BYTE_RANGE),
        components=_rgb(basis) / np.float32(BYTE_RANGE),
        chart=_read_chart(path, arrays),
        layout="published",
    )


def _read_basel(
    path: Path, arrays: Mapping[str, np.ndarray], *, component_count: int | None
) -> TextureFile:
    """Read `MU` and `PC`, flat or as maps."""
    mean, components = _numbers(path, arrays, "MU"), _numbers(path, arrays, "PC")
    size = round((mean.size / COLOURS) ** 0.5)
    if mean.size != size * size * COLOURS or components.shape[-1:] == ():
        raise AssetError(f"{path}: 'MU' has {mean.size} values, expected a square map of 3 colours")
    count = components.shape[-1]
    if components.size != mean.size * count:
        raise AssetError(f"{path}: 'PC' is {components.shape}, expected {mean.size} values x K")
    if mean.size and np.nanmax(mean) > UNIT_LIMIT:
        raise AssetError(f"{path}: 'MU' reaches {np.nanmax(mean):.3g}, expected 0 to 1")
    shape = (size, size, COLOURS)
    basis = _first(path, components.reshape(*shape, count), component_count)
    _check_finite(path, mean, basis)
    mean, basis = _rgb(mean.reshape(shape)), _rgb(basis)
    if _LINEAR_MARK in arrays:
        mean = linear_to_srgb(mean)
        basis = basis / srgb_to_linear_slope(mean)[..., None]
    return TextureFile(
        mean=mean,
        components=basis,
        chart=_read_chart(path, arrays),
        layout="albedomm" if _LINEAR_MARK in arrays else "basel",
    )


def _read_picture(path: Path, *, component_count: int | None) -> TextureFile:
    if component_count:
        raise UsageError(f"{component_count} texture components were asked for; {path} has 0")
    try:
        pixels = load_image(path).srgb
    except InputError as error:
        raise AssetError(str(error)) from error
    if pixels.shape[0] != pixels.shape[1]:
        raise AssetError(
            f"{path} is {pixels.shape[1]} x {pixels.shape[0]} pixels; a texture map is square"
        )
    mean = pixels.astype(np.float32) / np.float32(BYTE_RANGE)
    none = np.zeros((*mean.shape, 0), np.float32)
    return TextureFile(mean=mean, components=none, chart=None, layout="picture")


def _numbers(path: Path, arrays: Mapping[str, np.ndarray], key: str) -> np.ndarray:
    if arrays[key].dtype.kind not in "fiu":
        raise AssetError(f"{path}: '{key}' must be numbers; rebuild the file")
    return arrays[key]


def _first(path: Path, components: np.ndarray, count: int | None) -> np.ndarray:
    """Return the first components as float32."""
    available = components.shape[-1]
    wanted = available if count is None else count
    if not 0 <= wanted <= available:
        raise UsageError(f"{wanted} texture components were asked for; {path} has {available}")
    return components[..., :wanted].astype(np.float32)


def _rgb(array: np.ndarray) -> np.ndarray:
    """Return BGR maps in RGB order as float32."""
    return np.ascontiguousarray(np.flip(array, axis=2), dtype=np.float32)


def _check_finite(path: Path, mean: np.ndarray, basis: np.ndarray) -> None:
    if not (np.isfinite(mean).all() and np.isfinite(basis).all()):
        raise AssetError(f"{path}: the texture has values that are not finite; rebuild the file")


def _check_layout(path: Path, mean: np.ndarray, components: np.ndarray) -> None:
    square = mean.ndim == COLOURS and mean.shape == (mean.shape[0], mean.shape[0], COLOURS)
    fits = components.ndim == COMPONENT_DIMENSIONS and components.shape[:-1] == mean.shape
    if not (square and fits):
        raise AssetError(
            f"{path}: 'mean' is {mean.shape} and 'tex_dir' {components.shape}; expected U x U x 3 "
            "and U x U x 3 x K"
        )


def _read_chart(path: Path, arrays: Mapping[str, np.ndarray]) -> UvChart | None:
    """Return the chart of FLAME's and AlbedoMM's files."""
    if "vt" not in arrays or "ft" not in arrays:
        return None
    uv, faces = arrays["vt"], arrays["ft"]
    if uv.ndim != 2 or uv.shape[1] != 2 or faces.ndim != 2 or faces.shape[1] != COLOURS:  # noqa: PLR2004
        raise AssetError(
            f"{path}: 'vt' is {uv.shape} and 'ft' {faces.shape}, expected T x 2 and F x 3"
        )
    inside = faces.size == 0 or (faces.min() >= 0 and faces.max() < len(uv))
    if faces.dtype.kind not in "iu" or not inside or not np.isfinite(uv).all():
        raise AssetError(f"{path}: 'vt' and 'ft' are no texture chart; rebuild the file")
    return UvChart(
        uv=torch.from_numpy(uv.astype(np.float32)), faces=torch.from_numpy(faces.astype(np.int64))
    )
