"""A head with FLAME's counts: 5023 vertices and 9976 triangles, made out of OpenHead."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

VERTICES = 5023
FACES = 9976
OPEN_HEAD = Path(__file__).resolve().parents[2] / "assets" / "open_head.npz"
KEPT_REGIONS = ("lips", "left_eyelids", "right_eyelids", "left_iris", "right_iris", "nose")
"""Where the head keeps every vertex, so that it still looks like a face."""


@dataclass(frozen=True, eq=False)
class HeadArrays:
    """What a FLAME-format head is made of, in metres."""

    template: np.ndarray
    faces: np.ndarray
    shape_basis: np.ndarray
    """V x 3 x 300."""
    expression_basis: np.ndarray
    """V x 3 x 100."""
    pose_basis: np.ndarray
    joint_regressor: np.ndarray
    weights: np.ndarray


@lru_cache(maxsize=1)
def reduced_head() -> HeadArrays:
    """OpenHead with FLAME's number of vertices and triangles, symmetric as before."""
    source = dict(np.load(OPEN_HEAD, allow_pickle=False))
    faces, target = _reduce(source)
    kept = np.flatnonzero(target == np.arange(len(target)))
    number = np.full(len(target), -1)
    number[kept] = np.arange(len(kept))
    regressor = np.zeros((5, len(kept)))
    for joint in range(5):
        np.add.at(regressor[joint], number[target], source["J_regressor"][joint])
    shape = unpacked(source, "shapedirs")
    expression = np.concatenate((shape[..., 300:], unpacked(source, "arkit_dirs")), axis=-1)
    missing = 100 - expression.shape[-1]
    expression = np.concatenate((expression, 0.5 * expression[..., :missing]), axis=-1)
    return HeadArrays(
        template=source["v_template"].astype(float)[kept],
        faces=number[faces],
        shape_basis=shape[kept, :, :300],
        expression_basis=expression[kept],
        pose_basis=unpacked(source, "posedirs")[kept],
        joint_regressor=regressor,
        weights=_normalised(source["weights"].astype(float)[kept]),
    )


def _normalised(weights: np.ndarray) -> np.ndarray:
    return weights / weights.sum(-1, keepdims=True)


def unpacked(source: dict, key: str) -> np.ndarray:
    """Return a basis of OpenHead, which is stored as whole numbers, in metres."""
    scale = "arkit_scale" if key == "arkit_dirs" else f"{key}_scale"
    return source[key].astype(float) * source[scale].astype(float)


def _reduce(source: dict) -> tuple[np.ndarray, np.ndarray]:
    """Collapse edges in mirrored pairs and close the two openings behind the teeth."""
    mesh = _Mesh(source)
    neck, *openings = sorted(mesh.boundary_loops(), key=len, reverse=True)
    for loop in openings:
        mesh.close(loop)
    closed = sum(len(loop) - 2 for loop in openings)
    surplus_vertices = len(source["v_template"]) - VERTICES
    surplus_faces = len(source["f"]) + closed - FACES
    # A collapse inside takes two triangles with it, one at the border takes one.
    at_border = 2 * surplus_vertices - surplus_faces
    mesh.collapse_border(neck, at_border)
    mesh.collapse_inside(surplus_vertices - at_border)
    faces = np.array(sorted(mesh.faces.values()))
    assert (len(np.unique(faces)), len(faces)) == (VERTICES, FACES)
    return faces, mesh.final_target()


