"""Errors of constructed estimates: landmarks, dense correspondence, pose, light, albedo."""

from __future__ import annotations

import math

import pytest
import torch

from flame_fit.appearance import spherical_harmonics, white_lighting
from flame_fit.errors import InputError
from flame_fit.evaluate import (
    albedo_error,
    dense_error,
    landmark_error,
    light_error,
    pose_error,
    rotation_degrees,
    visible_normals,
)
from flame_fit.geometry import axis_angle_to_matrix


def rotation(x: float, y: float, z: float) -> torch.Tensor:
    return axis_angle_to_matrix(torch.tensor((x, y, z), dtype=torch.float64))


def marks(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(count)
    return 100.0 * torch.rand(count, 2, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(("count", "corners"), [(68, (36, 45)), (468, (33, 263)), (478, (33, 263))])
def test_landmark_error_is_over_the_distance_of_the_outer_eye_corners(
    count: int, corners: tuple[int, int]
) -> None:
    truth = marks(count)
    truth[corners[0]], truth[corners[1]] = torch.tensor((10.0, 50.0)), torch.tensor((90.0, 50.0))
    off = torch.zeros_like(truth)
    off[::2] = torch.tensor((3.0, 4.0))
    found = landmark_error(truth + off, truth)
    assert found.length == pytest.approx(80.0)
    assert found.nme == pytest.approx(5.0 * math.ceil(count / 2) / count / 80.0)
    torch.testing.assert_close(found.pixels[:2], torch.tensor((5.0, 0.0)).double())


def test_other_normalising_lengths() -> None:
    truth = marks(68)
    truth[36:42], truth[42:48] = torch.tensor((20.0, 50.0)), torch.tensor((80.0, 50.0))
    assert landmark_error(truth, truth, normaliser="interpupil").length == pytest.approx(60.0)
    box = torch.tensor(((0.0, 0.0), (16.0, 4.0), (2.0, 3.0)))
    found = landmark_error(box + 1.0, box, normaliser="box")
    assert found.length == pytest.approx(8.0)
    assert found.nme == pytest.approx(math.sqrt(2.0) / 8.0)


def test_landmarks_without_eyes_or_extent_are_refused() -> None:
    with pytest.raises(InputError, match="got 5 landmarks; 'interocular' needs 68, 468 or 478"):
        landmark_error(marks(5), marks(5))
    with pytest.raises(InputError, match="have no extent"):
        landmark_error(torch.ones(68, 2), torch.ones(68, 2))


def test_dense_errors_are_counted_in_pixels() -> None:
    truth = marks(8).reshape(2, 4, 2)
    off = torch.tensor(((0.0, 1.0, 2.0, 3.0), (4.0, 5.0, 6.0, 100.0)))
    mask = torch.ones(2, 4, dtype=torch.bool)
    mask[1, 3] = False
    estimate = truth + off[..., None] * torch.tensor((0.6, 0.8))
    found = dense_error(estimate, truth, mask)
    assert found.median == pytest.approx(3.0)
    assert found.within_5 == pytest.approx(6 / 7) and found.count == 7
    # Exactly 2 pixels off is within 2 only up to rounding; a little less is.
    nearer = truth + 0.99 * off[..., None] * torch.tensor((0.6, 0.8))
    assert dense_error(nearer, truth, mask).within_2 == pytest.approx(3 / 7)
    scaled = dense_error(nearer / 512, truth / 512, mask, pixels_per_unit=512.0)
    assert scaled.median == pytest.approx(0.99 * 3.0)
    with pytest.raises(InputError, match="the mask is empty"):
        dense_error(estimate, truth, torch.zeros(2, 4, dtype=torch.bool))


@pytest.mark.parametrize("degrees", [0.0, 1e-6, 10.0, 90.0, 179.9999, 180.0])
def test_the_angle_between_rotations_is_exact_at_both_ends(degrees: float) -> None:
    start, axis = rotation(0.3, -0.8, 0.5), torch.tensor((0.6, 0.0, 0.8), dtype=torch.float64)
    turn = axis_angle_to_matrix(math.radians(degrees) * axis)
    assert rotation_degrees(turn @ start, start) == pytest.approx(degrees, rel=1e-6, abs=1e-9)


def test_a_head_that_moved_about_the_camera_shows_the_same_side() -> None:
    head, place = rotation(0.1, 0.4, -0.2), torch.tensor((0.0, 0.0, -0.6), dtype=torch.float64)
    around = rotation(0.0, 0.3, 0.0)
    found = pose_error(around @ head, head, place=1.5 * around @ place, true_place=place)
    assert found.degrees == pytest.approx(math.degrees(0.3))
    assert found.view_degrees == pytest.approx(0.0, abs=1e-6)
    assert found.distance_share == pytest.approx(0.5)
    # Moved aside without turning, it is seen from another side by as much as the ray has turned.
    moved = pose_error(head, head, place=around @ place, true_place=place)
    assert moved.degrees == pytest.approx(0.0, abs=1e-6)
    assert moved.view_degrees == pytest.approx(math.degrees(0.3))


def test_light_is_compared_up_to_exposure() -> None:
    light = white_lighting()[0].double()
    light[1:4] = torch.tensor(((0.2, 0.1, 0.0), (0.3, 0.3, 0.4), (-0.1, 0.0, 0.2)))
    found = light_error(2.0 * light, light)
    assert found.relative == pytest.approx(0.0, abs=1e-7)
    assert found.exposure == pytest.approx(0.5)


def test_the_light_error_is_that_of_the_shading() -> None:
    truth, estimate = white_lighting()[0].double(), white_lighting()[0].double()
    truth[1] = 0.3
    normals = torch.tensor(((0, 1, 0), (0, -1, 0), (1, 0, 0), (-1, 0, 0))).double()
    swing = 0.3 * float(spherical_harmonics(normals)[0, 1])
    shading = [1.0 + swing, 1.0 - swing, 1.0, 1.0]
    power = math.sqrt(sum(value**2 for value in shading) / 4)
    found = light_error(estimate, truth, normals=normals)
    assert found.exposure == pytest.approx(1.0)
    assert found.relative == pytest.approx(swing / math.sqrt(2.0) / power)
    with pytest.raises(InputError, match="the true light is black"):
        light_error(estimate, 0.0 * truth)


def test_normals_that_can_be_seen_cover_the_half_sphere_evenly() -> None:
    normals = visible_normals(2000)
    torch.testing.assert_close(normals.norm(dim=-1), torch.ones(2000).double())
    assert float(normals[:, 2].min()) > 0.0
    # The centroid of a half sphere lies half way up; its second moments are a third each.
    torch.testing.assert_close(
        normals.mean(0), torch.tensor((0.0, 0.0, 0.5)).double(), atol=1e-3, rtol=0.0
    )
    moments = normals.T @ normals / 2000
    torch.testing.assert_close(moments, torch.eye(3).double() / 3, atol=2e-3, rtol=0.0)


def test_albedo_is_compared_as_it_is_and_up_to_exposure() -> None:
    truth = torch.rand(6, 5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mask = torch.ones(6, 5, dtype=torch.bool)
    mask[0] = False
    estimate = torch.where(mask[..., None], 0.8 * truth, torch.nan)
    found = albedo_error(estimate, truth, mask)
    assert found.absolute == pytest.approx(0.2 * float(truth[mask].mean()))
    assert found.relative == pytest.approx(0.0, abs=1e-9)
    assert found.exposure == pytest.approx(1.25)
    black = albedo_error(torch.zeros_like(truth), truth, mask)
    assert (black.relative, black.exposure) == (1.0, 0.0)
    with pytest.raises(InputError, match="the mask is empty"):
        albedo_error(truth, truth, torch.zeros(6, 5, dtype=torch.bool))
