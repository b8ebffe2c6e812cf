"""What lies under each texel of the chart: triangle, barycentrics, and values of the mesh there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage


@dataclass(frozen=True)
class TexelMap:
    """The chart seen from its texels; texels off every island take those of the nearest island.

    Attributes:
        face: Triangle of every texel, row 0 at v = 1.
        barycentric: Place in it.
        covered: Texels whose centre lies in a triangle.
    """

    face: Int[np.ndarray, "U U"]
    barycentric: Float[np.ndarray, "U U 3"]
    covered: Bool[np.ndarray, "U U"]

    def sample(
        self, values: Float[np.ndarray, "V *c"], faces: Int[np.ndarray, "F 3"]
    ) -> Float[np.ndarray, "U U *c"]:
        """Interpolate values of the mesh's vertices to the texels."""
        corners = values[faces[self.face]]
        weight = self.barycentric.reshape(self.barycentric.shape + (1,) * (values.ndim - 1))
        return (corners * weight).sum(2)


def rasterise_chart(
    uv: Float[np.ndarray, "T 2"], faces: Int[np.ndarray, "F 3"], size: int
) -> TexelMap:
    """Find the triangle under every texel centre."""
    corners = np.stack([uv[:, 0] * size - 0.5, (1 - uv[:, 1]) * size - 0.5], axis=1)[faces]
    face = np.full((size, size), -1)
    barycentric = np.zeros((size, size, 3))
    low = np.ceil(corners.min(1)).astype(int).clip(0, size - 1)
    high = np.floor(corners.max(1)).astype(int).clip(0, size - 1)
    for index, (a, b, c) in enumerate(corners):
        columns = np.arange(low[index, 0], high[index, 0] + 1)
        rows = np.arange(low[index, 1], high[index, 1] + 1)
        if not len(columns) or not len(rows):
            continue
        x, y = np.meshgrid(columns, rows)
        total = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        second = ((x - a[0]) * (c[1] - a[1]) - (y - a[1]) * (c[0] - a[0])) / total
        third = ((b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0])) / total
        first = 1 - second - third
        inside = (first >= 0) & (second >= 0) & (third >= 0)
        face[y[inside], x[inside]] = index
        barycentric[y[inside], x[inside]] = np.stack([first, second, third], -1)[inside]
    covered = face >= 0
    _, (row, column) = ndimage.distance_transform_edt(~covered, return_indices=True)
    return TexelMap(face[row, column], barycentric[row, column], covered)
