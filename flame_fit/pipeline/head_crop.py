"""The part of a photo that a head covers, at the resolution a stage asks for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8

from flame_fit.flame import FlameMesh
from flame_fit.geometry import Camera, Crop, project
from flame_fit.image_files import Photo, srgb8_to_linear
from flame_fit.observation import crop_srgb

# Free border around the head, as a share of its size.
MARGIN = 0.08


@dataclass(frozen=True)
class HeadSquare:
    """A square of a photo around a head, in photo pixels.

    Attributes:
        x: Left edge.
        y: Upper edge.
        side: Length of a side.
    """

    x: float
    y: float
    side: float


def head_square(mesh: FlameMesh, camera: Camera) -> HeadSquare:
    """Return the square around a head, in whole pixels.

    A head that lies elsewhere by a hair is then seen through the same crop, whose pixels would
    differ everywhere otherwise.
    """
    pixels = project(camera, mesh.vertices).pixels[0].detach().cpu().double().numpy()
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    side = float(np.ceil((high - low).max() * (1.0 + 2.0 * MARGIN)))
    corner = np.round((low + high - side) / 2.0)
    return HeadSquare(float(corner[0]), float(corner[1]), side)


def crop_of_square(square: HeadSquare, size: int) -> Crop:
    """Return the crop that shows a square of the photo with `size` pixels a side."""
    return Crop(
        offset=torch.tensor([[square.x, square.y]], dtype=torch.float32),
        scale=torch.tensor([[size / square.side]], dtype=torch.float32),
        size=(size, size),
    )


def inside_photo(photo: Photo, crop: Crop) -> Float[np.ndarray, "H W"]:
    """Return one where a crop shows the photo and zero where it leaves it."""
    scale = float(crop.scale[0, 0])
    x, y = (float(value) for value in crop.offset[0])
    rows = (np.arange(crop.size[0]) + 0.5) / scale + y
    columns = (np.arange(crop.size[1]) + 0.5) / scale + x
    inside_rows = (rows > 0) & (rows < photo.height)
    inside_columns = (columns > 0) & (columns < photo.width)
    return np.outer(inside_rows, inside_columns).astype(np.float32)


def cropped(photo: Photo, crop: Crop) -> UInt8[np.ndarray, "H W 3"]:
    """Return the pixels of a crop, black outside the photo."""
    return crop_srgb(photo, crop) * inside_photo(photo, crop).astype(np.uint8)[..., None]


def cropped_linear(photo: Photo, crop: Crop) -> Float[torch.Tensor, "H W 3"]:
    """Return the pixels of a crop in linear light, black outside the photo."""
    return torch.from_numpy(srgb8_to_linear(cropped(photo, crop)))
