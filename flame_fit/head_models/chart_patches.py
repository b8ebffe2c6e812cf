"""Cutting a head's parts open: symmetric ones into halves, others along a seam at the back."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

from flame_fit.errors import InputError
from flame_fit.geometry.flattening import Rectangle
from flame_fit.geometry.patches import (
    Patch,
    border_loops,
    connected_faces,
    cut_along,
    divide,
    fill_hole,
    fill_slit,
    four_sides,
    is_disk,
    loop_length,
    rotate_to,
    shortest_path,
)
from flame_fit.head_models.chart_source import ChartPart, ChartSource
from flame_fit.head_models.symmetry import EXACT_DISTANCE

SEAM_TOP = (0.0, 1.0)
"""Direction (z, y) from the middle of the ears to the point of the crown at which the seam ends."""
SEAM_NEARNESS = 0.005
"""Metres off the midline that double the price of a seam."""
CROWN_WIDTH = 0.015
"""Metres off the midline within which the seam may end."""


def is_symmetric(source: ChartSource, part: ChartPart) -> bool:
    """Tell whether a part's triangles are mirrored one by one and none crosses the midline."""
    faces = source.faces[part.faces]
    mirror, used = source.mirror, np.unique(faces)
    if (mirror[used] < 0).any() or (mirror[mirror[used]] != used).any():
        return False
    place = source.vertices[used] * [-1.0, 1.0, 1.0]
    if np.abs(source.vertices[mirror[used]] - place).max() > EXACT_DISTANCE:
        return False
    side = _side_of(source)[faces]
    if (side.min(1) * side.max(1) < 0).any() or (side == 0).all(1).any():
        return False
    own = {tuple(sorted(corners)) for corners in faces.tolist()}
    return own == {tuple(sorted(corners)) for corners in mirror[faces].tolist()}


def half_patch(source: ChartSource, part: ChartPart, rectangle: Rectangle) -> Patch:
    """Cut out the person's left half of a symmetric part, its midline on the left side.

    Raises:
        InputError: The half is no disk.
    """
    faces = source.faces[part.faces]
    half = faces[_side_of(source)[faces].max(1) > 0]
    loop = max(border_loops(half), key=lambda each: loop_length(each, source.vertices))
    fill: list[tuple[int, int, int]] = []
    if part.name == "skin":
        top, bottom, slit = _skin_ends(source, faces)
        if slit is not None:
            from_upper = rotate_to(loop, slit[0])
            end = from_upper.index(slit[1])
            fill = fill_slit(from_upper[: end + 1], source.vertices)
            loop = [slit[0], *from_upper[end:]]
    else:
        top, bottom = _midline_ends(source, loop)
    # Seen from the front the left half lies right of the midline: down the midline first.
    loop = rotate_to(loop, top)
    split = loop.index(bottom)
    filled = np.concatenate([half, np.array(fill, dtype=half.dtype).reshape(-1, 3)])
    _require_disk(filled, part.name)
    vertex, local = np.unique(filled, return_inverse=True)
    local = local.reshape(-1, 3)
    position = {int(v): i for i, v in enumerate(vertex)}
    midline = np.array([position[v] for v in loop[: split + 1]])
    outline = np.array([position[v] for v in [*loop[split:], top]])
    points = source.vertices[vertex]
    on_midline = source.mirror[vertex] == vertex
    first, second = _outline_corners(part.name, outline, points, local, on_midline, rectangle)
    sides = (midline, outline[: first + 1], outline[first : second + 1], outline[second:])
    return Patch(local, len(fill), vertex, points, sides)


def whole_patch(source: ChartSource, part: ChartPart, rectangle: Rectangle) -> Patch:
    """Cut a part of any form open, its seam on both sides of the rectangle.

    The skin is cut from the nape, or from its lowest point, up the back of the head to the crown.

    Raises:
        InputError: The part hangs together by a handle, or is not well made.
    """
    faces = source.faces[part.faces]
    path = np.zeros(0, dtype=np.int64)
    loops = border_loops(cut_along(faces, path).faces)
    if part.name == "skin":
        path = _skin_seam(source, faces)
    elif not loops:
        path = _long_seam(source.vertices, faces)
    cut = cut_along(faces, path)
    points = source.vertices[cut.vertex]
    outer = max(
        border_loops(cut.faces), key=lambda loop: _outer_rank(loop, cut.vertex, path, points)
    )
    fill = [
        triangle
        for loop in border_loops(cut.faces)
        if loop != outer
        for triangle in fill_hole(loop, points)
    ]
    filled = np.concatenate([cut.faces, np.array(fill, dtype=np.int64).reshape(-1, 3)])
    _require_disk(filled, part.name)
    if part.name == "skin":
        crown = int(np.flatnonzero(cut.vertex == path[-1])[0])
        cycle = rotate_to(outer, crown)
        corners = _skin_corners(cycle, cut.vertex, int(path[0]), points, rectangle)
    else:
        # Any corner will do; this one is the top left in a view from the front.
        high_right = points[outer] @ np.array([-1.0, 1.0, 0.0])
        cycle = rotate_to(outer, outer[int(high_right.argmax())])
        around = 2 * (rectangle.width + rectangle.height)
        ends = np.cumsum([rectangle.height, rectangle.width, rectangle.height]) / around
        first, second, third = divide([*cycle, cycle[0]], points, (ends[0], ends[1], ends[2]))
        corners = (0, first, second, third)
    return Patch(filled, len(fill), cut.vertex, points, four_sides(cycle, corners))


