"""Where MediaPipe's landmarks lie on a head model, found by looking at pictures of the model.

A landmark's place is the surface point whose projections come closest to the landmark in all
pictures: what a fit will later ask of it. Both sides of the face are solved as one, so the result
is symmetric.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from flame_fit.errors import AssetError
from flame_fit.flame import FlameAssets
from flame_fit.geometry import SurfacePoints, points_on_surface
from flame_fit.geometry.alignment import closest_points_on_mesh
from flame_fit.priors.embedding_views import SeenView
from flame_fit.priors.face_mesh_topology import (
    LEFT_IRIS,
    MESH_COUNT,
    POINT_COUNT,
    RIGHT_IRIS,
    face_mesh_topology,
)

# Regions that mesh landmarks never lie on: they are seen through the eye and mouth openings.
_HIDDEN_REGIONS = ("left_eyeball", "right_eyeball", "mouth_interior", "teeth", "eye_sockets")
# Pixels at which a picture's vote loses its force, for faces about 250 pixels high.
_ROBUST_PIXELS = 5.0
# Cost of a picture in which the point faces away from the camera while the landmark is seen.
_AVERTED_COST = 1.0
# Frontal pictures count more: towards the profile the detector slides points along the outline.
_YAW_FALL_OFF = 30.0
_BEST_VERTICES = 5
# Subdivisions of a triangle's side in the two rounds of the search.
_COARSE_STEPS, _FINE_STEPS = 4, 12
_MIN_VIEWS = 5
# Metres within which a mirror vertex is taken to lie at the mirror place itself.
_MIRROR_DISTANCE = 1e-5


@dataclass(frozen=True, eq=False)
class EmbeddingResult:
    """Landmarks on the surface, and how well they agree with the pictures.

    Attributes:
        points: The 478 points.
        residual: Root of the robust mean square distance over the pictures, pixels of these
            pictures.
    """

    points: SurfacePoints
    residual: Float[np.ndarray, "478"]


@dataclass(frozen=True, eq=False)
class _Seen:
    """The vertices in all pictures stacked: K pictures, V vertices."""

    vertices: Float[np.ndarray, "K V 2"]
    facing: Float[np.ndarray, "K V"]


@dataclass(frozen=True, eq=False)
class _Evidence:
    """What all pictures show, of the vertices and of their mirror places on the surface."""

    own: _Seen
    mirrored: _Seen
    landmarks: Float[np.ndarray, "K 478 2"]
    weight: Float[np.ndarray, "K 478"]

    def cost(
        self, landmark: int, corners: Int[np.ndarray, "n c"], barycentrics: Float[np.ndarray, "n c"]
    ) -> Float[np.ndarray, "n"]:
        """Robust distance of candidate points from a landmark, both sides of the face as one."""
        other = int(face_mesh_topology().mirror[landmark])
        direct = self._one_side(landmark, corners, barycentrics, self.own)
        return direct + self._one_side(other, corners, barycentrics, self.mirrored)

    def _one_side(
        self,
        landmark: int,
        corners: Int[np.ndarray, "n c"],
        barycentrics: Float[np.ndarray, "n c"],
        seen: _Seen,
    ) -> Float[np.ndarray, "n"]:
        weight = self.weight[:, landmark]
        used = weight > 0.05 * weight.max()  # noqa: PLR2004
        projected = np.einsum("kncd,nc->knd", seen.vertices[used][:, corners], barycentrics)
        facing = np.einsum("knc,nc->kn", seen.facing[used][:, corners], barycentrics)
        square = ((projected - self.landmarks[used, landmark][:, None]) ** 2).sum(axis=-1)
        robust = square / (square + _ROBUST_PIXELS**2) + _AVERTED_COST * (facing < 0)
        return weight[used] @ robust / weight[used].sum()


def embed_mediapipe(assets: FlameAssets, views: Sequence[SeenView]) -> EmbeddingResult:
    """Find the 478 MediaPipe points on a model's surface.

    Args:
        assets: The model; needs its mirror map, and its eyeball regions for the irises.
        views: Pictures of it with landmarks.

    Raises:
        AssetError: The model lacks what is needed, or its face was found in too few pictures.
    """
    if assets.mirror_vertex is None or assets.regions is None:
        raise AssetError(f"model '{assets.name}' has no mirror map or regions; add them first")
    if len(views) < _MIN_VIEWS:
        raise AssetError(
            f"a face was found in {len(views)} pictures of model '{assets.name}', {_MIN_VIEWS} are"
            " needed; look at a picture: does the model have eyes and lips?"
        )
    evidence = _stack(views, _mirror_places(assets, assets.mirror_vertex))
    faces = assets.faces.cpu().numpy()
    topology = face_mesh_topology()
    face_index, barycentrics = np.zeros(POINT_COUNT, dtype=np.int64), np.zeros((POINT_COUNT, 3))
    residual = np.zeros(POINT_COUNT)
    for landmark in range(POINT_COUNT):
        other = int(topology.mirror[landmark])
        if other < landmark:
            continue
        allowed = np.flatnonzero(_allowed_faces(assets, landmark))
        best = _best_point(landmark, evidence, faces, allowed)
        face_index[landmark], barycentrics[landmark] = best.face, best.barycentrics
        residual[[landmark, other]] = _residual_pixels(best.cost / 2)
    return EmbeddingResult(_mirrored(assets, face_index, barycentrics), residual)


@dataclass(frozen=True, eq=False)
class _MirrorPlaces:
    """For each vertex the surface point at its mirror place, as weighted vertices."""

    corners: Int[np.ndarray, "V c"]
    share: Float[np.ndarray, "V c"]

    def of(self, values: Float[np.ndarray, "K V *d"]) -> Float[np.ndarray, "K V *d"]:
        """Carry values at the vertices to their mirror places."""
        return np.einsum("kvc...,vc->kv...", values[:, self.corners], self.share)


def _mirror_places(assets: FlameAssets, mirror_vertex: Int[Tensor, "V"]) -> _MirrorPlaces:
    """Take the mirror vertex where it lies at the mirror place, else the nearest surface point."""
    template, faces = assets.v_template.double().cpu(), assets.faces.cpu()
    wanted = template * torch.tensor([-1.0, 1.0, 1.0], dtype=template.dtype)
    mirror = mirror_vertex.cpu()
    corners = np.repeat(mirror.numpy()[:, None], 3, axis=1)
    share = np.tile([1.0, 0.0, 0.0], (len(template), 1))
    away = (template[mirror] - wanted).norm(dim=1) > _MIRROR_DISTANCE
    if bool(away.any()):
        surface = closest_points_on_mesh(wanted[away], template, faces).surface
        corners[away.numpy()] = faces[surface.face_index].numpy()
        share[away.numpy()] = surface.barycentrics.numpy()
    return _MirrorPlaces(corners, share)


def _stack(views: Sequence[SeenView], mirror: _MirrorPlaces) -> _Evidence:
    yaw = np.rad2deg([view.yaw for view in views])
    frontal = np.exp(-((yaw / _YAW_FALL_OFF) ** 2))
    own = _Seen(
        vertices=np.stack([view.vertices for view in views]),
        facing=np.stack([view.facing for view in views]),
    )
    return _Evidence(
        own=own,
        mirrored=_Seen(vertices=mirror.of(own.vertices), facing=mirror.of(own.facing)),
        landmarks=np.stack([view.landmarks for view in views]),
        weight=np.stack([view.confidence for view in views]) * frontal[:, None],
    )


def skin_faces(assets: FlameAssets) -> Bool[np.ndarray, "F"]:
    """Triangles that a mesh landmark may lie on: no eyeballs, no mouth interior."""
    regions, faces = assets.regions, assets.faces.cpu().numpy()
    hidden = np.zeros(len(assets.v_template), dtype=bool)
    for name in _HIDDEN_REGIONS:
        if regions is not None and name in regions.names:
            hidden |= regions.mask(name).cpu().numpy()
    # A triangle at the rim of the lids or lips has corners on both sides and may be seen.
    return ~np.logical_and.reduce(hidden[faces], axis=1)


def _allowed_faces(assets: FlameAssets, landmark: int) -> Bool[np.ndarray, "F"]:
    if landmark < MESH_COUNT or assets.regions is None:
        return skin_faces(assets)
    name = "right_eyeball" if landmark < RIGHT_IRIS.stop else "left_eyeball"
    inside = assets.regions.mask(name).cpu().numpy()[assets.faces.cpu().numpy()]
    return np.logical_and.reduce(inside, axis=1)


@dataclass(frozen=True, eq=False)
class _Candidate:
    face: int
    barycentrics: Float[np.ndarray, "3"]
    cost: float


def _best_point(
    landmark: int,
    evidence: _Evidence,
    faces: Int[np.ndarray, "F 3"],
    allowed: Int[np.ndarray, "n"],
) -> _Candidate:
    """Search vertices, then ever finer points on the faces around the best ones."""
    corners = np.unique(faces[allowed])
    cost = evidence.cost(landmark, corners[:, None], np.ones((len(corners), 1)))
    best_vertices = corners[np.argsort(cost)[:_BEST_VERTICES]]
    near = allowed[np.isin(faces[allowed], best_vertices).any(axis=1)]
    coarse = _best_on_faces(landmark, evidence, faces, near, steps=_COARSE_STEPS)
    touching = np.isin(faces[allowed], faces[coarse.face]).sum(axis=1) > 1
    return _best_on_faces(landmark, evidence, faces, allowed[touching], steps=_FINE_STEPS)


def _best_on_faces(
    landmark: int,
    evidence: _Evidence,
    faces: Int[np.ndarray, "F 3"],
    near: Int[np.ndarray, "n"],
    *,
    steps: int,
) -> _Candidate:
    weights = _barycentric_grid(steps)
    index = np.repeat(near, len(weights))
    barycentrics = np.tile(weights, (len(near), 1))
    cost = evidence.cost(landmark, faces[index], barycentrics)
    least = int(cost.argmin())
    return _Candidate(int(index[least]), barycentrics[least], float(cost[least]))


def _barycentric_grid(steps: int) -> Float[np.ndarray, "n 3"]:
    grid = [(i, j, steps - i - j) for i in range(steps + 1) for j in range(steps + 1 - i)]
    return np.array(grid) / steps


def _residual_pixels(cost: float) -> float:
    bounded = min(cost, 0.99)
    return _ROBUST_PIXELS * float(np.sqrt(bounded / (1 - bounded)))


def _mirrored(
    assets: FlameAssets,
    face_index: Int[np.ndarray, "478"],
    barycentrics: Float[np.ndarray, "478 3"],
) -> SurfacePoints:
    """Fill in the other side, and put midline points on the midline."""
    mirror = face_mesh_topology().mirror
    vertices, faces = assets.v_template.double().cpu(), assets.faces.cpu()
    found = SurfacePoints(torch.from_numpy(face_index), torch.from_numpy(barycentrics))
    points = points_on_surface(vertices[None], faces, found)[0].numpy()
    flip = np.array([-1.0, 1.0, 1.0])
    source = np.minimum(mirror, np.arange(POINT_COUNT))
    symmetric = np.where((source < np.arange(POINT_COUNT))[:, None], points[source] * flip, points)
    middle = mirror == np.arange(POINT_COUNT)
    symmetric[middle, 0] = 0.0
    return on_surface(assets, symmetric)


def on_surface(assets: FlameAssets, points: Float[np.ndarray, "478 3"]) -> SurfacePoints:
    """The closest surface points of 478 points in template space, irises on their eyeballs."""
    faces = assets.faces.cpu()
    face_index = np.zeros(len(points), dtype=np.int64)
    barycentrics = np.zeros((len(points), 3))
    for part in (slice(0, MESH_COUNT), RIGHT_IRIS, LEFT_IRIS):
        allowed = np.flatnonzero(_allowed_faces(assets, part.start))
        nearest = closest_points_on_mesh(
            torch.from_numpy(points[part]), assets.v_template.double().cpu(), faces[allowed]
        )
        face_index[part] = allowed[nearest.surface.face_index.numpy()]
        barycentrics[part] = nearest.surface.barycentrics.numpy()
    return SurfacePoints(torch.from_numpy(face_index), torch.from_numpy(barycentrics).float())
