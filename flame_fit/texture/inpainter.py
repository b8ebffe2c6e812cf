"""The inpainting network of a head model, and how its small map meets texels and vertices."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from flame_fit.flame import FlameAssets
from flame_fit.priors.texture_inpainting import InpaintingNetwork, find_inpainting_network
from flame_fit.texture.dilate import dilate
from flame_fit.texture.texel_geometry import (
    INNER_REGIONS,
    TexelGeometry,
    build_texel_geometry,
    chart_of,
    face_region,
    sampling_grid,
)


@dataclass(frozen=True, eq=False)
class ChartGrid:
    """A model's chart at the size that a network sees.

    Attributes:
        texels: Surface of each texel.
        outer: Covered texels that show neither eyeball nor mouth.
        vertex_uv: Chart coordinates of each texture vertex.
        vertex: The mesh vertex that it belongs to.
        inner_vertex: Vertices of eyeballs and mouth.
    """

    texels: TexelGeometry
    outer: Bool[Tensor, " N"]
    vertex_uv: Float[Tensor, "T 2"]
    vertex: Int[Tensor, " T"]
    inner_vertex: Bool[Tensor, " V"]

    def mirrored(self, maps: Float[Tensor, "b C S S"]) -> Float[Tensor, "b C S S"]:
        """Return maps of the other side of the head, 0 where there is none."""
        size = self.texels.size
        found = _sampled(maps, self.texels.mirror_grid.to(maps.dtype))
        found = found * (self.texels.mirror_uv[:, 0] >= 0)
        result = found.new_zeros(*found.shape[:2], size * size)
        result[..., self.texels.texel] = found
        return result.unflatten(2, (size, size))

    def at_vertices(self, image: Float[Tensor, "S S C"]) -> Float[Tensor, "V C"]:
        """Read a map at the mesh's vertices; on a seam both sides count, so it closes."""
        whole = dilate(image, self.texels).permute(2, 0, 1)[None]
        found = _sampled(whole, sampling_grid(self.vertex_uv.to(image.dtype)))[0].T
        count = len(self.inner_vertex)
        total = found.new_zeros(count, found.shape[1]).index_add_(0, self.vertex, found)
        number = found.new_zeros(count).index_add_(0, self.vertex, torch.ones_like(found[:, 0]))
        return total / number.clamp_min(1.0)[:, None]


@dataclass(frozen=True, eq=False)
class Inpainter:
    """A network and the chart that it was trained on."""

    network: InpaintingNetwork
    grid: ChartGrid


def make_inpainter(assets: FlameAssets) -> Inpainter | None:
    """Return the network for a model's chart, None if no asset folder has one.

    Raises:
        AssetError: The model has no chart, or a file of a network is damaged.
    """
    chart = chart_of(assets)
    network = find_inpainting_network(chart)
    if network is None:
        return None
    return Inpainter(network.to(chart.uv.device), chart_grid(assets, network.size))


def chart_grid(assets: FlameAssets, size: int) -> ChartGrid:
    """Prepare a model's chart for a network of `size` texels a side.

    Raises:
        AssetError: The model has no chart.
    """
    chart = chart_of(assets)
    texels = build_texel_geometry(assets, size)
    inner = face_region(assets, *INNER_REGIONS)
    vertex = torch.zeros(len(chart.uv), dtype=torch.int64, device=chart.uv.device)
    vertex[chart.faces.reshape(-1).to(torch.int64)] = assets.faces.reshape(-1).to(torch.int64)
    inner_vertex = torch.zeros(len(assets.v_template), dtype=torch.bool, device=assets.faces.device)
    inner_vertex[assets.faces[inner].reshape(-1).to(torch.int64)] = True
    return ChartGrid(
        texels=texels,
        outer=~inner[texels.surface.face_index],
        vertex_uv=chart.uv,
        vertex=vertex,
        inner_vertex=inner_vertex,
    )


def _sampled(maps: Float[Tensor, "b C S S"], grid: Float[Tensor, "n 2"]) -> Float[Tensor, "b C n"]:
    return functional.grid_sample(
        maps,
        grid[None, :, None].expand(len(maps), -1, -1, -1),
        mode="bilinear",
        padding_mode="zeros",
        align_corners=False,
    )[..., 0]
