"""One photo and a fitted head to one clean texture."""

from __future__ import annotations

from dataclasses import replace

from jaxtyping import Float
from torch import Tensor

from flame_fit.flame import FlameAssets
from flame_fit.render import Rasterizer
from flame_fit.texture.bake import PhotoView, bake
from flame_fit.texture.complete import TextureMaps, complete
from flame_fit.texture.delight import delight
from flame_fit.texture.dilate import dilate
from flame_fit.texture.layout import TextureLayout


def texture_from_photo(
    view: PhotoView,
    vertices: Float[Tensor, "V 3"],
    assets: FlameAssets,
    lighting: Float[Tensor, "9 3"],
    prior_albedo: Float[Tensor, "P P 3"],
    *,
    layout: TextureLayout,
    rasterizer: Rasterizer,
) -> TextureMaps:
    """Bake, delight, complete and dilate the texture of the head in a photo.

    Args:
        view: Photo at its original resolution, weights and camera.
        vertices: World positions of the posed head in metres.
        assets: Model of the head.
        lighting: Fitted spherical-harmonics light per channel.
        prior_albedo: Linear albedo of a whole head at any size, for what is not seen.
        layout: Preparation of this model at the wanted size.
        rasterizer: Backend for visibility.

    Returns:
        Albedo that shows the photo again under the same light, complete and dilated.

    Raises:
        InputError: The head lies outside the photo.
    """
    texels = layout.texels
    baked = bake(view, vertices, assets, texels=texels, rasterizer=rasterizer)
    maps = complete(delight(baked, lighting), prior_albedo, assets, layout=layout)
    return replace(maps, albedo=dilate(maps.albedo, texels))
