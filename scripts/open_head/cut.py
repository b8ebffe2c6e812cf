"""The head's topology: what is kept of the body, where it is refined, and the eyeballs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse
from scipy.spatial import cKDTree

from scripts.open_head.eyeballs import (
    IRIS_SIZE,
    SPHERE_SIZE,
    EyeballFit,
    fit_eyeball,
    sphere_triangles,
)
from scripts.open_head.source import BaseMesh, SourceError
from scripts.open_head.stencils import QuadGraph, edge_key, quad_graph, refine

NECK_LOOP_START = 815
"""Vertex of the base mesh on the throat; the edge line to its left rings the neck's base."""
LIP_SEAM_START = 494
"""Vertex of the base mesh on the lower lip where the lips meet; its edge line rings the mouth."""
CROWN = (0.0, 0.849, 0.04)
"""A point near the crown in the base mesh: the side of the neck loop that is kept."""
SPLIT_EDGE_LENGTH = 0.0100
"""Quads of the skin with a longer mean edge (metres) are split: the scalp, back and neck."""
EYEBALL_GROUPS = ("helper-l-eye", "helper-r-eye")
LEFT_LID_RIM = (7787, 7786)
"""Two neighbours of the base mesh on the innermost ring of the left lids, before the socket."""
LEFT_LID_EDGE = (13353, 13352)
"""Two neighbours of the base mesh on the visible edge of the left lids."""
VERMILION_START = 492
"""Vertex of the base mesh on the lower border of the red of the lips, in the middle."""
LEFT_NOSTRIL_RIM = (7043, 7064)
"""Two neighbours of the base mesh on the rim of the left nostril."""
LEFT_NOSTRIL_DEEP = 7108
"""A vertex of the base mesh inside the left nostril."""
NOSTRIL_DEPTH = 0.6
"""Share of their depth that the nostrils keep."""
MOUTH_DEPTH = 0.78
"""Share of their distance from the middle of the mouth that its walls keep."""
MOUTH_FADE_RINGS = 5
"""Rings of triangles from the lips' seam over which the walls begin to move."""
FAR_BEHIND = np.array([0.0, 0.73, -10.0])
"""A point behind the head: of two quads at the lids' rim, the socket's is nearer to it."""
PARTS = ("skin", "mouth_interior", "upper_teeth", "lower_teeth", "left_eyeball", "right_eyeball")


@dataclass(frozen=True)
class HeadTopology:
    """Connectivity of the head and its linear dependence on the source mesh.

    Attributes:
        triangles: Corner indices, counter-clockwise seen from outside.
        blend: Head vertices as blends of the source's vertices; rows sum to 1. Rows of the eyeballs
            give the middle of the source's eyeball.
        eyeballs: How the two eyeballs follow the source, left and right.
        part: Index into `PARTS` for each vertex; the lips' seam belongs to the skin.
        face_part: Index into `PARTS` for each triangle.
        mirror: Vertex on the other side of the face for each vertex.
        iris: Vertices on or inside the limbus.
        socket: Skin of the pocket behind the lids, hidden inside the eyeball.
        lip_seam: Where the lips meet, in order from the middle of the lower lip.
        vermilion: Border of the red of the lips, in order likewise.
        lid_edges: Edge of the left and of the right lids, each a closed ring.
    """

    triangles: Int[np.ndarray, "F 3"]
    blend: sparse.csr_matrix
    eyeballs: tuple[EyeballFit, ...]
    part: Int[np.ndarray, " V"]
    face_part: Int[np.ndarray, " F"]
    mirror: Int[np.ndarray, " V"]
    iris: Bool[np.ndarray, " V"]
    socket: Bool[np.ndarray, " V"]
    lip_seam: Int[np.ndarray, " n"]
    vermilion: Int[np.ndarray, " n"]
    lid_edges: tuple[Int[np.ndarray, " r"], ...]

    def rest(self, source: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "V 3"]:
        """Head vertices of the source's base mesh."""
        head = self.blend @ source
        for eyeball in self.eyeballs:
            eyeball.place(head)
        return head

    def offsets(
        self, target: Float[np.ndarray, "N 3"], *, hold_lids: bool = False
    ) -> Float[np.ndarray, "V 3"]:
        """Offsets of the head for offsets of the source; linear in them.

        Args:
            target: Offsets of the source's vertices.
            hold_lids: Keep the lids at their distance from the eyeball (for changes of identity).
        """
        head = self.blend @ target
        for eyeball in self.eyeballs:
            eyeball.follow(head, target, hold_lids=hold_lids)
        return head

    def in_part(self, *names: str) -> Bool[np.ndarray, " V"]:
        """Vertices of the named parts."""
        return np.isin(self.part, [PARTS.index(name) for name in names])


