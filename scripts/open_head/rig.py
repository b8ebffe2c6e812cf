"""Five joints in FLAME's order: where they sit, what they move, and what corrects their motion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import nnls

from scripts.open_head.cut import HeadTopology
from scripts.open_head.source import SourcePackage

PARENTS = (-1, 0, 1, 1, 1)
"""Parents of root, neck, jaw, left eye, right eye."""
NECK, JAW = 1, 2
EYES = (3, 4)
JAW_BONES = ("jaw", "special04", "oris02", "oris01", "oris06.L", "oris07.L", "oris06.R", "oris07.R")
ROOT_BONE_SHARE = {"neck01": 1.0, "neck02": 0.5}
"""Share of a neck bone's weight that stays with the root; all other bones of the neck turn."""
HEAD_BONES = (
    "neck03",
    "head",
    *(f"levator{k}.{side}" for k in ("02", "03", "04", "05", "06") for side in "LR"),
    *(f"{name}.{side}" for name in ("oris03", "oris04", "special05", "special06") for side in "LR"),
    *(f"{name}.{side}" for name in ("orbicularis03", "orbicularis04") for side in "LR"),
    *(f"{name}.{side}" for name in ("oculi01", "oculi02") for side in "LR"),
    *(f"{name}.{side}" for name in ("risorius02", "risorius03") for side in "LR"),
    *(f"temporalis{k}.{side}" for k in ("01", "02") for side in "LR"),
    *("special01", "special03", "oris05", "oris06"),
)
ROOT_POSITION = np.array([0.0, -0.105, -0.092])
NECK_POSITION = np.array([0.0, -0.040, -0.074])
"""Base of the neck and pivot of head on neck, metres: the heads of the source's bones neck01 and
neck03 on the mean head, whose eyes are at y = 0.030 and z = 0.025."""
HINGE_WINDOW = ((-0.02, 0.02), (-0.085, -0.045))
"""Where the jaw's hinge may lie (y and z, metres): the joint is just ahead of the ear."""
ACTIVATIONS = (0.25, 0.5, 0.75, 1.0)
CURVE_RIDGE = 0.001
"""Pull of the second-order correction to zero; its signal, 1 - cos, is small at jaw angles."""
FEATURES_PER_JOINT = 9
LID_FOLLOWING = (0.35, 0.4)
"""Looking down by the first (radians) shuts the lids by the second.

The source's own gaze targets move its lids against the eye, so they are not used for this."""


@dataclass(frozen=True)
class Rig:
    """What skinning needs.

    Attributes:
        joint_regressor: Joints as blends of vertices; rows sum to 1, no negative weight.
        weights: Skinning weights; rows sum to 1.
        pose_directions: Correctives per entry of (R - I) of joints 1 to 4, row by row.
    """

    joint_regressor: Float[np.ndarray, "5 V"]
    weights: Float[np.ndarray, "V 5"]
    pose_directions: Float[np.ndarray, "V 3 36"]


@dataclass(frozen=True)
class JawReport:
    """How well the jaw joint reproduces the source's jaw opening, millimetres over moving skin.

    Attributes:
        angle_degrees: Rotation that stands for the source's full opening.
        before_mean: Mean error with skinning alone.
        before_max: Largest error with skinning alone.
        after_mean: Mean error with correctives.
        after_max: Largest error with correctives.
        half_mean: Mean error with correctives at half the source's opening.
    """

    angle_degrees: float
    before_mean: float
    before_max: float
    after_mean: float
    after_max: float
    half_mean: float


def skinning_weights(package: SourcePackage, topology: HeadTopology) -> Float[np.ndarray, "V 5"]:
    """The source's bones gathered into five joints."""
    bones = package.bone_weights
    tongue = [name for name in bones if name.startswith("tongue")]
    jaw = sum(bones[name] for name in (*JAW_BONES, *tongue))
    neck = sum(bones[name] for name in HEAD_BONES)
    total = sum(bones.values())
    neck = neck + sum((1 - share) * bones[name] for name, share in ROOT_BONE_SHARE.items())
    for side in "LR":
        neck = neck + bones[f"eye.{side}"]
    gathered = np.stack([total - jaw - neck, neck, jaw, 0 * jaw, 0 * jaw], axis=1)
    weights = np.asarray(topology.blend @ gathered).clip(min=0.0)
    weights /= weights.sum(axis=1, keepdims=True)
    for names, joint in (
        (("upper_teeth",), NECK),
        (("lower_teeth",), JAW),
        (("left_eyeball",), EYES[0]),
        (("right_eyeball",), EYES[1]),
    ):
        weights[topology.in_part(*names)] = np.eye(5)[joint]
    weights[topology.socket] = np.eye(5)[NECK]
    swapped = weights[topology.mirror][:, [0, 1, 2, 4, 3]]
    return (weights + swapped) / 2


