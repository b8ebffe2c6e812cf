"""What each texel of a chart shows: surface point, mirror point, gutter."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from flame_fit.errors import AssetError
from flame_fit.flame import FlameAssets, UvChart
from flame_fit.geometry import SurfacePoints
from flame_fit.render import rasterize_chart
from flame_fit.texture.nearest_texel import nearest_covered
from flame_fit.texture.surface_values import accumulate_vertices

# Width of the gutter at 1024 texels, so that a few mip levels stay free of foreign colour.
GUTTER_SHARE = 16 / 1024
EYE_SIDES = ("left", "right")
MOUTH_REGIONS = ("mouth_interior", "teeth")
INNER_REGIONS = ("left_eyeball", "right_eyeball", *MOUTH_REGIONS)
"""Regions that are not skin, where a skin weight says nothing."""


@dataclass(frozen=True, eq=False)
class TexelGeometry:
    """The covered texels of one model's chart at one size, a row per texel.

    Attributes:
        size: Texels along each side of the map.
        texel: Position in the flattened map, `row * size + column`, ascending.
        surface: Surface point at the texel's centre.
        corners: Vertices of that point's triangle.
        mirror_uv: Chart position of the mirrored surface point; outside [0,1] where there is none.
        vertex_texels: How many texels each vertex of the mesh answers for, a sum of barycentrics.
        gutter_texel: Flattened positions of the uncovered texels next to an island.
        gutter_source: For each of them the row of the nearest covered texel.
    """

    size: int
    texel: Int[Tensor, " N"]
    surface: SurfacePoints
    corners: Int[Tensor, "N 3"]
    mirror_uv: Float[Tensor, "N 2"]
    vertex_texels: Float[Tensor, " V"]
    gutter_texel: Int[Tensor, " G"]
    gutter_source: Int[Tensor, " G"]

    def to_map(self, rows: Float[Tensor, "N C"], *, fill: float = 0.0) -> Float[Tensor, "U U C"]:
        """Lay rows out as a map, `fill` where the chart has no surface."""
        flat = rows.new_full((self.size * self.size, rows.shape[1]), fill)
        flat.index_copy_(0, self.texel, rows)
        return flat.reshape(self.size, self.size, -1)

    def from_map(self, image: Float[Tensor, "U U C"]) -> Float[Tensor, "N C"]:
        """Read the covered texels of a map."""
        return image.reshape(self.size * self.size, -1).index_select(0, self.texel)

    @cached_property
    def mirror_grid(self) -> Float[Tensor, "N 2"]:
        """Positions of the mirrored surface points as `grid_sample` wants them."""
        return sampling_grid(self.mirror_uv)

    def covered(self) -> Bool[Tensor, "U U"]:
        """Return which texels show the surface."""
        flat = torch.zeros(self.size * self.size, dtype=torch.bool, device=self.texel.device)
        flat[self.texel] = True
        return flat.reshape(self.size, self.size)


def sampling_grid(uv: Float[Tensor, "n 2"]) -> Float[Tensor, "n 2"]:
    """Return chart positions as `grid_sample` wants them: x right, y down, -1 to 1."""
    return torch.stack((2.0 * uv[:, 0] - 1.0, 1.0 - 2.0 * uv[:, 1]), dim=1)


def chart_of(assets: FlameAssets) -> UvChart:
    """Return the model's chart.

    Raises:
        AssetError: The model has none.
    """
    if assets.chart is None:
        raise AssetError(
            f"model {assets.name!r} has no UV chart, which a texture needs; "
            "use a model file with vt and ft, or the model open_head"
        )
    return assets.chart


def build_texel_geometry(assets: FlameAssets, size: int) -> TexelGeometry:
    """Find the surface point, its mirror and the gutter for every texel of a model's chart.

    Args:
        assets: Model with a chart; without `mirror_vertex` no texel has a mirror.
        size: Texels along each side.

    Returns:
        Geometry on the assets' device, to be kept as long as the model is used.

    Raises:
        AssetError: The model has no chart.
    """
    chart = chart_of(assets)
    texels = rasterize_chart(chart.uv, chart.faces, size)
    face_index = texels.face_index.reshape(-1)
    texel = (face_index >= 0).nonzero()[:, 0]
    surface = SurfacePoints(
        face_index=face_index[texel].to(torch.int64),
        barycentrics=texels.barycentrics.reshape(-1, 3)[texel],
    )
    corners = assets.faces[surface.face_index].to(torch.int32)
    gutter = _find_gutter(face_index.reshape(size, size) >= 0)
    return TexelGeometry(
        size=size,
        texel=texel,
        surface=surface,
        corners=corners,
        mirror_uv=_mirror_uv(assets, chart, surface),
        vertex_texels=accumulate_vertices(
            surface.barycentrics.new_ones(len(texel), 1),
            corners,
            surface.barycentrics,
            vertex_count=assets.v_template.shape[0],
        )[:, 0],
        gutter_texel=gutter[0],
        gutter_source=gutter[1],
    )


def mirrored_faces(
    faces: Int[Tensor, "F 3"], mirror_vertex: Int[Tensor, " V"]
) -> Int[Tensor, " F"]:
    """Return for each triangle the one made of its mirrored vertices, -1 where there is none."""
    faces = faces.to(torch.int64)
    count = len(mirror_vertex)
    own = _face_key(faces, count)
    wanted = _face_key(mirror_vertex.to(torch.int64)[faces], count)
    order = own.argsort()
    place = torch.searchsorted(own[order], wanted).clamp_max(len(own) - 1)
    found = order[place]
    return torch.where(own[found] == wanted, found, -1)


def mirror_points(
    points: SurfacePoints, faces: Int[Tensor, "F 3"], mirror_vertex: Int[Tensor, " V"]
) -> SurfacePoints:
    """Return the points' left-right mirror images on the surface.

    Triangles without a mirror image give face index -1 and zero barycentrics.
    """
    source = _mirror_corner_source(faces, mirror_vertex)
    face = mirrored_faces(faces, mirror_vertex)[points.face_index]
    weight = points.barycentrics.gather(1, source[points.face_index])
    return SurfacePoints(face, torch.where(face[:, None] >= 0, weight, 0.0))


def face_region(assets: FlameAssets, *names: str) -> Bool[Tensor, " F"]:
    """Return the triangles with at least two corners in any of the named regions.

    A model without region masks has no triangle in any region.
    """
    inside = torch.zeros(assets.faces.shape[0], dtype=torch.bool, device=assets.faces.device)
    if assets.regions is None:
        return inside
    for name in names:
        if name in assets.regions.names:
            inside |= assets.regions.mask(name)[assets.faces].sum(dim=1) >= 2  # noqa: PLR2004
    return inside


def _face_key(faces: Int[Tensor, "F 3"], count: int) -> Int[Tensor, " F"]:
    """Return one number per triangle that does not depend on the order of its corners."""
    corners = faces.sort(dim=1).values
    return (corners[:, 0] * count + corners[:, 1]) * count + corners[:, 2]


def _mirror_corner_source(
    faces: Int[Tensor, "F 3"], mirror_vertex: Int[Tensor, " V"]
) -> Int[Tensor, "F 3"]:
    """Return for each corner of a triangle's mirror image the own corner that it mirrors."""
    faces = faces.to(torch.int64)
    images = mirror_vertex.to(torch.int64)[faces]
    target = faces[mirrored_faces(faces, mirror_vertex)]
    return (target[:, :, None] == images[:, None, :]).to(torch.uint8).argmax(dim=2)