def build_topology(mesh: BaseMesh) -> HeadTopology:
    """Cut the head off the body, refine it, add teeth and eyeballs."""
    body = mesh.group_quads("body")
    graph = quad_graph(body)
    neck, seam = (midline_loop(graph, mesh, s) for s in (NECK_LOOP_START, LIP_SEAM_START))
    kept = body[_flood(graph, mesh, neck, np.array(CROWN))]
    inside = body[_flood(graph, mesh, seam, _mouth_centre(mesh))]
    pieces = [
        _quad_piece(mesh, kept, frozenset(map(tuple, inside.tolist()))),
        _plain_piece(mesh, "helper-upper-teeth"),
        _plain_piece(mesh, "helper-lower-teeth"),
        *(_eyeball_piece(mesh, group) for group in EYEBALL_GROUPS),
    ]
    sizes = [p.blend.shape[0] for p in pieces]
    starts = np.cumsum([0, *sizes[:-1]])
    triangles = np.concatenate([p.triangles + o for p, o in zip(pieces, starts, strict=True)])
    blend = sparse.vstack([p.blend for p in pieces]).tocsr()
    part = np.repeat([0, 2, 3, 4, 5], sizes)
    in_mouth = _only_from(blend, inside)
    face_part = part[triangles[:, 0]]
    face_part[in_mouth[triangles].all(axis=1)] = PARTS.index("mouth_interior")
    part[in_mouth & ~_only_from(blend, np.array(seam))] = PARTS.index("mouth_interior")
    blend = _shrink_mouth(triangles, _shrink_nostrils(graph, mesh, blend), seam, in_mouth)
    socket = np.zeros(len(part), dtype=bool)
    for group in EYEBALL_GROUPS:
        rim = _mirrored_loop(graph, mesh, group, LEFT_LID_RIM)
        pocket = body[_flood(graph, mesh, rim, FAR_BEHIND)]
        socket |= _only_from(blend, pocket) & ~_only_from(blend, np.array(rim))
    skin = blend @ mesh.vertices
    eyeballs = tuple(
        fit_eyeball(mesh, group, skin, np.arange(start, start + SPHERE_SIZE), socket)
        for group, start in zip(EYEBALL_GROUPS, starts[3:5], strict=True)
    )
    iris = np.zeros(len(part), dtype=bool)
    for start in starts[3:5]:
        iris[start : start + IRIS_SIZE] = True
    unmirrored = HeadTopology(
        triangles=triangles,
        blend=blend,
        eyeballs=eyeballs,
        part=part,
        face_part=face_part,
        mirror=part,
        iris=iris,
        socket=socket,
        lip_seam=_kept_vertices(kept, seam),
        vermilion=_kept_vertices(kept, midline_loop(graph, mesh, VERMILION_START)),
        lid_edges=tuple(
            _kept_vertices(kept, _mirrored_loop(graph, mesh, group, LEFT_LID_EDGE))
            for group in EYEBALL_GROUPS
        ),
    )
    mirror = _mirror(unmirrored.rest(mesh.vertices), part)
    return replace(unmirrored, mirror=mirror)


@dataclass(frozen=True)
class _Piece:
    """Triangles with their own vertices, as blends of the source's."""

    triangles: Int[np.ndarray, "F 3"]
    blend: sparse.csr_matrix


def _mouth_centre(mesh: BaseMesh) -> Float[np.ndarray, " 3"]:
    """A point deep in the mouth."""
    return mesh.vertices[np.unique(mesh.group_quads("helper-tongue"))].mean(axis=0)


