"""Which point of the surface a chart coordinate is."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from flame_fit.flame import UvChart
from flame_fit.geometry import SurfacePoints
from flame_fit.render import rasterize_chart

LOOKUP_SIZE = 2048
"""Texels along each side of the map that tells the triangle: 0.15 mm each on a face."""


@dataclass(frozen=True, eq=False)
class ChartPoints:
    """Surface points for chart coordinates.

    Attributes:
        surface: The points; of the first triangle where the chart has none.
        inside: Whether the chart has a surface there.
    """

    surface: SurfacePoints
    inside: Bool[Tensor, " n"]


@dataclass(frozen=True, eq=False)
class ChartLookup:
    """A chart made ready to be asked; build it with `ChartLookup.of`.

    Attributes:
        chart: The chart.
        face_index: Triangle at the centre of each texel, -1 where there is none.
    """

    chart: UvChart
    face_index: Int[Tensor, "U U"]

    @staticmethod
    def of(chart: UvChart, *, size: int = LOOKUP_SIZE) -> ChartLookup:
        """Prepare a chart; that of one with thousands of triangles takes some milliseconds."""
        return ChartLookup(chart, rasterize_chart(chart.uv, chart.faces, size).face_index)

    def points(self, uv: Float[Tensor, "n 2"]) -> ChartPoints:
        """Return the surface point of each coordinate.

        The triangle is that of the texel; beyond its rim, by less than a texel, the point of the
        triangle that is nearest in barycentrics is taken.

        Args:
            uv: u right and v up.
        """
        size = len(self.face_index)
        within = ((uv >= 0.0) & (uv <= 1.0)).all(dim=-1)
        column, row = (
            (values * size).long().clamp(0, size - 1) for values in (uv[:, 0], 1.0 - uv[:, 1])
        )
        face = self.face_index[row, column].long()
        inside = within & (face >= 0)
        face = torch.where(inside, face, 0)
        share = _barycentrics(uv.double(), self.chart.uv.double()[self.chart.faces[face]])
        share = share.clamp_min(0.0)
        share = share / share.sum(dim=-1, keepdim=True)
        surface = SurfacePoints(face, share.to(self.chart.uv))
        return ChartPoints(surface, inside & share.isfinite().all(dim=-1))


def _barycentrics(
    points: Float[Tensor, "n 2"], corners: Float[Tensor, "n 3 2"]
) -> Float[Tensor, "n 3"]:
    """Return the barycentrics of points of the plane, negative outside their triangle."""
    a, b, c = corners.unbind(dim=1)
    area = _cross(b - a, c - a)
    second, third = _cross(points - a, c - a) / area, _cross(b - a, points - a) / area
    return torch.stack([1.0 - second - third, second, third], dim=-1)


def _cross(first: Float[Tensor, "n 2"], second: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
    return first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