def _mirror_uv(assets: FlameAssets, chart: UvChart, surface: SurfacePoints) -> Float[Tensor, "N 2"]:
    if assets.mirror_vertex is None:
        return surface.barycentrics.new_full((len(surface.face_index), 2), -1.0)
    face = mirrored_faces(assets.faces, assets.mirror_vertex)
    source = _mirror_corner_source(assets.faces, assets.mirror_vertex)
    image_uv = torch.full((len(face), 3, 2), -1.0).to(chart.uv)
    own_corner = source[face >= 0]
    rows = (face >= 0).nonzero()[:, 0]
    image_uv[rows[:, None], own_corner] = chart.uv[chart.faces[face[rows]]]
    corners = image_uv[surface.face_index]
    return (corners * surface.barycentrics[:, :, None].to(corners.dtype)).sum(dim=1)


def _find_gutter(covered: Bool[Tensor, "U U"]) -> tuple[Tensor, Tensor]:
    """Return the uncovered texels near an island and the row of each one's nearest texel."""
    inside = covered.cpu().numpy()
    nearest = nearest_covered(inside)
    near = ~inside & (nearest.distance <= GUTTER_SHARE * len(inside) + 1.0)
    target = torch.from_numpy(np.flatnonzero(near)).to(covered.device)
    return target, torch.from_numpy(nearest.row[near]).to(covered.device)