def midline_loop(graph: QuadGraph, mesh: BaseMesh, start: int) -> list[int]:
    """The closed line of edges that leaves a vertex of the midline to the person's left."""
    sideways = [n for n in graph.neighbours[start] if mesh.vertices[n, 0] > 1e-5]  # noqa: PLR2004
    for neighbour in sorted(sideways):
        line = graph.closed_line(start, neighbour)
        if line is not None:
            return line
    raise SourceError(f"no closed edge line starts at vertex {start} of the base mesh")


def _mirrored_loop(
    graph: QuadGraph, mesh: BaseMesh, group: str, left_ends: tuple[int, int]
) -> list[int]:
    """A closed edge line of the left eye, or its mirror image for the right eye."""
    ends = list(left_ends)
    if group != EYEBALL_GROUPS[0]:
        mirrored = mesh.vertices[ends] * np.array([-1.0, 1.0, 1.0])
        ends = [int(v) for v in cKDTree(mesh.vertices).query(mirrored)[1]]
    line = graph.closed_line(*ends)
    if line is None:
        raise SourceError(f"no closed edge line runs along the lids of {group}")
    return line


def _kept_vertices(kept: Int[np.ndarray, "q 4"], line: list[int]) -> Int[np.ndarray, " n"]:
    """Where the head has vertices of the source; its skin begins with the source's, sorted."""
    return np.searchsorted(np.unique(kept), np.array(line))


def _shrink_nostrils(
    graph: QuadGraph, mesh: BaseMesh, blend: sparse.csr_matrix
) -> sparse.csr_matrix:
    """Draw the nostrils' cavities towards their rims, so that no nose lets them show through."""
    left = [*LEFT_NOSTRIL_RIM, LEFT_NOSTRIL_DEEP]
    mirrored = mesh.vertices[left] * np.array([-1.0, 1.0, 1.0])
    right = [int(v) for v in cKDTree(mesh.vertices).query(mirrored)[1]]
    shrunk = blend.tolil()
    for start, following, within in (left, right):
        rim = graph.closed_line(start, following)
        if rim is None:
            raise SourceError("no closed edge line runs around a nostril of the base mesh")
        deep = graph.quads[_flood(graph, mesh, rim, mesh.vertices[within])]
        inside = np.flatnonzero(_only_from(blend, deep) & ~_only_from(blend, np.array(rim)))
        middle = sparse.csr_matrix(_selection(np.array(rim), blend.shape[1]).mean(axis=0))
        for row in inside:
            shrunk[row] = NOSTRIL_DEPTH * blend[row] + (1.0 - NOSTRIL_DEPTH) * middle
    return shrunk.tocsr()


def _shrink_mouth(
    triangles: Int[np.ndarray, "F 3"],
    blend: sparse.csr_matrix,
    seam: list[int],
    in_mouth: Bool[np.ndarray, " V"],
) -> sparse.csr_matrix:
    """Draw the mouth's walls inwards, away from the lips, so that no cheek lets them show."""
    corners = np.concatenate([triangles, np.roll(triangles, 1, axis=1)]).reshape(-1)
    others = np.concatenate([np.roll(triangles, 1, axis=1), triangles]).reshape(-1)
    ring = np.where(_only_from(blend, np.array(seam)), 0.0, np.inf)
    for step in range(1, MOUTH_FADE_RINGS + 1):
        reached = np.zeros(len(ring), dtype=bool)
        reached[others[np.isfinite(ring[corners])]] = True
        ring[reached & np.isinf(ring)] = step
    keep = 1.0 - (1.0 - MOUTH_DEPTH) * np.minimum(ring / MOUTH_FADE_RINGS, 1.0)
    keep[~in_mouth] = 1.0
    middle = sparse.csr_matrix(blend[np.flatnonzero(in_mouth)].mean(axis=0))
    towards = sparse.csr_matrix(1.0 - keep[:, None]) @ middle
    return (sparse.diags(keep) @ blend + towards).tocsr()