def joint_regressor(
    vertices: Float[np.ndarray, "V 3"], topology: HeadTopology, hinge: Float[np.ndarray, " 3"]
) -> Float[np.ndarray, "5 V"]:
    """Joints as blends of nearby skin; the eyes are the middles of their poles."""
    skin = topology.in_part("skin") & ~topology.socket
    regressor = np.zeros((5, len(vertices)))
    for joint, place in enumerate((ROOT_POSITION, NECK_POSITION, hinge)):
        near = np.abs(vertices[:, 1] - place[1]) < 0.03  # noqa: PLR2004
        if joint == JAW:
            near = np.linalg.norm((vertices - place)[:, 1:], axis=1) < 0.03  # noqa: PLR2004
        regressor[joint] = _blend_to(vertices, skin & near, place, topology.mirror)
    for joint, name in zip(EYES, ("left_eyeball", "right_eyeball"), strict=True):
        poles = np.flatnonzero(topology.in_part(name))[[0, -1]]
        regressor[joint, poles] = 0.5
    return regressor


def _blend_to(
    vertices: Float[np.ndarray, "V 3"],
    near: Bool[np.ndarray, " V"],
    place: Float[np.ndarray, " 3"],
    mirror: Int[np.ndarray, " V"],
) -> Float[np.ndarray, " V"]:
    """Even, symmetric, non-negative weights of the given vertices whose blend is a point."""
    candidates = np.flatnonzero(near & near[mirror])
    scale = 1e3
    rows = np.concatenate([scale * vertices[candidates].T, np.full((1, len(candidates)), scale)])
    evenness = np.eye(len(candidates)) * 1e-2
    even = np.full(len(candidates), 1e-2 / len(candidates))
    wanted = np.concatenate([scale * place, [scale], even])
    solution, _ = nnls(np.concatenate([rows, evenness]), wanted, maxiter=20 * len(candidates))
    weights = np.zeros(len(vertices))
    weights[candidates] = solution
    weights = (weights + weights[mirror]) / 2
    return weights / weights.sum()


def rotation(axis: int, angle: float) -> Float[np.ndarray, "3 3"]:
    """Right-handed rotation about x, y or z."""
    cosine, sine = np.cos(angle), np.sin(angle)
    matrix = np.eye(3)
    a, b = (axis + 1) % 3, (axis + 2) % 3
    matrix[a, a] = matrix[b, b] = cosine
    matrix[a, b], matrix[b, a] = -sine, sine
    return matrix


@dataclass(frozen=True)
class Turn:
    """A rotation of one joint and what the source does instead.

    Attributes:
        joint: Index of the joint.
        axis: Axis of rotation.
        angle: Radians at full activation.
        offsets: The source's offsets at full activation.
    """

    joint: int
    axis: int
    angle: float
    offsets: Float[np.ndarray, "V 3"]


def skin_one_joint(
    vertices: Float[np.ndarray, "V 3"],
    weight: Float[np.ndarray, " V"],
    pivot: Float[np.ndarray, " 3"],
    matrix: Float[np.ndarray, "3 3"],
) -> Float[np.ndarray, "V 3"]:
    """Linear blend skinning when a single joint without moving children turns."""
    turned = (vertices - pivot) @ matrix.T + pivot
    return vertices + weight[:, None] * (turned - vertices)


def needed_corrective(
    vertices: Float[np.ndarray, "V 3"],
    weight: Float[np.ndarray, " V"],
    pivot: Float[np.ndarray, " 3"],
    turn: Turn,
    activation: float,
) -> Float[np.ndarray, "V 3"]:
    """Rest-pose offset after which skinning gives the source's shape exactly."""
    matrix = rotation(turn.axis, activation * turn.angle)
    blended = np.eye(3) + weight[:, None, None] * (matrix - np.eye(3))
    skinned = skin_one_joint(vertices, weight, pivot, matrix)
    return np.linalg.solve(blended, (vertices + activation * turn.offsets - skinned)[:, :, None])[
        :, :, 0
    ]


def add_correctives(
    pose_directions: Float[np.ndarray, "V 3 36"],
    vertices: Float[np.ndarray, "V 3"],
    rig: Rig,
    turns: list[Turn],
) -> Float[np.ndarray, "V 3 36"]:
    """Fit correctives of one joint about one axis to several turns (for instance left and right).

    The part odd in the angle goes on the two sine entries of R - I. About x the even part goes on
    the two cosine entries; about y it would be driven by x rotations too and is left out.
    """
    joint, axis = turns[0].joint, turns[0].axis
    pivot = rig.joint_regressor[joint] @ vertices
    weight = rig.weights[:, joint]
    signals, needs = [], []
    for turn in turns:
        for activation in ACTIVATIONS:
            angle = activation * turn.angle
            signals.append([np.sin(angle), 1.0 - np.cos(angle) if axis == 0 else 0.0])
            needs.append(needed_corrective(vertices, weight, pivot, turn, activation))
    design = np.array(signals)
    normal = design.T @ design + np.diag([1e-12, CURVE_RIDGE])
    fields = np.einsum("sk,kvc->svc", np.linalg.solve(normal, design.T), np.stack(needs))
    a, b = (axis + 1) % 3, (axis + 2) % 3
    first = FEATURES_PER_JOINT * (joint - 1)
    result = pose_directions.copy()
    result[:, :, first + 3 * b + a] += fields[0] / 2
    result[:, :, first + 3 * a + b] -= fields[0] / 2
    result[:, :, first + 3 * a + a] -= fields[1] / 2
    result[:, :, first + 3 * b + b] -= fields[1] / 2
    return result


