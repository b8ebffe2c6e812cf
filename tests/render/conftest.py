"""Meshes with known properties."""

from dataclasses import dataclass

import pytest
import torch

from flame_fit.geometry import Camera
from flame_fit.render import Rasterizer, TriangleMesh, make_rasterizer


@dataclass(frozen=True)
class Sphere:
    """A closed sphere of latitude and longitude bands; faces counter-clockwise from outside."""

    directions: torch.Tensor
    faces: torch.Tensor

    def mesh(self, centre: tuple[float, float, float], radius: float) -> TriangleMesh:
        vertices = self.directions * radius + self.directions.new_tensor(centre)
        return TriangleMesh(vertices[None], self.faces)


def make_sphere(bands: int, dtype: torch.dtype) -> Sphere:
    polar = torch.linspace(0, torch.pi, bands + 1, dtype=torch.float64)[1:-1]
    around = torch.arange(2 * bands, dtype=torch.float64) * torch.pi / bands
    theta, phi = torch.meshgrid(polar, around, indexing="ij")
    ring = torch.stack((theta.sin() * phi.sin(), theta.cos(), theta.sin() * phi.cos()), dim=-1)
    poles = torch.tensor([[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]], dtype=torch.float64)
    count, faces = 2 * bands, []
    top, bottom = (bands - 1) * count, (bands - 1) * count + 1
    for j in range(count):
        k = (j + 1) % count
        faces.append((top, j, k))
        last = (bands - 2) * count
        faces.append((bottom, last + k, last + j))
        for i in range(bands - 2):
            a, b, c, d = i * count + j, i * count + k, (i + 1) * count + j, (i + 1) * count + k
            faces += [(a, c, b), (b, c, d)]
    directions = torch.cat((ring.reshape(-1, 3), poles)).to(dtype)
    return Sphere(directions, torch.tensor(faces))


@pytest.fixture
def sphere(device: torch.device, dtype: torch.dtype) -> Sphere:
    made = make_sphere(12, dtype)
    return Sphere(made.directions.to(device), made.faces.to(device))


@pytest.fixture
def double_sphere() -> Sphere:
    return make_sphere(12, torch.float64)


@pytest.fixture
def camera(device: torch.device, dtype: torch.dtype) -> Camera:
    """64 x 64 pixels, looking at a ball of 0.1 m radius 0.6 m away."""
    numbers = torch.tensor([[120.0, 120.0], [32.0, 32.0]], dtype=dtype, device=device)
    return Camera(focal=numbers[:1], principal_point=numbers[1:])


@pytest.fixture(scope="session")
def warp(device: torch.device) -> Rasterizer:
    return make_rasterizer("warp", device)


@pytest.fixture(scope="session")
def twin() -> Rasterizer:
    return make_rasterizer("torch")


@pytest.fixture(params=["warp", "torch"])
def rasterizer(request: pytest.FixtureRequest, device: torch.device) -> Rasterizer:
    return make_rasterizer(request.param, device)
