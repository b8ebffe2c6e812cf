"""Surfaces whose distances are known, and seven points on a head."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from flame_fit.geometry import axis_angle_to_matrix
from flame_fit.testing import tiny_assets

# Places of the seven landmarks on the front of the tiny head, in units of its semi-axes.
FACE = (
    (-0.55, 0.25), (-0.2, 0.22), (0.2, 0.22), (0.55, 0.25), (0.0, -0.15),
    (-0.3, -0.45), (0.3, -0.45),
)  # fmt: skip


def sphere(radius: float, *, level: int = 4) -> tuple[Float[Tensor, "V 3"], Int[Tensor, "F 3"]]:
    """An octahedron cut into ever smaller triangles, with its corners on the sphere."""
    vertices = torch.tensor(
        ((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)), dtype=torch.float64
    )
    quarter = ((0, 2), (2, 1), (1, 3), (3, 0))
    faces = torch.tensor([(a, b, 4) for a, b in quarter] + [(b, a, 5) for a, b in quarter])
    for _ in range(level):
        vertices, faces = subdivide(vertices, faces)
        vertices = torch.nn.functional.normalize(vertices, dim=-1)
    return radius * vertices, faces


def subdivide(
    vertices: Float[Tensor, "V 3"], faces: Int[Tensor, "F 3"]
) -> tuple[Float[Tensor, "W 3"], Int[Tensor, "G 3"]]:
    """Cut each triangle into four; every triangle gets corners of its own."""
    a, b, c = vertices[faces].unbind(1)
    ab, bc, ca = (a + b) / 2, (b + c) / 2, (c + a) / 2
    triangles = torch.stack(
        [torch.stack(t, 1) for t in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))], 1
    )
    corners = triangles.reshape(-1, 3)
    return corners, torch.arange(len(corners)).reshape(-1, 3)


def head() -> tuple[Float[Tensor, "V 3"], Int[Tensor, "F 3"]]:
    """The tiny head with a nose, so that nothing can glide about on it."""
    assets = tiny_assets()
    vertices = assets.v_template.double()
    nose = torch.tensor((0.0, -0.01, 0.095), dtype=torch.float64)
    bump = torch.exp(-(((vertices - nose) / 0.02) ** 2).sum(-1))
    brow = torch.exp(-(((vertices[:, 1] - 0.05) / 0.02) ** 2)) * (vertices[:, 2] > 0.05)
    forward = torch.tensor((0.0, 0.0, 1.0), dtype=torch.float64)
    return vertices + (0.02 * bump + 0.006 * brow)[:, None] * forward, assets.faces


def head_landmarks() -> Float[Tensor, "7 3"]:
    """Seven points near the front of the head, the person's right at negative x."""
    points = [
        (0.075 * x, 0.11 * y, 0.095 * math.sqrt(1 - x * x - y * y) + (0.02 if x == 0 else 0.0))
        for x, y in FACE
    ]
    return torch.tensor(points, dtype=torch.float64)


def turned(points: Float[Tensor, "n 3"], *, scale: float = 1.0) -> Float[Tensor, "n 3"]:
    """Turn, enlarge and move points in a way that no test could guess."""
    rotation = axis_angle_to_matrix(torch.tensor((0.4, -0.7, 0.2), dtype=torch.float64))
    return scale * points @ rotation.T + torch.tensor((0.3, -0.1, 0.7), dtype=torch.float64)


def noise(count: int, *, seed: int = 0) -> Float[Tensor, "n"]:
    return torch.randn(count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
