"""Small repairs of the mean head and of the blinks: lips that touch, lids that shut on the eye."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from scripts.open_head.cut import HeadTopology

LIP_CONTACT = 0.46
"""Share of the gap between the lips that each lip covers; what is left is a hair."""
LIP_REACH = 0.007
"""Distance (metres) over which the lips' motion fades out."""
LID_REACH = 0.006
LID_SHELL = 0.012
"""Skin within this of the eyeball (metres) is kept off it."""
LID_CLEARANCE = 0.0005
"""Least distance (metres) of the closed lid's skin from the eyeball."""
LID_OVERLAP = 0.0003
"""How far the upper lid's edge goes past the lower lid's when shut, metres."""
LID_PASSES = 4


@dataclass(frozen=True)
class LidReport:
    """The shut lids against the eyeballs, millimetres; negative is inside.

    Attributes:
        least_clearance_shut: Of the lids' skin, shut.
        least_clearance_half: Of the lids' skin, half way.
        least_clearance_open: Of the lids' skin, in the neutral head.
        widest_gap: Between the two lids' edges, shut.
    """

    least_clearance_shut: float
    least_clearance_half: float
    least_clearance_open: float
    widest_gap: float


@dataclass(frozen=True)
class EyeParts:
    """One eye.

    Attributes:
        centre: Middle of the eyeball.
        radius: Its radius, metres.
        skin: Lid skin that must stay off the eyeball.
        upper_skin: The part of it above the opening.
        upper_edge: The upper lid's edge, from corner to corner.
        lower_edge: The lower lid's edge, vertex by vertex below the upper's.
    """

    centre: Float[np.ndarray, " 3"]
    radius: float
    skin: Int[np.ndarray, " s"]
    upper_skin: Int[np.ndarray, " u"]
    upper_edge: Int[np.ndarray, " e"]
    lower_edge: Int[np.ndarray, " e"]

    def clearance(self, vertices: Float[np.ndarray, "V 3"]) -> Float[np.ndarray, " s"]:
        """Distance of the lid skin from the eyeball's surface; negative inside."""
        return np.linalg.norm(vertices[self.skin] - self.centre, axis=1) - self.radius


def closed_lips(
    vertices: Float[np.ndarray, "V 3"], topology: HeadTopology, seam: Int[np.ndarray, " n"]
) -> Float[np.ndarray, "V 3"]:
    """The head with its lips brought together along their seam.

    Args:
        vertices: The head.
        topology: Its topology.
        seam: The seam's vertices in order, from the middle of the lower lip round to it again.
    """
    half = len(seam) // 2
    partner = seam[(half - np.arange(len(seam))) % len(seam)]
    move = LIP_CONTACT * (vertices[partner] - vertices[seam])
    # Only the up and down part: the lips' corners and depth are as the source has them.
    move[:, [0, 2]] = 0.0
    movable = topology.in_part("skin", "mouth_interior") & ~topology.socket
    result = vertices.copy()
    upper = _beyond_seam(vertices, seam, movable)
    for is_upper in (False, True):
        side = np.flatnonzero(movable & (upper == is_upper))
        own = move[:, 1] < 0 if is_upper else move[:, 1] >= 0
        weight = _fade(vertices[side], vertices[seam[own]], LIP_REACH)
        nearest = weight.argmax(axis=1)
        share = weight / np.maximum(weight.sum(axis=1, keepdims=True), 1e-12)
        field = (share @ move[own]) * weight[np.arange(len(side)), nearest][:, None]
        result[side] += field
    result[seam] = vertices[seam] + move
    return result


