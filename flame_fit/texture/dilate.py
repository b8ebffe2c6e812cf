"""Colour around the islands of a chart, so that none bleeds in."""

from __future__ import annotations

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
    return dilated(texels.from_map(image), texels)


def dilated(rows: Float[Tensor, "N C"], texels: TexelGeometry) -> Float[Tensor, "U U C"]:
    """Lay covered texels out as a texture that `dilate` would not change.

    Args:
        rows: Values of the covered texels.
        texels: Texel geometry at the texture's size.
    """
    flat = rows.mean(dim=0).repeat(texels.size * texels.size, 1)
    flat.index_copy_(0, texels.texel, rows)
    flat.index_copy_(0, texels.gutter_texel, rows.index_select(0, texels.gutter_source))
    return flat.reshape(texels.size, texels.size, -1)
