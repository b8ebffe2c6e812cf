"""The texture of a fitted head, made as the configuration asks."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.appearance import shade
from flame_fit.config import TextureName
from flame_fit.geometry import Crop
from flame_fit.pipeline.head_crop import crop_of_square, cropped_linear
from flame_fit.pipeline.head_view import view_head
from flame_fit.pipeline.refine import PhotoFace
from flame_fit.pipeline.skin_view import SkinView
from flame_fit.pipeline.texture_offset import LitPixels, offset_albedo
from flame_fit.pipeline.tools import FitTools
from flame_fit.render import footprint_at, sample_texture_at, texels_per_pixel
from flame_fit.scene import SceneParams
from flame_fit.texture import PhotoView, TextureMaps, dilate
from flame_fit.texture.delight import ALBEDO_HIGH, ALBEDO_LOW
from flame_fit.texture.from_photo import (
    codes_alone,
    complete_texture,
    lay_over_codes,
    texels_of_photo,
)
from flame_fit.texture.texel_geometry import chart_of

# The texture is baked from at most this many photo pixels per texel side.
BAKE_OVERSAMPLING = 2.0


@dataclass(frozen=True)
class FittedHead:
    """A head whose geometry, light and codes are fitted.

    Attributes:
        face: The photo.
        skin: What a crop of it shows of the head.
        scene: Head, camera, light and codes.
        codes: Linear albedo of the codes, or of a decoder's latents, over the whole chart.
    """

    face: PhotoFace
    skin: SkinView
    scene: SceneParams
    codes: Float[Tensor, "P P 3"]


@dataclass(frozen=True)
class HeadTexture:
    """A texture and what it was made from.

    Attributes:
        maps: The texture; its confidence is 0 where the photo does not set the colours.
        shown: How well the photo shows each texel, whatever the texture takes from it.
    """

    maps: TextureMaps
    shown: Float[Tensor, "U U"]


def make_texture(texture: TextureName, head: FittedHead, *, tools: FitTools) -> HeadTexture:
    """Return the texture of a head.

    Args:
        texture: What it is made of.
        head: The head and its photo.
        tools: Models and backends.
    """
    assets, layout = tools.assets, tools.layout
    view = _photo_view(head, _crop(head, tools, oversampling=BAKE_OVERSAMPLING))
    seen = texels_of_photo(
        view,
        head.skin.mesh.vertices[0],
        assets,
        head.scene.lighting[0],
        layout=layout,
        rasterizer=tools.rasterizer,
    )
    if texture == "complete":
        maps = complete_texture(seen, head.codes, assets, layout=layout)
        return HeadTexture(maps, maps.confidence)
    laid = lay_over_codes(seen, head.codes, assets, layout=layout)
    if texture == "bake":
        return HeadTexture(laid, laid.confidence)
    plain = codes_alone(head.codes, layout=layout)
    if texture in ("pca", "decoder"):
        unseen = torch.zeros_like(laid.confidence)
        return HeadTexture(replace(laid, albedo=plain, confidence=unseen), laid.confidence)
    pixels = _lit_pixels(head, laid, tools)
    albedo = offset_albedo(plain.clamp_min(ALBEDO_LOW), pixels).clamp(ALBEDO_LOW, ALBEDO_HIGH)
    return HeadTexture(replace(laid, albedo=dilate(albedo, layout.texels)), laid.confidence)


def _crop(head: FittedHead, tools: FitTools, *, oversampling: float) -> Crop:
    """Return the head at its photo's own resolution, or so many pixels a texel if that is less."""
    square, finest = head.face.square, round(oversampling * tools.layout.texels.size)
    return crop_of_square(square, max(head.skin.crop.size[0], min(round(square.side), finest)))


def _photo_view(head: FittedHead, crop: Crop) -> PhotoView:
    """Return a crop of the photo with the weights of its pixels."""
    skin, size = head.skin, crop.size[::-1]
    fine = [
        torch.from_numpy(cv2.resize(mask.cpu().numpy(), size)).to(mask)
        for mask in (skin.surface, skin.person)
    ]
    return PhotoView(
        linear=cropped_linear(head.face.photo, crop).to(skin.surface),
        weight=fine[0],
        camera=head.scene.camera.crop(crop),
        person_weight=fine[1],
    )


def _lit_pixels(head: FittedHead, laid: TextureMaps, tools: FitTools) -> LitPixels:
    """Return the pixels of a photo that show the head, about as large as texels."""
    assets, chart, mesh = tools.assets, chart_of(tools.assets), head.skin.mesh
    crop = _crop(head, tools, oversampling=1.0)
    photo = _photo_view(head, crop)
    seen = view_head(mesh, assets, photo.camera, crop.size, rasterizer=tools.rasterizer)
    by_face = texels_per_pixel(
        seen.screen, mesh.faces, chart.uv, chart.faces, tools.layout.texels.size
    )
    # Where the texture would be baked, this one is fitted: confidence knows edges and hair.
    covered = seen.covered
    trust = sample_texture_at(laid.confidence[None, ..., None], seen.uv, covered.image_index)
    return LitPixels(
        uv=seen.uv,
        footprint=footprint_at(by_face, covered),
        shading=shade(seen.normals[None], head.scene.lighting)[0],
        colour=photo.linear.reshape(-1, 3)[covered.pixel_index],
        weight=trust[:, 0],
    )
