"""Cutting the head open: its parts, and their symmetric halves ready to be flattened."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int


class ChartError(Exception):
    """The mesh cannot be cut or flattened as planned."""


@dataclass(frozen=True)
class ChartSource:
    """What the chart is made from.

    Attributes:
        vertices: Template positions in metres, x to the person's left, y up, z forward.
        faces: Triangles, counter-clockwise seen from outside.
        mirror: The vertex on the other side of the face for each vertex.
        regions: Masks over the vertices by region name.
    """

    vertices: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    mirror: Int[np.ndarray, "V"]
    regions: dict[str, Bool[np.ndarray, "V"]]


@dataclass(frozen=True)
class HalfDisk:
    """The person's left half of a symmetric part, a disk with its midline on the boundary.

    Attributes:
        faces: Triangles of the half, indices into `vertex`; fills of holes come last.
        fill_count: How many of the last triangles only fill a hole.
        vertex: Mesh vertex of every vertex of the half.
        midline: Half vertices on the midline side, from its top to its bottom.
        outline: The rest of the boundary, from the midline's bottom round to its top, both
            included; counter-clockwise in the chart.
    """

    faces: Int[np.ndarray, "f 3"]
    fill_count: int
    vertex: Int[np.ndarray, "n"]
    midline: Int[np.ndarray, "m"]
    outline: Int[np.ndarray, "k"]


def vertex_components(faces: Int[np.ndarray, "F 3"], count: int) -> Int[np.ndarray, "V"]:
    """Label vertices by connected component (the smallest vertex index in it)."""
    label = np.arange(count)
    while True:
        lowest = label[faces].min(1)
        updated = label.copy()
        for corner in range(3):
            np.minimum.at(updated, faces[:, corner], lowest)
        updated = updated[updated]
        if (updated == label).all():
            return label
        label = updated


def face_parts(source: ChartSource) -> dict[str, Int[np.ndarray, "f"]]:
    """Sort the triangles into the parts that become islands.

    The lips' seam belongs to the skin, so a triangle is inside the mouth if any corner is.
    """
    regions = source.regions
    is_mouth = regions["mouth_interior"][source.faces].any(1)
    is_left_eye = regions["left_eyeball"][source.faces].any(1)
    is_right_eye = regions["right_eyeball"][source.faces].any(1)
    parts = {
        "mouth_interior": np.flatnonzero(is_mouth),
        "left_eyeball": np.flatnonzero(is_left_eye),
        "right_eyeball": np.flatnonzero(is_right_eye),
    }
    is_tooth = np.zeros(len(source.faces), bool)
    if "teeth" in regions:
        is_tooth = regions["teeth"][source.faces].all(1)
        label = vertex_components(source.faces, len(source.vertices))[source.faces[:, 0]]
        heights = {
            int(k): source.vertices[source.faces[is_tooth & (label == k)], 1].mean()
            for k in np.unique(label[is_tooth])
        }
        if len(heights) != 2:  # noqa: PLR2004
            raise ChartError(f"expected an upper and a lower row of teeth, found {len(heights)}")
        lower, upper = sorted(heights, key=lambda k: heights[k])
        parts["upper_teeth"] = np.flatnonzero(is_tooth & (label == upper))
        parts["lower_teeth"] = np.flatnonzero(is_tooth & (label == lower))
    is_skin = ~(is_mouth | is_left_eye | is_right_eye | is_tooth)
    parts["skin"] = np.flatnonzero(is_skin)
    return parts


def boundary_loops(faces: Int[np.ndarray, "F 3"]) -> list[list[int]]:
    """Return every boundary loop, in the direction in which the triangles run along it."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    present = set(map(tuple, edges.tolist()))
    following: dict[int, int] = {}
    for a, b in edges.tolist():
        if (b, a) in present:
            continue
        if a in following:
            raise ChartError(f"two boundaries touch at vertex {a}; expected simple loops")
        following[a] = b
    loops = []
    while following:
        start = min(following)
        loop, vertex = [start], following.pop(start)
        while vertex != start:
            loop.append(vertex)
            vertex = following.pop(vertex)
        loops.append(loop)
    return loops


def left_half(source: ChartSource, part: Int[np.ndarray, "f"]) -> Int[np.ndarray, "h 3"]:
    """Return the triangles of a part on the person's left (no triangle may cross the midline)."""
    faces = source.faces[part]
    middle = source.mirror == np.arange(len(source.mirror))
    side = np.where(middle, 0, np.sign(source.vertices[:, 0]))[faces]
    if (side.min(1) * side.max(1) < 0).any():
        raise ChartError("a triangle crosses the midline; expected edges along it")
    return faces[side.max(1) > 0]


def _longest_side_first(loops: list[list[int]], vertices: np.ndarray) -> list[int]:
    lengths = [np.linalg.norm(vertices[k] - vertices[np.roll(k, 1)], axis=1).sum() for k in loops]
    return loops[int(np.argmax(lengths))]


def fill_slit(chain: list[int], vertices: Float[np.ndarray, "V 3"]) -> list[tuple[int, int, int]]:
    """Fill the gap between a chain's two halves like a zip, from its ends to its middle.

    Args:
        chain: Boundary in mesh direction, its first and last vertex on the midline.
        vertices: Positions, to choose the shorter diagonals.
    """
    triangles = []
    low, high = 0, len(chain) - 1
    while high - low > 1:
        advance_low = np.linalg.norm(vertices[chain[low + 1]] - vertices[chain[high]])
        advance_high = np.linalg.norm(vertices[chain[low]] - vertices[chain[high - 1]])
        if advance_low <= advance_high:
            triangles.append((chain[low + 1], chain[low], chain[high]))
            low += 1
        else:
            triangles.append((chain[high], chain[high - 1], chain[low]))
            high -= 1
    return triangles


def _rotate_to(loop: list[int], start: int) -> list[int]:
    position = loop.index(start)
    return loop[position:] + loop[:position]


def make_half_disk(
    source: ChartSource,
    part: Int[np.ndarray, "f"],
    *,
    top: int,
    bottom: int,
    slit: tuple[int, int] | None = None,
) -> HalfDisk:
    """Cut out the left half of a part and name the sides of its boundary.

    Args:
        source: The mesh.
        part: Triangles of the part.
        top: Midline vertex at which the chart's midline begins.
        bottom: Midline vertex at which it ends.
        slit: Upper and lower midline vertex of a gap (the mouth) to be filled, if there is one.
    """
    half = left_half(source, part)
    loop = _longest_side_first(boundary_loops(half), source.vertices)
    fill: list[tuple[int, int, int]] = []
    if slit is not None:
        upper_on = _rotate_to(loop, slit[0])
        gap = upper_on[: upper_on.index(slit[1]) + 1]
        fill = fill_slit(gap, source.vertices)
        loop = [slit[0]] + upper_on[upper_on.index(slit[1]) :]
    # Seen from the front the left half lies right of the midline: down the midline first.
    loop = _rotate_to(loop, top)
    split = loop.index(bottom)
    midline, outline = loop[: split + 1], [*loop[split:], top]
    faces = np.concatenate([half, np.array(fill, dtype=half.dtype).reshape(-1, 3)])
    vertex, local = np.unique(faces, return_inverse=True)
    position = {int(v): i for i, v in enumerate(vertex)}
    return HalfDisk(
        local.reshape(-1, 3),
        len(fill),
        vertex,
        np.array([position[v] for v in midline]),
        np.array([position[v] for v in outline]),
    )
