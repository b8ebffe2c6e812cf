"""Rotations as axis-angle vectors (radians) and matrices, with derivatives that hold at zero."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

# Below this squared angle the power series is used: above it the closed forms have lost no more
# than two digits to cancellation, below it six terms are exact to float64.
SERIES_LIMIT = 0.04
SERIES_TERMS = 6


@dataclass(frozen=True, eq=False)
class HeadAngles:
    """Yaw, pitch and roll of a head in world axes, such that R = Ry(yaw) Rx(pitch) Rz(roll)."""

    yaw: Float[Tensor, "*batch"]
    """Radians; positive when the head is turned to the person's left (towards +x)."""
    pitch: Float[Tensor, "*batch"]
    """Radians; positive when the person looks down."""
    roll: Float[Tensor, "*batch"]
    """Radians; positive when the head leans towards the person's right shoulder."""


def skew(vector: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Return the matrix of the cross product with each vector."""
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    rows = (zero, -z, y, z, zero, -x, -y, x, zero)
    return torch.stack(rows, dim=-1).reshape(*vector.shape[:-1], 3, 3)


def axis_angle_to_matrix(axis_angle: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Return rotation matrices by Rodrigues' formula."""
    squared_angle = (axis_angle * axis_angle).sum(-1)[..., None, None]
    cross = skew(axis_angle)
    identity = torch.eye(3, dtype=axis_angle.dtype, device=axis_angle.device)
    return (
        identity
        + _sine_ratio(squared_angle) * cross
        + _cosine_ratio(squared_angle) * (cross @ cross)
    )


def left_jacobian_so3(axis_angle: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Return J with exp(a + d) = exp(J d) exp(a) to first order in d.

    Column k is the world axis about which the rotation turns when component k grows.
    """
    squared_angle = (axis_angle * axis_angle).sum(-1)[..., None, None]
    cross = skew(axis_angle)
    identity = torch.eye(3, dtype=axis_angle.dtype, device=axis_angle.device)
    return (
        identity
        + _cosine_ratio(squared_angle) * cross
        + _cubic_ratio(squared_angle) * (cross @ cross)
    )


def rotation_jacobian(axis_angle: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3 3"]:
    """Return the derivative of the matrix: entry [..., k, i, j] is d R_ij / d a_k."""
    generators = skew(left_jacobian_so3(axis_angle).transpose(-1, -2))
    return generators @ axis_angle_to_matrix(axis_angle)[..., None, :, :]


def matrix_to_axis_angle(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3"]:
    """Return axis-angle vectors with angles in [0, pi]; accurate near zero and near pi."""
    quaternion = _matrix_to_quaternion(matrix)
    real, imaginary = quaternion[..., :1], quaternion[..., 1:]
    squared_sine = (imaginary * imaginary).sum(-1, keepdim=True)
    small = squared_sine < torch.finfo(matrix.dtype).eps
    sine = torch.where(small, torch.ones_like(squared_sine), squared_sine).sqrt()
    ratio = 2.0 * torch.atan2(sine, real) / sine
    near_zero = (2.0 / real.clamp_min(0.5)) * (1.0 - squared_sine / 3.0)
    return imaginary * torch.where(small, near_zero, ratio)


def yaw_pitch_roll(matrix: Float[Tensor, "*batch 3 3"]) -> HeadAngles:
    """Return the angles of head rotations given in world axes (see `HeadAngles` for signs)."""
    forward = matrix[..., :, 2]
    horizontal = torch.hypot(forward[..., 0], forward[..., 2])
    return HeadAngles(
        yaw=torch.atan2(forward[..., 0], forward[..., 2]),
        pitch=torch.atan2(-forward[..., 1], horizontal),
        roll=torch.atan2(matrix[..., 1, 0], matrix[..., 1, 1]),
    )


def matrix_from_head_angles(angles: HeadAngles) -> Float[Tensor, "*batch 3 3"]:
    """Return head rotation matrices in world axes: Ry(yaw) Rx(pitch) Rz(roll)."""
    zero = torch.zeros_like(angles.yaw)
    yaw = axis_angle_to_matrix(torch.stack((zero, angles.yaw, zero), dim=-1))
    pitch = axis_angle_to_matrix(torch.stack((angles.pitch, zero, zero), dim=-1))
    roll = axis_angle_to_matrix(torch.stack((zero, zero, angles.roll), dim=-1))
    return yaw @ pitch @ roll


def _matrix_to_quaternion(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 4"]:
    """Return unit quaternions (real part first, not negative), from the best-conditioned row."""
    m = matrix
    trace = m[..., 0, 0] + m[..., 1, 1] + m[..., 2, 2]
    antisymmetric = torch.stack(
        (
            m[..., 2, 1] - m[..., 1, 2],
            m[..., 0, 2] - m[..., 2, 0],
            m[..., 1, 0] - m[..., 0, 1],
        ),
        dim=-1,
    )
    identity = torch.eye(3, dtype=m.dtype, device=m.device)
    # Row 0 of K is 4 q0 q, row i is 4 qi q; K is symmetric with trace 4.
    lower = m + m.transpose(-1, -2) + (1.0 - trace)[..., None, None] * identity
    first = torch.cat(((1.0 + trace)[..., None], antisymmetric), dim=-1)
    rows = torch.cat((antisymmetric[..., None], lower), dim=-1)
    candidates = torch.cat((first[..., None, :], rows), dim=-2)
    best = torch.diagonal(candidates, dim1=-2, dim2=-1).argmax(-1)
    index = best[..., None, None].expand(*best.shape, 1, 4)
    row = torch.gather(candidates, -2, index).squeeze(-2)
    quaternion = row / torch.linalg.vector_norm(row, dim=-1, keepdim=True)
    return torch.where(quaternion[..., :1] < 0, -quaternion, quaternion)


def _ratio(
    squared_angle: Float[Tensor, "*batch"], closed_form: Float[Tensor, "*batch"], *, offset: int
) -> Float[Tensor, "*batch"]:
    """Return the closed form, or sum_k (-t)^k / (2k + offset)! where the angle is small."""
    small_angle = torch.where(
        squared_angle < SERIES_LIMIT, squared_angle, torch.zeros_like(squared_angle)
    )
    series = torch.full_like(squared_angle, 1.0 / math.factorial(2 * SERIES_TERMS + offset))
    for k in reversed(range(SERIES_TERMS)):
        series = 1.0 / math.factorial(2 * k + offset) - small_angle * series
    return torch.where(squared_angle < SERIES_LIMIT, series, closed_form)


def _safe_angle(squared_angle: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """Return the angle, or one where the series is used, so that no gradient is infinite."""
    one = torch.ones_like(squared_angle)
    return torch.where(squared_angle < SERIES_LIMIT, one, squared_angle).sqrt()


def _sine_ratio(squared_angle: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """Return sin(t) / t."""
    angle = _safe_angle(squared_angle)
    return _ratio(squared_angle, torch.sin(angle) / angle, offset=1)


def _cosine_ratio(squared_angle: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """Return (1 - cos(t)) / t^2."""
    half = 0.5 * _safe_angle(squared_angle)
    return _ratio(squared_angle, 0.5 * (torch.sin(half) / half) ** 2, offset=2)


def _cubic_ratio(squared_angle: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """Return (t - sin(t)) / t^3."""
    angle = _safe_angle(squared_angle)
    return _ratio(squared_angle, (angle - torch.sin(angle)) / angle**3, offset=3)
