"""The mouth of every identity: lips that stay shut and teeth that stay behind them.

The source shapes lips, inner walls and teeth by separate sliders, so a random head could show its
teeth through the skin or part its lips. Both repairs are fixed linear maps of a displacement
field; applied to each identity component they hold for every mixture of components.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from scripts.open_head.cut import PARTS, HeadTopology

LIP_REACH = 0.010
"""Distance (metres) from the seam at which the lips' common motion has faded out."""
GUIDE_SPREAD = 0.005
"""How much farther (metres) than the nearest skin the skin may be that still guides a tooth: wide
enough to keep the teeth's shape, narrow enough to keep them behind lips that an open jaw stretches
(which brings the skin some 3 mm nearer to the upper teeth)."""
BITE = np.array([0.0, -0.0035, 0.002])
"""How the upper row is moved, metres. The source ends it at the line between the lips, so a smile
showed an empty mouth; people's upper teeth end some 3 mm below the lip and before the lower row."""


@dataclass(frozen=True)
class LinearMotion:
    """Displacements of some vertices as fixed blends of those of others.

    Attributes:
        moved: The vertices that are given a displacement.
        guides: The vertices it is taken from.
        blend: Weight of each guide for each moved vertex.
    """

    moved: Int[np.ndarray, " m"]
    guides: Int[np.ndarray, " g"]
    blend: Float[np.ndarray, "m g"]

    def of(self, field: Float[np.ndarray, "V 3 S"]) -> Float[np.ndarray, "m 3 S"]:
        """The blended displacements for each component of a field."""
        return np.einsum("mg,gcs->mcs", self.blend, field[self.guides], optimize=True)


def steady_mouth(
    components: Float[np.ndarray, "V 3 S"],
    mean: Float[np.ndarray, "V 3"],
    topology: HeadTopology,
) -> Float[np.ndarray, "V 3 S"]:
    """Identity components whose lips stay together and whose teeth follow the skin.

    Args:
        components: Offsets per standard deviation.
        mean: The mean head, its lips closed.
        topology: Its topology.
    """
    steady = components.copy()
    lips = joint_lips(mean, topology)
    # Only up and down: how far each lip stands out is the person's own.
    steady[lips.moved, 1] += lips.of(steady)[:, 1]
    teeth = guided_teeth(mean, topology)
    steady[teeth.moved] = teeth.of(steady)
    return steady


def joint_lips(mean: Float[np.ndarray, "V 3"], topology: HeadTopology) -> LinearMotion:
    """Half of the difference of the two lips' motions, for each lip, fading into the face.

    Args:
        mean: The mean head, its lips closed.
        topology: Its topology.
    """
    seam = topology.lip_seam
    upper = upper_seam(mean, seam)
    above = _above_seam(mean, seam, upper)
    movable = topology.in_part("skin", "mouth_interior") & ~topology.socket
    reach = np.linalg.norm(mean[:, None] - mean[seam][None], axis=2).min(axis=1)
    moved = np.flatnonzero(movable & (reach < LIP_REACH))
    lack = _half_lack(mean[seam, 0], upper)
    blend = np.zeros((len(moved), len(seam)))
    is_upper = above[moved]
    is_upper[np.searchsorted(moved, seam)] = upper  # the seam is not above itself
    for side in (False, True):
        rows, own = np.flatnonzero(is_upper == side), np.flatnonzero(upper == side)
        # Interpolated, not averaged: the seam itself gets exactly its half of the difference.
        shape = np.linalg.solve(_bump(mean[seam[own]], mean[seam[own]]), lack[own])
        blend[rows] = _bump(mean[moved[rows]], mean[seam[own]]) @ shape
    return LinearMotion(moved, seam, blend)


