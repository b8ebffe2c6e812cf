"""Vertex values and surface points: interpolation, its transpose, the soft step."""

from __future__ import annotations

import torch

from flame_fit.geometry import points_on_surface
from flame_fit.texture.surface_values import (
    accumulate_vertices,
    interpolate_vertices,
    smoothstep,
)


def test_interpolation_agrees_with_points_on_surface(ball, layout):
    points = layout.texels.surface
    ours = interpolate_vertices(ball.v_template, layout.texels.corners, points.barycentrics)
    assert torch.allclose(ours, points_on_surface(ball.v_template[None], ball.faces, points)[0])


def test_accumulation_is_the_transpose_of_interpolation(ball, layout):
    corners, weights = layout.texels.corners, layout.texels.surface.barycentrics
    at_vertices = torch.rand(len(ball.v_template), 2, dtype=torch.float64)
    at_points = torch.rand(len(corners), 2, dtype=torch.float64)
    count = len(ball.v_template)
    forward = interpolate_vertices(at_vertices, corners, weights)
    backward = accumulate_vertices(at_points, corners, weights, vertex_count=count)
    assert torch.allclose((forward * at_points).sum(), (at_vertices * backward).sum())


def test_smoothstep_ends_and_direction():
    value = torch.tensor([-1.0, 0.0, 0.5, 1.0, 2.0])
    rising = smoothstep(value, 0.0, 1.0)
    assert torch.allclose(rising, torch.tensor([0.0, 0.0, 0.5, 1.0, 1.0]))
    assert torch.allclose(smoothstep(value, 1.0, 0.0), 1.0 - rising)
