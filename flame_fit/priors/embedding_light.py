"""Light with cast shadows for pictures of a head: a chin is seen by the shadow under it."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import grid_sample, normalize

from flame_fit.flame import FlameMesh
from flame_fit.geometry import Camera, vertex_normals
from flame_fit.render import (
    Colours,
    Rasterizer,
    Shader,
    VisibleSurface,
    interpolate_covered,
    rasterize,
)

_DIRECTIONS = 48
_MAP_SIZE = 160
# Metres: what a shadow map shows, and how much nearer another surface must be to cast a shadow.
_MAP_EXTENT, _SHADOW_BIAS = 0.45, 0.004
_GROUND, _SKY, _LAMP, _LAMP_SHARPNESS = 0.25, 0.9, 3.0, 6
# Nothing shines from straight below.
_LOWEST = -0.5


@dataclass(frozen=True, eq=False)
class Sky:
    """Light from all around.

    Attributes:
        directions: Unit vectors towards the light, world axes.
        radiance: Grey light from each direction.
    """

    directions: Float[Tensor, "d 3"]
    radiance: Float[Tensor, "d"]


@dataclass(frozen=True, eq=False)
class LitShader:
    """The colours of another shader under light known at the vertices."""

    colours: Shader
    light: Float[Tensor, "V 3"]

    def __call__(self, surface: VisibleSurface) -> Colours:
        """Return colour and light at the covered pixels."""
        light = interpolate_covered(surface.covered, surface.faces, self.light[None])
        return Colours(self.colours(surface).albedo, light)


def random_sky(generator: torch.Generator) -> Sky:
    """A bright upper half and one soft lamp above the camera, to the left or the right."""
    count = torch.arange(_DIRECTIONS) + 0.5
    # Fibonacci lattice: even directions for any number.
    height = 1 - 2 * count / _DIRECTIONS
    angle = count * (np.pi * (1 + 5**0.5))
    flat = (1 - height**2).sqrt()
    directions = torch.stack([angle.cos() * flat, height, angle.sin() * flat], dim=1)
    side = 0.5 * torch.randn((), generator=generator)
    above = 0.6 + 0.2 * torch.rand((), generator=generator)
    lamp = normalize(torch.stack([side, above, torch.tensor(0.8)]), dim=0)
    beam = (directions @ lamp).clamp_min(0.0) ** _LAMP_SHARPNESS
    radiance = _GROUND + _SKY * height.clamp_min(0.0) + _LAMP * beam
    return Sky(directions, radiance * (height > _LOWEST))


def light_at_vertices(mesh: FlameMesh, sky: Sky, rasterizer: Rasterizer) -> Float[Tensor, "V"]:
    """Light that reaches each vertex of one mesh from the parts of the sky that it sees."""
    normals = vertex_normals(mesh.vertices, mesh.faces)[0]
    lit = (normals @ sky.directions.T).clamp_min(0.0) * sky.radiance
    return (lit * _sees(mesh, sky.directions, rasterizer)).sum(dim=1)


def _sees(
    mesh: FlameMesh, directions: Float[Tensor, "d 3"], rasterizer: Rasterizer
) -> Float[Tensor, "V d"]:
    """One where no other part of the mesh lies between a vertex and a direction."""
    up = torch.tensor([0.0, 1.0, 0.01]).expand_as(directions)
    across = normalize(torch.linalg.cross(up, directions), dim=-1)
    axes = torch.stack([across, torch.linalg.cross(directions, across), directions], dim=1)
    centred = mesh.vertices[0] - mesh.vertices[0].mean(dim=0)
    # Each shadow map looks from its direction: the mesh is turned before a fixed camera.
    turned = torch.einsum("dij,vj->dvi", axes, centred) - torch.tensor([0.0, 0.0, 1.0])
    scale = _MAP_SIZE / _MAP_EXTENT
    camera = Camera(
        focal=torch.full((1, 2), scale),
        principal_point=torch.full((1, 2), _MAP_SIZE / 2),
        projection="orthographic",
    )
    size = (_MAP_SIZE, _MAP_SIZE)
    fragments = rasterize(turned, mesh.faces, camera, size, rasterizer=rasterizer)
    nearest = torch.where(fragments.face_index < 0, torch.inf, fragments.depth)
    place = turned[..., :2] * torch.tensor([1.0, -1.0]) * (2 * scale / _MAP_SIZE)
    depth = grid_sample(nearest[:, None], place[:, None], mode="nearest", align_corners=False)[
        :, 0, 0
    ]
    return (-turned[..., 2] < depth + _SHADOW_BIAS).float().T
