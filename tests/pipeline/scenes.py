"""A small head before a camera, with evidence of every kind, in float64."""

from __future__ import annotations

import torch

from flame_fit.appearance.texture_space import SampledTexture
from flame_fit.flame import FlameModel, FlameParams
from flame_fit.geometry import Crop, SurfacePoints, points_on_surface, project
from flame_fit.geometry.cameras import centred_camera
from flame_fit.pipeline.skin_term import SkinTerm
from flame_fit.pipeline.terms import DepthTerm, PointTerm
from flame_fit.scene import SceneParams
from flame_fit.testing import tiny_assets

CODES = 3
FLOAT = torch.float64


def tiny_model() -> FlameModel:
    return FlameModel(tiny_assets(), dtype=FLOAT)


def draw(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=FLOAT)


def tiny_scene(model: FlameModel, seed: int = 1) -> SceneParams:
    light = torch.zeros(1, 9, 3, dtype=FLOAT)
    light[:, 0] = 0.9
    flame = FlameParams(
        shape=0.7 * draw(seed, 1, model.shape_count),
        expression=0.5 * draw(seed + 10, 1, model.expression_count),
        head_rotation=torch.tensor([[0.1, 0.4, 0.05]], dtype=FLOAT),
        neck=0.02 * draw(seed + 20, 1, 3),
        jaw=torch.tensor([[0.1, 0.0, 0.0]], dtype=FLOAT),
        eyes=0.02 * draw(seed + 30, 1, 6),
        translation=torch.tensor([[0.03, -0.02, -0.8]], dtype=FLOAT),
    )
    return SceneParams(
        flame=flame,
        camera=centred_camera(torch.tensor([900.0], dtype=FLOAT), (512, 512)),
        texture_code=0.3 * draw(seed + 40, 1, CODES),
        lighting=light + 0.08 * draw(seed + 50, 1, 9, 3),
    )


def facing_points(model: FlameModel, scene: SceneParams, count: int = 120) -> SurfacePoints:
    """Points of triangles that face the camera."""
    mesh = model.mesh(scene.flame)
    a, b, c = mesh.vertices[0][mesh.faces].unbind(1)
    normal = torch.linalg.cross(b - a, c - a, dim=-1)
    facing = ((normal * -(a + b + c)).sum(-1) > 0).nonzero()[:, 0]
    generator = torch.Generator().manual_seed(2)
    faces = facing[torch.randint(len(facing), (count,), generator=generator)]
    weights = torch.rand(count, 3, generator=generator, dtype=FLOAT) + 0.1
    return SurfacePoints(faces, weights / weights.sum(-1, keepdim=True))


def point_term(model: FlameModel, scene: SceneParams, points: SurfacePoints) -> PointTerm:
    """The points, seen where the scene has them."""
    mesh = model.mesh(scene.flame)
    pixels = project(scene.camera, points_on_surface(mesh.vertices, mesh.faces, points)).pixels
    ones = torch.ones(pixels.shape[:2], dtype=FLOAT)
    return PointTerm("landmarks", points, pixels, 0.5 * ones, ones)


def depth_term(model: FlameModel, scene: SceneParams, points: SurfacePoints) -> DepthTerm:
    """The depths of the points, a metre too far."""
    mesh = model.mesh(scene.flame)
    depth = 1.0 - points_on_surface(mesh.vertices, mesh.faces, points)[..., 2]
    ones = torch.ones(depth.shape, dtype=FLOAT)
    sigma = 0.005 * torch.exp(0.5 * draw(3, *depth.shape))
    return DepthTerm("depth", points, depth, sigma, 0.7 * ones)


def skin_term(points: SurfacePoints, **changes: object) -> SkinTerm:
    """Points of random albedo before a smooth random photo."""
    count = len(points.face_index)
    coarse = 0.5 + 0.1 * draw(4, 1, 3, 8, 8)
    image = torch.nn.functional.interpolate(coarse, (128, 128), mode="bicubic")
    given = {
        "name": "photometric",
        "points": SurfacePoints(points.face_index[None], points.barycentrics[None]),
        "weight": torch.full((1, count), 0.5, dtype=FLOAT),
        "image": image.permute(0, 2, 3, 1),
        "crop": Crop(
            torch.tensor([[100.0, 90.0]], dtype=FLOAT),
            torch.tensor([[0.4]], dtype=FLOAT),
            (128, 128),
        ),
        "texture": SampledTexture(
            0.6 + 0.03 * draw(5, 1, count, 3), 0.03 * draw(6, 1, count, 3, CODES)
        ),
        "normal_offset": 0.05 * draw(7, 1, count, 3),
        "sigma": torch.tensor([0.05], dtype=FLOAT),
        "shading_moves": torch.tensor([True]),
    }
    return SkinTerm(**{**given, **changes})
