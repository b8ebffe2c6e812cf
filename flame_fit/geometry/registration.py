"""Non-rigid registration: a mesh bent onto the surface of another one of any topology.

Optimal-step non-rigid ICP after Amberg, Romdhani and Vetter, "Optimal step nonrigid ICP algorithms
for surface registration", CVPR 2007: an affine map at every vertex, neighbours held alike by a
stiffness that falls step by step, and at each step a sparse linear least-squares problem between
searches for the nearest points. Unlike there, stiffness is a length, so that it means the same on
every mesh: details smaller than it are smoothed over.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu
from scipy.spatial import KDTree
from torch import Tensor

from flame_fit.errors import InputError
from flame_fit.geometry.alignment import (
    MINIMUM_POINTS,
    similarity_alignment,
)
from flame_fit.geometry.mesh_search import MeshSearch
from flame_fit.geometry.topology import SurfacePoints, face_normals, unique_edges, vertex_normals

AFFINE = 4
"""Unknowns of a vertex for each coordinate: a row of its matrix and an offset."""
ON_EDGE = 1e-6
"""A barycentric coordinate below this places a point on the edge opposite its corner."""
BEND_LENGTH = 0.02
"""Share of the size over which maps of neighbours may part as much in place as in slope."""
FAINT = 1e-9
"""Pull towards the first place, so that the systems are definite."""
STRAIN_LENGTH = 0.01
"""Share of the size; how strongly maps keep to the similarity. It matters where little is seen."""


@dataclass(frozen=True)
class RegistrationSchedule:
    """How a registration softens; lengths are shares of the diagonal of the source's box."""

    stiffness: tuple[float, ...] = (0.4, 0.15, 0.07, 0.035, 0.015)
    """What is smaller is smoothed over; falling."""
    landmark_weight: tuple[float, ...] = (4.0, 1.0, 0.5, 0.2, 0.1)
    """Of all landmarks together; the whole surface has 1. One value for each stiffness."""
    iterations: int = 4
    """Most searches for nearest points at one stiffness."""
    tolerance: float = 2e-4
    """Root mean square step, a share of the size, at which a stiffness is done with."""
    maximum_distance: float = 0.1
    """Nearest points farther away, a share of the size, do not count."""
    maximum_angle_degrees: float = 60.0
    """Nearest points whose normals differ by more do not count."""

    def __post_init__(self) -> None:
        """Refuse schedules that cannot be run."""
        if not self.stiffness or len(self.stiffness) != len(self.landmark_weight):
            raise InputError(
                f"a registration has {len(self.stiffness)} stiffnesses and "
                f"{len(self.landmark_weight)} landmark weights; give as many of each, one at least"
            )
        if min(self.stiffness) <= 0 or min(self.landmark_weight) < 0 or self.iterations < 1:
            raise InputError(
                "stiffness and iterations of a registration must be above 0, landmark weights 0 "
                "or more"
            )


DEFAULT_SCHEDULE = RegistrationSchedule()


@dataclass(frozen=True, eq=False)
class Correspondence:
    """For each point of a registered mesh its place on the target."""

    surface: SurfacePoints
    """The nearest points, as triangles of the target and barycentrics."""
    points: Float[np.ndarray, "n 3"]
    distance: Float[np.ndarray, "n"]
    valid: Bool[np.ndarray, "n"]
    """Near, facing the same way, and not on the rim of the target."""


