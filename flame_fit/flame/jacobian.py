"""Analytic derivatives of selected vertices by every parameter.

With skinning weights w_j, joint orientations R_j, posed joints p_j and rest joints J_j, a vertex is

    v = M x + sum_j w_j (p_j - R_j J_j) + translation,   M = sum_j w_j R_j

where x is the template plus blendshapes plus pose correctives. Coefficients act on x and, by way of
the joint regressor, on p_j and J_j; a joint's rotation turns everything below it about p_j and
changes the correctives.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from flame_fit.flame.model import FlameModel
from flame_fit.flame.params import FlameParams, joint_coefficients, joint_vectors
from flame_fit.flame.skinning import JointTransforms, joint_transforms, pose_feature
from flame_fit.geometry.rotations import (
    axis_angle_to_matrix,
    left_jacobian_so3,
    rotation_jacobian,
)


@dataclass(frozen=True, eq=False)
class VertexSelection:
    """What the derivatives of some vertices need of a model, gathered once.

    Coefficients and pose correctives share one basis of C + P components.
    """

    template: Float[Tensor, "n 3"]
    basis: Float[Tensor, "n 3 components"]
    """Identity, expression, then pose correctives."""
    skinning_weights: Float[Tensor, "n J"]
    joint_template: Float[Tensor, "J 3"]
    joint_basis: Float[Tensor, "J 3 components"]
    """Zero for the pose correctives, which do not move the joints at rest."""
    below: Float[Tensor, "J J"]
    """Row k marks the joints that turn with joint k, itself included."""
    parents: tuple[int, ...]
    shape_count: int
    expression_count: int


@dataclass(frozen=True, eq=False)
class VertexJacobian:
    """Vertices in world space and their derivatives."""

    positions: Float[Tensor, "b n 3"]
    coefficients: Float[Tensor, "b n 3 C"]
    """Identity, then expression."""
    pose: Float[Tensor, "b n 3 18"]
    """Head rotation, neck, jaw, left eye, right eye (axis-angle), translation: 3 columns each."""
    shape_count: int
    """How many of the coefficients are identity."""

    @property
    def shape(self) -> Float[Tensor, "b n 3 S"]:
        """By identity coefficients."""
        return self.coefficients[..., : self.shape_count]

    @property
    def expression(self) -> Float[Tensor, "b n 3 E"]:
        """By expression coefficients."""
        return self.coefficients[..., self.shape_count :]

    @property
    def head_rotation(self) -> Float[Tensor, "b n 3 3"]:
        """By the head's axis-angle vector."""
        return self.pose[..., 0:3]

    @property
    def neck(self) -> Float[Tensor, "b n 3 3"]:
        """By the neck's axis-angle vector."""
        return self.pose[..., 3:6]

    @property
    def jaw(self) -> Float[Tensor, "b n 3 3"]:
        """By the jaw's axis-angle vector."""
        return self.pose[..., 6:9]

    @property
    def eyes(self) -> Float[Tensor, "b n 3 6"]:
        """By the axis-angle vectors of the left and the right eye."""
        return self.pose[..., 9:15]

    @property
    def translation(self) -> Float[Tensor, "b n 3 3"]:
        """By the translation."""
        return self.pose[..., 15:18]


def select_vertices(model: FlameModel, vertex_index: Int[Tensor, "n"]) -> VertexSelection:
    """Gather what the derivatives of some vertices need."""
    assets = model.assets
    joints = range(len(assets.parents))
    below = [[float(_is_below(assets.parents, j, k)) for j in joints] for k in joints]
    return VertexSelection(
        template=assets.v_template[vertex_index],
        basis=model.basis[vertex_index],
        skinning_weights=assets.skinning_weights[vertex_index],
        joint_template=model.joint_template,
        joint_basis=torch.nn.functional.pad(model.joint_basis, (0, assets.pose_basis.shape[-1])),
        below=model.joint_basis.new_tensor(below),
        parents=assets.parents,
        shape_count=model.shape_count,
        expression_count=model.expression_count,
    )


def vertex_jacobian(selection: VertexSelection, params: FlameParams) -> VertexJacobian:
    """Return vertices in world space and their derivatives by all parameters.

    Args:
        selection: The vertices.
        params: With no more coefficients than the model the selection was made from uses.
    """
    state = _pose_vertices(selection, params)
    block = _basis_block(selection, state)
    count = selection.shape_count + selection.expression_count
    pose = _turning_block(selection, state)
    moving = pose[..., 3:-3] + _corrective_block(block[..., count:], state.vectors[:, 1:])
    return VertexJacobian(
        positions=state.positions,
        coefficients=block[..., :count],
        pose=torch.cat((pose[..., :3], moving, pose[..., -3:]), dim=-1),
        shape_count=selection.shape_count,
    )


def vertex_positions(selection: VertexSelection, params: FlameParams) -> Float[Tensor, "b n 3"]:
    """Return the selected vertices in world space, without derivatives."""
    return _pose_vertices(selection, params).positions


