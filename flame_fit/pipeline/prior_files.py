"""Finished chart coordinates and label maps of photos out of files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Shaped, UInt8

from flame_fit.errors import InputError
from flame_fit.image_files import Photo
from flame_fit.observation import Parsing
from flame_fit.pipeline.dense_points import PixelChart
from flame_fit.priors.face_labels import (
    COARSE_FACE_LABELS,
    FACE_LABELS,
    IGNORE,
    LabelScheme,
    known_labels,
)
from flame_fit.untrusted import read_file

UV_NAMES = ("{stem}_uv.png", "{stem}.png")
LABEL_NAMES = ("{stem}_mask.png", "{stem}_seg.png", "{stem}.png")
# Share of the pixels that may have no label.
MOST_UNKNOWN = 0.5
# Label maps are kept at most this large: the masks of a fit are no finer.
LARGEST_LABELS = 512
COLOUR_CHANNELS = 3


def read_pixel_chart(path: Path, photo: Photo) -> PixelChart:
    """Read the chart coordinates of a photo's pixels, as `flame-fit uv infer` writes them.

    Args:
        path: A 16-bit PNG with u in red, v in green and the mask in blue, or a folder with a
            `NAME_uv.png` for each photo.
        photo: The photo, of which the file has the size.

    Raises:
        InputError: The file is missing, damaged, or of another size or depth.
        AssetError: It cannot be read.
    """
    file = _file_of(path, photo, UV_NAMES, option="uv")
    values = _read_png(file)
    if values.dtype != np.uint16 or values.shape[2:] != (COLOUR_CHANNELS,):
        raise InputError(
            f"{file} is {values.dtype} {values.shape}; expected a 16-bit PNG with u in red, v in "
            "green and the mask in blue"
        )
    _check_size(file, values, photo)
    # OpenCV's order is blue, green, red.
    mask, v, u = np.moveaxis(values.astype(np.float32) / np.iinfo(np.uint16).max, -1, 0)
    return PixelChart(
        uv=np.stack([u, v], axis=-1),
        mask=np.ascontiguousarray(mask),
        origin=np.zeros(2),
        scale=1.0,
        source=str(file),
    )


def read_parsing(path: Path, photo: Photo) -> Parsing:
    """Read the label map of a photo, as `flame-fit parse infer` writes it.

    Args:
        path: An 8-bit grey PNG with the number of each pixel's class, or a folder with a
            `NAME_mask.png` for each photo. A map without a number above 10, which hair, neck and
            clothes have among the 19 classes, is one of the 11 classes.
        photo: The photo, of which the file has the size.

    Raises:
        InputError: The file is missing, damaged, of another size or depth, or holds no labels.
        AssetError: It cannot be read.
    """
    file = _file_of(path, photo, LABEL_NAMES, option="parser")
    values = _read_png(file)
    if values.dtype != np.uint8 or values.ndim != 2:  # noqa: PLR2004 - one channel
        raise InputError(
            f"{file} is {values.dtype} {values.shape}; expected an 8-bit PNG with the number of "
            "each pixel's class as its grey value"
        )
    _check_size(file, values, photo)
    known = values[values < FACE_LABELS.count]
    if known.size < MOST_UNKNOWN * values.size:
        raise InputError(
            f"{file}: {1 - known.size / values.size:.0%} of its pixels have no number of a class "
            f"(0 to {FACE_LABELS.count - 1}); give a label map, not a mask or its colours"
        )
    coarse = int(known.max()) < COARSE_FACE_LABELS.count
    return parsing_of_labels(values, COARSE_FACE_LABELS if coarse else FACE_LABELS)


def parsing_of_labels(
    labels: UInt8[np.ndarray, "H W"], scheme: LabelScheme = FACE_LABELS
) -> Parsing:
    """Return a label map of a whole photo as evidence; an unknown pixel may be anything.

    Args:
        labels: Numbers of the scheme's classes; all others are unknown.
        scheme: Names of the classes.
    """
    known = known_labels(labels, scheme)
    step = -(-max(known.shape) // LARGEST_LABELS)
    known = np.pad(known, [(0, -side % step) for side in known.shape], constant_values=IGNORE)
    size = (known.shape[1] // step, known.shape[0] // step)
    unknown = (known == IGNORE) / np.float32(scheme.count)
    planes = [
        cv2.resize((known == label) + unknown, size, interpolation=cv2.INTER_AREA)
        for label in range(scheme.count)
    ]
    return Parsing(np.stack(planes), scheme.names, np.zeros(2), float(step))


def _file_of(path: Path, photo: Photo, names: tuple[str, ...], *, option: str) -> Path:
    """Return the file of a photo: the path itself, or the file of the photo's name in a folder."""
    if not path.is_dir():
        return path
    wanted = [name.format(stem=photo.path.stem) for name in names]
    for name in wanted:
        if (path / name).is_file():
            return path / name
    raise InputError(
        f"{photo.path}: there is no {' or '.join(wanted)} in {path}; add one or "
        f"leave --{option} out"
    )


def _read_png(path: Path) -> Shaped[np.ndarray, "H W *channels"]:
    data = read_file(path)
    values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    if values is None:
        raise InputError(f"{path} is damaged or no image; make it anew")
    return values


def _check_size(path: Path, values: Shaped[np.ndarray, "H W *channels"], photo: Photo) -> None:
    if values.shape[:2] != (photo.height, photo.width):
        raise InputError(
            f"{path} has {values.shape[1]} x {values.shape[0]} pixels, its photo {photo.width} x "
            f"{photo.height}; make it from this photo"
        )