def _beyond_seam(
    vertices: Float[np.ndarray, "V 3"], seam: Int[np.ndarray, " n"], movable: Bool[np.ndarray, " V"]
) -> Bool[np.ndarray, " V"]:
    """Vertices above the middle line between the lips, at the same place across."""
    partner = seam[(len(seam) // 2 - np.arange(len(seam))) % len(seam)]
    middle = (vertices[seam] + vertices[partner]) / 2
    order = np.argsort(middle[:, 0])
    line = np.interp(vertices[:, 0], middle[order, 0], middle[order, 1])
    return movable & (vertices[:, 1] > line)


def _fade(
    points: Float[np.ndarray, "n 3"], centres: Float[np.ndarray, "m 3"], reach: float
) -> Float[np.ndarray, "n m"]:
    squared = ((points[:, None] - centres[None]) ** 2).sum(axis=2)
    return np.exp(-squared / reach**2 * 2.0)


def shut_lids(
    vertices: Float[np.ndarray, "V 3"],
    blink: Float[np.ndarray, "V 3"],
    eye: EyeParts,
) -> Float[np.ndarray, "V 3"]:
    """A blink whose lids meet and stay off the eyeball.

    Args:
        vertices: The neutral head.
        blink: The source's blink.
        eye: The eye's parts.
    """
    shut = blink.copy()
    for _ in range(LID_PASSES):
        placed = vertices + shut
        gap = placed[eye.lower_edge] - placed[eye.upper_edge]
        drop = gap[:, 1] - LID_OVERLAP
        weight = _fade(placed[eye.upper_skin], placed[eye.upper_edge], LID_REACH)
        share = weight / np.maximum(weight.sum(axis=1, keepdims=True), 1e-12)
        strength = weight.max(axis=1)
        shut[eye.upper_skin, 1] += (share @ drop) * strength
        shut[eye.skin] += _push_out(vertices[eye.skin] + shut[eye.skin], eye, LID_CLEARANCE)
        half = vertices[eye.skin] + shut[eye.skin] / 2
        shut[eye.skin] += 2.0 * _push_out(half, eye, 0.0)
    return shut


def _push_out(
    points: Float[np.ndarray, "s 3"], eye: EyeParts, clearance: float
) -> Float[np.ndarray, "s 3"]:
    """Least offsets that bring points to the wanted clearance."""
    ray = points - eye.centre
    distance = np.linalg.norm(ray, axis=1, keepdims=True)
    lack = np.maximum(eye.radius + clearance - distance, 0.0)
    return ray / distance * lack


def find_eye(
    vertices: Float[np.ndarray, "V 3"],
    topology: HeadTopology,
    side: int,
    edge: Int[np.ndarray, " n"],
) -> EyeParts:
    """The parts of one eye.

    Args:
        vertices: The neutral head.
        topology: Its topology.
        side: 0 left, 1 right.
        edge: The closed ring of vertices along the lids' edge.
    """
    fit = topology.eyeballs[side]
    poles = vertices[fit.sphere[[0, -1]]]
    centre, radius = poles.mean(axis=0), float(np.linalg.norm(poles[0] - poles[1]) / 2)
    place = vertices[edge]
    inner, outer = np.argmin(np.abs(place[:, 0])), np.argmax(np.abs(place[:, 0]))
    first = np.roll(np.arange(len(edge)), -inner)
    split = int(np.flatnonzero(first == outer)[0])
    one, other = edge[first[: split + 1]], edge[np.r_[first[split:], first[:1]]][::-1]
    count = min(len(one), len(other))
    if len(one) != len(other):
        one, other = (_even(part, count) for part in (one, other))
    if vertices[one, 1].mean() < vertices[other, 1].mean():
        one, other = other, one
    distance = np.linalg.norm(vertices - centre, axis=1)
    is_lid = topology.in_part("skin") & ~topology.socket & (distance < radius + LID_SHELL)
    tucked = distance < radius
    skin = np.flatnonzero(is_lid & ~tucked & (vertices[:, 2] > centre[2]))
    line = np.interp(np.abs(vertices[skin, 0]), *_sorted_line(vertices, one, other))
    return EyeParts(centre, radius, skin, skin[vertices[skin, 1] > line], one, other)


def _even(part: Int[np.ndarray, " n"], count: int) -> Int[np.ndarray, " c"]:
    return part[np.rint(np.linspace(0, len(part) - 1, count)).astype(int)]


def _sorted_line(
    vertices: Float[np.ndarray, "V 3"], upper: Int[np.ndarray, " e"], lower: Int[np.ndarray, " e"]
) -> tuple[Float[np.ndarray, " e"], Float[np.ndarray, " e"]]:
    """The middle line of the opening: distance from the midline, height."""
    middle = (vertices[upper] + vertices[lower]) / 2
    order = np.argsort(np.abs(middle[:, 0]))
    return np.abs(middle[order, 0]), middle[order, 1]


def lid_report(
    vertices: Float[np.ndarray, "V 3"], shut: list[Float[np.ndarray, "V 3"]], eyes: list[EyeParts]
) -> LidReport:
    """Figures for both eyes, the worse of each."""
    least = []
    for amount in (1.0, 0.5, 0.0):
        pairs = zip(shut, eyes, strict=True)
        least.append(min(float(e.clearance(vertices + amount * s).min()) for s, e in pairs) * 1e3)
    gaps = [
        float(((vertices + s)[e.upper_edge, 1] - (vertices + s)[e.lower_edge, 1]).max()) * 1e3
        for s, e in zip(shut, eyes, strict=True)
    ]
    return LidReport(least[0], least[1], least[2], max(gaps))
