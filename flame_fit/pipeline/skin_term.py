"""The colour of skin as evidence of light, texture, pose and shape."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from flame_fit.appearance import linear_to_srgb, spherical_harmonics, srgb_to_linear
from flame_fit.appearance.colour import srgb_to_linear_slope
from flame_fit.appearance.lighting import spherical_harmonics_jacobian
from flame_fit.appearance.texture_space import SampledTexture
from flame_fit.geometry import Crop, SurfacePoints, project, projection_jacobian
from flame_fit.pipeline.blocks import (
    FLAME_BLOCKS,
    FOCAL_BLOCK,
    LIGHT_BLOCK,
    TEXTURE_BLOCK,
)
from flame_fit.pipeline.image_field import read_field
from flame_fit.pipeline.terms import (
    BlockRows,
    TermRows,
    by_log_focal,
    points_of,
    spread_to_corners,
)
from flame_fit.scene import SceneParams

CHANNELS = 3
# Rendered colours are kept from black, where the slope of sRGB is steepest, and from negatives.
DARKEST = 1e-4
DARKEST_ALBEDO = 0.005


@dataclass(frozen=True)
class SkinTerm:
    """Colours of surface points: albedo times light against the photo; see `Term`.

    The points lie where they lie on the head; when the head moves, they move over the photo and
    turn in the light. Residuals are in sRGB, where noise is even, over the root of the channels.

    Attributes:
        image: The photo in sRGB, 0..1, blurred as far as the fit is coarse.
        crop: Where the image lies in the photo.
        texture: The texture space at the points (sRGB).
        normal_offset: What takes the normal of a point's triangle to its smooth normal, world
            axes, before both are normalised; constant, so that derivatives are local.
        sigma: Standard deviation of a colour about the model in each photo, sRGB 0..1.
        shading_moves: Whether the normals turn with the head, for each photo: shape from shading.
    """

    name: str
    points: SurfacePoints
    weight: Float[Tensor, "b n"]
    image: Float[Tensor, "b H W 3"]
    crop: Crop
    texture: SampledTexture
    normal_offset: Float[Tensor, "b n 3"]
    sigma: Float[Tensor, " b"]
    shading_moves: Bool[Tensor, " b"]
    robust_scale: float = 3.0

    @property
    def per_constant(self) -> None:
        """Colours are known as they are."""

    def rows(
        self,
        corners: Float[Tensor, "b n 3 3"],
        scene: SceneParams,
        *,
        wanted: Collection[str],
    ) -> TermRows:
        """Return the whitened differences of rendered and seen colours."""
        world = points_of(corners, self.points)
        camera = scene.camera.crop(self.crop)
        seen = project(camera, world).pixels
        field = read_field(self.image, seen)
        flat = flat_normals(corners)
        rough = flat.unit + self.normal_offset
        normal = functional.normalize(rough, dim=-1)
        basis = spherical_harmonics(normal)
        shading = basis @ scene.lighting
        mean, components = self.texture.mean, self.texture.basis
        code = scene.texture_code
        srgb = mean + (components * code[:, None, None]).sum(dim=-1)
        srgb = srgb.clamp(DARKEST_ALBEDO, 1.0)
        albedo = srgb_to_linear(srgb)
        rendered = (albedo * shading).clamp_min(DARKEST)
        rendered_srgb = linear_to_srgb(rendered)
        scale = (1.0 / (self.sigma * CHANNELS**0.5))[:, None, None]
        residual = (rendered_srgb - field.values) * scale
        if not wanted:
            return TermRows(residual)
        slope = scale / srgb_to_linear_slope(rendered_srgb)
        blocks = []
        if LIGHT_BLOCK in wanted:
            blocks.append(BlockRows(LIGHT_BLOCK, _by_light(slope * albedo, basis)))
        if TEXTURE_BLOCK in wanted:
            factor = slope * shading * srgb_to_linear_slope(srgb)
            blocks.append(BlockRows(TEXTURE_BLOCK, factor[..., None] * components))
        if FOCAL_BLOCK in wanted:
            shift = by_log_focal(seen, camera.principal_point)
            by_focal = -scale[..., None] * (field.gradient @ shift[..., None])
            blocks.append(BlockRows(FOCAL_BLOCK, by_focal))
        if not any(name in FLAME_BLOCKS for name in wanted):
            return TermRows(residual, None, tuple(blocks))
        by_point = -scale[..., None] * field.gradient @ projection_jacobian(camera, world)
        by_corner = spread_to_corners(by_point, self.points)
        if bool(self.shading_moves.any()):
            light = scene.lighting.mT[:, None]
            turning = light @ spherical_harmonics_jacobian(normal)
            outer = (slope * albedo)[..., None] * turning
            along = (outer @ normal[..., None]) * normal[..., None, :]
            outer = (outer - along) / rough.norm(dim=-1)[..., None, None]
            moves = self.shading_moves[:, None, None, None, None]
            by_corner = by_corner + moves * flat.pull_back(outer)
        return TermRows(residual, by_corner, tuple(blocks))


@dataclass(frozen=True)
class FlatNormals:
    """Unit normals of triangles, and what their derivatives need.

    Attributes:
        unit: The normals.
        opposite: Edge opposite each corner over twice the triangle's area, in turning order.
    """

    unit: Float[Tensor, "b n 3"]
    opposite: Float[Tensor, "b n 3 3"]

    def pull_back(self, outer: Float[Tensor, "b n k 3"]) -> Float[Tensor, "b n k 3 3"]:
        """Return derivatives by the corners from derivatives by the unit normal.

        With N the cross product of two edges, dN = sum over the corners of dv x edge, where edge
        is the one opposite the corner; so outer dN = (edge x outer) dv.
        """
        along = (outer @ self.unit[..., None]) * self.unit[..., None, :]
        across = (outer - along)[..., None, :]
        edges = self.opposite[..., None, :, :].expand(*outer.shape[:-1], 3, 3)
        return torch.linalg.cross(edges, across.expand_as(edges), dim=-1)


def flat_normals(corners: Float[Tensor, "b n 3 3"]) -> FlatNormals:
    """Return the normals of triangles, counter-clockwise seen from outside."""
    following = corners.roll(-1, dims=-2)
    after = corners.roll(-2, dims=-2)
    area = torch.linalg.cross(
        corners[..., 1, :] - corners[..., 0, :], corners[..., 2, :] - corners[..., 0, :], dim=-1
    )
    size = area.norm(dim=-1, keepdim=True).clamp_min(1e-12)
    return FlatNormals(area / size, (following - after) / size[..., None])


def _by_light(
    factor: Float[Tensor, "b n 3"], basis: Float[Tensor, "b n 9"]
) -> Float[Tensor, "b n 3 27"]:
    """Return the derivative by the light, flattened with colour fastest."""
    channel = torch.eye(CHANNELS, dtype=basis.dtype, device=basis.device)
    rows = factor[..., None, None] * basis[..., None, :, None] * channel[:, None, :]
    return rows.flatten(-2)
