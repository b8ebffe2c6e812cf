"""Laying a reference head over another model's template, whatever the triangles of either.

First the reference takes the shape of its own shape space that comes nearest, which keeps its lids,
lips and ears what they are; then it is bent the rest of the way without regard to that space.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from flame_fit.flame import FlameAssets
from flame_fit.geometry import SurfacePoints, vertex_normals
from flame_fit.geometry.alignment import Similarity, similarity_alignment
from flame_fit.geometry.facing_points import FacingPoints, FacingSurface
from flame_fit.geometry.registration import RegistrationSchedule, register
from flame_fit.head_models.head_parts import Eyeball, HeadParts
from flame_fit.head_models.symmetry import find_mirror

HIDDEN_REGIONS = ("mouth_interior", "teeth", "eye_sockets", "left_eyeball", "right_eyeball")
SHAPE_COMPONENTS = 60
FIT_ROUNDS, PLACE_ROUNDS = 11, 3
# Metres that nearest points may be away, in the first rounds and later.
FIRST_REACH, REACH = 0.03, 0.012
LEAST_COSINE = 0.5
# A vertex that may slide along the surface counts this much along it, 1 across it.
SLIDE_WEIGHT = 0.1
# Metres of misfit that cost as much as one standard deviation of one component, at all vertices.
PRIOR_METRES = 1e-4
# All landmarks together, against all vertices together.
LANDMARK_WEIGHT = 1.0
BEND_STIFFNESS = (0.05, 0.025)
BEND_REACH = 0.03
BEND_LANDMARK_WEIGHT = 0.3


@dataclass(frozen=True, eq=False)
class LandmarkPairs:
    """Points known on both heads.

    Attributes:
        reference: On the reference.
        places: On the model, metres.
    """

    reference: SurfacePoints
    places: Float[np.ndarray, "L 3"]


@dataclass(frozen=True, eq=False)
class ReferenceHead:
    """A complete head model that others are compared with.

    Attributes:
        assets: The model; has regions and a mirror map.
        parts: Its template taken apart.
        seen: Vertices of its skin that can be seen from outside.
    """

    assets: FlameAssets
    parts: HeadParts
    seen: Bool[np.ndarray, "W"]


def lay_reference(
    parts: HeadParts, reference: ReferenceHead, *, landmarks: LandmarkPairs | None = None
) -> Float[np.ndarray, "W 3"]:
    """Return the reference's vertices laid over a model, in the model's frame.

    Args:
        parts: The model.
        reference: The reference.
        landmarks: Points to bring together. Without them the two eyes are the start, and the
            reference stays within its shape space, since lips or lids could come onto skin.
    """
    laid = _fit_shape(parts, reference, landmarks)
    if landmarks is not None:
        laid = _bent(laid, parts, reference, landmarks)
    laid = _with_eyeballs(laid, parts, reference)
    if find_mirror(parts.vertices, parts.faces).is_exact:
        laid = _symmetric(laid, reference)
    return laid


def _bent(
    shaped: Float[np.ndarray, "W 3"],
    parts: HeadParts,
    reference: ReferenceHead,
    landmarks: LandmarkPairs,
) -> Float[np.ndarray, "W 3"]:
    """Bend the reference the rest of the way onto the model's skin."""
    schedule = RegistrationSchedule(
        stiffness=BEND_STIFFNESS,
        landmark_weight=(BEND_LANDMARK_WEIGHT,) * len(BEND_STIFFNESS),
        maximum_distance=BEND_REACH,
    )
    return register(
        shaped,
        reference.parts.faces,
        parts.vertices,
        parts.faces[parts.faces_of(parts.skin)],
        source_landmarks=landmarks.reference,
        target_landmarks=landmarks.places,
        vertex_weight=reference.seen.astype(np.float64),
        schedule=schedule,
    )


def _fit_shape(
    parts: HeadParts, reference: ReferenceHead, landmarks: LandmarkPairs | None
) -> Float[np.ndarray, "W 3"]:
    """Return the reference's template with the place, size and shape that fit best."""
    assets = reference.assets
    template = reference.parts.vertices
    basis = assets.shape_basis[..., :SHAPE_COMPONENTS].double().cpu().numpy()
    surface = FacingSurface(parts.vertices, parts.faces[parts.faces_of(parts.skin)])
    used = np.flatnonzero(reference.seen)
    shape = template
    place = _place_by_eyes(parts, reference)
    for number in range(FIT_ROUNDS):
        laid = _apply(place, shape)
        normals = vertex_normals(torch.from_numpy(laid)[None], assets.faces.cpu())[0].numpy()[used]
        found = surface.nearest(laid[used], normals)
        reach = FIRST_REACH if number < PLACE_ROUNDS else REACH
        near = (found.cosine > LEAST_COSINE) & (found.distance < reach)
        place = _place(shape, used[near], found.points[near], reference, landmarks)
        if number >= PLACE_ROUNDS:
            target = _Targets.gather(place, used[near], found, near, surface)
            shape = template + basis @ _solve_shape(target, template, basis, reference, landmarks)
    return _apply(place, shape)


