"""What texturing needs of a model, prepared once for every photo."""

from __future__ import annotations

from dataclasses import dataclass

from flame_fit.flame import FlameAssets
from flame_fit.texture.eyes import EyeTexels, eye_texels
from flame_fit.texture.inpainter import Inpainter, make_inpainter
from flame_fit.texture.mesh_field import SurfaceOperator, surface_operator
from flame_fit.texture.texel_geometry import TexelGeometry, build_texel_geometry


@dataclass(frozen=True, eq=False)
class TextureLayout:
    """One model at one texture size.

    Attributes:
        texels: Surface of each texel.
        operator: Geometry of the model's template.
        eyes: Texels of the eyeballs that have an iris, left before right.
        inpainter: Network that fills in what is not seen, None where there is none for the chart.
    """

    texels: TexelGeometry
    operator: SurfaceOperator
    eyes: tuple[EyeTexels, ...]
    inpainter: Inpainter | None = None


def texture_layout(assets: FlameAssets, size: int) -> TextureLayout:
    """Prepare a model for textures of `size` texels a side.

    Raises:
        AssetError: The model has no chart, or a file of an inpainting network is damaged.
    """
    texels = build_texel_geometry(assets, size)
    return TextureLayout(
        texels=texels,
        operator=surface_operator(assets.v_template, assets.faces),
        eyes=eye_texels(assets, texels),
        inpainter=make_inpainter(assets),
    )
