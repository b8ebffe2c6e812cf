"""A fitted head as one crop shows it: the covered pixels, their texels and normals."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from flame_fit.errors import AssetError
from flame_fit.flame import FlameAssets, FlameMesh
from flame_fit.geometry import Camera, vertex_normals
from flame_fit.render.fragments import CoveredPixels
from flame_fit.render.interpolation import interpolate_covered
from flame_fit.render.rasterizer import rasterize_covered
from flame_fit.render.screen import Rasterizer, ScreenVertices, to_screen
from flame_fit.texture.texel_geometry import chart_of, face_region


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


def region_of_pixels(view: HeadView, assets: FlameAssets, *names: str) -> Float[Tensor, " n"]:
    """Return one where a covered pixel's triangle lies mostly in one of the regions, else zero.

    Raises:
        AssetError: If the model has no region masks.
    """
    if assets.regions is None:
        raise AssetError(f"model {assets.name!r} has no region masks; use 'open_head'")
    inside = face_region(assets, *names)
    return inside[view.covered.face_index].to(view.normals.dtype)