@dataclass(frozen=True, eq=False)
class _Targets:
    """Where vertices should come, in the frame of the reference."""

    place: Similarity
    vertex: Int[np.ndarray, "n"]
    points: Float[np.ndarray, "n 3"]
    normals: Float[np.ndarray, "n 3"]

    @staticmethod
    def gather(
        place: Similarity,
        vertex: Int[np.ndarray, "n"],
        found: FacingPoints,
        near: Bool[np.ndarray, "m"],
        surface: FacingSurface,
    ) -> _Targets:
        """Bring found points and their triangles' normals into the frame of the reference."""
        rotation = place.rotation.numpy()
        corners = surface.vertices[surface.faces[found.surface.face_index.numpy()[near]]]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
        return _Targets(
            place, vertex, _apply_inverse(place, found.points[near]), normals @ rotation
        )


def _solve_shape(
    target: _Targets,
    template: Float[np.ndarray, "W 3"],
    basis: Float[np.ndarray, "W 3 S"],
    reference: ReferenceHead,
    landmarks: LandmarkPairs | None,
) -> Float[np.ndarray, "S"]:
    """Return the shape coefficients by linear least squares, point to plane with a little slide."""
    moved = basis[target.vertex]
    gap = target.points - template[target.vertex]
    across = np.einsum("nck,nc->nk", moved, target.normals)
    along = moved.reshape(-1, basis.shape[-1])
    normal = across.T @ across + SLIDE_WEIGHT * (along.T @ along)
    right = across.T @ (gap * target.normals).sum(axis=1) + SLIDE_WEIGHT * (along.T @ gap.ravel())
    normal += len(gap) * PRIOR_METRES**2 * np.eye(len(normal))
    if landmarks is not None:
        corners = reference.parts.faces[landmarks.reference.face_index.numpy()]
        share = landmarks.reference.barycentrics.double().numpy()
        rows = np.einsum("lcdk,lc->ldk", basis[corners], share).reshape(-1, basis.shape[-1])
        wanted = _apply_inverse(target.place, landmarks.places)
        rest = (wanted - np.einsum("lcd,lc->ld", template[corners], share)).ravel()
        weight = LANDMARK_WEIGHT * len(gap) / len(corners)
        normal += weight * (rows.T @ rows)
        right += weight * (rows.T @ rest)
    return np.linalg.solve(normal, right)


def _place_by_eyes(parts: HeadParts, reference: ReferenceHead) -> Similarity:
    """Bring the middle between the eyes and their distance together; the axes agree already."""
    own = [eye.centre for eye in reference.parts.eyes]
    other = [eye.centre for eye in parts.eyes]
    scale = np.linalg.norm(other[0] - other[1]) / np.linalg.norm(own[0] - own[1])
    shift = (other[0] + other[1]) / 2 - scale * (own[0] + own[1]) / 2
    return Similarity(
        rotation=torch.eye(3, dtype=torch.float64),
        scale=torch.tensor(scale, dtype=torch.float64),
        translation=torch.from_numpy(shift),
    )


def _place(
    shape: Float[np.ndarray, "W 3"],
    vertex: Int[np.ndarray, "n"],
    points: Float[np.ndarray, "n 3"],
    reference: ReferenceHead,
    landmarks: LandmarkPairs | None,
) -> Similarity:
    source, target, weight = shape[vertex], points, np.ones(len(vertex))
    if landmarks is not None:
        corners = reference.parts.faces[landmarks.reference.face_index.numpy()]
        share = landmarks.reference.barycentrics.double().numpy()
        source = np.concatenate([source, np.einsum("lcd,lc->ld", shape[corners], share)])
        target = np.concatenate([target, landmarks.places])
        each = LANDMARK_WEIGHT * len(vertex) / len(corners)
        weight = np.concatenate([weight, np.full(len(corners), each)])
    return similarity_alignment(
        torch.from_numpy(source), torch.from_numpy(target), torch.from_numpy(weight)
    )


def _with_eyeballs(
    laid: Float[np.ndarray, "W 3"], parts: HeadParts, reference: ReferenceHead
) -> Float[np.ndarray, "W 3"]:
    """Put the reference's eyeballs onto the model's."""
    result = laid.copy()
    for own, other in zip(reference.parts.eyes, parts.eyes, strict=True):
        unit = (reference.parts.vertices[own.mask] - own.centre) / own.radius
        result[own.mask] = _onto(unit, other)
    return result


def _onto(unit: Float[np.ndarray, "n 3"], eye: Eyeball) -> Float[np.ndarray, "n 3"]:
    return eye.centre + eye.radius * unit


def _symmetric(
    laid: Float[np.ndarray, "W 3"], reference: ReferenceHead
) -> Float[np.ndarray, "W 3"]:
    mirror = reference.assets.mirror_vertex
    if mirror is None:
        return laid
    return 0.5 * (laid + laid[mirror.cpu().numpy()] * [-1.0, 1.0, 1.0])


def _apply(place: Similarity, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
    return place.apply(torch.from_numpy(points)).numpy()


def _apply_inverse(place: Similarity, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
    return (points - place.translation.numpy()) @ place.rotation.numpy() / float(place.scale)
