"""Linear refinement of a quad mesh: every new vertex is a fixed blend of old ones."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

FOUR_POINT = (9 / 16, -1 / 16)
"""Dyn-Levin-Gregory interpolating subdivision: weight of the ends, of the outer neighbours."""
REGULAR_VALENCE = 4
MIDPOINTS_THAT_FORCE_A_SPLIT = 3


@dataclass(frozen=True)
class RefinedMesh:
    """Triangles over refined vertices.

    Attributes:
        triangles: Corner indices into the refined vertices.
        blend: Refined vertices as blends of the old ones; rows sum to 1.
    """

    triangles: Int[np.ndarray, "F 3"]
    blend: sparse.csr_matrix


@dataclass(frozen=True)
class QuadGraph:
    """Who touches whom in a quad mesh."""

    quads: Int[np.ndarray, "Q 4"]
    edge_quads: dict[tuple[int, int], list[int]]
    neighbours: dict[int, set[int]]

    def opposite(self, start: int, middle: int) -> int | None:
        """The vertex after `middle` when an edge line is walked on from `start`, if regular."""
        if len(self.neighbours[middle]) != REGULAR_VALENCE:
            return None
        beside = set(self.edge_quads[edge_key(start, middle)])
        for candidate in sorted(self.neighbours[middle] - {start}):
            if not beside & set(self.edge_quads[edge_key(middle, candidate)]):
                return candidate
        return None

    def closed_line(self, start: int, following: int) -> list[int] | None:
        """The closed edge line through two neighbours; None if it ends or forks."""
        line = [start, following]
        while len(line) <= len(self.neighbours):
            further = self.opposite(line[-2], line[-1])
            if further is None:
                return None
            if further == start:
                return line
            line.append(further)
        return None


def edge_key(a: int, b: int) -> tuple[int, int]:
    """The two ends in ascending order."""
    return (a, b) if a < b else (b, a)


def quad_graph(quads: Int[np.ndarray, "Q 4"]) -> QuadGraph:
    """Edges and neighbours of a quad mesh."""
    edge_quads: dict[tuple[int, int], list[int]] = defaultdict(list)
    neighbours: dict[int, set[int]] = defaultdict(set)
    for index, quad in enumerate(quads.tolist()):
        for corner in range(4):
            a, b = quad[corner], quad[(corner + 1) % 4]
            edge_quads[edge_key(a, b)].append(index)
            neighbours[a].add(b)
            neighbours[b].add(a)
    return QuadGraph(quads=quads, edge_quads=dict(edge_quads), neighbours=dict(neighbours))


def refine(
    positions: Float[np.ndarray, "V 3"], quads: Int[np.ndarray, "Q 4"], split: set[int]
) -> RefinedMesh:
    """Split the chosen quads in four and triangulate everything without T-junctions.

    Edge points follow the four-point scheme along edge lines, face points are the centre of the
    Coons patch, so smooth parts stay smooth and old vertices stay where they are.

    Args:
        positions: Template positions, only used to choose diagonals.
        quads: Corner indices.
        split: Quads to split; grown until no other quad has three split edges.
    """
    graph = quad_graph(quads)
    split = _closed(graph, split)
    rows: list[dict[int, float]] = [{v: 1.0} for v in range(len(positions))]
    edge_point: dict[tuple[int, int], int] = {}
    for quad in sorted(split):
        for a, b in _edges(quads[quad].tolist()):
            if edge_key(a, b) not in edge_point:
                edge_point[edge_key(a, b)] = len(rows)
                rows.append(_edge_stencil(graph, *edge_key(a, b)))
    polygons: list[list[int]] = []
    for index, quad in enumerate(quads.tolist()):
        middle = [edge_point.get(edge_key(a, b)) for a, b in _edges(quad)]
        if index in split:
            rows.append(_face_stencil(quad, [rows[m] for m in middle if m is not None]))
            centre = len(rows) - 1
            for k in range(4):
                polygons.append([quad[k], _known(middle[k]), centre, _known(middle[k - 1])])
        else:
            polygons.extend(_around_midpoints(quad, middle))
    blend = _to_matrix(rows, len(positions))
    return RefinedMesh(triangles=_triangulate(blend @ positions, polygons), blend=blend)


def _known(index: int | None) -> int:
    """A midpoint that must exist because its quad is split."""
    if index is None:
        raise RuntimeError("a split quad has an edge without a midpoint")
    return index


def _edges(quad: list[int]) -> list[tuple[int, int]]:
    return [(quad[k], quad[(k + 1) % 4]) for k in range(4)]


def _closed(graph: QuadGraph, split: set[int]) -> set[int]:
    """Grow the chosen set until every other quad has at most two split edges."""
    split = set(split)
    while True:
        marked = {edge_key(a, b) for q in split for a, b in _edges(graph.quads[q].tolist())}
        grown = {
            q
            for q, quad in enumerate(graph.quads.tolist())
            if q not in split
            and sum(edge_key(a, b) in marked for a, b in _edges(quad))
            >= MIDPOINTS_THAT_FORCE_A_SPLIT
        }
        if not grown:
            return split
        split |= grown


def _edge_stencil(graph: QuadGraph, a: int, b: int) -> dict[int, float]:
    """Four-point rule; an end where the edge line stops is replaced by linear extension."""
    near, far = FOUR_POINT
    weights: dict[int, float] = defaultdict(float)
    weights[a] += near
    weights[b] += near
    for start, end in ((b, a), (a, b)):
        outer = graph.opposite(start, end)
        if outer is None:
            weights[end] += 2 * far
            weights[start] -= far
        else:
            weights[outer] += far
    return dict(weights)


def _face_stencil(quad: list[int], edge_rows: list[dict[int, float]]) -> dict[int, float]:
    """Centre of the Coons patch through the four edge points."""
    weights: dict[int, float] = defaultdict(float)
    for row in edge_rows:
        for vertex, weight in row.items():
            weights[vertex] += weight / 2
    for vertex in quad:
        weights[vertex] -= 1 / 4
    return dict(weights)


def _around_midpoints(quad: list[int], middle: list[int | None]) -> list[list[int]]:
    """Triangles and quads of a quad that has up to two midpoints on its edges."""
    present = [k for k in range(4) if middle[k] is not None]
    if not present:
        return [quad]
    first = present[0] if present != [0, 3] else 3
    a, b, c, d = (quad[(first + k) % 4] for k in range(4))
    m = _known(middle[first])
    if len(present) == 1:
        return [[m, b, c], [m, c, d], [m, d, a]]
    if (present[1] - present[0]) % 4 == REGULAR_VALENCE // 2:
        n = _known(middle[(first + 2) % 4])
        return [[a, m, n, d], [m, b, c, n]]
    n = _known(middle[(first + 1) % 4])
    return [[m, b, n], [m, n, d], [n, c, d], [a, m, d]]


def _triangulate(
    positions: Float[np.ndarray, "V 3"], polygons: list[list[int]]
) -> Int[np.ndarray, "F 3"]:
    """Cut quads along the shorter diagonal; the choice is the same on both sides of the face."""
    triangles: list[list[int]] = []
    for polygon in polygons:
        if len(polygon) == 3:  # noqa: PLR2004
            triangles.append(polygon)
            continue
        a, b, c, d = polygon
        if _diagonal_key(positions, a, c) <= _diagonal_key(positions, b, d):
            triangles += [[a, b, c], [a, c, d]]
        else:
            triangles += [[b, c, d], [b, d, a]]
    return np.array(triangles, dtype=np.int64)


def _diagonal_key(positions: Float[np.ndarray, "V 3"], a: int, b: int) -> tuple[float, ...]:
    """Length, then an order that mirroring does not change."""
    ends = positions[[a, b]]
    length = round(float(np.linalg.norm(ends[0] - ends[1])), 5)
    return (length, -round(float(np.abs(ends[:, 0]).sum()), 5), round(float(ends[:, 1].max()), 5))


def _to_matrix(rows: list[dict[int, float]], width: int) -> sparse.csr_matrix:
    indices = [(r, v, w) for r, row in enumerate(rows) for v, w in row.items() if w != 0.0]
    r, v, w = zip(*indices, strict=True)
    return sparse.csr_matrix((w, (r, v)), shape=(len(rows), width))