def register(
    source_vertices: Float[np.ndarray, "V 3"],
    source_faces: Int[np.ndarray, "F 3"],
    target_vertices: Float[np.ndarray, "W 3"],
    target_faces: Int[np.ndarray, "G 3"],
    *,
    source_landmarks: SurfacePoints | None = None,
    target_landmarks: Float[np.ndarray, "L 3"] | None = None,
    vertex_weight: Float[np.ndarray, "V"] | None = None,
    schedule: RegistrationSchedule = DEFAULT_SCHEDULE,
) -> Float[np.ndarray, "V 3"]:
    """Return the source's vertices bent onto the target's surface, in the target's units and frame.

    The similarity of the landmarks brings the source near first; without landmarks the two meshes
    must lie on each other already. Vertices without a counterpart (of no weight, on the rim of the
    target or beyond it, facing away) go along with those that have one.

    Args:
        source_vertices: the mesh to bend, in any units.
        source_faces: its triangles, counter-clockwise seen from outside.
        target_vertices: the surface to reach.
        target_faces: its triangles, oriented the same way.
        source_landmarks: L points on the source.
        target_landmarks: where they are to come, in the target's frame.
        vertex_weight: how much each source vertex seeks the target, 0 to 1; 1 by default.
        schedule: stiffness, landmark weights and limits.

    Raises:
        InputError: only one of the two sets of landmarks, fewer than three of them or unequal
            counts, meshes without triangles, or numbers that are not finite.
    """
    _check_meshes(source_vertices, source_faces, target_vertices, target_faces)
    vertices = source_vertices.astype(np.float64)
    wanted = _check_landmarks(source_landmarks, target_landmarks)
    rows = None
    if source_landmarks is not None and wanted is not None:
        rows = _landmark_rows(source_landmarks, source_faces, len(vertices))
        similarity = similarity_alignment(
            torch.from_numpy(rows @ vertices), torch.from_numpy(wanted)
        )
        vertices = similarity.apply(torch.from_numpy(vertices)).numpy()
    # Centred and of size one, so that the linear systems are well scaled.
    centre = 0.5 * (vertices.min(0) + vertices.max(0))
    size = float(np.linalg.norm(np.ptp(vertices, axis=0)))
    bending = _Bending.prepare((vertices - centre) / size, source_faces)
    search = _Search(
        vertices=torch.from_numpy((target_vertices - centre) / size),
        faces=torch.from_numpy(target_faces.astype(np.int64)),
        schedule=schedule,
    )
    weight = bending.area if vertex_weight is None else bending.area * vertex_weight
    landmarks = None if rows is None or wanted is None else _Pull(rows, (wanted - centre) / size)
    return size * _soften(bending, search, weight, landmarks=landmarks) + centre


def surface_correspondence(
    points: Float[np.ndarray, "n 3"],
    normals: Float[np.ndarray, "n 3"],
    target_vertices: Float[np.ndarray, "W 3"],
    target_faces: Int[np.ndarray, "G 3"],
    *,
    maximum_distance: float,
    maximum_angle_degrees: float = 60.0,
) -> Correspondence:
    """Return where points of a registered mesh, its vertices or others, lie on the target.

    Args:
        points: on the mesh that `register` returned.
        normals: of that mesh there, unit length.
        target_vertices: the surface it was bent onto.
        target_faces: its triangles.
        maximum_distance: in the target's units; points farther away are not valid.
        maximum_angle_degrees: points whose normal differs by more from the target's are neither.

    Raises:
        InputError: a mesh without triangles, or numbers that are not finite.
    """
    _check_meshes(target_vertices, target_faces)
    search = _Search(
        vertices=torch.from_numpy(target_vertices.astype(np.float64)),
        faces=torch.from_numpy(target_faces.astype(np.int64)),
        schedule=RegistrationSchedule(
            maximum_distance=maximum_distance, maximum_angle_degrees=maximum_angle_degrees
        ),
    )
    return search.nearest(points.astype(np.float64), normals.astype(np.float64))


@dataclass(frozen=True, eq=False)
class _Pull:
    """Landmarks: points of the source, as weights of its vertices, and where they should be."""

    rows: sparse.csr_array
    wanted: np.ndarray


class _Search:
    """The target's surface and what makes a nearest point count."""

    def __init__(self, *, vertices: Tensor, faces: Tensor, schedule: RegistrationSchedule) -> None:
        self.vertices, self.faces, self.schedule = vertices, faces, schedule
        self._tree = MeshSearch.of(vertices, faces)
        self._normals = face_normals(vertices[None], faces)[0].numpy()
        self._open_edge = _open_edges(faces.numpy())
        on_rim = np.zeros(len(vertices), dtype=bool)
        for corner in range(3):
            edge_ends = faces.numpy()[:, [(corner + 1) % 3, (corner + 2) % 3]]
            on_rim[edge_ends[self._open_edge[:, corner]]] = True
        self._open_corner = on_rim[faces.numpy()]
        self._least_cosine = np.cos(np.radians(schedule.maximum_angle_degrees))

    def nearest(self, points: np.ndarray, normals: np.ndarray) -> Correspondence:
        """Return the nearest points of another surface's points."""
        found = self._tree.closest(torch.from_numpy(points))
        face, share = found.surface.face_index.numpy(), found.surface.barycentrics.numpy()
        outside = share < ON_EDGE
        on_open_edge = (outside & self._open_edge[face]).any(1)
        on_open_corner = ((share > 1 - ON_EDGE) & self._open_corner[face]).any(1)
        facing = (normals * self._normals[face]).sum(1) >= self._least_cosine
        distance = found.distance.numpy()
        near = distance <= self.schedule.maximum_distance
        return Correspondence(
            surface=found.surface,
            points=found.points.numpy(),
            distance=distance,
            valid=near & facing & ~on_open_edge & ~on_open_corner,
        )


