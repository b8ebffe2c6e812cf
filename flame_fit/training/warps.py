"""Turning, shifting, scaling and mirroring training images and what is known of their pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from flame_fit.priors.face_labels import IGNORE, LabelScheme, mirror_permutation
from flame_fit.training.settings import ParsingAugmentation, UvAugmentation
from flame_fit.training.uv_files import UvTarget

# Values that lie side by side on the head differ by less from pixel to pixel, also in small
# images; at the seams of the chart, and where one part hides another, they jump.
SEAM = 0.02
# The upper left corner of an image, half a pixel from the centre of its first pixel.
_CORNER = np.array([-0.5, -0.5])


@dataclass(frozen=True, eq=False)
class ParsingVariation:
    """How an image is varied.

    Attributes:
        matrix: Leads to the varied image.
        mirrored: Whether it exchanges left and right.
        detail: Share of the resolution that is kept.
    """

    matrix: Float[np.ndarray, "3 3"]
    mirrored: bool
    detail: float


def fit_matrix(source: tuple[int, int], size: tuple[int, int]) -> Float[np.ndarray, "3 3"]:
    """Map that brings an image of one height and width to another, whole.

    Points are OpenCV's: the centre of the first pixel is (0, 0).
    """
    scale = np.diag([size[1] / source[1], size[0] / source[0], 1.0])
    return _about(_CORNER, scale)


def uv_matrix(
    size: tuple[int, int], changes: UvAugmentation, generator: np.random.Generator
) -> Float[np.ndarray, "3 3"]:
    """Random turn about the middle of an image and shift of it."""
    angle = generator.uniform(-1.0, 1.0) * changes.rotation_degrees
    shift = generator.uniform(-1.0, 1.0, size=2) * changes.shift_pixels
    return _translation(shift) @ _turn(angle, size)


def still_variation(source: tuple[int, int], size: tuple[int, int]) -> ParsingVariation:
    """No variation: an image of one height and width is brought to another."""
    return ParsingVariation(matrix=fit_matrix(source, size), mirrored=False, detail=1.0)


def parsing_variation(
    source: tuple[int, int],
    size: tuple[int, int],
    changes: ParsingAugmentation,
    generator: np.random.Generator,
) -> ParsingVariation:
    """Draw how an image of one height and width is varied on its way to another."""
    extent = np.array(size[::-1], dtype=np.float64)
    scale = float(generator.uniform(*changes.scale))
    mirrored = bool(generator.uniform() < changes.mirror_share)
    enlarged = max(scale, 1.0)
    corner = generator.uniform(0.0, 1.0, size=2) * (enlarged - 1.0) * extent
    turned = generator.uniform() < changes.rotation_share
    angle = generator.uniform(-1.0, 1.0) * changes.rotation_degrees
    cropped = _translation(-corner) @ _about(_CORNER, np.diag([enlarged, enlarged, 1.0]))
    matrix = cropped @ fit_matrix(source, size)
    if mirrored:
        matrix = np.array([[-1.0, 0.0, extent[0] - 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]) @ matrix
    if turned:
        matrix = _turn(angle, size) @ matrix
    return ParsingVariation(matrix=matrix, mirrored=mirrored, detail=min(scale, 1.0))


def warped_uv(
    target: UvTarget, matrix: Float[np.ndarray, "3 3"], *, size: tuple[int, int]
) -> UvTarget:
    """UV and mask in another image, which the matrix leads to.

    UV are interpolated on smooth surface and taken from the nearest pixel at edges and seams,
    where a mean of neighbours would be a place elsewhere on the head.
    """
    places = _places_in_source(matrix, size)
    nearest = np.rint(places).astype(np.int64)
    height, width = target.mask.shape
    column, row = nearest[..., 0], nearest[..., 1]
    inside = (column >= 0) & (row >= 0) & (column < width) & (row < height)
    column, row = column.clip(0, width - 1), row.clip(0, height - 1)
    mask = target.mask[row, column] & inside
    sharp = target.uv[row, column]
    x, y = (places[..., axis].astype(np.float32) for axis in (0, 1))
    smooth = cv2.remap(target.uv, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    whole = cv2.remap(target.mask.astype(np.float32), x, y, cv2.INTER_LINEAR)
    use = (whole > 1.0 - 1.0 / IGNORE) & (np.abs(smooth - sharp) < SEAM).all(axis=-1)
    return UvTarget(uv=np.where(use[..., None], smooth, sharp), mask=mask)


def warped_labels(
    labels: UInt8[np.ndarray, "h w"],
    variation: ParsingVariation,
    *,
    size: tuple[int, int],
    scheme: LabelScheme,
) -> UInt8[np.ndarray, "H W"]:
    """Classes of the nearest pixels in another image, 255 outside.

    Args:
        labels: Class of each pixel.
        variation: Leads to the other image.
        size: Its height and width.
        scheme: Classes, which know what each becomes in the mirror.
    """
    nearest = np.rint(_places_in_source(variation.matrix, size)).astype(np.int64)
    column, row = nearest[..., 0], nearest[..., 1]
    inside: Bool[np.ndarray, "H W"] = (
        (column >= 0) & (row >= 0) & (column < labels.shape[1]) & (row < labels.shape[0])
    )
    found = np.full(size, IGNORE, dtype=np.uint8)
    found[inside] = labels[row[inside], column[inside]]
    if variation.mirrored:
        table = np.full(IGNORE + 1, IGNORE, dtype=np.uint8)
        table[: scheme.count] = mirror_permutation(scheme)
        found = table[found]
    return found


def _places_in_source(
    matrix: Float[np.ndarray, "3 3"], size: tuple[int, int]
) -> Float[np.ndarray, "H W 2"]:
    """For each pixel of an image, the place it comes from."""
    back = np.linalg.inv(matrix)
    row, column = np.mgrid[: size[0], : size[1]].astype(np.float64)
    pixels = np.stack([column, row], axis=-1)
    return pixels @ back[:2, :2].T + back[:2, 2]


def _translation(shift: Float[np.ndarray, "2"]) -> Float[np.ndarray, "3 3"]:
    matrix = np.eye(3)
    matrix[:2, 2] = shift
    return matrix


def _about(
    centre: Float[np.ndarray, "2"], matrix: Float[np.ndarray, "3 3"]
) -> Float[np.ndarray, "3 3"]:
    """The same map with another fixed point than the origin."""
    return _translation(centre) @ matrix @ _translation(-centre)


def _turn(angle_degrees: float, size: tuple[int, int]) -> Float[np.ndarray, "3 3"]:
    """Turn about the middle of an image."""
    angle = math.radians(angle_degrees)
    turn = np.array(
        [
            [math.cos(angle), -math.sin(angle), 0.0],
            [math.sin(angle), math.cos(angle), 0.0],
            [0.0, 0.0, 1.0],
        ]
    )
    return _about((np.array(size[::-1], dtype=np.float64) - 1.0) / 2.0, turn)
