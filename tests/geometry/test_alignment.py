"""Alignment recovers known motions; closest points equal an exhaustive search."""

import numpy as np
import pytest
import torch

from flame_fit.errors import InputError
from flame_fit.geometry.alignment import (
    closest_barycentrics,
    closest_points_on_mesh,
    rigid_alignment,
    similarity_alignment,
)
from flame_fit.geometry.rotations import axis_angle_to_matrix
from flame_fit.testing import tiny_assets


def cloud(count: int = 30) -> torch.Tensor:
    return torch.randn(count, 3, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


@pytest.mark.parametrize("angle", [0.0, 1.0, 3.1])
def test_similarity_is_recovered(angle: float) -> None:
    rotation = axis_angle_to_matrix(angle * torch.tensor((0.6, 0.0, 0.8), dtype=torch.float64))
    translation = torch.tensor((0.1, -2.0, 3.0), dtype=torch.float64)
    found = similarity_alignment(cloud(), 2.5 * cloud() @ rotation.T + translation)
    torch.testing.assert_close(found.rotation, rotation)
    torch.testing.assert_close(found.translation, translation)
    assert float(found.scale) == pytest.approx(2.5)


def test_points_without_weight_do_not_count() -> None:
    target = cloud() + 1.0
    target[0] = 100.0
    weights = torch.ones(30, dtype=torch.float64)
    weights[0] = 0.0
    moved = rigid_alignment(cloud(), target, weights).apply(cloud())
    torch.testing.assert_close(moved[1:], target[1:])


def test_a_mirror_image_is_not_matched_by_a_reflection() -> None:
    target = cloud() * torch.tensor((-1.0, 1.0, 1.0), dtype=torch.float64)
    for align in (similarity_alignment, rigid_alignment):
        assert float(torch.linalg.det(align(cloud(), target).rotation)) == pytest.approx(1.0)


def test_rigid_alignment_of_a_plane_is_a_rotation() -> None:
    flat = cloud() * torch.tensor((1.0, 1.0, 0.0), dtype=torch.float64)
    found = rigid_alignment(flat, flat + 1.0)
    torch.testing.assert_close(found.apply(flat), flat + 1.0)
    assert float(torch.linalg.det(found.rotation)) == pytest.approx(1.0)


def test_too_few_points_and_no_extent_are_refused() -> None:
    with pytest.raises(InputError, match="at least 3 points; got 2"):
        rigid_alignment(cloud(2), cloud(2))
    with pytest.raises(InputError, match="lie in one place"):
        similarity_alignment(torch.ones(4, 3), torch.ones(4, 3))


def exhaustive(points: torch.Tensor, vertices: torch.Tensor, faces: torch.Tensor) -> np.ndarray:
    triangles = vertices.numpy()[faces.numpy()]
    distances = np.empty((len(points), len(triangles)))
    for k, triangle in enumerate(triangles):
        corners = np.broadcast_to(triangle, (len(points), 3, 3))
        weights = closest_barycentrics(points.numpy(), corners)
        foot = (weights[..., None] * corners).sum(1)
        distances[:, k] = np.linalg.norm(foot - points.numpy(), axis=-1)
    return distances.min(1)


def test_closest_points_equal_an_exhaustive_search() -> None:
    assets = tiny_assets()
    vertices = assets.v_template.double()
    # Triangles of very different sizes, one of them flat.
    extra = torch.tensor(((-1.0, -0.2, 0.3), (1.0, -0.2, 0.3), (0.0, -0.2, -2.0))).double()
    count = vertices.shape[0]
    more = torch.tensor(((count, count + 1, count + 2), (count, count, count + 1)))
    vertices = torch.cat((vertices, extra))
    faces = torch.cat((assets.faces, more))
    points = 0.2 * cloud(300)
    found = closest_points_on_mesh(points, vertices, faces)
    np.testing.assert_allclose(found.distance.numpy(), exhaustive(points, vertices, faces))
    corners = vertices[faces[found.surface.face_index]]
    rebuilt = (corners * found.surface.barycentrics[..., None]).sum(1)
    torch.testing.assert_close(rebuilt, found.points)
    torch.testing.assert_close((points - found.points).norm(dim=-1), found.distance)


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        ((0.2, 0.3, 1.0), (0.5, 0.2, 0.3)),
        ((-1.0, -1.0, 0.0), (1.0, 0.0, 0.0)),
        ((2.0, -0.5, 0.0), (0.0, 1.0, 0.0)),
        ((0.0, 3.0, 1.0), (0.0, 0.0, 1.0)),
        ((1.0, 1.0, 0.0), (0.0, 0.5, 0.5)),
        ((0.5, -1.0, 2.0), (0.5, 0.5, 0.0)),
        ((-2.0, 0.25, 0.0), (0.75, 0.0, 0.25)),
    ],
)
def test_every_zone_of_a_triangle(point: tuple, expected: tuple) -> None:
    triangle = np.array([[[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
    np.testing.assert_allclose(closest_barycentrics(np.array([point]), triangle)[0], expected)


def test_points_on_the_surface_have_distance_zero() -> None:
    assets = tiny_assets()
    centres = assets.v_template[assets.faces].mean(1)
    found = closest_points_on_mesh(centres, assets.v_template, assets.faces)
    assert float(found.distance.max()) < 1e-8
    assert found.points.dtype == torch.float32
    assert bool((found.surface.face_index == torch.arange(len(centres))).all())


def test_meshes_without_surface_or_with_nan_are_refused() -> None:
    empty = torch.zeros(0, 3, dtype=torch.long)
    with pytest.raises(InputError, match="without triangles"):
        closest_points_on_mesh(torch.zeros(1, 3), torch.zeros(3, 3), empty)
    broken = torch.full((3, 3), float("nan"))
    with pytest.raises(InputError, match="not finite"):
        closest_points_on_mesh(torch.zeros(1, 3), broken, torch.tensor(((0, 1, 2),)))
