"""A photo of a known head to its texture, as a fit makes it."""

from __future__ import annotations

import torch

from flame_fit.flame import FlameAssets
from flame_fit.render import Rasterizer
from flame_fit.texture import PhotoView, TextureLayout, TextureMaps
from flame_fit.texture.from_photo import complete_texture, texels_of_photo


def texture_from_photo(
    view: PhotoView,
    vertices: torch.Tensor,
    assets: FlameAssets,
    lighting: torch.Tensor,
    prior: torch.Tensor,
    *,
    layout: TextureLayout,
    rasterizer: Rasterizer,
) -> TextureMaps:
    seen = texels_of_photo(view, vertices, assets, lighting, layout=layout, rasterizer=rasterizer)
    return complete_texture(seen, prior, assets, layout=layout)