def add_lid_following(
    pose_directions: Float[np.ndarray, "V 3 36"], lids: Float[np.ndarray, "2 V 3"]
) -> Float[np.ndarray, "V 3 36"]:
    """Let each eye's lids sink when it looks down and rise when it looks up.

    Args:
        pose_directions: Correctives so far.
        lids: Closing of the left and the right eye.
    """
    result = pose_directions.copy()
    angle, share = LID_FOLLOWING
    for joint, lid in zip(EYES, lids, strict=True):
        first = FEATURES_PER_JOINT * (joint - 1)
        field = share / np.sin(angle) * lid
        result[:, :, first + 3 * 2 + 1] += field / 2
        result[:, :, first + 3 * 1 + 2] -= field / 2
    return result


def pose_feature(matrices: dict[int, Float[np.ndarray, "3 3"]]) -> Float[np.ndarray, " 36"]:
    """(R - I) of joints 1 to 4, row by row; joints not given do not turn."""
    feature = np.zeros(4 * FEATURES_PER_JOINT)
    for joint, matrix in matrices.items():
        start = FEATURES_PER_JOINT * (joint - 1)
        feature[start : start + FEATURES_PER_JOINT] = (matrix - np.eye(3)).ravel()
    return feature


def rigid_motion(
    source: Float[np.ndarray, "n 3"], target: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, "3 3"]:
    """Rotation that best carries centred points onto others (Kabsch)."""
    left, _, right = np.linalg.svd(
        (source - source.mean(axis=0)).T @ (target - target.mean(axis=0))
    )
    flip = np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    return (left @ flip @ right).T


@dataclass(frozen=True)
class Hinge:
    """The jaw's axis, which is parallel to x.

    Attributes:
        place: A point of the axis on the midline.
        angle: Rotation at the source's full opening, radians.
    """

    place: Float[np.ndarray, " 3"]
    angle: float


def find_hinge(
    vertices: Float[np.ndarray, "V 3"],
    weight: Float[np.ndarray, " V"],
    offsets: Float[np.ndarray, "V 3"],
) -> Hinge:
    """Hinge of the jaw on the midline and its full angle, from the source's jaw opening."""
    firm = weight > 0.95  # noqa: PLR2004
    matrix = rigid_motion(vertices[firm], (vertices + offsets)[firm])
    angle = float(np.arctan2(matrix[2, 1] - matrix[1, 2], matrix[1, 1] + matrix[2, 2]))
    best, best_error = np.zeros(3), np.inf
    (y0, y1), (z0, z1) = HINGE_WINDOW
    for y in np.linspace(y0, y1, 21):
        for z in np.linspace(z0, z1, 21):
            pivot = np.array([0.0, y, z])
            moved = skin_one_joint(vertices[firm], weight[firm], pivot, rotation(0, angle))
            error = float(((moved - vertices[firm] - offsets[firm]) ** 2).sum())
            if error < best_error:
                best, best_error = pivot, error
    return Hinge(best, angle)


def side_angle(
    vertices: Float[np.ndarray, "V 3"], rig: Rig, offsets: Float[np.ndarray, "V 3"]
) -> float:
    """Turn about the vertical axis that moves the chin aside as the source's jawLeft does."""
    firm = rig.weights[:, JAW] > 0.95  # noqa: PLR2004
    ahead = (vertices[firm] - rig.joint_regressor[JAW] @ vertices)[:, 2]
    return float(np.arctan2(offsets[firm, 0].mean(), ahead.mean()))


def jaw_report(vertices: Float[np.ndarray, "V 3"], rig: Rig, turn: Turn) -> JawReport:
    """Errors of the jaw joint against the source's jaw opening, over what that opening moves."""
    pivot = rig.joint_regressor[JAW] @ vertices
    weight = rig.weights[:, JAW]
    moving = np.linalg.norm(turn.offsets, axis=1) > 5e-4  # noqa: PLR2004

    def errors(activation: float, share: float) -> Float[np.ndarray, " m"]:
        matrix = rotation(turn.axis, activation * turn.angle)
        corrective = rig.pose_directions @ pose_feature({JAW: matrix})
        posed = skin_one_joint(vertices + share * corrective, weight, pivot, matrix)
        wanted = vertices + activation * turn.offsets
        return 1e3 * np.linalg.norm(posed - wanted, axis=1)[moving]

    before, after = errors(1.0, 0.0), errors(1.0, 1.0)
    return JawReport(
        angle_degrees=float(np.rad2deg(turn.angle)),
        before_mean=float(before.mean()),
        before_max=float(before.max()),
        after_mean=float(after.mean()),
        after_max=float(after.max()),
        half_mean=float(errors(0.5, 1.0).mean()),
    )
