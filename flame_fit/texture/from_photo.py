"""One photo and a fitted head to one clean texture."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.flame import FlameAssets
from flame_fit.render import Rasterizer
from flame_fit.texture.bake import PhotoView, bake
from flame_fit.texture.complete import TextureMaps, complete
from flame_fit.texture.delight import ALBEDO_HIGH, ALBEDO_LOW, DelitTexels, delight
from flame_fit.texture.dilate import dilate
from flame_fit.texture.layout import TextureLayout
from flame_fit.texture.layout_transfer import at_size
from flame_fit.texture.skin_likeness import skin_likeness
from flame_fit.texture.texel_geometry import TexelGeometry


def texels_of_photo(
    view: PhotoView,
    vertices: Float[Tensor, "V 3"],
    assets: FlameAssets,
    lighting: Float[Tensor, "9 3"],
    *,
    layout: TextureLayout,
    rasterizer: Rasterizer,
) -> DelitTexels:
    """Bake and delight what a photo shows of a head's texture.

    Args:
        view: Photo at its original resolution, weights and camera.
        vertices: World positions of the posed head in metres.
        assets: Model of the head.
        lighting: Fitted spherical-harmonics light per channel.
        layout: Preparation of this model at the wanted size.
        rasterizer: Backend for visibility.

    Raises:
        InputError: The head lies outside the photo.
    """
    baked = bake(view, vertices, assets, texels=layout.texels, rasterizer=rasterizer)
    return delight(baked, lighting)


def complete_texture(
    seen: DelitTexels,
    prior_albedo: Float[Tensor, "P P 3"],
    assets: FlameAssets,
    *,
    layout: TextureLayout,
    tone_is_skin: bool = False,
) -> TextureMaps:
    """Complete and dilate a texture of which texels are known.

    Args:
        seen: Known texels without light.
        prior_albedo: Linear albedo of a whole head at any size, for what is not seen.
        assets: Model of the head.
        layout: Preparation of this model at the wanted size.
        tone_is_skin: Whether no light is left in the known texels.
    """
    maps = complete(seen, prior_albedo, assets, layout=layout, tone_is_skin=tone_is_skin)
    return replace(maps, albedo=dilate(maps.albedo, layout.texels))


def lay_over_codes(
    seen: DelitTexels,
    prior_albedo: Float[Tensor, "P P 3"],
    assets: FlameAssets,
    *,
    layout: TextureLayout,
) -> TextureMaps:
    """Lay known texels over the albedo of texture codes; nothing else changes.

    Args:
        seen: Known texels without light.
        prior_albedo: Linear albedo of the codes at any size.
        assets: Model of the head.
        layout: Preparation of this model at the wanted size.

    Returns:
        The codes' albedo where nothing is known, dilated.
    """
    texels, row = layout.texels, seen.baked.row
    whole = _codes_on(texels, prior_albedo).log()
    likeness = skin_likeness(seen, assets, texels)
    confidence = seen.baked.confidence * likeness
    whole[row] = torch.lerp(whole[row], seen.albedo.log(), confidence[:, None])
    albedo = texels.to_map(whole.exp().clamp(ALBEDO_LOW, ALBEDO_HIGH))
    return TextureMaps(
        albedo=dilate(albedo, texels),
        confidence=_laid_out(confidence, seen, texels, fill=0.0),
        mask=texels.covered(),
        likeness=_laid_out(likeness, seen, texels, fill=1.0),
        residual=torch.ones_like(albedo),
    )


def codes_alone(
    prior_albedo: Float[Tensor, "P P 3"], *, layout: TextureLayout
) -> Float[Tensor, "U U 3"]:
    """Return the albedo of texture codes at the layout's size, dilated."""
    texels = layout.texels
    codes = _codes_on(texels, prior_albedo).clamp_max(ALBEDO_HIGH)
    return dilate(texels.to_map(codes), texels)


def _codes_on(texels: TexelGeometry, prior_albedo: Float[Tensor, "P P 3"]) -> Float[Tensor, "N 3"]:
    return texels.from_map(at_size(prior_albedo, texels.size)).clamp_min(ALBEDO_LOW)


def _laid_out(
    values: Float[Tensor, " M"], seen: DelitTexels, texels: TexelGeometry, *, fill: float
) -> Float[Tensor, "U U"]:
    """Lay the values of the known texels out as a map, `fill` elsewhere."""
    flat = values.new_full((texels.size * texels.size,), fill)
    flat[texels.texel[seen.baked.row]] = values
    return flat.reshape(texels.size, texels.size)
