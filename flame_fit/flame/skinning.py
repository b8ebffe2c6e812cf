"""Linear blend skinning with pose correctives, as published for SMPL-X and FLAME."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, eq=False)
class JointTransforms:
    """Where the joints are and how they are turned, before the global translation."""

    rotations: Float[Tensor, "b J 3 3"]
    """Orientations in world axes."""
    positions: Float[Tensor, "b J 3"]


def pose_feature(rotations: Float[Tensor, "b J 3 3"]) -> Float[Tensor, "b P"]:
    """Return the entries, row by row, of all rotations but the root's, minus the identity.

    Args:
        rotations: rotation of each joint relative to its parent.
    """
    identity = torch.eye(3, dtype=rotations.dtype, device=rotations.device)
    return (rotations[:, 1:] - identity).flatten(1)


def joint_transforms(
    rotations: Float[Tensor, "b J 3 3"],
    joints: Float[Tensor, "b J 3"],
    parents: tuple[int, ...],
) -> JointTransforms:
    """Return world orientations and positions along the kinematic chain.

    Args:
        rotations: rotation of each joint relative to its parent.
        joints: joint positions at rest.
        parents: parent of each joint, -1 for the root; parents come first.
    """
    world_rotations = [rotations[:, 0]]
    positions = [joints[:, 0]]
    for joint, parent in enumerate(parents[1:], start=1):
        bone = (joints[:, joint] - joints[:, parent])[..., None]
        positions.append(positions[parent] + (world_rotations[parent] @ bone)[..., 0])
        world_rotations.append(world_rotations[parent] @ rotations[:, joint])
    return JointTransforms(
        rotations=torch.stack(world_rotations, dim=1), positions=torch.stack(positions, dim=1)
    )


def linear_blend_skinning(
    vertices: Float[Tensor, "b V 3"],
    joints: Float[Tensor, "b J 3"],
    transforms: JointTransforms,
    weights: Float[Tensor, "V J"],
) -> Float[Tensor, "b V 3"]:
    """Return vertices moved by the weighted mean of their joints' transforms.

    Args:
        vertices: positions at rest with all blendshapes added.
        joints: joint positions at rest.
        transforms: the posed joints.
        weights: share of each joint in each vertex, summing to 1.
    """
    rotated = (transforms.rotations @ joints[..., None])[..., 0]
    offsets = transforms.positions - rotated
    affine = torch.cat((transforms.rotations, offsets[..., None]), dim=-1)
    blended = torch.einsum("vj,bjkl->bvkl", weights, affine)
    return (blended[..., :3] @ vertices[..., None])[..., 0] + blended[..., 3]
