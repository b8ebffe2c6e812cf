"""Alignment recovers known motions."""

import pytest
import torch

from flame_fit.errors import InputError
from flame_fit.geometry.alignment import rigid_alignment, similarity_alignment
from flame_fit.geometry.rotations import axis_angle_to_matrix


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