class _Mesh:
    """A triangle mesh whose edges can be collapsed on both sides of the mirror plane."""

    def __init__(self, source: dict) -> None:
        self.places = source["v_template"].astype(float)
        self.mirror = source["mirror_vertex"]
        self.faces = {index: tuple(map(int, face)) for index, face in enumerate(source["f"])}
        self.of_vertex: list[set[int]] = [set() for _ in self.places]
        for index, face in self.faces.items():
            for vertex in face:
                self.of_vertex[vertex].add(index)
        self.target = np.arange(len(self.places))
        names = [str(name) for name in source["region_names"]]
        masks = source["region_masks"]
        self.fixed = np.any([masks[names.index(name)] for name in KEPT_REGIONS], axis=0)

    def neighbours(self, vertex: int) -> set[int]:
        return {other for face in self.of_vertex[vertex] for other in self.faces[face]} - {vertex}

    def boundary_loops(self) -> list[list[int]]:
        """Each opening as a list of vertices in order."""
        edges = {(face[i], face[(i + 1) % 3]) for face in self.faces.values() for i in range(3)}
        following = {a: b for a, b in edges if (b, a) not in edges}
        loops = []
        while following:
            loop = [next(iter(following))]
            while (step := following.pop(loop[-1])) != loop[0]:
                loop.append(step)
            loops.append(loop)
        return loops

    def close(self, loop: list[int]) -> None:
        """Fill an opening with a ladder of triangles from one side to the other."""
        first = min(range(len(loop)), key=lambda i: abs(self.places[loop[i]][0]))
        left, right = 0, len(loop) - 1
        loop = loop[first:] + loop[:first]
        while right - left >= 2:
            self._add((loop[left + 1], loop[left], loop[right]))
            left += 1
            if right - left >= 2:
                self._add((loop[right], loop[right - 1], loop[left]))
                right -= 1

    def collapse_border(self, loop: list[int], count: int) -> None:
        """Collapse every second border vertex of the left side, and its mirror image."""
        left = [(a, b) for a, b in zip(loop, loop[1:] + loop[:1], strict=True)]
        usable = [pair for pair in left if min(self.places[list(pair)][:, 0]) > 0.004]
        for removed, kept in usable[::2][: count // 2]:
            self._collapse_pair(removed, kept)

    def collapse_inside(self, count: int) -> None:
        """Collapse the shortest edges of the left side, and their mirror images."""
        border = {vertex for loop in self.boundary_loops() for vertex in loop}
        done = 0
        while done < count:
            edges = {
                (a, b)
                for face in self.faces.values()
                for a, b in ((face[0], face[1]), (face[1], face[2]), (face[2], face[0]))
                if min(self.places[a][0], self.places[b][0]) > 0.004
            }
            touched: set[int] = set()
            by_length = sorted(
                edges,
                key=lambda edge: (
                    np.linalg.norm(self.places[edge[0]] - self.places[edge[1]]),
                    edge,
                ),
            )
            before = done
            for removed, kept in by_length[: len(by_length) // 3]:
                if done >= count:
                    break
                if removed in border or self.fixed[removed] or touched & {removed, kept}:
                    continue
                if self._is_safe(removed, kept):
                    touched |= self.neighbours(removed)
                    self._collapse_pair(removed, kept)
                    done += 2
            assert done > before, "no edge is left to collapse"

    def final_target(self) -> np.ndarray:
        """For every vertex of the source the one that stands for it."""
        target = self.target.copy()
        while not np.array_equal(target[target], target):
            target = target[target]
        return target

    def _add(self, face: tuple[int, int, int]) -> None:
        index = max(self.faces) + 1
        self.faces[index] = face
        for vertex in face:
            self.of_vertex[vertex].add(index)

    def _is_safe(self, removed: int, kept: int) -> bool:
        """Whether the surface stays a surface and no triangle turns over."""
        common = self.neighbours(removed) & self.neighbours(kept)
        if len(common) != 2 or any(len(self.of_vertex[vertex]) <= 4 for vertex in common):
            return False
        for index in self.of_vertex[removed] - self.of_vertex[kept]:
            face = self.faces[index]
            before = _normal(self.places[list(face)])
            after = _normal(self.places[[kept if v == removed else v for v in face]])
            if before @ after < 0.5:
                return False
        return True

    def _collapse_pair(self, removed: int, kept: int) -> None:
        self._collapse(removed, kept)
        self._collapse(int(self.mirror[removed]), int(self.mirror[kept]))

    def _collapse(self, removed: int, kept: int) -> None:
        for index in list(self.of_vertex[removed]):
            face = self.faces.pop(index)
            for vertex in face:
                self.of_vertex[vertex].discard(index)
            if kept not in face:
                self.faces[index] = tuple(kept if v == removed else v for v in face)
                for vertex in self.faces[index]:
                    self.of_vertex[vertex].add(index)
        self.target[removed] = kept


def _normal(corners: np.ndarray) -> np.ndarray:
    normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
    return normal / max(np.linalg.norm(normal), 1e-12)
