"""Rotations: group laws, derivatives at and away from zero, conventions of the head's angles."""

import math

import pytest
import torch

from flame_fit.geometry.rotations import (
    HeadAngles,
    axis_angle_to_matrix,
    left_jacobian_so3,
    matrix_from_head_angles,
    matrix_to_axis_angle,
    rotation_jacobian,
    skew,
    yaw_pitch_roll,
)

ANGLES = (0.0, 1e-12, 1e-6, 1e-3, 0.19, 0.21, 1.0, 3.0, math.pi - 1e-4, math.pi - 1e-9)


def vectors(angle: float, dtype: torch.dtype) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    axes = torch.randn(20, 3, generator=generator, dtype=torch.float64)
    axes = torch.cat((axes, torch.eye(3, dtype=torch.float64), -torch.eye(3, dtype=torch.float64)))
    return (angle * torch.nn.functional.normalize(axes, dim=-1)).to(dtype)


@pytest.mark.parametrize("batch", [(), (2,), (2, 2, 2)])
def test_batch_shapes(batch: tuple[int, ...]) -> None:
    axis_angle = torch.ones(*batch, 3)
    matrix = axis_angle_to_matrix(axis_angle)
    assert matrix.shape == (*batch, 3, 3)
    assert matrix_to_axis_angle(matrix).shape == (*batch, 3)
    assert rotation_jacobian(axis_angle).shape == (*batch, 3, 3, 3)
    assert yaw_pitch_roll(matrix).yaw.shape == batch


@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_matrix_is_the_matrix_exponential(angle: float, dtype: torch.dtype) -> None:
    axis_angle = vectors(angle, dtype)
    expected = torch.linalg.matrix_exp(skew(axis_angle.double()))
    tolerance = 50 * torch.finfo(dtype).eps
    torch.testing.assert_close(
        axis_angle_to_matrix(axis_angle).double(), expected, atol=tolerance, rtol=0
    )


@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_round_trip_through_the_matrix(angle: float, dtype: torch.dtype) -> None:
    matrix = axis_angle_to_matrix(vectors(angle, dtype))
    axis_angle = matrix_to_axis_angle(matrix)
    tolerance = 100 * torch.finfo(dtype).eps
    torch.testing.assert_close(axis_angle_to_matrix(axis_angle), matrix, atol=tolerance, rtol=0)
    assert float(axis_angle.norm(dim=-1).max()) <= math.pi + tolerance


@pytest.mark.parametrize("angle", ANGLES[:8])
def test_small_angles_keep_their_relative_accuracy(angle: float) -> None:
    axis_angle = vectors(angle, torch.float64)
    back = matrix_to_axis_angle(axis_angle_to_matrix(axis_angle))
    torch.testing.assert_close(back, axis_angle, rtol=1e-9, atol=1e-300)


@pytest.mark.parametrize("angle", ANGLES)
def test_gradients_match_finite_differences(angle: float) -> None:
    for vector in vectors(angle, torch.float64)[:3]:
        assert torch.autograd.gradcheck(
            axis_angle_to_matrix, vector.clone().requires_grad_(), eps=1e-6, atol=1e-7
        )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("angle", ANGLES)
def test_analytic_jacobian_equals_autograd(angle: float, dtype: torch.dtype) -> None:
    for vector in vectors(angle, dtype)[:3]:
        expected = torch.autograd.functional.jacobian(axis_angle_to_matrix, vector.double())
        tolerance = 200 * torch.finfo(dtype).eps
        torch.testing.assert_close(
            rotation_jacobian(vector).double(), expected.permute(2, 0, 1), atol=tolerance, rtol=0
        )


def test_gradient_at_zero_in_float32_is_the_generators() -> None:
    zero = torch.zeros(3)
    jacobian = torch.autograd.functional.jacobian(axis_angle_to_matrix, zero)
    torch.testing.assert_close(jacobian.permute(2, 0, 1), skew(torch.eye(3)))


def test_gradient_of_the_logarithm_at_identity_is_finite() -> None:
    matrix = torch.eye(3, dtype=torch.float64, requires_grad=True)
    matrix_to_axis_angle(matrix).sum().backward()
    assert torch.isfinite(matrix.grad).all()


def test_left_jacobian_moves_the_rotation_from_the_left() -> None:
    axis_angle = vectors(0.8, torch.float64)
    step = 1e-6 * torch.ones_like(axis_angle)
    moved = axis_angle_to_matrix(axis_angle + step)
    by_jacobian = (left_jacobian_so3(axis_angle) @ step[..., None])[..., 0]
    expected = axis_angle_to_matrix(by_jacobian) @ axis_angle_to_matrix(axis_angle)
    torch.testing.assert_close(moved, expected, atol=1e-11, rtol=0)


def test_group_laws() -> None:
    rotation = axis_angle_to_matrix(vectors(1.3, torch.float64))
    identity = torch.eye(3, dtype=torch.float64).expand_as(rotation)
    torch.testing.assert_close(rotation @ rotation.transpose(-1, -2), identity)
    torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(26, dtype=torch.float64))
    inverse = axis_angle_to_matrix(-vectors(1.3, torch.float64))
    torch.testing.assert_close(rotation @ inverse, identity)


def test_signs_of_the_head_angles() -> None:
    turn_left = axis_angle_to_matrix(torch.tensor((0.0, 0.3, 0.0)))
    assert float((turn_left @ torch.tensor((0.0, 0.0, 1.0)))[0]) > 0, "left is +x"
    assert float(yaw_pitch_roll(turn_left).yaw) == pytest.approx(0.3, abs=1e-6)
    look_down = axis_angle_to_matrix(torch.tensor((0.3, 0.0, 0.0)))
    assert float((look_down @ torch.tensor((0.0, 0.0, 1.0)))[1]) < 0
    assert float(yaw_pitch_roll(look_down).pitch) == pytest.approx(0.3, abs=1e-6)
    lean_right = axis_angle_to_matrix(torch.tensor((0.0, 0.0, 0.3)))
    crown = lean_right @ torch.tensor((0.0, 1.0, 0.0))
    assert float(crown[0]) < 0, "the crown moves towards the person's right, -x"
    assert float(yaw_pitch_roll(lean_right).roll) == pytest.approx(0.3, abs=1e-6)


def test_head_angles_round_trip() -> None:
    grid = torch.cartesian_prod(
        torch.linspace(-3.0, 3.0, 7), torch.linspace(-1.5, 1.5, 7), torch.linspace(-3.0, 3.0, 7)
    ).double()
    angles = HeadAngles(*grid.unbind(-1))
    back = yaw_pitch_roll(matrix_from_head_angles(angles))
    torch.testing.assert_close(
        torch.stack((back.yaw, back.pitch, back.roll), dim=-1), grid, atol=1e-12, rtol=0
    )
