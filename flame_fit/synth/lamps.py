"""Light that nine spherical-harmonic coefficients cannot carry: lamps, shadows, dark cavities."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from flame_fit.geometry import Camera, vertex_normals
from flame_fit.render import CoveredPixels, Rasterizer, covered_pixels, to_screen

SHADOW_MAP_SIZE = 512
SHADOW_EXTENT = 0.7
"""Metres that a shadow map shows."""
SHADOW_BIAS = 0.004
"""Metres by which something must lie nearer to the lamp to cast a shadow."""
SOFT_SHADOW = ((0.0, 0.0), (2.0, 1.0), (-1.0, 2.0), (-2.0, -1.0), (1.0, -2.0))
"""Texels by which the map is looked up around each point."""
SKY_DIRECTIONS = 16
SKY_MAP_SIZE = 128
FAR = 2.0
"""Metres from the middle of the head to the camera of a shadow map."""


@dataclass(frozen=True)
class Lamp:
    """A far lamp that casts shadows and makes skin shine.

    Attributes:
        direction: Unit vector towards the lamp, world axes.
        colour: Shading of a white matte surface that faces it.
        shine: Share of its light that skin mirrors.
        sharpness: Exponent of the highlight; larger is smaller.
    """

    direction: tuple[float, float, float]
    colour: tuple[float, float, float]
    shine: float = 0.0
    sharpness: float = 24.0


@dataclass(frozen=True, eq=False)
class ShadowMap:
    """How near the surfaces are that a lamp lights.

    Attributes:
        axes: Rows x, y and the direction towards the lamp, world axes.
        centre: World point in the middle of the map.
        nearest: Distance along the direction from the map's plane, infinite where nothing is.
        extent: Metres that the map shows.
    """

    axes: Float[Tensor, "d 3 3"]
    centre: Float[Tensor, "3"]
    nearest: Float[Tensor, "d S S"]
    extent: float

    def lit(
        self, points: Float[Tensor, "n 3"], *, taps: tuple[tuple[float, float], ...] = SOFT_SHADOW
    ) -> Float[Tensor, "d n"]:
        """Return the share of each lamp that reaches world points, 0 to 1."""
        turned = (points - self.centre) @ self.axes.transpose(-1, -2)
        depth = FAR - turned[..., 2]
        size = self.nearest.shape[-1]
        share = torch.zeros_like(depth)
        which = torch.arange(len(depth), device=depth.device)[:, None]
        for right, down in taps:
            column = turned[..., 0] * (size / self.extent) + 0.5 * size + right
            row = 0.5 * size - turned[..., 1] * (size / self.extent) + down
            column, row = (value.long().clamp(0, size - 1) for value in (column, row))
            share += (depth < self.nearest[which, row, column] + SHADOW_BIAS).to(share)
        return share / len(taps)


def shadow_map(
    vertices: Float[Tensor, "V 3"],
    faces: Int[Tensor, "F 3"],
    directions: Float[Tensor, "d 3"],
    *,
    rasterizer: Rasterizer,
    size: int = SHADOW_MAP_SIZE,
) -> ShadowMap:
    """Look at a mesh from lamps.

    Args:
        vertices: World axes, metres.
        faces: Triangles.
        directions: Unit vectors towards the lamps.
        rasterizer: From `make_rasterizer`.
        size: Texels along each side of a map.
    """
    up = directions.new_tensor([0.0, 1.0, 0.013]).expand_as(directions)
    across = normalize(torch.linalg.cross(up, directions), dim=-1)
    axes = torch.stack((across, torch.linalg.cross(directions, across), directions), dim=1)
    centre = 0.5 * (vertices.amin(0) + vertices.amax(0))
    turned = (vertices - centre) @ axes.transpose(-1, -2)
    turned = turned - turned.new_tensor([0.0, 0.0, FAR])
    camera = Camera(
        focal=turned.new_full((1, 2), size / SHADOW_EXTENT),
        principal_point=turned.new_full((1, 2), 0.5 * size),
        projection="orthographic",
    )
    screen = to_screen(turned, camera)
    seen = covered_pixels(rasterizer(screen, faces, (size, size)), screen, faces)
    nearest = turned.new_full((len(axes) * size * size,), torch.inf)
    nearest[seen.pixel_index] = seen.depth
    return ShadowMap(axes, centre, nearest.reshape(-1, size, size), SHADOW_EXTENT)


def sky_openness(
    vertices: Float[Tensor, "V 3"], faces: Int[Tensor, "F 3"], *, rasterizer: Rasterizer
) -> Float[Tensor, "V"]:
    """Return the cosine-weighted share of an even sky that each vertex sees.

    Args:
        vertices: World axes, metres.
        faces: Triangles.
        rasterizer: From `make_rasterizer`.
    """
    directions = _even_directions(SKY_DIRECTIONS).to(vertices)
    shadows = shadow_map(vertices, faces, directions, rasterizer=rasterizer, size=SKY_MAP_SIZE)
    cosine = (vertex_normals(vertices[None], faces)[0] @ directions.T).clamp_min(0.0)
    open_sky = shadows.lit(vertices, taps=((0.0, 0.0),)).T
    return (cosine * open_sky).sum(1) / cosine.sum(1).clamp_min(1e-6)


def lamp_shading(
    lamps: tuple[Lamp, ...],
    covered: CoveredPixels,
    normals: Float[Tensor, "n 3"],
    points: Float[Tensor, "n 3"],
    *,
    mesh: tuple[Float[Tensor, "V 3"], Int[Tensor, "F 3"]],
    rasterizer: Rasterizer,
) -> tuple[Float[Tensor, "n 3"], Float[Tensor, "n 3"]]:
    """Return matte and mirrored light of lamps at surface points, shadows included.

    The highlight is Blinn and Phong's, scaled so that its integral does not depend on the
    sharpness.

    Args:
        lamps: At least one.
        covered: The pixels whose points these are.
        normals: Unit normals, world axes.
        points: World positions, metres; the camera is at the origin.
        mesh: Vertices and triangles that cast shadows.
        rasterizer: From `make_rasterizer`.
    """
    directions = normals.new_tensor([lamp.direction for lamp in lamps])
    lit = shadow_map(*mesh, directions, rasterizer=rasterizer).lit(points)
    towards = normalize(-points, dim=-1)
    matte, mirrored = torch.zeros_like(normals), torch.zeros_like(normals)
    for lamp, direction, share in zip(lamps, directions, lit, strict=True):
        colour = share[:, None] * normals.new_tensor(lamp.colour)
        matte += (normals @ direction).clamp_min(0.0)[:, None] * colour
        half = normalize(direction + towards, dim=-1)
        peak = (normals * half).sum(-1).clamp_min(0.0) ** lamp.sharpness
        facing = (normals @ direction > 0.0).to(peak)
        strength = lamp.shine * (lamp.sharpness + 8.0) / 8.0
        mirrored += (strength * facing * peak)[:, None] * colour
    return matte, mirrored


def _even_directions(count: int) -> Float[Tensor, "count 3"]:
    """Return directions of a Fibonacci lattice."""
    number = torch.arange(count, dtype=torch.float64) + 0.5
    height = 1.0 - 2.0 * number / count
    angle = number * torch.pi * (1.0 + 5.0**0.5)
    flat = (1.0 - height**2).sqrt()
    return torch.stack((angle.cos() * flat, height, angle.sin() * flat), dim=1)
