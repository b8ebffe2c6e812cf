"""Faces cut out as face recognition wants them: five points at fixed places of a small square."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import grid_sample

ALIGNED_SIDE = 112
# Where ArcFace's training data has the eye on the left of the picture, the other eye, the tip of
# the nose and the corners of the mouth.
ALIGNED_POINTS = (
    (38.2946, 51.6963),
    (73.5318, 51.5014),
    (56.0252, 71.7366),
    (41.5493, 92.3655),
    (70.7299, 92.2041),
)


def aligned_faces(
    images: Float[Tensor, "b H W 3"], points: Float[Tensor, "5 2"]
) -> Float[Tensor, "b 112 112 3"]:
    """Return faces turned, scaled and moved by one similarity; differentiable in the images.

    Args:
        images: Pictures that all show the face at the same place; black lies beyond them.
        points: Pixels of the eye on the left, the other eye, the tip of the nose and the corners
            of the mouth, the left one first; the centre of the first pixel is (0.5, 0.5).
    """
    target = points.new_tensor(ALIGNED_POINTS)
    centre, target_centre = points.mean(dim=0), target.mean(dim=0)
    turn = _turn(target - target_centre, points - centre)
    steps = torch.arange(ALIGNED_SIDE, dtype=points.dtype, device=points.device)
    # The places above count from the centre of the first pixel.
    places = torch.cartesian_prod(steps, steps).flip(-1) - target_centre
    pixels = places @ turn.T + centre
    size = points.new_tensor([images.shape[2], images.shape[1]])
    grid = (2.0 * pixels / size - 1.0).reshape(1, ALIGNED_SIDE, ALIGNED_SIDE, 2)
    faces = grid_sample(
        images.movedim(-1, 1),
        grid.to(images).expand(len(images), -1, -1, -1),
        mode="bilinear",
        padding_mode="zeros",
        align_corners=False,
    )
    return faces.movedim(1, -1)


def _turn(source: Float[Tensor, "n 2"], target: Float[Tensor, "n 2"]) -> Float[Tensor, "2 2"]:
    """Return the rotation with scale that brings centred points nearest to others."""
    along = (source * target).sum()
    across = (source[:, 0] * target[:, 1] - source[:, 1] * target[:, 0]).sum()
    cosine, sine = (part / source.square().sum() for part in (along, across))
    return torch.stack((torch.stack((cosine, -sine)), torch.stack((sine, cosine))))
