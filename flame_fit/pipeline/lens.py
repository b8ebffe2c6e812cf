"""The camera of a photo before anything is fitted: from options, a file, EXIF or habit."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from flame_fit.config import FitConfig
from flame_fit.errors import AssetError, InputError
from flame_fit.geometry import Camera
from flame_fit.image_files import Photo
from flame_fit.untrusted import read_npy, read_npz

# Without any hint: a portrait lens, as a multiple of the longer side of the photo.
DEFAULT_FOCAL_RATIO = 1.5
MATRIX_NAMES = ("K", "camera_matrix", "intrinsics")
PINHOLE_NAMES = ("fx", "fy", "cx", "cy")
MATRIX_SHAPE = (3, 3)
MAXIMUM_FILE_BYTES = 2**20


@dataclass(frozen=True)
class Lens:
    """First guess of a camera.

    Attributes:
        camera: In photo pixels.
        known: Whether its focal length was measured, not guessed.
    """

    camera: Camera
    known: bool


def lens_of(photo: Photo, config: FitConfig) -> Lens:
    """Return the camera that options, a file or EXIF give to a photo, else a portrait lens.

    Raises:
        InputError: If the file of intrinsics is missing or is none.
    """
    if config.intrinsics is not None:
        matrix = read_intrinsics(config.intrinsics)
        return Lens(_camera(matrix[[0, 1], [0, 1]], matrix[[0, 1], [2, 2]], config), known=True)
    told = config.focal or photo.focal_pixels
    focal = told or DEFAULT_FOCAL_RATIO * max(photo.width, photo.height)
    centre = np.array([photo.width, photo.height]) / 2.0
    return Lens(_camera(np.array([focal, focal]), centre, config), known=told is not None)


def _camera(
    focal: Float[np.ndarray, "2"], principal_point: Float[np.ndarray, "2"], config: FitConfig
) -> Camera:
    return Camera(
        focal=torch.from_numpy(focal).float()[None],
        principal_point=torch.from_numpy(principal_point).float()[None],
        projection=config.camera,
    )


def read_intrinsics(path: Path) -> Float[np.ndarray, "3 3"]:
    """Return the camera matrix of a file, in pixels.

    Args:
        path: A .json file with `fx fy cx cy` or with a 3 x 3 matrix named `K`, `camera_matrix` or
            `intrinsics`; an .npz file with such a matrix; an .npy or .txt file that is one. The
            centre of the first pixel is (0.5, 0.5).

    Raises:
        InputError: If the file is missing, cannot be read, or holds no camera matrix.
    """
    try:
        found = _matrix_in(path)
        matrix = np.asarray(found, dtype=np.float64)
    except (OSError, ValueError, TypeError, RecursionError, AssetError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: no camera can be read from it ({reason})") from error
    usable = matrix.shape == MATRIX_SHAPE and np.isfinite(matrix).all()
    if not usable or matrix[0, 0] <= 0 or matrix[1, 1] <= 0:
        raise InputError(
            f"{path}: holds no camera matrix; give fx, fy, cx, cy in pixels, or a 3 x 3 matrix "
            f"named {', '.join(MATRIX_NAMES)}"
        )
    return matrix


def _matrix_in(path: Path) -> object:
    """Return what a file has for a camera matrix, unchecked."""
    if path.stat().st_size > MAXIMUM_FILE_BYTES:
        raise ValueError(f"larger than {MAXIMUM_FILE_BYTES} bytes")
    if path.suffix == ".npy":
        return read_npy(path)
    if path.suffix == ".npz":
        return _named_matrix(dict(read_npz(path)))
    if path.suffix == ".json":
        return _named_matrix(json.loads(path.read_text(encoding="utf-8")))
    return np.loadtxt(path, max_rows=4)


def _named_matrix(content: object) -> object:
    if not isinstance(content, dict):
        return content
    if all(name in content for name in PINHOLE_NAMES):
        fx, fy, cx, cy = (float(content[name]) for name in PINHOLE_NAMES)
        return [[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]]
    return next((content[name] for name in MATRIX_NAMES if name in content), None)
