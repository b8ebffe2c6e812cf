"""Parts of a mesh cut open to disks with four sides, ready to be flattened onto a rectangle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse
from scipy.sparse.csgraph import connected_components, dijkstra

from flame_fit.errors import InputError


@dataclass(frozen=True, eq=False)
class Patch:
    """A disk of triangles whose border is divided into the four sides of a rectangle.

    Attributes:
        faces: Triangles, indices into `vertex`; those that only fill a hole come last.
        fill_count: How many of the last triangles only fill.
        vertex: Mesh vertex of every vertex of the patch; one at a cut is there twice.
        points: Their positions in space.
        sides: Left side from its top, bottom from its left, right side from its bottom, top from
            its right: counter-clockwise in the chart, each with both its ends.
    """

    faces: Int[np.ndarray, "f 3"]
    fill_count: int
    vertex: Int[np.ndarray, "n"]
    points: Float[np.ndarray, "n 3"]
    sides: tuple[
        Int[np.ndarray, "left"],
        Int[np.ndarray, "bottom"],
        Int[np.ndarray, "right"],
        Int[np.ndarray, "top"],
    ]

    @property
    def has_flat_corner(self) -> bool:
        """Whether a triangle has all corners on one side, where it would be flattened to a line."""
        return any(np.isin(self.faces, side).all(axis=1).any() for side in self.sides)


@dataclass(frozen=True, eq=False)
class CutMesh:
    """Triangles of a mesh with vertices doubled along cuts.

    Attributes:
        faces: Triangles, indices into `vertex`.
        vertex: Mesh vertex of every vertex.
    """

    faces: Int[np.ndarray, "f 3"]
    vertex: Int[np.ndarray, "n"]


def cut_along(faces: Int[np.ndarray, "f 3"], path: Int[np.ndarray, "m"]) -> CutMesh:
    """Double the vertices of a path of edges, and those where triangles touch in a point only.

    Args:
        faces: Triangles.
        path: Vertices of the cut in order; an empty path only parts what touches in a point.
    """
    count = len(faces)
    start, end = faces[:, [0, 1, 2]].ravel(), faces[:, [1, 2, 0]].ravel()
    key = np.stack([np.minimum(start, end), np.maximum(start, end)], axis=1)
    edges, edge = np.unique(key, axis=0, return_inverse=True)
    edge = edge.reshape(-1)
    if np.bincount(edge).max(initial=0) > 2:  # noqa: PLR2004
        raise InputError("an edge of the mesh has more than two triangles; repair the mesh")
    steps = np.sort(np.stack([path[:-1], path[1:]], axis=1), axis=1)
    is_cut = (edges[:, None] == steps[None]).all(axis=-1).any(axis=1) if len(steps) else None
    order = np.argsort(edge, kind="stable")
    paired = np.flatnonzero(edge[order][:-1] == edge[order][1:])
    first, second = order[paired], order[paired + 1]
    if is_cut is not None:
        kept = ~is_cut[edge[first]]
        first, second = first[kept], second[kept]
    # Half edge 3 f + k goes from corner k of triangle f to its next one; both ends are shared.
    first_end, second_end = (3 * (half // 3) + (half % 3 + 1) % 3 for half in (first, second))
    links = np.concatenate(
        [np.stack([first, second_end], axis=1), np.stack([first_end, second], axis=1)]
    )
    graph = sparse.coo_array((np.ones(len(links)), links.T), shape=(3 * count, 3 * count))
    _, label = connected_components(graph, directed=False)
    corner = faces.ravel()
    # Numbered in the order of the mesh's vertices.
    keys, inverse = np.unique(np.stack([corner, label], axis=1), axis=0, return_inverse=True)
    return CutMesh(inverse.reshape(-1, 3), keys[:, 0])


def connected_faces(faces: Int[np.ndarray, "f 3"]) -> Int[np.ndarray, "f"]:
    """Label triangles that hang together by edges."""
    apart = cut_along(faces, np.zeros(0, dtype=np.int64))
    start, end = apart.faces[:, [0, 1]].ravel(), apart.faces[:, [1, 2]].ravel()
    shape = (len(apart.vertex), len(apart.vertex))
    graph = sparse.coo_array((np.ones(len(start)), (start, end)), shape=shape)
    return connected_components(graph, directed=False)[1][apart.faces[:, 0]]


def border_loops(faces: Int[np.ndarray, "f 3"]) -> list[list[int]]:
    """Return every border loop, in the direction in which the triangles run along it.

    Raises:
        InputError: Two borders touch, or the triangles are not turned alike.
    """
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).tolist()
    present = set(map(tuple, edges))
    following: dict[int, int] = {}
    for start, end in edges:
        if (end, start) in present:
            continue
        if start in following:
            raise InputError(f"two borders touch at vertex {start}; expected simple loops")
        following[start] = end
    loops = []
    while following:
        first = min(following)
        loop, vertex = [first], following.pop(first)
        while vertex != first:
            if vertex not in following:
                raise InputError("triangles of the mesh are not turned alike; repair the mesh")
            loop.append(vertex)
            vertex = following.pop(vertex)
        loops.append(loop)
    return loops


def loop_length(loop: list[int], points: Float[np.ndarray, "n 3"]) -> float:
    """Return the length of a closed loop."""
    return float(np.linalg.norm(points[loop] - points[np.roll(loop, 1)], axis=1).sum())


def fill_slit(chain: list[int], points: Float[np.ndarray, "n 3"]) -> list[tuple[int, int, int]]:
    """Fill the gap between a chain's two halves like a zip, from its ends to its middle.

    Args:
        chain: Border in mesh direction.
        points: Positions, to choose the shorter diagonals.
    """
    triangles = []
    low, high = 0, len(chain) - 1
    while high - low > 1:
        advance_low = np.linalg.norm(points[chain[low + 1]] - points[chain[high]])
        advance_high = np.linalg.norm(points[chain[low]] - points[chain[high - 1]])
        if advance_low <= advance_high:
            triangles.append((chain[low + 1], chain[low], chain[high]))
            low += 1
        else:
            triangles.append((chain[high], chain[high - 1], chain[low]))
            high -= 1
    return triangles


def fill_hole(loop: list[int], points: Float[np.ndarray, "n 3"]) -> list[tuple[int, int, int]]:
    """Fill a closed loop like a zip, from one of its two farthest ends to the other."""
    centred = points[loop] - points[loop].mean(axis=0)
    axis = np.linalg.svd(centred, full_matrices=False)[2][0]
    return fill_slit(rotate_to(loop, loop[int((centred @ axis).argmax())]), points)


def rotate_to(loop: list[int], start: int) -> list[int]:
    """Return a loop beginning at one of its vertices."""
    position = loop.index(start)
    return loop[position:] + loop[:position]


def shortest_path(
    faces: Int[np.ndarray, "f 3"],
    points: Float[np.ndarray, "V 3"],
    cost: Float[np.ndarray, "V"],
    *,
    start: int,
    end: int,
) -> Int[np.ndarray, "m"]:
    """Return the vertices of the cheapest way along edges.

    Args:
        faces: Triangles to walk on.
        points: Positions.
        cost: Price of a metre near each vertex, above zero.
        start: First vertex.
        end: Last vertex.

    Raises:
        InputError: There is no way.
    """
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = np.unique(np.sort(edges, axis=1), axis=0)
    length = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1)
    price = np.maximum(length * cost[edges].mean(axis=1), 1e-12)
    graph = sparse.csr_array((price, edges.T), shape=(len(points), len(points)))
    _, previous = dijkstra(graph, directed=False, indices=start, return_predecessors=True)
    path = [end]
    while path[-1] != start:
        path.append(int(previous[path[-1]]))
        if path[-1] < 0:
            raise InputError("a part of the mesh does not hang together; repair the mesh")
    return np.array(path[::-1])


def divide(
    cycle: list[int], points: Float[np.ndarray, "n 3"], shares: tuple[float, float, float]
) -> list[int]:
    """Return positions in an open chain at which shares of its length are reached.

    At least one edge lies between two of them, and before the first and after the last.
    """
    length = np.linalg.norm(np.diff(points[cycle], axis=0), axis=1)
    along = np.concatenate([[0.0], np.cumsum(length)])
    positions: list[int] = []
    for number, share in enumerate(shares):
        wanted = int(np.argmin(np.abs(along - along[-1] * share)))
        low = positions[-1] + 1 if positions else 1
        positions.append(min(max(wanted, low), len(cycle) - 1 - (len(shares) - number)))
    return positions


def four_sides(
    cycle: list[int], corners: tuple[int, int, int, int]
) -> tuple[
    Int[np.ndarray, "left"],
    Int[np.ndarray, "bottom"],
    Int[np.ndarray, "right"],
    Int[np.ndarray, "top"],
]:
    """Divide a closed border into sides.

    Args:
        cycle: Its vertices, counter-clockwise in the chart.
        corners: Rising positions in it of the corners top left, bottom left, bottom right, top
            right.
    """
    turned = np.array(cycle + cycle)
    ends = [*corners, corners[0] + len(cycle)]
    chains = [turned[first : last + 1] for first, last in zip(ends[:-1], ends[1:], strict=True)]
    return chains[0], chains[1], chains[2], chains[3]


def with_collar(patch: Patch) -> Patch:
    """Add a ring of filling triangles round a patch, so that its own border may take any form."""
    cycle = np.concatenate([side[:-1] for side in patch.sides])
    count, own = len(patch.vertex), len(cycle)
    place = {int(vertex): count + number for number, vertex in enumerate(cycle)}
    following = np.roll(cycle, -1)
    outer, next_outer = count + np.arange(own), count + (np.arange(own) + 1) % own
    ring = np.concatenate(
        [np.stack([following, cycle, outer], 1), np.stack([following, outer, next_outer], 1)]
    )
    centre = np.zeros_like(patch.points)
    share = np.zeros(count)
    for corner in range(3):
        np.add.at(centre, patch.faces[:, corner], patch.points[patch.faces].mean(axis=1))
        np.add.at(share, patch.faces[:, corner], 1.0)
    outwards = patch.points[cycle] - centre[cycle] / share[cycle, None]
    sides = tuple(np.array([place[int(vertex)] for vertex in side]) for side in patch.sides)
    return Patch(
        faces=np.concatenate([patch.faces, ring]),
        fill_count=patch.fill_count + len(ring),
        vertex=np.concatenate([patch.vertex, patch.vertex[cycle]]),
        points=np.concatenate([patch.points, patch.points[cycle] + outwards]),
        sides=(sides[0], sides[1], sides[2], sides[3]),
    )


def is_disk(faces: Int[np.ndarray, "f 3"]) -> bool:
    """Tell whether triangles form one disk: connected, one border, no handle."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edge_count = len(np.unique(np.sort(edges, axis=1), axis=0))
    euler = len(np.unique(faces)) - edge_count + len(faces)
    return euler == 1 and len(border_loops(faces)) == 1
