"""Colour around the islands of a chart, so that none bleeds in."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.texture.texel_geometry import TexelGeometry


def dilate(image: Float[Tensor, "U U C"], texels: TexelGeometry) -> Float[Tensor, "U U C"]:
    """Fill the texels that show no surface.

    Next to an island they take its nearest texel, so that filtering and mip levels see no
    foreign colour; the rest takes the mean of the texture. Covered texels keep their values.

    Args:
        image: Texture with values on the covered texels.
        texels: Texel geometry at the texture's size.
    """
    rows = texels.from_map(image)
    mean = rows.mean(dim=0)
    covered = texels.covered()
    flat = torch.where(covered[..., None], image, mean).reshape(texels.size * texels.size, -1)
    flat[texels.gutter_texel] = rows.index_select(0, texels.gutter_source)
    return flat.reshape(image.shape)
