"""Faces are cut out with their points at ArcFace's places."""

from __future__ import annotations

import math

import torch

from flame_fit.priors.face_likeness import aligned_faces
from flame_fit.priors.face_likeness.aligned_face import ALIGNED_POINTS

TEMPLATE = torch.tensor(ALIGNED_POINTS)


def moved_points(scale: float, degrees: float) -> torch.Tensor:
    """ArcFace's points turned, scaled and moved, in pixels whose first centre is (0.5, 0.5)."""
    angle = math.radians(degrees)
    cosine, sine = math.cos(angle), math.sin(angle)
    turn = scale * torch.tensor(((cosine, -sine), (sine, cosine)))
    return (TEMPLATE - TEMPLATE.mean(dim=0)) @ turn.T + torch.tensor((130.0, 110.0))


def ramp(height: int = 220, width: int = 260) -> torch.Tensor:
    """A picture whose colours are its own pixel coordinates."""
    columns = (torch.arange(width) + 0.5).expand(height, width)
    rows = (torch.arange(height) + 0.5)[:, None].expand(height, width)
    return torch.stack((columns, rows, torch.ones_like(rows)), dim=-1)[None]


def test_each_point_comes_to_its_place() -> None:
    points = moved_points(1.4, 20.0)
    face = aligned_faces(ramp(), points)[0]
    for point, (column, row) in zip(points, ALIGNED_POINTS, strict=True):
        left, top = int(column), int(row)
        corners = face[top : top + 2, left : left + 2, :2]
        shares = torch.tensor((1 - (column - left), column - left))
        across = (corners * shares[None, :, None]).sum(dim=1)
        down = torch.tensor((1 - (row - top), row - top))
        torch.testing.assert_close((across * down[:, None]).sum(dim=0), point, atol=1e-2, rtol=0)


def test_beyond_the_picture_it_is_black() -> None:
    points = moved_points(4.0, 0.0) - torch.tensor((100.0, 0.0))
    assert float(aligned_faces(ramp(), points)[0, :, 0].abs().max()) == 0.0


def test_gradients_reach_both_pictures() -> None:
    pictures = ramp().repeat(2, 1, 1, 1).requires_grad_()
    aligned_faces(pictures, moved_points(1.2, -10.0)).sum().backward()
    assert pictures.grad is not None
    assert bool((pictures.grad.abs().amax(dim=(1, 2, 3)) > 0).all())