def _side_of(source: ChartSource) -> Int[np.ndarray, "V"]:
    """Return 1 on the person's left, -1 on the right, 0 on the midline."""
    middle = source.mirror == np.arange(len(source.mirror))
    return np.where(middle, 0, np.sign(source.vertices[:, 0])).astype(np.int64)


def _require_disk(faces: Int[np.ndarray, "f 3"], name: str) -> None:
    if not is_disk(faces) or connected_faces(faces).any():
        raise InputError(f"the part '{name}' of the mesh has a handle or a torn edge")


def _skin_ends(
    source: ChartSource, faces: Int[np.ndarray, "f 3"]
) -> tuple[int, int, tuple[int, int] | None]:
    """Return crown, middle of the throat, and upper and lower middle of the mouth if it is open."""
    vertices = source.vertices
    on_midline = source.mirror == np.arange(len(vertices))
    loops = sorted(border_loops(faces), key=lambda loop: -vertices[loop, 1].min())
    if not loops:
        raise InputError("the skin of the mesh has no open end at the neck")
    neck_middle = sorted((v for v in loops[-1] if on_midline[v]), key=lambda v: -vertices[v, 2])
    slit = None
    if len(loops) > 1:
        lips = sorted((v for v in loops[0] if on_midline[v]), key=lambda v: -vertices[v, 1])
        slit = (lips[0], lips[-1])
    middle = np.flatnonzero(on_midline & np.isin(np.arange(len(vertices)), faces))
    return _crown(source, middle), neck_middle[0], slit


def _crown(source: ChartSource, candidates: Int[np.ndarray, "n"]) -> int:
    """Return the candidate that lies best in the direction of the seam's end."""
    vertices = source.vertices
    ears = source.mask("left_ear")
    centre = vertices[ears if ears.any() else candidates].mean(0) * [0, 1, 1]
    offset = vertices[candidates] - centre
    cosine = offset @ np.array([0, SEAM_TOP[1], SEAM_TOP[0]]) / np.linalg.norm(offset, axis=1)
    return int(candidates[np.argmax(cosine)])


def _midline_ends(source: ChartSource, loop: list[int]) -> tuple[int, int]:
    """Return the first and last midline vertex of a half part's border, in its direction."""
    is_middle = source.mirror[loop] == np.array(loop)
    first = np.flatnonzero(is_middle & ~np.roll(is_middle, 1))
    last = np.flatnonzero(is_middle & ~np.roll(is_middle, -1))
    if len(first) != 1:
        raise InputError("a part of the mesh meets the midline more than once")
    return loop[int(first[0])], loop[int(last[0])]


def _outline_corners(
    name: str,
    outline: Int[np.ndarray, "k"],
    points: Float[np.ndarray, "n 3"],
    faces: Int[np.ndarray, "f 3"],
    on_midline: Bool[np.ndarray, "n"],
    rectangle: Rectangle,
) -> tuple[int, int]:
    """Return positions in a half part's outline of the bottom right and top right corner."""
    if name.endswith("teeth"):
        return _sharpest_corners(outline, points, faces)
    along = np.linalg.norm(np.diff(points[outline], axis=0), axis=1)
    along = np.concatenate([[0], np.cumsum(along)])
    width, height = rectangle.width, rectangle.height
    if name == "skin":
        first = int(np.flatnonzero(on_midline[outline])[1])
    else:
        first = int(np.argmin(np.abs(along - along[-1] * width / (2 * width + height))))
    rest = along[first] + (along[-1] - along[first]) * height / (height + width)
    return first, int(np.argmin(np.abs(along - rest)))