@dataclass(frozen=True, eq=False)
class _Bending:
    """A mesh whose vertices carry affine maps, unknowns stacked as 4 rows a vertex."""

    vertices: np.ndarray
    faces: np.ndarray
    area: np.ndarray
    """Share of each vertex in the whole surface, 0 to 1."""
    energy: sparse.csc_array
    """Squared differences between neighbouring maps, as a matrix over the unknowns."""
    places: sparse.csr_array
    """From the unknowns to the places of the vertices."""

    @staticmethod
    def prepare(vertices: np.ndarray, faces: np.ndarray) -> _Bending:
        corners = vertices[faces]
        double_area = np.linalg.norm(
            np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
        )
        area = np.bincount(faces.ravel(), np.repeat(double_area, 3), minlength=len(vertices))
        homogeneous = np.concatenate((vertices, np.ones((len(vertices), 1))), axis=1)
        return _Bending(
            vertices=vertices,
            faces=faces.astype(np.int64),
            area=area / area.sum(),
            energy=_bending_energy(vertices, _links(vertices, faces)),
            places=_block_rows(np.arange(len(vertices)), homogeneous, len(vertices)),
        )

    def identity(self) -> np.ndarray:
        """Return the unknowns that leave every vertex where it is."""
        return np.tile(np.eye(AFFINE, 3), (len(self.vertices), 1))


def _soften(
    bending: _Bending, search: _Search, weight: np.ndarray, *, landmarks: _Pull | None
) -> np.ndarray:
    """Bend the mesh with ever less stiffness; return its vertices."""
    schedule = search.schedule
    unknowns = rest = bending.identity()
    strain = STRAIN_LENGTH**2 * np.repeat(bending.area, AFFINE)
    strain[AFFINE - 1 :: AFFINE] = FAINT
    for stiffness, pull in zip(schedule.stiffness, schedule.landmark_weight, strict=True):
        for _ in range(schedule.iterations):
            before = bending.places @ unknowns
            match = search.nearest(before, _normals(before, bending.faces))
            seen = sparse.diags_array(weight * match.valid)
            # The energy of slope differences is a square of one over a length, over an area.
            system = stiffness**AFFINE * bending.energy + bending.places.T @ seen @ bending.places
            right = bending.places.T @ (seen @ match.points)
            if landmarks is not None and pull > 0:
                rows = landmarks.rows @ bending.places
                share = pull / len(landmarks.wanted)
                system = system + share * (rows.T @ rows)
                right = right + share * (rows.T @ landmarks.wanted)
            system = system + sparse.diags_array(strain)
            right = right + strain[:, None] * rest
            factor = splu(
                sparse.csc_matrix(system),
                permc_spec="MMD_AT_PLUS_A",
                diag_pivot_thresh=0.0,
                options={"SymmetricMode": True},
            )
            unknowns = factor.solve(right)
            step = bending.places @ unknowns - before
            if np.sqrt((step**2).sum(1).mean()) < schedule.tolerance:
                break
    return bending.places @ unknowns


def _normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    return vertex_normals(torch.from_numpy(vertices)[None], torch.from_numpy(faces))[0].numpy()


