"""From photo pixels to texels: what the chart shows of one photo."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from flame_fit.flame import FlameAssets
from flame_fit.geometry import Camera, project, vertex_normals
from flame_fit.render import Rasterizer
from flame_fit.texture.photo_sampling import sample_photo
from flame_fit.texture.surface_values import interpolate_vertices, smoothstep
from flame_fit.texture.texel_geometry import (
    INNER_REGIONS,
    MOUTH_REGIONS,
    TexelGeometry,
    chart_of,
    face_region,
)
from flame_fit.texture.visibility import PartOfPoints, depth_view, visibility

# Photo weights between which a pixel goes from foreign to skin.
WEIGHT_LOW = 0.3
WEIGHT_HIGH = 0.6
# Photo values (linear) between which the sensor clips, so that the true colour is unknown.
CLIPPING_START = 0.92
CLIPPING_END = 1.0
# Confidence that a clipped pixel loses. It is a bound of the colour and still the best guess of
# it: holes filled from around would stand out.
CLIPPING_DOUBT = 0.3
# Share of visible texels around a texel below which it is a speckle.
SPECKLE_SHARE = 0.4
FEATHER_TEXELS_AT_1024 = 6
# Visibility from which a texel inside the mouth counts as seen.
MOUTH_VISIBILITY = 0.3
# Texels seen with far fewer pixels than the median one are a smear of their neighbours.
SHARPNESS_LOW = 0.1
SHARPNESS_HIGH = 0.35


@dataclass(frozen=True, eq=False)
class PhotoView:
    """One photo with what is known about its pixels.

    Attributes:
        linear: Photo in linear light at its original resolution.
        weight: Confidence that a pixel shows the skin of this head, 0..1.
        camera: Camera in photo pixels.
        person_weight: Confidence that a pixel shows this person at all, used for eyes and mouth
            interior, which are not skin; None takes `weight` there too.
    """

    linear: Float[Tensor, "H W 3"]
    weight: Float[Tensor, "H W"]
    camera: Camera
    person_weight: Float[Tensor, "H W"] | None = None


@dataclass(frozen=True, eq=False)
class BakedTexels:
    """The part of a texture that a photo shows, a row per visible texel.

    Attributes:
        row: Row of the texel geometry.
        colour: Linear light as photographed.
        confidence: How well the texel is seen, 0..1.
        normals: Unit normals in world axes.
    """

    row: Int[Tensor, " M"]
    colour: Float[Tensor, "M 3"]
    confidence: Float[Tensor, " M"]
    normals: Float[Tensor, "M 3"]


def bake(
    view: PhotoView,
    vertices: Float[Tensor, "V 3"],
    assets: FlameAssets,
    *,
    texels: TexelGeometry,
    rasterizer: Rasterizer,
) -> BakedTexels:
    """Read the photo at every texel that it shows.

    Args:
        view: Photo, weights and camera.
        vertices: World positions of the posed head in metres.
        assets: Model of the head.
        texels: Texel geometry of that model's chart.
        rasterizer: Backend for the depth buffer.

    Returns:
        Visible texels with colours.

    Raises:
        InputError: The head lies outside the photo.
    """
    inner = face_region(assets, *INNER_REGIONS)
    seen = _seen_texels(view, vertices, assets, inner, texels=texels, rasterizer=rasterizer)
    face = texels.surface.face_index.index_select(0, seen.row)
    ratio = _pixels_per_texel(view.camera, vertices, assets, texels.size)[face]
    sampled = sample_photo(_layers(view), seen.pixels, ratio)
    allowed = sampled[:, 3]
    if view.person_weight is not None:
        allowed = torch.where(inner[face], sampled[:, 4], allowed)
    clipped = smoothstep(sampled[:, :3].amax(dim=1), CLIPPING_START, CLIPPING_END)
    confidence = (
        seen.visibility
        * smoothstep(allowed, WEIGHT_LOW, WEIGHT_HIGH)
        * (1.0 - CLIPPING_DOUBT * clipped)
        * _sharpness(ratio)
    )
    # Between the lips only strips are seen; whatever shows there belongs to this mouth.
    mouth = face_region(assets, *MOUTH_REGIONS)[face]
    shown = (seen.visibility > MOUTH_VISIBILITY).to(confidence) * allowed
    return BakedTexels(
        row=seen.row,
        colour=sampled[:, :3],
        confidence=torch.where(mouth, shown, feather(confidence, seen.row, texels)),
        normals=seen.normals,
    )


def feather(
    confidence: Float[Tensor, " M"], row: Int[Tensor, " M"], texels: TexelGeometry
) -> Float[Tensor, " M"]:
    """Lower the confidence of texels whose surroundings are not seen: specks and outer edges."""
    size = texels.size
    here = texels.texel[row]
    both = confidence.new_zeros(2, size * size)
    both[0, here] = confidence
    both[1, texels.texel] = 1.0
    # Blurred on coarse cells: the width matters, the shape of the filter does not.
    cell = max(1, FEATHER_TEXELS_AT_1024 * size // 1024)
    coarse = functional.avg_pool2d(both.reshape(1, 2, size, size), cell, ceil_mode=True)
    coarse = functional.avg_pool2d(coarse, 3, 1, 1)
    share = coarse[:, 0] / coarse[:, 1].clamp_min(1e-6)
    wide = functional.interpolate(share[None], size=(size, size), mode="bilinear")
    nearby = wide.reshape(-1)[here]
    return confidence * smoothstep(nearby, SPECKLE_SHARE, 0.5 + 0.5 * SPECKLE_SHARE)


@dataclass(frozen=True, eq=False)
class _SeenTexels:
    """Texels that the camera sees, wherever the photo allows them or not."""

    row: Int[Tensor, " M"]
    pixels: Float[Tensor, "M 2"]
    normals: Float[Tensor, "M 3"]
    visibility: Float[Tensor, " M"]


def _seen_texels(
    view: PhotoView,
    vertices: Float[Tensor, "V 3"],
    assets: FlameAssets,
    inner: Bool[Tensor, " F"],
    *,
    texels: TexelGeometry,
    rasterizer: Rasterizer,
) -> _SeenTexels:
    """Project the texels into the photo and keep those that the camera sees."""
    size = (view.weight.shape[0], view.weight.shape[1])
    depth = depth_view(
        vertices, assets.faces, view.camera, size, inner_faces=inner, rasterizer=rasterizer
    )
    row = depth.seen_faces.index_select(0, texels.surface.face_index).nonzero()[:, 0]
    normals = vertex_normals(vertices[None], assets.faces)[0]
    surface = interpolate_vertices(
        torch.cat([vertices, normals], dim=1),
        texels.corners.index_select(0, row),
        texels.surface.barycentrics.index_select(0, row),
    )
    position, normal = surface[:, :3], functional.normalize(surface[:, 3:], dim=1)
    cosine = (normal * _towards_camera(view.camera, position)).sum(dim=1)
    screen = project(view.camera, position[None])
    face = texels.surface.face_index.index_select(0, row)
    part = PartOfPoints(inner[face], face_region(assets, *MOUTH_REGIONS)[face])
    seen = visibility(depth, screen.pixels[0], screen.depth[0], cosine, part)
    keep = ((seen > 0) & _inside(screen.pixels[0], size)).nonzero()[:, 0]
    return _SeenTexels(row[keep], screen.pixels[0, keep], normal[keep], seen[keep])


def _layers(view: PhotoView) -> Float[Tensor, "H W C"]:
    weights = [view.weight, *([] if view.person_weight is None else [view.person_weight])]
    return torch.cat([view.linear, torch.stack(weights, dim=2)], dim=2)


def _towards_camera(camera: Camera, position: Float[Tensor, "N 3"]) -> Float[Tensor, "N 3"]:
    if camera.projection == "orthographic":
        return position.new_tensor([0.0, 0.0, 1.0]).expand_as(position)
    return functional.normalize(-position, dim=1)


def _inside(pixels: Float[Tensor, "N 2"], size: tuple[int, int]) -> Bool[Tensor, " N"]:
    """Return which pixels have all their neighbours in a photo of this height and width."""
    height, width = size
    x, y = pixels.unbind(dim=1)
    return (x >= 1.0) & (y >= 1.0) & (x <= width - 1.0) & (y <= height - 1.0)


def _pixels_per_texel(
    camera: Camera, vertices: Float[Tensor, "V 3"], assets: FlameAssets, size: int
) -> Float[Tensor, " F"]:
    """Return each triangle's size in the photo over its size in the chart, per side."""
    chart = chart_of(assets)
    in_photo = _double_area(project(camera, vertices[None]).pixels[0][assets.faces])
    in_chart = _double_area(chart.uv[chart.faces]) * size**2
    return (in_photo / in_chart.clamp_min(1e-6)).sqrt()


def _double_area(corners: Float[Tensor, "F 3 2"]) -> Float[Tensor, " F"]:
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).abs()


def _sharpness(ratio: Float[Tensor, " M"]) -> Float[Tensor, " M"]:
    if len(ratio) == 0:
        return ratio
    return smoothstep(ratio / ratio.median().clamp_min(1e-6), SHARPNESS_LOW, SHARPNESS_HIGH)
