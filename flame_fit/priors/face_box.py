"""A turned, optionally mirrored square of a photo, as the face networks look at it."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, UInt8

from flame_fit.image_files import warp_pixels


@dataclass(frozen=True)
class FaceBox:
    """A square on a photo.

    Attributes:
        x: Centre, photo pixels.
        y: Centre, photo pixels.
        side: Length of a side, photo pixels.
        angle: Radians from the photo's x axis to the square's, clockwise on screen.
        mirrored: The square is looked at in a mirror (its x axis is reversed after turning).
    """

    x: float
    y: float
    side: float
    angle: float = 0.0
    mirrored: bool = False

    def axes(self) -> Float[np.ndarray, "2 2"]:
        """Columns: the photo directions of the square's x and y axes."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        sign = -1.0 if self.mirrored else 1.0
        return np.array([[sign * cos, -sin], [sign * sin, cos]])

    def to_photo(self, points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        """Photo pixels of points given in the square as fractions of its side."""
        return (np.asarray(points) - 0.5) * self.side @ self.axes().T + [self.x, self.y]

    def cut(
        self, srgb: UInt8[np.ndarray, "H W 3"], size: int, *, zero_border: bool = False
    ) -> UInt8[np.ndarray, "S S 3"]:
        """The square's pixels at `size` x `size`; outside the photo its edge pixels or black."""
        return warp_pixels(srgb, self.matrix(size), size=(size, size), zero_border=zero_border)

    def matrix(self, size: int) -> Float[np.ndarray, "2 3"]:
        """From OpenCV's pixels of the photo to those of the square at `size` x `size`."""
        linear = self.axes().T * (size / self.side)
        # Both pixel grids have centres at halves here and at whole numbers in OpenCV.
        shift = size / 2 - 0.5 - linear @ (np.array([self.x, self.y]) - 0.5)
        return np.concatenate([linear, shift[:, None]], axis=1)

    def mirror(self) -> "FaceBox":
        """The same square seen in a mirror."""
        return replace(self, mirrored=not self.mirrored)

    def scaled(self, factor: float) -> "FaceBox":
        """The square grown about its centre."""
        return replace(self, side=self.side * factor)


def box_around(points: Float[np.ndarray, "n 2"], *, angle: float, scale: float) -> FaceBox:
    """The square at an angle that bounds points, grown by `scale`."""
    cos, sin = np.cos(angle), np.sin(angle)
    axes = np.array([[cos, -sin], [sin, cos]])
    local = points @ axes
    low, high = local.min(axis=0), local.max(axis=0)
    x, y = (low + high) / 2 @ axes.T
    return FaceBox(float(x), float(y), float((high - low).max() * scale), float(angle))
