"""A closed-form start: the pose of a rigid head from its landmarks."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.flame import FlameModel, FlameParams
from flame_fit.geometry import Camera, matrix_to_axis_angle


@dataclass(frozen=True)
class PosedHead:
    """A head before a camera.

    Attributes:
        flame: The head.
        camera: The camera that sees it.
    """

    flame: FlameParams
    camera: Camera


def scaled_orthographic_pose(
    points: Float[Tensor, "n 3"], pixels: Float[Tensor, "n 2"], weight: Float[Tensor, " n"]
) -> Float[Tensor, "2 4"]:
    """Return `M` with `pixels = M [point; 1]` whose rows are two scaled rows of a rotation.

    A weighted linear least-squares fit of an affine camera, of which the nearest scaled rotation
    is taken (POS: Dementhon and Davis 1995).

    Args:
        points: Points of the head, metres, y up.
        pixels: Where they were seen, with y DOWN as everywhere in images.
        weight: Confidence of each.
    """
    dtype = points.dtype
    # In double precision the rounding of LAPACK's threads, which differs from run to run, is lost
    # when the result is rounded: the same photo starts, and ends, at the same numbers.
    points, pixels, weight = points.double(), pixels.double(), weight.double()
    root = weight.sqrt()[:, None]
    ones = torch.ones_like(points[:, :1])
    affine = torch.linalg.lstsq(root * torch.cat([points, ones], 1), root * pixels).solution.T
    rows = affine[:, :3].clone()
    rows[1] = -rows[1]
    u, singular, vt = torch.linalg.svd(rows, full_matrices=False)
    scale = singular.mean()
    rotation_rows = u @ vt
    centre_point = (weight[:, None] * points).sum(0) / weight.sum()
    centre_pixel = (weight[:, None] * pixels).sum(0) / weight.sum()
    linear = scale * rotation_rows
    linear[1] = -linear[1]
    shift = centre_pixel - linear @ centre_point
    return torch.cat([linear, shift[:, None]], dim=1).to(dtype)


def start_pose(
    model: FlameModel,
    params: FlameParams,
    camera: Camera,
    *,
    points: Float[Tensor, "n 3"],
    pixels: Float[Tensor, "n 2"],
    weight: Float[Tensor, " n"],
) -> PosedHead:
    """Return the head turned and placed so that `points` project near `pixels`.

    A perspective camera keeps its focal length and the head goes to its distance; an orthographic
    one, which knows no distance, takes the scale, and the head stands a metre away.

    Args:
        model: The head model.
        params: Parameters of the unposed head (rotation and translation are replaced).
        camera: Camera of the photo.
        points: Points on the unposed head, in model space.
        pixels: Where they were seen in the photo.
        weight: Confidence of each.
    """
    matrix = scaled_orthographic_pose(points, pixels, weight)
    scale = torch.linalg.vector_norm(matrix[0, :3])
    first = matrix[0, :3] / scale
    second = -matrix[1, :3] / torch.linalg.vector_norm(matrix[1, :3])
    rotation = torch.stack([first, second, torch.linalg.cross(first, second)])
    root = model.mesh(params).joints[0, 0]
    seen_root = matrix[:, :3] @ root + matrix[:, 3]
    from_centre = (seen_root - camera.principal_point[0]) / scale
    if camera.projection == "orthographic":
        camera = dataclasses.replace(camera, focal=scale.expand(1, 2))
    depth = camera.focal[0, 0] / scale
    placed = torch.stack([from_centre[0], -from_centre[1], -depth])
    flame = dataclasses.replace(
        params,
        head_rotation=matrix_to_axis_angle(rotation)[None],
        translation=(placed - root)[None],
    )
    return PosedHead(flame, camera)