def _flood(
    graph: QuadGraph, mesh: BaseMesh, line: list[int], seed_point: Float[np.ndarray, " 3"]
) -> Int[np.ndarray, " q"]:
    """Quads on the seed's side of a closed edge line, sorted."""
    fence = {edge_key(a, b) for a, b in zip(line, line[1:] + line[:1], strict=True)}
    centres = mesh.vertices[graph.quads].mean(axis=1)
    near_line = np.unique(np.concatenate([graph.edge_quads[e] for e in sorted(fence)]))
    seed = _seed_quad(centres, near_line, seed_point)
    reached, frontier = {seed}, [seed]
    while frontier:
        quad = graph.quads[frontier.pop()].tolist()
        for k in range(4):
            edge = edge_key(quad[k], quad[(k + 1) % 4])
            if edge in fence:
                continue
            for other in graph.edge_quads[edge]:
                if other not in reached:
                    reached.add(other)
                    frontier.append(other)
    return np.array(sorted(reached))


def _seed_quad(
    centres: Float[np.ndarray, "Q 3"],
    near_line: Int[np.ndarray, " n"],
    point: Float[np.ndarray, " 3"],
) -> int:
    """Of the quads along the fence, the one nearest to a point on the wanted side."""
    distance = np.linalg.norm(centres[near_line] - point, axis=1)
    return int(near_line[np.argmin(distance)])


def _quad_piece(mesh: BaseMesh, quads: Int[np.ndarray, "Q 4"], inside: frozenset) -> _Piece:
    """The skin with its mouth interior; coarse skin is split."""
    used, compact = np.unique(quads, return_inverse=True)
    compact = compact.reshape(quads.shape)
    corners = mesh.vertices[quads]
    length = np.linalg.norm(corners - np.roll(corners, -1, axis=1), axis=2).mean(axis=1)
    split = {
        i
        for i, quad in enumerate(quads.tolist())
        if round(float(length[i]), 6) > SPLIT_EDGE_LENGTH and tuple(quad) not in inside
    }
    refined = refine(mesh.vertices[used], compact, split)
    return _Piece(refined.triangles, refined.blend @ _selection(used, len(mesh.vertices)))


def _plain_piece(mesh: BaseMesh, group: str) -> _Piece:
    """A helper group as it is, triangulated."""
    quads = mesh.group_quads(group)
    used, compact = np.unique(quads, return_inverse=True)
    refined = refine(mesh.vertices[used], compact.reshape(quads.shape), set())
    return _Piece(refined.triangles, _selection(used, len(mesh.vertices)))


def _eyeball_piece(mesh: BaseMesh, group: str) -> _Piece:
    """Triangles of a sphere; its blend gives the middle of the source's eyeball."""
    used = np.unique(mesh.group_quads(group))
    middle = np.full((SPHERE_SIZE, len(used)), 1.0 / len(used))
    blend = sparse.csr_matrix(middle) @ _selection(used, len(mesh.vertices))
    return _Piece(sphere_triangles(), blend.tocsr())


def _selection(used: Int[np.ndarray, " n"], width: int) -> sparse.csr_matrix:
    ones = np.ones(len(used))
    return sparse.csr_matrix((ones, (np.arange(len(used)), used)), shape=(len(used), width))


def _only_from(
    blend: sparse.csr_matrix, source_vertices: Int[np.ndarray, "..."]
) -> Bool[np.ndarray, " V"]:
    """Rows whose weight lies wholly on the given source vertices."""
    others = np.ones(blend.shape[1])
    others[np.unique(source_vertices)] = 0.0
    return np.isclose(abs(blend) @ others, 0.0)


def _mirror(positions: Float[np.ndarray, "V 3"], part: Int[np.ndarray, " V"]) -> np.ndarray:
    """The vertex at the mirrored place, within the mirrored part."""
    partner = np.array([0, 1, 2, 3, 5, 4])
    mirror = np.full(len(positions), -1)
    for index, other in enumerate(partner):
        here, there = np.flatnonzero(part == index), np.flatnonzero(part == other)
        tree = cKDTree(positions[there])
        distance, nearest = tree.query(positions[here] * np.array([-1.0, 1.0, 1.0]))
        if distance.max() > 1e-4:  # noqa: PLR2004
            raise SourceError(f"{PARTS[index]} is not symmetric: {distance.max():.2e} m")
        mirror[here] = there[nearest]
    if not (mirror[mirror] == np.arange(len(mirror))).all():
        raise SourceError("the mirror map of the head is not an involution")
    return mirror