@dataclass(frozen=True, eq=False)
class _PosedVertices:
    """The selected vertices posed, and the pieces their derivatives share."""

    vectors: Float[Tensor, "b J 3"]
    transforms: JointTransforms
    rotations: Float[Tensor, "b n 3 3"]
    """Skinning matrices M of the vertices."""
    by_joint: Float[Tensor, "b n J 3"]
    """Each joint's part of the vertex, before the translation; they sum to it."""
    positions: Float[Tensor, "b n 3"]


def _is_below(parents: tuple[int, ...], joint: int, ancestor: int) -> bool:
    while joint > ancestor:
        joint = parents[joint]
    return joint == ancestor


def _pose_vertices(selection: VertexSelection, params: FlameParams) -> _PosedVertices:
    vectors = joint_vectors(params)
    local = axis_angle_to_matrix(vectors)
    coefficients = joint_coefficients(
        params,
        shape_count=selection.shape_count,
        expression_count=selection.expression_count,
    )
    components = torch.cat((coefficients, pose_feature(local)), dim=-1)
    rest_joints = selection.joint_template + (
        components @ selection.joint_basis.flatten(0, 1).T
    ).unflatten(1, (-1, 3))
    transforms = joint_transforms(local, rest_joints, selection.parents)
    displacement = (selection.basis.flatten(0, 1) @ components.T).T
    rest = selection.template + displacement.unflatten(1, (-1, 3))
    weights = selection.skinning_weights[..., None]
    # w_j (R_j (x - J_j) + p_j), with the weight taken before the rotation.
    lever = weights * rest[:, :, None] - weights * rest_joints[:, None]
    by_joint = torch.einsum("bjkl,bnjl->bnjk", transforms.rotations, lever)
    by_joint = by_joint + weights * transforms.positions[:, None]
    return _PosedVertices(
        vectors=vectors,
        transforms=transforms,
        rotations=torch.einsum("nj,bjkl->bnkl", selection.skinning_weights, transforms.rotations),
        by_joint=by_joint,
        positions=by_joint.sum(2) + params.translation[:, None],
    )


def _basis_block(
    selection: VertexSelection, state: _PosedVertices
) -> Float[Tensor, "b n 3 components"]:
    """Return M B + sum_j w_j d(p_j - R_j J_j) for every basis component."""
    batch = len(state.rotations)
    # One small matrix product for each vertex, over all batch items and rows at once.
    direct = state.rotations.transpose(0, 1).flatten(1, 2)
    drift = _joint_drift(selection, state)
    moved = (selection.skinning_weights @ drift.flatten(2)).unflatten(-1, drift.shape[2:])
    moved = moved.transpose(0, 1).flatten(1, 2)
    block = torch.baddbmm(moved, direct, selection.basis)
    return block.unflatten(1, (batch, 3)).transpose(0, 1)


def _joint_drift(
    selection: VertexSelection, state: _PosedVertices
) -> Float[Tensor, "b J 3 components"]:
    """Return the derivative of p_j - R_j J_j by the basis components."""
    rotations = state.transforms.rotations
    basis = selection.joint_basis
    posed = [basis[0].expand(rotations.shape[0], -1, -1)]
    for joint, parent in enumerate(selection.parents[1:], start=1):
        posed.append(posed[parent] + rotations[:, parent] @ (basis[joint] - basis[parent]))
    return torch.stack(posed, dim=1) - rotations @ basis


def _turning_block(selection: VertexSelection, state: _PosedVertices) -> Float[Tensor, "b n 3 18"]:
    """Return the derivative by axis-angle vectors and translation without pose correctives.

    A joint's vector turns all that is below it about the joint: axis x lever.
    """
    transforms = state.transforms
    carried = torch.einsum("kj,bnji->bnki", selection.below, state.by_joint)
    shares = selection.skinning_weights @ selection.below.T
    levers = carried - shares[..., None] * transforms.positions[:, None]
    # Rows are the world axes about which a joint turns when a component of its vector grows.
    axes = left_jacobian_so3(state.vectors)
    parents = list(selection.parents[1:])
    turned = transforms.rotations[:, parents] @ axes[:, 1:]
    axes = torch.cat((axes[:, :1], turned), dim=1).transpose(-1, -2)
    turning = torch.linalg.cross(axes[:, None], levers[..., None, :], dim=-1)
    turning = turning.flatten(2, 3).transpose(-1, -2)
    identity = torch.eye(3, dtype=levers.dtype, device=levers.device)
    return torch.cat((turning, identity.expand(*turning.shape[:2], 3, 3)), dim=-1)


def _corrective_block(
    by_feature: Float[Tensor, "b n 3 P"], vectors: Float[Tensor, "b moving 3"]
) -> Float[Tensor, "b n 3 turns"]:
    """Return the derivative by the joints' vectors through the pose features."""
    by_vector = rotation_jacobian(vectors).flatten(-2)
    batch, moving = vectors.shape[:2]
    features = vectors.new_zeros(batch, moving, by_vector.shape[-1], moving, 3)
    for joint in range(moving):
        features[:, joint, :, joint] = by_vector[:, joint].transpose(-1, -2)
    flat = features.flatten(3, 4).flatten(1, 2)
    return by_feature @ flat[:, None]
