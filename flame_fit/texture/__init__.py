"""Textures: bake from a photo, remove the light, complete, dilate."""

from flame_fit.texture.bake import BakedTexels, PhotoView, bake
from flame_fit.texture.complete import TextureMaps, complete
from flame_fit.texture.delight import DelitTexels, delight, shade_texture
from flame_fit.texture.dilate import dilate
from flame_fit.texture.layout import TextureLayout, texture_layout
from flame_fit.texture.mesh_field import SurfaceOperator, smooth_field, surface_operator
from flame_fit.texture.texel_geometry import (
    TexelGeometry,
    build_texel_geometry,
    face_region,
    mirror_points,
    mirrored_faces,
)

__all__ = [
    "BakedTexels",
    "DelitTexels",
    "PhotoView",
    "SurfaceOperator",
    "TexelGeometry",
    "TextureLayout",
    "TextureMaps",
    "bake",
    "build_texel_geometry",
    "complete",
    "delight",
    "dilate",
    "face_region",
    "mirror_points",
    "mirrored_faces",
    "shade_texture",
    "smooth_field",
    "surface_operator",
    "texture_layout",
]
