"""A fitted head as one crop shows it: the covered pixels, their texels and normals."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from flame_fit.appearance import shade
from flame_fit.errors import AssetError
from flame_fit.flame import FlameAssets, FlameMesh, UvChart
from flame_fit.geometry import Camera, vertex_normals
from flame_fit.render.fragments import CoveredPixels
from flame_fit.render.interpolation import interpolate_covered
from flame_fit.render.rasterizer import rasterize_covered
from flame_fit.render.screen import Rasterizer, ScreenVertices, to_screen
from flame_fit.render.texture_sampling import (
    footprint_at,
    sample_texture_at,
    texels_per_pixel,
)


@dataclass(frozen=True)
class HeadView:
    """The pixels of a crop that show the head, a row per pixel.

    Attributes:
        screen: All vertices in crop pixels.
        covered: The pixels and their triangles.
        uv: Chart coordinates.
        normals: Unit normals in world axes.
    """

    screen: ScreenVertices
    covered: CoveredPixels
    uv: Float[Tensor, "n 2"]
    normals: Float[Tensor, "n 3"]


def chart_of(assets: FlameAssets) -> UvChart:
    """Return the chart of a model.

    Raises:
        AssetError: If the model has none.
    """
    if assets.chart is None:
        raise AssetError(f"model {assets.name!r} has no UV chart; use 'open_head'")
    return assets.chart


def view_head(
    mesh: FlameMesh,
    assets: FlameAssets,
    camera: Camera,
    image_size: tuple[int, int],
    *,
    rasterizer: Rasterizer,
) -> HeadView:
    """Return what a camera sees of a head (batch of one).

    Args:
        mesh: The posed head in world space.
        assets: Its model.
        camera: Camera of the crop.
        image_size: Height and width of the crop in pixels.
        rasterizer: Says which triangle covers which pixel.

    Raises:
        AssetError: If the model has no UV chart.
    """
    chart = chart_of(assets)
    screen = to_screen(mesh.vertices, camera)
    covered = rasterize_covered(screen, mesh.faces, image_size, rasterizer=rasterizer)
    normals = vertex_normals(mesh.vertices, mesh.faces)
    return HeadView(
        screen=screen,
        covered=covered,
        uv=interpolate_covered(covered, chart.faces, chart.uv[None]),
        normals=functional.normalize(interpolate_covered(covered, mesh.faces, normals), dim=-1),
    )


def shaded_texture(
    view: HeadView,
    assets: FlameAssets,
    albedo: Float[Tensor, "U U 3"],
    lighting: Float[Tensor, "9 3"],
) -> Float[Tensor, "n 3"]:
    """Return the linear colours of the covered pixels under a light.

    Args:
        view: What is seen.
        assets: The model.
        albedo: Linear albedo over the chart.
        lighting: Spherical-harmonics light.
    """
    chart = chart_of(assets)
    faces = assets.faces
    ratio = texels_per_pixel(view.screen, faces, chart.uv, chart.faces, albedo.shape[0])
    colour = sample_texture_at(
        albedo[None],
        view.uv,
        view.covered.image_index,
        footprint=footprint_at(ratio, view.covered),
    )
    return (colour * shade(view.normals[None], lighting[None])[0]).clamp(0.0, 1.0)


def region_of_pixels(view: HeadView, assets: FlameAssets, *names: str) -> Float[Tensor, " n"]:
    """Return one where a covered pixel's triangle lies wholly in one of the regions, else zero."""
    if assets.regions is None:
        raise AssetError(f"model {assets.name!r} has no region masks; use 'open_head'")
    inside = torch.zeros(len(assets.faces), dtype=torch.bool, device=assets.faces.device)
    for name in names:
        inside |= assets.regions.mask(name)[assets.faces].all(dim=-1)
    return inside[view.covered.face_index].to(view.normals.dtype)
