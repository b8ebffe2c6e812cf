"""The separate parts of a head mesh: its skin, its eyeballs, and whatever else there is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from flame_fit.errors import AssetError
from flame_fit.flame import FlameAssets
from flame_fit.geometry import vertex_normals

EYE_JOINTS = (3, 4)
"""Left and right eye among the joints."""
EYEBALL_RADIUS = (0.008, 0.022)
"""Metres between which the radius of an eyeball lies."""
EYE_JOINT_DISTANCE = 0.010
"""Metres by which the middle of an eyeball may miss its joint."""


@dataclass(frozen=True, eq=False)
class Eyeball:
    """One eyeball.

    Attributes:
        mask: Its vertices.
        centre: Metres.
        radius: Metres, to the front.
    """

    mask: Bool[np.ndarray, "V"]
    centre: Float[np.ndarray, "3"]
    radius: float


@dataclass(frozen=True, eq=False)
class HeadParts:
    """A head taken apart.

    Attributes:
        vertices: Template, metres.
        faces: Triangles.
        normals: Unit normals at the vertices.
        skin: Vertices of the largest connected part.
        left_eye: The person's left eyeball.
        right_eye: The person's right eyeball.
        others: Vertices of each remaining part, such as rows of teeth.
    """

    vertices: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    normals: Float[np.ndarray, "V 3"]
    skin: Bool[np.ndarray, "V"]
    left_eye: Eyeball
    right_eye: Eyeball
    others: tuple[Bool[np.ndarray, "V"], ...]

    @property
    def eyes(self) -> tuple[Eyeball, Eyeball]:
        """The left and the right eyeball."""
        return self.left_eye, self.right_eye

    def faces_of(self, mask: Bool[np.ndarray, "V"]) -> Int[np.ndarray, "n"]:
        """Return the triangles whose corners all lie in a mask."""
        return np.flatnonzero(mask[self.faces].all(axis=1))


def head_parts(assets: FlameAssets) -> HeadParts:
    """Take a model's template apart.

    Raises:
        AssetError: It has no separate eyeball at one of its eye joints.
    """
    template = assets.v_template.double().cpu()
    vertices, faces = template.numpy(), assets.faces.cpu().numpy()
    label = connected_parts(faces, len(vertices))
    used = np.unique(faces)
    sizes = np.bincount(label[used], minlength=label.max() + 1)
    largest = int(sizes.argmax())
    joints = (assets.joint_regressor.double().cpu() @ template).numpy()
    rest = [label == k for k in np.flatnonzero(sizes) if k != largest]
    eyes = []
    for joint, side in zip(EYE_JOINTS, ("left", "right"), strict=True):
        eye = _eyeball_at(joints[joint], vertices, rest)
        if eye is None:
            raise AssetError(
                f"model '{assets.name}' has no separate {side} eyeball at its eye joint; what it "
                "lacks cannot be supplied; use a model with eyeballs"
            )
        eyes.append(eye)
    taken = eyes[0].mask | eyes[1].mask
    return HeadParts(
        vertices=vertices,
        faces=faces,
        normals=vertex_normals(template[None], assets.faces.cpu())[0].numpy(),
        skin=label == largest,
        left_eye=eyes[0],
        right_eye=eyes[1],
        others=tuple(mask for mask in rest if not taken[mask].any()),
    )


def connected_parts(faces: Int[np.ndarray, "F 3"], count: int) -> Int[np.ndarray, "V"]:
    """Label vertices by connected part."""
    start, end = faces[:, [0, 1]].ravel(), faces[:, [1, 2]].ravel()
    graph = sparse.coo_array((np.ones(len(start)), (start, end)), shape=(count, count))
    return connected_components(graph, directed=False)[1]


def _eyeball_at(
    joint: Float[np.ndarray, "3"],
    vertices: Float[np.ndarray, "V 3"],
    parts: list[Bool[np.ndarray, "V"]],
) -> Eyeball | None:
    """Return the parts around an eye's joint that have the size of an eyeball."""
    mask = np.zeros(len(vertices), dtype=bool)
    for part in parts:
        low, high = vertices[part].min(axis=0), vertices[part].max(axis=0)
        near = np.linalg.norm((low + high) / 2 - joint) < EYE_JOINT_DISTANCE
        if near and EYEBALL_RADIUS[0] < (high - low).max() / 2 < EYEBALL_RADIUS[1]:
            mask |= part
    if not mask.any():
        return None
    low, high = vertices[mask].min(axis=0), vertices[mask].max(axis=0)
    centre = (low + high) / 2
    return Eyeball(mask, centre, float(high[2] - centre[2]))
