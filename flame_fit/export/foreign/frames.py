"""Moving a head between the frames and conventions of fitting tools, without moving its vertices.

All tools here pose the head by the same published formula: the root joint turns the shaped head
about itself, the neck turns the head about itself, a translation comes last. They differ in which
joints they use, in what they call the world, and in the camera.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Float64
from scipy.spatial.transform import Rotation

from flame_fit.appearance.lighting import spherical_harmonics
from flame_fit.errors import UsageError
from flame_fit.export.scene import ExportParams
from flame_fit.flame import FlameAssets, FlameModel, FlameParams

SQUARE_PIXELS = 1e-4
"""Relative difference of the two focal lengths up to which pixels count as square."""
NEAR_ZERO = 1e-9
DIRECTION_COUNT = 64


@dataclass(frozen=True, eq=False)
class Pose:
    """Where a head is: root and neck as axis-angle, and the translation in metres."""

    head_rotation: Float64[np.ndarray, "3"]
    neck: Float64[np.ndarray, "3"]
    translation: Float64[np.ndarray, "3"]


@dataclass(frozen=True, eq=False)
class RestJoints:
    """Root and neck of one identity and expression at rest, metres."""

    root: Float64[np.ndarray, "3"]
    neck: Float64[np.ndarray, "3"]


@dataclass(frozen=True)
class SquareView:
    """A square part of the plane of an image, centred at the principal point."""

    side: float
    """In pixels of the image."""
    left: float
    top: float
    """Image pixels of its upper left corner; negative where it sticks out."""


def rest_joints(
    assets: FlameAssets,
    shape: Float[np.ndarray, "S"],
    expression: Float[np.ndarray, "E"],
) -> RestJoints:
    """Return the joints about which root and neck turn.

    Raises:
        UsageError: More coefficients than the model has.
    """
    model = FlameModel(assets, dtype=torch.float64)
    rest = replace(
        FlameParams.zeros(shape=0, expression=0, dtype=torch.float64),
        shape=torch.as_tensor(shape, dtype=torch.float64)[None],
        expression=torch.as_tensor(expression, dtype=torch.float64)[None],
    )
    joints = model.mesh(rest).joints[0].numpy()
    return RestJoints(root=joints[0], neck=joints[1])


def posed_vertices(params: ExportParams, assets: FlameAssets) -> Float64[np.ndarray, "V 3"]:
    """Return the vertices of a fitted head in world space, metres."""

    def row(values: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(np.asarray(values), dtype=torch.float64)[None]

    flame = FlameParams(
        shape=row(params.shape),
        expression=row(params.expression),
        head_rotation=row(params.head_rotation),
        neck=row(params.neck),
        jaw=row(params.jaw),
        eyes=row(params.eyes),
        translation=row(params.translation),
    )
    return FlameModel(assets, dtype=torch.float64).mesh(flame).vertices[0].numpy()


def matrix(axis_angle: Float[np.ndarray, "3"]) -> Float64[np.ndarray, "3 3"]:
    """Return the rotation matrix of an axis-angle vector."""
    return Rotation.from_rotvec(np.asarray(axis_angle, dtype=np.float64)).as_matrix()


def axis_angle(rotation: Float[np.ndarray, "3 3"]) -> Float64[np.ndarray, "3"]:
    """Return the axis-angle vector of a rotation matrix, its angle at most pi."""
    return Rotation.from_matrix(np.asarray(rotation, dtype=np.float64)).as_rotvec()


def moved(
    pose: Pose,
    joints: RestJoints,
    rotation: Float[np.ndarray, "3 3"],
    translation: Float[np.ndarray, "3"],
) -> Pose:
    """Return the pose in which every vertex x has come to rotation @ x + translation.

    The root turns the head about its joint, so with the joint J: R' = rotation R and
    t' = rotation (J + t) + translation - J.
    """
    shifted = rotation @ (joints.root + pose.translation) + translation - joints.root
    return replace(
        pose,
        head_rotation=axis_angle(rotation @ matrix(pose.head_rotation)),
        translation=shifted,
    )


def without_neck(pose: Pose, joints: RestJoints) -> Pose:
    """Return the pose with the neck's turn taken over by the root.

    Everything that hangs on the neck joint alone stays where it is, up to the pose correctives of
    the neck, which go: with the bone b from root to neck, R' = R N and t' = t + R b - R N b. What
    the root holds (the lower neck and shoulders) turns with the head instead.
    """
    if np.abs(pose.neck).max() < NEAR_ZERO:
        return replace(pose, neck=np.zeros(3))
    root, bone = matrix(pose.head_rotation), joints.neck - joints.root
    whole = root @ matrix(pose.neck)
    return Pose(
        head_rotation=axis_angle(whole),
        neck=np.zeros(3),
        translation=pose.translation + root @ bone - whole @ bone,
    )


def turned_light(
    lighting: Float[np.ndarray, "9 3"], rotation: Float[np.ndarray, "3 3"]
) -> Float64[np.ndarray, "9 3"]:
    """Return the light that falls on a turned normal as the given one fell on the normal itself.

    Bands of spherical harmonics turn into themselves, so least squares over directions are exact.
    """
    step = np.arange(DIRECTION_COUNT)
    height = 1.0 - 2.0 * (step + 0.5) / DIRECTION_COUNT
    angle = step * np.pi * (3.0 - np.sqrt(5.0))
    radius = np.sqrt(1.0 - height**2)
    normals = np.stack((radius * np.cos(angle), radius * np.sin(angle), height), axis=1)
    before = spherical_harmonics(torch.from_numpy(normals)).numpy()
    after = spherical_harmonics(torch.from_numpy(normals @ rotation.T)).numpy()
    return np.linalg.lstsq(after, before @ lighting, rcond=None)[0]


def square_view(params: ExportParams) -> SquareView:
    """Return the smallest square around the principal point that holds the whole image.

    Raises:
        UsageError: The pixels are not square.
    """
    focal_x, focal_y = (float(length) for length in params.focal)
    if abs(focal_x - focal_y) > SQUARE_PIXELS * focal_x:
        raise UsageError(
            f"the focal lengths are {focal_x:.6g} and {focal_y:.6g} pixels; this layout has one "
            "for both directions; resize the photo to square pixels and fit it again"
        )
    centre = np.asarray(params.principal_point, dtype=np.float64)
    reach = np.maximum(centre, np.asarray(params.image_size) - centre).max()
    return SquareView(
        side=float(2 * reach), left=float(centre[0] - reach), top=float(centre[1] - reach)
    )