def upper_seam(
    mean: Float[np.ndarray, "V 3"], seam: Int[np.ndarray, " n"]
) -> Bool[np.ndarray, " n"]:
    """Which vertices of the seam are the upper lip's.

    Args:
        mean: The mean head.
        seam: The seam in order from the middle of the lower lip.
    """
    # The loop turns back at each corner; there the farthest two vertices are one of each lip.
    half = len(seam) // 2
    across = np.abs(mean[seam, 0])
    first = int((across[:half] + across[1 : half + 1]).argmax())
    last = half + int((across[half:] + np.roll(across, -1)[half:]).argmax())
    places = np.arange(len(seam))
    return (places > first) & (places <= last)


def _half_lack(across: Float[np.ndarray, " n"], upper: Bool[np.ndarray, " n"]) -> np.ndarray:
    """Rows that give half of (the other lip's motion at the same place across, less one's own)."""
    lack = -np.eye(len(across))
    for side in (False, True):
        own, other = np.flatnonzero(upper == side), np.flatnonzero(upper != side)
        order = other[np.argsort(across[other])]
        for place in own:
            weights = [np.interp(across[place], across[order], unit) for unit in np.eye(len(order))]
            lack[place, order] += weights
    return lack / 2


def _above_seam(
    mean: Float[np.ndarray, "V 3"], seam: Int[np.ndarray, " n"], upper: Bool[np.ndarray, " n"]
) -> Bool[np.ndarray, " V"]:
    """Vertices above the middle line between the lips, at the same place across."""
    lines = []
    for side in (False, True):
        line = mean[seam[upper == side]]
        order = np.argsort(line[:, 0])
        lines.append(np.interp(mean[:, 0], line[order, 0], line[order, 1]))
    return mean[:, 1] > (lines[0] + lines[1]) / 2


def _bump(points: Float[np.ndarray, "n 3"], centres: Float[np.ndarray, "m 3"]) -> np.ndarray:
    """Wendland's positive definite kernel: 1 at a centre, smooth, and 0 beyond the reach."""
    distance = np.linalg.norm(points[:, None] - centres[None], axis=2) / LIP_REACH
    return (1.0 - distance).clip(min=0.0) ** 4 * (4.0 * distance + 1.0)


def guided_teeth(mean: Float[np.ndarray, "V 3"], topology: HeadTopology) -> LinearMotion:
    """Teeth that move as the outer skin around them does on average.

    Positive weights that sum to one: no tooth moves more than the skin around it, and a row of
    teeth is bent no more than the skin is.

    Args:
        mean: The mean head.
        topology: Its topology.
    """
    teeth = np.flatnonzero(topology.in_part("upper_teeth", "lower_teeth"))
    skin = np.flatnonzero(topology.in_part("skin") & ~topology.socket)
    distance = np.linalg.norm(mean[teeth][:, None] - mean[skin][None], axis=2)
    farther = (distance - distance.min(axis=1, keepdims=True)) / GUIDE_SPREAD
    # By area, so that the finely divided lips count no more than plain skin.
    weight = np.exp(-0.5 * farther**2) * _areas(mean, topology)[skin]
    return LinearMotion(teeth, skin, weight / weight.sum(axis=1, keepdims=True))


def with_upper_teeth_in_bite(
    mean: Float[np.ndarray, "V 3"], topology: HeadTopology
) -> Float[np.ndarray, "V 3"]:
    """The mean head with its upper row of teeth where people's are.

    Args:
        mean: The mean head.
        topology: Its topology.
    """
    moved = mean.copy()
    moved[topology.in_part("upper_teeth")] += BITE
    return moved


def _areas(mean: Float[np.ndarray, "V 3"], topology: HeadTopology) -> Float[np.ndarray, " V"]:
    """Area of the outer triangles around each vertex, times a constant."""
    faces = topology.triangles[topology.face_part == PARTS.index("skin")]
    corners = mean[faces]
    facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    areas = np.zeros(len(mean))
    for corner in range(3):
        np.add.at(areas, faces[:, corner], np.linalg.norm(facing, axis=1))
    return areas
