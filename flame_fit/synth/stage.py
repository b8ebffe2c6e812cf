"""A head and the things around it as one mesh, and the light and colour on it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Int64
from torch import Tensor

from flame_fit.appearance import spherical_harmonics
from flame_fit.flame import UvChart
from flame_fit.render import (
    Colours,
    CoveredPixels,
    Rasterizer,
    TextureShader,
    VisibleSurface,
    footprint_at,
    interpolate_covered,
    sample_texture_at,
    texels_per_pixel,
)
from flame_fit.render.screen import doubled_area
from flame_fit.synth.lamps import Lamp, lamp_shading
from flame_fit.synth.solids import Solid

DARKEST_ALBEDO = 0.02
"""Below this, mirrored light is not divided by the albedo."""


@dataclass(frozen=True, eq=False)
class Stage:
    """All that is opaque as one mesh, the head first; panes of glass apart.

    Attributes:
        vertices: World axes, metres.
        faces: Triangles.
        solid_of_face: 0 for the head, then the number of the solid counted from 1.
        names: What each number is.
        uv: Texture coordinates of the solids at the vertices, zero on the head.
        textures: Linear albedo of the solids.
        head_vertices: Number of the head's vertices.
        head_faces: Number of the head's triangles.
        panes: What light passes, in front or behind.
    """

    vertices: Float[Tensor, "V 3"]
    faces: Int[Tensor, "F 3"]
    solid_of_face: Int64[Tensor, "F"]
    names: tuple[str, ...]
    uv: Float[Tensor, "V 2"]
    textures: Float[Tensor, "solids T T 3"]
    head_vertices: int
    head_faces: int
    panes: tuple[Solid, ...]


def make_stage(
    vertices: Float[Tensor, "V 3"], faces: Int[Tensor, "F 3"], solids: tuple[Solid, ...]
) -> Stage:
    """Join a head and solids in world axes.

    Args:
        vertices: Of the head, metres.
        faces: Of the head.
        solids: Everything else; their textures have the same size.
    """
    opaque = [solid for solid in solids if solid.transmission is None]
    all_vertices, all_faces, owner = [vertices], [faces], [torch.zeros_like(faces[:, 0]).long()]
    uv, start = [vertices.new_zeros(len(vertices), 2)], len(vertices)
    for number, solid in enumerate(opaque, 1):
        all_vertices.append(_like(solid.vertices, vertices))
        all_faces.append(torch.from_numpy(solid.faces).to(faces) + start)
        owner.append(torch.full_like(all_faces[-1][:, 0], number).long())
        uv.append(_like(solid.uv, vertices))
        start += len(solid.vertices)
    textures = [_like(solid.texture, vertices) for solid in opaque]
    return Stage(
        vertices=torch.cat(all_vertices),
        faces=torch.cat(all_faces),
        solid_of_face=torch.cat(owner),
        names=("head", *(solid.name for solid in opaque)),
        uv=torch.cat(uv),
        textures=torch.stack(textures) if textures else vertices.new_zeros(1, 1, 1, 3),
        head_vertices=len(vertices),
        head_faces=len(faces),
        panes=tuple(solid for solid in solids if solid.transmission is not None),
    )


@dataclass(frozen=True, eq=False)
class StageShader:
    """Head and solids under the same light.

    Attributes:
        stage: What is drawn.
        chart: Of the head.
        texture: Linear albedo of the head.
        lighting: Spherical harmonics of the light by colour channel.
        lamps: Light beyond that.
        openness: Share of the sky that each vertex sees; None for an open sky everywhere.
        rasterizer: Looks for shadows.
    """

    stage: Stage
    chart: UvChart
    texture: Float[Tensor, "1 U U 3"]
    lighting: Float[Tensor, "1 9 3"]
    lamps: tuple[Lamp, ...]
    openness: Float[Tensor, "V"] | None
    rasterizer: Rasterizer

    def __call__(self, surface: VisibleSurface) -> Colours:
        """Return albedo and light at the covered pixels."""
        on_head = surface.covered.face_index < self.stage.head_faces
        head = self._head_colours(surface, on_head)
        if bool(on_head.all()) and not self.lamps and self.openness is None:
            return head
        albedo = torch.empty_like(surface.normals)
        albedo[on_head] = head.albedo
        albedo[~on_head] = self._solid_albedo(surface, ~on_head)
        return Colours(albedo, self._light(surface, on_head, albedo))

    def _head_colours(self, surface: VisibleSurface, rows: Bool[Tensor, "n"]) -> Colours:
        shader = TextureShader(self.chart, self.texture, self.lighting)
        covered = surface.covered if bool(rows.all()) else chosen(surface.covered, rows)
        normals = surface.normals if bool(rows.all()) else surface.normals[rows]
        faces = surface.faces[: self.stage.head_faces]
        return shader(VisibleSurface(covered, surface.screen, faces, normals))

    def _solid_albedo(
        self, surface: VisibleSurface, rows: Bool[Tensor, "n"]
    ) -> Float[Tensor, "m 3"]:
        stage, covered = self.stage, chosen(surface.covered, rows)
        uv = interpolate_covered(covered, stage.faces, stage.uv[None])
        size = stage.textures.shape[1]
        texels = texels_per_pixel(surface.screen, stage.faces, stage.uv, stage.faces, size)
        solid = stage.solid_of_face[covered.face_index] - 1
        footprint = footprint_at(texels, covered)
        return sample_texture_at(stage.textures, uv, solid, footprint=footprint)

    def _light(
        self, surface: VisibleSurface, on_head: Bool[Tensor, "n"], albedo: Float[Tensor, "n 3"]
    ) -> Float[Tensor, "n 3"]:
        covered = surface.covered
        area = doubled_area(surface.screen.pixels, surface.faces)[0, covered.face_index]
        # Solids are painted on both sides.
        turned = (area > 0.0) & ~on_head
        normals = torch.where(turned[:, None], -surface.normals, surface.normals)
        light = spherical_harmonics(normals) @ self.lighting[0]
        if self.openness is not None:
            reach = interpolate_covered(covered, surface.faces, self.openness[None, :, None])
            light = light * reach
        if not self.lamps:
            return light
        mesh = (self.stage.vertices, self.stage.faces)
        points = interpolate_covered(covered, surface.faces, self.stage.vertices[None])
        matte, mirrored = lamp_shading(
            self.lamps, covered, normals, points, mesh=mesh, rasterizer=self.rasterizer
        )
        shine = torch.where(on_head[:, None], mirrored / albedo.clamp_min(DARKEST_ALBEDO), 0.0)
        return light + matte + shine


def chosen(covered: CoveredPixels, rows: Bool[Tensor, "n"]) -> CoveredPixels:
    """Return some of the covered pixels."""
    return replace(
        covered,
        pixel_index=covered.pixel_index[rows],
        image_index=covered.image_index[rows],
        face_index=covered.face_index[rows],
        barycentrics=covered.barycentrics[rows],
        depth=covered.depth[rows],
    )


def _like(array: np.ndarray, tensor: Tensor) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).to(tensor)