def _bending_energy(vertices: np.ndarray, links: np.ndarray) -> sparse.csc_array:
    """Return the matrix of the summed squared differences between the maps at a link's ends.

    Maps differ by their slopes, and by where they take the middle of the link, the latter over
    `BEND_LENGTH`. Neither depends on where the origin is.
    """
    count, link_count = len(vertices), len(links)
    middle = 0.5 * (vertices[links[:, 0]] + vertices[links[:, 1]])
    place = np.concatenate((middle, np.ones((link_count, 1))), axis=1) / BEND_LENGTH
    gaps = _block_rows(links[:, 0], place, count) - _block_rows(links[:, 1], place, count)
    order = np.arange(link_count)
    ones = np.ones(link_count)
    incidence = sparse.csr_array(
        (np.r_[ones, -ones], (np.r_[order, order], np.r_[links[:, 0], links[:, 1]])),
        shape=(link_count, count),
    )
    slopes = sparse.kron(incidence, sparse.eye_array(3, AFFINE), format="csr")
    return sparse.csc_array(slopes.T @ slopes + gaps.T @ gaps)


def _block_rows(vertex: np.ndarray, values: np.ndarray, count: int) -> sparse.csr_array:
    """Return rows with four values each at the unknowns of one vertex."""
    columns = AFFINE * vertex[:, None] + np.arange(AFFINE)
    rows = np.repeat(np.arange(len(vertex)), AFFINE)
    shape = (len(vertex), AFFINE * count)
    return sparse.csr_array((values.ravel(), (rows, columns.ravel())), shape=shape)


def _links(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Return the edges, and for each vertex outside the largest part its nearest one inside.

    So eyeballs and teeth, which touch nothing, go along with the face.
    """
    edges = unique_edges(torch.from_numpy(faces.astype(np.int64))).numpy()
    ones = np.ones(len(edges))
    graph = sparse.coo_array((ones, (edges[:, 0], edges[:, 1])), shape=(len(vertices),) * 2)
    _, part = connected_components(graph, directed=False)
    largest = part == np.bincount(part).argmax()
    inside, loose = np.flatnonzero(largest), np.flatnonzero(~largest)
    if not len(loose):
        return edges
    _, nearest = KDTree(vertices[inside]).query(vertices[loose])
    return np.concatenate((edges, np.stack((loose, inside[nearest]), axis=1)))


def _open_edges(faces: np.ndarray) -> np.ndarray:
    """Tell for each corner of each triangle whether the edge opposite it has no other side."""
    ends = np.stack((faces[:, [1, 2]], faces[:, [2, 0]], faces[:, [0, 1]]), axis=1)
    ends = np.sort(ends.reshape(-1, 2), axis=1)
    _, inverse, counts = np.unique(ends, axis=0, return_inverse=True, return_counts=True)
    return (counts[inverse.reshape(-1)] == 1).reshape(-1, 3)


def _landmark_rows(points: SurfacePoints, faces: np.ndarray, count: int) -> sparse.csr_array:
    """Return the landmarks as weighted means of vertices."""
    face_index = points.face_index.cpu().numpy()
    corners = faces[face_index]
    rows = np.repeat(np.arange(len(corners)), 3)
    weights = points.barycentrics.detach().cpu().double().numpy().ravel()
    return sparse.csr_array((weights, (rows, corners.ravel())), shape=(len(corners), count))


def _check_landmarks(source: SurfacePoints | None, target: np.ndarray | None) -> np.ndarray | None:
    """Return the places the landmarks should reach, or None without landmarks."""
    if source is None and target is None:
        return None
    given = 0 if source is None else source.face_index.shape[0]
    wanted = 0 if target is None else len(target)
    if target is None or given != wanted or wanted < MINIMUM_POINTS:
        raise InputError(
            f"a registration got {given} landmarks on the source and {wanted} on the target; "
            "give the same three or more of both, or none"
        )
    if not np.isfinite(target).all():
        raise InputError("target landmarks are not finite; leave out those that are not known")
    return target.astype(np.float64)


def _check_meshes(*arrays: np.ndarray) -> None:
    for vertices, faces in zip(arrays[::2], arrays[1::2], strict=True):
        if len(faces) == 0 or not np.isfinite(vertices).all():
            raise InputError(
                "a registration needs two meshes with triangles and finite vertices; repair them"
            )
        if faces.min() < 0 or faces.max() >= len(vertices):
            raise InputError(
                f"a triangle points outside the {len(vertices)} vertices of its mesh; repair it"
            )