def _sharpest_corners(
    outline: Int[np.ndarray, "k"], points: Float[np.ndarray, "n 3"], faces: Int[np.ndarray, "f 3"]
) -> tuple[int, int]:
    """Return the two positions of the outline with the smallest inner angle: a strip's end."""
    corners = points[faces]
    angle = np.zeros(len(points))
    for k in range(3):
        first = corners[:, (k + 1) % 3] - corners[:, k]
        second = corners[:, (k + 2) % 3] - corners[:, k]
        cosine = (first * second).sum(1)
        cosine /= np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
        np.add.at(angle, faces[:, k], np.arccos(np.clip(cosine, -1, 1)))
    inner = angle[outline[1:-1]]
    low, high = sorted(np.argsort(inner, kind="stable")[:2].tolist())
    return low + 1, high + 1


def _skin_seam(source: ChartSource, faces: Int[np.ndarray, "f 3"]) -> Int[np.ndarray, "m"]:
    """Return the way from the nape, or the lowest point of a closed skin, to the crown."""
    vertices = source.vertices
    used = np.unique(faces)
    near = used[np.abs(vertices[used, 0]) < CROWN_WIDTH]
    crown = _crown(source, near if len(near) else used)
    loops = border_loops(cut_along(faces, np.zeros(0, dtype=np.int64)).faces)
    if loops:
        apart = cut_along(faces, np.zeros(0, dtype=np.int64))
        neck = apart.vertex[min(loops, key=lambda loop: vertices[apart.vertex[loop], 1].min())]
        start = int(neck[np.argmin(vertices[neck, 2] + np.abs(vertices[neck, 0]))])
    else:
        start = int(used[np.argmin(vertices[used, 1] + vertices[used, 2])])
    front = vertices[:, 2] > vertices[crown, 2] + CROWN_WIDTH
    cost = (1 + np.abs(vertices[:, 0]) / SEAM_NEARNESS) * np.where(front, 100.0, 1.0)
    return shortest_path(faces, vertices, cost, start=start, end=crown)


def _long_seam(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "f 3"]
) -> Int[np.ndarray, "m"]:
    """Return the way between the two ends of a closed part, of two edges at least.

    A cut of one edge opens nothing, so the second end is no neighbour of the first.
    """
    used = np.unique(faces)
    centred = vertices[used] - vertices[used].mean(0)
    axis = np.linalg.svd(centred, full_matrices=False)[2][0]
    along = centred @ axis
    start = int(used[along.argmin()])
    near = np.unique(faces[(faces == start).any(axis=1)])
    far = ~np.isin(used, near)
    if not far.any():
        others = near[near != start]
        return np.array([others[0], start, others[1]])
    end = int(used[far][along[far].argmax()])
    return shortest_path(faces, vertices, np.ones(len(vertices)), start=start, end=end)


def _outer_rank(
    loop: list[int],
    vertex: Int[np.ndarray, "n"],
    path: Int[np.ndarray, "m"],
    points: Float[np.ndarray, "n 3"],
) -> tuple[bool, float]:
    """The border that becomes the rectangle's has the seam on it, or else is the longest."""
    return bool(len(path)) and bool(np.isin(path[-1], vertex[loop])), loop_length(loop, points)


def _skin_corners(
    cycle: list[int],
    vertex: Int[np.ndarray, "n"],
    nape: int,
    points: Float[np.ndarray, "n 3"],
    rectangle: Rectangle,
) -> tuple[int, int, int, int]:
    """Return the corners in a border that begins at the crown and goes down on the left."""
    half, height = rectangle.width / 2, rectangle.height
    at_nape = np.flatnonzero(vertex[cycle] == nape)
    closed = [*cycle, cycle[0]]
    if len(at_nape) < 2:  # noqa: PLR2004 - a closed skin: both copies of the seam meet there
        shares = np.cumsum([half, height, 2 * half]) / (4 * half + 2 * height)
        first, second, third = divide(closed, points, (shares[0], shares[1], shares[2]))
        rest = closed[third:]
        fourth = divide(rest, points, (height / (height + half), 1.0, 1.0))[0]
        return first, second, third, third + fourth
    low_left, low_right = int(at_nape[0]), int(at_nape[-1])
    down, up = closed[: low_left + 1], closed[low_right:]
    top_left = _at_share(down, points, half / (half + height))
    top_right = _at_share(up, points, height / (half + height))
    return top_left, low_left, low_right, low_right + top_right


def _at_share(chain: list[int], points: Float[np.ndarray, "n 3"], share: float) -> int:
    """Return the inner position of a chain nearest to a share of its length."""
    along = np.linalg.norm(np.diff(points[chain], axis=0), axis=1).cumsum()
    return int(np.argmin(np.abs(along[:-1] - share * along[-1]))) + 1
