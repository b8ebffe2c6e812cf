"""The far side of an outline moves to the rim that is seen; the rest stays."""

from __future__ import annotations

import dataclasses

import torch

from flame_fit.flame import FlameModel, FlameParams
from flame_fit.geometry import SurfacePoints, points_on_surface, project
from flame_fit.geometry.cameras import centred_camera
from flame_fit.pipeline.contour import seen_outline
from flame_fit.testing import tiny_assets

CAMERA = centred_camera(torch.tensor([900.0]), (512, 512))


def turned_head(yaw):
    model = FlameModel(tiny_assets())
    rest = FlameParams.zeros(shape=model.shape_count, expression=model.expression_count)
    params = dataclasses.replace(
        rest,
        head_rotation=torch.tensor([[0.0, yaw, 0.0]]),
        translation=torch.tensor([[0.0, 0.0, -0.8]]),
    )
    return model, model.mesh(params)


def outline(model):
    """Triangles at the two sides of the head, in front of the ears."""
    centres = model.assets.v_template[model.assets.faces].mean(dim=1)
    level = centres[:, 1].abs() < 0.03
    front = (centres[:, 2] > 0.035) & (centres[:, 2] < 0.065)
    chosen = (level & front & (centres[:, 0].abs() > 0.045)).nonzero()[:, 0]
    weights = torch.full((len(chosen), 3), 1.0 / 3.0)
    return SurfacePoints(chosen[None], weights[None])


def facing(mesh, points):
    """Cosine between the triangles' normals and the way to the camera."""
    a, b, c = mesh.vertices[0][mesh.faces[points.face_index[0]]].unbind(1)
    normal = torch.nn.functional.normalize(torch.linalg.cross(b - a, c - a, dim=-1), dim=-1)
    return -(normal * torch.nn.functional.normalize(a + b + c, dim=-1)).sum(-1)


def seen_at(model, mesh, points):
    return project(CAMERA, points_on_surface(mesh.vertices, mesh.faces, points)).pixels


def test_seen_from_the_front_nothing_moves():
    model, mesh = turned_head(0.0)
    points = outline(model)
    found = seen_outline(model, mesh, CAMERA, points, seen_at(model, mesh, points))
    assert torch.equal(found.face_index, points.face_index)


def test_turned_away_points_move_to_where_the_head_ends_in_the_photo():
    model, mesh = turned_head(0.9)
    points = outline(model)
    # The head turns to its left, so its left side goes out of sight behind the cheek.
    cosine = facing(mesh, points)
    assert bool((cosine < -0.4).any())
    extreme = float(project(CAMERA, mesh.vertices).pixels[0, :, 0].max())
    pixels = seen_at(model, mesh, points)
    # A detector sees them at the rim.
    pixels[0, cosine < 0.0, 0] = extreme
    found = seen_outline(model, mesh, CAMERA, points, pixels)
    moved = (found.face_index != points.face_index)[0]
    assert bool(moved[cosine < -0.4].all())
    assert not bool(moved[cosine > 0.4].any())
    # The rim is the extreme of the head in the photo, to within a triangle of this coarse head.
    at = seen_at(model, mesh, found)[0, moved, 0]
    assert bool((extreme - at < 25.0).all())
