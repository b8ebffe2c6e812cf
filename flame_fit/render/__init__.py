"""Differentiable rendering: any rasteriser names the triangles, torch does the rest."""

from flame_fit.render.antialias import (
    MeshEdges,
    Outline,
    antialias,
    blend_outline,
    find_outline,
    mesh_edges,
)
from flame_fit.render.fragments import (
    CoveredPixels,
    Fragments,
    covered_pixels,
    from_fragments,
    to_fragments,
)
from flame_fit.render.interpolation import interpolate, interpolate_covered
from flame_fit.render.rasterizer import (
    BACKENDS,
    RasterizerBackend,
    make_rasterizer,
    rasterize,
    rasterize_covered,
)
from flame_fit.render.renderer import (
    Prediction,
    RenderOptions,
    Samples,
    TriangleMesh,
    paint,
    render,
    render_shape,
    render_with,
)
from flame_fit.render.screen import Rasterizer, ScreenVertices, to_screen
from flame_fit.render.shading import (
    ClayShader,
    Colours,
    Shader,
    TextureShader,
    VisibleSurface,
    shade_covered,
    smooth_normals,
)
from flame_fit.render.texture_sampling import (
    build_mipmaps,
    footprint_at,
    sample_texture,
    sample_texture_at,
    texels_per_pixel,
)
from flame_fit.render.uv_raster import TexelMap, rasterize_chart, to_texels

__all__ = [
    "BACKENDS",
    "ClayShader",
    "Colours",
    "CoveredPixels",
    "Fragments",
    "MeshEdges",
    "Outline",
    "Prediction",
    "Rasterizer",
    "RasterizerBackend",
    "RenderOptions",
    "Samples",
    "ScreenVertices",
    "Shader",
    "TexelMap",
    "TextureShader",
    "TriangleMesh",
    "VisibleSurface",
    "antialias",
    "blend_outline",
    "build_mipmaps",
    "covered_pixels",
    "find_outline",
    "footprint_at",
    "from_fragments",
    "interpolate",
    "interpolate_covered",
    "make_rasterizer",
    "mesh_edges",
    "paint",
    "rasterize",
    "rasterize_chart",
    "rasterize_covered",
    "render",
    "render_shape",
    "render_with",
    "sample_texture",
    "sample_texture_at",
    "shade_covered",
    "smooth_normals",
    "texels_per_pixel",
    "to_fragments",
    "to_screen",
    "to_texels",
]
