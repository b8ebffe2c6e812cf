"""What gives the visible surface its colour."""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from flame_fit.appearance.lighting import spherical_harmonics
from flame_fit.flame import UvChart
from flame_fit.render.antialias import MeshEdges, Outline, find_outline
from flame_fit.render.fragments import CoveredPixels, Fragments, to_fragments
from flame_fit.render.interpolation import interpolate_covered
from flame_fit.render.screen import ScreenVertices, doubled_area
from flame_fit.render.texture_sampling import footprint_at, sample_texture_at, texels_per_pixel

AMBIENT = 0.08
EDGE_LIGHT = 0.7
"""Brightness of surfaces seen edge-on, relative to those seen frontally."""
LAMPS = (
    ((-0.6, 0.7, 0.75), 0.75, 0.15),
    ((0.9, 0.1, 0.5), 0.25, 0.3),
    ((0.2, 0.6, -0.8), 0.3, 0.0),
)
"""World direction, strength and wrap (how far light reaches round) of key, fill and rim lamp."""


@dataclass(frozen=True, eq=False)
class VisibleSurface:
    """The part of a mesh that an image shows."""

    covered: CoveredPixels
    screen: ScreenVertices
    faces: Int[Tensor, "F 3"]
    normals: Float[Tensor, "n 3"]
    """Smooth unit normals at the covered pixels, world axes."""
    edges: MeshEdges | None = None
    """From `mesh_edges`, to save their search where many pictures show the same mesh."""

    @cached_property
    def fragments(self) -> Fragments:
        """What each pixel shows."""
        return to_fragments(self.covered)

    @cached_property
    def outline(self) -> Outline:
        """Where the silhouette passes between pixels."""
        return find_outline(self.fragments, self.screen, self.faces, edges=self.edges)


@dataclass(frozen=True, eq=False)
class Colours:
    """Reflectance and light at the covered pixels, linear; the colour is their product."""

    albedo: Float[Tensor, "n 3"]
    shading: Float[Tensor, "n 3"]


@runtime_checkable
class Shader(Protocol):
    """Gives the visible surface its colours."""

    def __call__(self, surface: VisibleSurface) -> Colours:
        """Return the colours at the covered pixels."""
        ...


@dataclass(frozen=True, eq=False)
class TextureShader:
    """A texture under spherical-harmonics light."""

    chart: UvChart
    texture: Float[Tensor, "#b U U 3"]
    """Linear albedo."""
    lighting: Float[Tensor, "#b 9 3"]
    """Light by colour channel (`appearance.lighting`)."""
    mipmaps: bool = True
    """Whether texels smaller than pixels are averaged."""

    def __call__(self, surface: VisibleSurface) -> Colours:
        """Return texture and light at the covered pixels."""
        covered = surface.covered
        uv = interpolate_covered(covered, self.chart.faces, self.chart.uv[None])
        footprint = None
        if self.mipmaps:
            size = self.texture.shape[1]
            by_face = texels_per_pixel(
                surface.screen, surface.faces, self.chart.uv, self.chart.faces, size
            )
            footprint = footprint_at(by_face, covered)
        albedo = sample_texture_at(self.texture, uv, covered.image_index, footprint=footprint)
        return Colours(albedo, shade_covered(covered, surface.normals, self.lighting))


@dataclass(frozen=True, eq=False)
class ClayShader:
    """Matte clay under three soft lamps that stand around the camera."""

    colour: tuple[float, float, float] = (0.62, 0.60, 0.58)
    """Linear albedo."""

    def __call__(self, surface: VisibleSurface) -> Colours:
        """Return clay and lamp light at the covered pixels, both sides of the surface alike."""
        outside = _seen_from_outside(surface)[:, None]
        normals = torch.where(outside, surface.normals, -surface.normals)
        light = normals.new_full((len(normals), 1), AMBIENT)
        for direction, strength, wrap in LAMPS:
            lamp = normalize(normals.new_tensor(direction), dim=0)
            lit = ((normals @ lamp + wrap) / (1.0 + wrap)).clamp_min(0.0)
            light = light + strength * lit[:, None]
        # Surfaces that turn away darken a little, which makes folds and outlines readable.
        light = light * (EDGE_LIGHT + (1.0 - EDGE_LIGHT) * normals[:, 2:].clamp(0.0, 1.0))
        albedo = normals.new_tensor(self.colour).expand_as(normals)
        return Colours(albedo, light.expand_as(normals))


def shade_covered(
    covered: CoveredPixels, normals: Float[Tensor, "n 3"], lighting: Float[Tensor, "#b 9 3"]
) -> Float[Tensor, "n 3"]:
    """Return the light on covered pixels with unit normals in world axes, linear, not clamped."""
    basis = spherical_harmonics(normals)
    if lighting.shape[0] == 1:
        return basis @ lighting[0]
    counts = torch.bincount(covered.image_index, minlength=covered.image_shape[0]).tolist()
    parts = basis.split(counts)
    return torch.cat([part @ light for part, light in zip(parts, lighting, strict=True)])


def _seen_from_outside(surface: VisibleSurface) -> Bool[Tensor, " n"]:
    area = doubled_area(surface.screen.pixels.detach(), surface.faces)
    row = surface.covered.image_index * len(surface.faces) + surface.covered.face_index
    return area.reshape(-1).index_select(0, row) < 0.0


def smooth_normals(
    covered: CoveredPixels, faces: Int[Tensor, "F 3"], vertex_normals: Float[Tensor, "b V 3"]
) -> Float[Tensor, "n 3"]:
    """Return unit normals at the covered pixels from those at the vertices."""
    return normalize(interpolate_covered(covered, faces, vertex_normals), dim=-1)
