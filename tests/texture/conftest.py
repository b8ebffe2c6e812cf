"""A small synthetic head with a chart, a nose and a known mirror, and photos of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from flame_fit.appearance import directional_to_sh, shade, white_lighting
from flame_fit.flame import FlameAssets, Regions, UvChart
from flame_fit.geometry import Camera, axis_angle_to_matrix, vertex_normals
from flame_fit.render import interpolate, make_rasterizer, rasterize, sample_texture
from flame_fit.texture import PhotoView, texture_layout

COLUMNS, ROWS = 96, 64
TEXTURE_SIZE = 256
PHOTO_SIZE = 512
NOSE_METRES = 0.035


def _grid_positions() -> Tensor:
    longitude = torch.arange(COLUMNS) * (2.0 * math.pi / COLUMNS) - math.pi
    latitude = torch.linspace(1.45, -1.45, ROWS)
    latitude, longitude = torch.meshgrid(latitude, longitude, indexing="ij")
    direction = torch.stack(
        [
            latitude.cos() * longitude.sin(),
            latitude.sin(),
            latitude.cos() * longitude.cos(),
        ],
        dim=-1,
    )
    angle_squared = longitude**2 + latitude**2
    nose = NOSE_METRES * torch.exp(-angle_squared / (2.0 * 0.16**2))
    position = direction * torch.tensor([0.075, 0.11, 0.09])
    position[..., 2] += nose
    return position.reshape(-1, 3)


def _grid_faces(column_count: int, wrap: int) -> Tensor:
    """Two triangles a cell; the diagonals of the two halves mirror each other."""
    faces = []
    for row in range(ROWS - 1):
        for column in range(COLUMNS):
            a = row * column_count + column
            b = row * column_count + (column + 1) % wrap
            c, d = a + column_count, b + column_count
            left = [[a, c, d], [a, d, b]]
            right = [[a, c, b], [b, c, d]]
            faces += left if column < COLUMNS // 2 else right
    return torch.tensor(faces)


def build_assets() -> FlameAssets:
    position = _grid_positions()
    count = len(position)
    u, v = torch.meshgrid(
        torch.linspace(0.03, 0.97, COLUMNS + 1), torch.linspace(0.97, 0.03, ROWS), indexing="xy"
    )
    uv = torch.stack([u, v], dim=-1).reshape(-1, 2)
    index = torch.arange(count).reshape(ROWS, COLUMNS)
    mirror = index[:, (COLUMNS - torch.arange(COLUMNS)) % COLUMNS].reshape(-1)
    scalp = position[:, 1] > 0.08
    return FlameAssets(
        name="ball",
        sha256="0" * 64,
        licence="test",
        v_template=position,
        faces=_grid_faces(COLUMNS, COLUMNS),
        shape_basis=torch.zeros(count, 3, 1),
        expression_basis=torch.zeros(count, 3, 1),
        pose_basis=torch.zeros(count, 3, 36),
        joint_regressor=torch.zeros(5, count),
        parents=(-1, 0, 1, 1, 1),
        skinning_weights=torch.zeros(count, 5),
        chart=UvChart(uv=uv, faces=_grid_faces(COLUMNS + 1, COLUMNS + 1)),
        regions=Regions(names=("scalp",), masks=scalp[None]),
        mirror_vertex=mirror,
        landmarks=None,
        arkit_names=(),
        arkit_basis=None,
        eyelid_basis=None,
    )


def build_albedo(size: int = TEXTURE_SIZE) -> Tensor:
    """Skin with soft patches and a printed pattern, symmetric in u, with a marker on top."""
    centre = (torch.arange(size) + 0.5) / size
    v, u = torch.meshgrid(1.0 - centre, centre, indexing="ij")
    side = (u - 0.5).abs()
    tone = 0.42 + 0.06 * torch.cos(6.0 * side) + 0.05 * torch.sin(5.0 * v)
    pattern = 0.05 * torch.sin(60.0 * side) * torch.sin(60.0 * v)
    albedo = (tone + pattern)[..., None] * torch.tensor([1.0, 0.72, 0.58])
    marker = ((u - 0.5).abs() < 0.02) & ((v - 0.72).abs() < 0.02)
    return torch.where(marker[..., None], torch.tensor([0.1, 0.2, 0.6]), albedo)


def build_prior(size: int = TEXTURE_SIZE) -> Tensor:
    """What a texture space would say: the tone without pattern or patches, and off in colour."""
    return torch.tensor([0.36, 0.28, 0.21]).repeat(size, size, 1)


def side_light() -> Tensor:
    lamp = functional.normalize(torch.tensor([[0.5, 0.4, 0.8]]), dim=1)
    lamp = directional_to_sh(lamp, torch.tensor([[0.9, 0.85, 0.8]]))
    return (0.55 * white_lighting() + 0.6 * lamp)[0]


@dataclass(frozen=True)
class Shot:
    """A rendered photo and the truth behind it."""

    view: PhotoView
    vertices: Tensor
    lighting: Tensor
    albedo: Tensor


def render_image(albedo: Tensor, vertices: Tensor, assets, camera, lighting, size: int) -> Tensor:
    """Four samples a pixel, background green."""
    factor = 2
    fine = Camera(camera.focal * factor, camera.principal_point * factor, camera.projection)
    rasterizer = make_rasterizer("warp", "cpu")
    fragments = rasterize(
        vertices[None], assets.faces, fine, (size * factor, size * factor), rasterizer=rasterizer
    )
    normals = vertex_normals(vertices[None], assets.faces)
    normal = functional.normalize(interpolate(fragments, assets.faces, normals), dim=-1)
    uv = interpolate(fragments, assets.chart.faces, assets.chart.uv[None])
    colour = sample_texture(albedo[None], uv) * shade(normal, lighting[None]).clamp_min(0.0)
    covered = (fragments.face_index >= 0)[..., None]
    image = torch.where(covered, colour, torch.tensor([0.0, 0.8, 0.0]))
    layers = torch.cat([image, covered.to(image)], dim=-1).permute(0, 3, 1, 2)
    return functional.avg_pool2d(layers, factor)[0].permute(1, 2, 0)


def build_shot(assets: FlameAssets, yaw_degrees: float) -> Shot:
    turn = torch.tensor([[0.0, math.radians(yaw_degrees), 0.0]])
    vertices = assets.v_template @ axis_angle_to_matrix(turn)[0].T
    vertices = vertices + torch.tensor([0.0, 0.0, -0.6])
    camera = Camera(
        torch.tensor([[1100.0, 1100.0]]), torch.tensor([[PHOTO_SIZE / 2, PHOTO_SIZE / 2]])
    )
    albedo, lighting = build_albedo(), side_light()
    image = render_image(albedo, vertices, assets, camera, lighting, PHOTO_SIZE)
    view = PhotoView(image[..., :3].contiguous(), image[..., 3].contiguous(), camera)
    return Shot(view, vertices, lighting, albedo)


@pytest.fixture(scope="session")
def ball() -> FlameAssets:
    return build_assets()


@pytest.fixture(scope="session")
def layout(ball):
    return texture_layout(ball, TEXTURE_SIZE)


@pytest.fixture(scope="session")
def frontal(ball) -> Shot:
    return build_shot(ball, 0.0)


@pytest.fixture(scope="session")
def turned(ball) -> Shot:
    """The head turned to its left, so that the nose hides a part of the left cheek."""
    return build_shot(ball, 40.0)


@pytest.fixture(scope="session")
def prior() -> Tensor:
    return build_prior()


@pytest.fixture(scope="session")
def rasterizer():
    return make_rasterizer("warp", "cpu")


@pytest.fixture(scope="session")
def photograph():
    return render_image
