"""Albedo and light taken apart, and put together again."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from flame_fit.appearance import shade
from flame_fit.flame import FlameAssets
from flame_fit.geometry import vertex_normals
from flame_fit.texture.bake import BakedTexels
from flame_fit.texture.dilate import dilated
from flame_fit.texture.surface_values import interpolate_vertices, smoothstep
from flame_fit.texture.texel_geometry import TexelGeometry

# Share of the mean shading below which a texel is taken to lie in the dark: dividing by less
# would turn noise and cast shadows into colour.
DARK_SHARE = 0.12
# Shading shares between which confidence in a dark texel rises.
DARK_TRUST = (0.12, 0.3)
ALBEDO_LOW = 0.002
ALBEDO_HIGH = 1.0


@dataclass(frozen=True, eq=False)
class DelitTexels:
    """Baked texels without the light.

    Attributes:
        baked: Texels as photographed; confidence lowered in the dark.
        albedo: Linear albedo, so that albedo times shading is the photographed colour wherever
            neither was clipped.
    """

    baked: BakedTexels
    albedo: Float[Tensor, "M 3"]


def delight(baked: BakedTexels, lighting: Float[Tensor, "9 3"]) -> DelitTexels:
    """Divide the photographed colours by the light on each texel.

    Args:
        baked: Visible texels.
        lighting: Spherical-harmonics light per channel.
    """
    shading = shade(baked.normals[None], lighting[None])[0]
    floor = DARK_SHARE * shading.mean(dim=0).clamp_min(1e-3)
    albedo = (baked.colour / torch.maximum(shading, floor)).clamp(ALBEDO_LOW, ALBEDO_HIGH)
    share = shading.mean(dim=1) / shading.mean().clamp_min(1e-3)
    trusted = baked.confidence * smoothstep(share, *DARK_TRUST)
    return DelitTexels(replace(baked, confidence=trusted), albedo)


def shade_texture(
    albedo: Float[Tensor, "U U 3"],
    vertices: Float[Tensor, "V 3"],
    assets: FlameAssets,
    lighting: Float[Tensor, "9 3"],
    *,
    residual: Float[Tensor, "U U 3"],
    texels: TexelGeometry,
) -> Float[Tensor, "U U 3"]:
    """Return the texture with the light of a photo on it, for programs without lights; dilated.

    Args:
        albedo: Linear albedo.
        vertices: World positions of the posed head.
        assets: Model of the head.
        lighting: Spherical-harmonics light per channel.
        residual: Factor of the light that the harmonics do not carry.
        texels: Texel geometry of the model's chart at the albedo's size.
    """
    normals = vertex_normals(vertices[None], assets.faces)[0]
    at_texels = interpolate_vertices(normals, texels.corners, texels.surface.barycentrics)
    shading = shade(functional.normalize(at_texels, dim=1)[None], lighting[None])[0]
    lit = shading.mul_(texels.from_map(albedo * residual)).clamp_(0.0, 1.0)
    return dilated(lit, texels)
