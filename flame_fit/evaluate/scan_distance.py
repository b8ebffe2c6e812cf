"""How far a head is from a scan, a mesh of another topology or a synthetic truth.

`scan_to_mesh` follows the NoW benchmark (Sanyal et al., "Learning to regress 3D face shape and
expression from an image without 3D supervision", CVPR 2019, and its public evaluation): the scan
is cut to a ball about the face, the mesh is laid onto it by seven landmarks, moved on until the
squared distances of all scan vertices from its surface are least, and those distances are the
errors. Differences: reflections are never allowed, and the refinement runs until it has converged.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from flame_fit.errors import InputError
from flame_fit.evaluate.face_landmarks import require_same_face
from flame_fit.evaluate.statistics import middle_value
from flame_fit.evaluate.surface_alignment import refine_alignment
from flame_fit.evaluate.surface_samples import sample_surface
from flame_fit.geometry.alignment import (
    Similarity,
    closest_points_on_mesh,
    rigid_alignment,
    similarity_alignment,
)

CROP_RISE = 0.3
"""The ball's middle lies this far from the bottom of the nose towards the bridge,"""
CROP_REACH = 0.7
"""and its radius is this times the sum of eye-corner distance and nose length."""
SAMPLE_COUNT = 20_000
LARGEST_SIZE_RATIO = 5.0
"""Of two meshes in one frame; a bust is four times as large as a face."""


@dataclass(frozen=True, eq=False)
class ScanDistance:
    """Distances of points from a surface, in the points' own units (metres in this library)."""

    distances: Float[Tensor, "N"]
    """One for each point that counts, in the points' order."""
    median: float
    mean: float
    std: float
    """Standard deviation of the distances, not of their mean."""
    alignment: Similarity
    """How the mesh was moved onto the points."""

    @staticmethod
    def of(distances: Float[Tensor, "N"], alignment: Similarity) -> ScanDistance:
        """Return the distances with their statistics.

        Raises:
            InputError: There is no distance.
        """
        if len(distances) == 0:
            raise InputError("no scan point is left to measure; check the landmarks and the units")
        return ScanDistance(
            distances=distances,
            median=middle_value(distances),
            mean=float(distances.mean()),
            std=float(distances.std(correction=0)),
            alignment=alignment,
        )


@dataclass(frozen=True, eq=False)
class MeshDistance:
    """Distances between two surfaces, measured at points spread evenly over each."""

    to_estimate: ScanDistance
    """From the truth to the estimate: what the estimate lacks or has wrong."""
    to_truth: ScanDistance
    """From the estimate to the truth: also what the estimate has and the truth has not."""


def crop_face(points: Float[Tensor, "N 3"], landmarks: Float[Tensor, "7 3"]) -> Bool[Tensor, "N"]:
    """Tell which points lie in the NoW benchmark's ball about the face.

    Args:
        points: Of the scan.
        landmarks: The scan's seven points, in the order of `LANDMARK_NAMES`.
    """
    nose = landmarks[4]
    bridge = (landmarks[1] + landmarks[2]) / 2.0
    across, length = (landmarks[0] - landmarks[3]).norm(), (bridge - nose).norm()
    middle = nose + CROP_RISE * (bridge - nose)
    return (points - middle).norm(dim=-1) <= CROP_REACH * (across + length)


def scan_to_mesh(
    scan_points: Float[Tensor, "N 3"],
    vertices: Float[Tensor, "V 3"],
    faces: Int[Tensor, "F 3"],
    *,
    scan_landmarks: Float[Tensor, "7 3"],
    mesh_landmarks: Float[Tensor, "7 3"],
    scale: bool = True,
    crop: bool = True,
) -> ScanDistance:
    """Return the distances of a scan from a mesh by the protocol of the NoW benchmark.

    Args:
        scan_points: The scan's vertices; distances come in their units.
        vertices: Of the mesh, in any frame.
        faces: Its triangles.
        scan_landmarks: Seven points on the scan, in the order of `LANDMARK_NAMES`.
        mesh_landmarks: The same on the mesh.
        scale: Whether the mesh may change its size (the benchmark's non-metrical variant). If not,
            mesh and scan must be in the same units.
        crop: Whether only points in a ball about the face count.

    Raises:
        InputError: Landmarks that do not fit, no points, or a mesh without triangles.
    """
    points = scan_points.detach().double()
    wanted = scan_landmarks.detach().to(points)
    given = mesh_landmarks.detach().to(points)
    require_same_face(wanted, given)
    if crop:
        points = points[crop_face(points, wanted)]
    start = similarity_alignment(given, wanted) if scale else rigid_alignment(given, wanted)
    return _refined_distance(points, vertices, faces, start, scale=scale)


def mesh_to_mesh(
    vertices: Float[Tensor, "V 3"],
    faces: Int[Tensor, "F 3"],
    truth_vertices: Float[Tensor, "W 3"],
    truth_faces: Int[Tensor, "G 3"],
    *,
    start: Similarity | None = None,
    scale: bool = True,
    sample_count: int = SAMPLE_COUNT,
) -> MeshDistance:
    """Return the distances between an estimated and a true surface without correspondence.

    Points are spread evenly over the area, so that it does not matter how a surface is cut into
    triangles. The estimate is moved until the true points are nearest to it.

    Args:
        vertices: Of the estimate.
        faces: Its triangles.
        truth_vertices: Of the true mesh, in the units of the answer.
        truth_faces: Its triangles.
        start: First map of the estimate's frame into the truth's; by default they share one.
        scale: Whether the estimate may change its size.
        sample_count: Points on each surface.

    Raises:
        InputError: A mesh without triangles or area, or meshes that lie apart without a start.
    """
    truth = truth_vertices.detach().double()
    points = sample_surface(truth, truth_faces, count=sample_count)
    if start is None:
        _require_one_frame(vertices.detach().to(truth), truth)
    forward = _refined_distance(points, vertices, faces, start or _identity(truth), scale=scale)
    moved = forward.alignment.apply(vertices.detach().to(truth))
    back = closest_points_on_mesh(
        sample_surface(moved, faces, count=sample_count), truth, truth_faces
    )
    return MeshDistance(forward, ScanDistance.of(back.distance, forward.alignment))


def face_error(
    estimate_vertices: Float[Tensor, "V 3"],
    truth_vertices: Float[Tensor, "V 3"],
    faces: Int[Tensor, "F 3"],
    *,
    region: Bool[Tensor, "V"],
    scale: bool = True,
) -> ScanDistance:
    """Return the distances of a true head's vertices from an estimate with the same topology.

    The estimate is laid onto the truth by the corresponding vertices of the region, in closed form.

    Args:
        estimate_vertices: The estimated head.
        truth_vertices: The true head; distances come in its units.
        faces: Triangles of both.
        region: The vertices that are aligned and measured, such as the face.
        scale: Whether the estimate may change its size.

    Raises:
        InputError: Fewer than three vertices in the region.
    """
    estimate, truth = estimate_vertices.detach().double(), truth_vertices.detach().double()
    align = similarity_alignment if scale else rigid_alignment
    alignment = align(estimate[region], truth[region])
    closest = closest_points_on_mesh(truth[region], alignment.apply(estimate), faces)
    return ScanDistance.of(closest.distance, alignment)


def _refined_distance(
    points: Float[Tensor, "N 3"],
    vertices: Float[Tensor, "V 3"],
    faces: Int[Tensor, "F 3"],
    start: Similarity,
    *,
    scale: bool,
) -> ScanDistance:
    mesh = vertices.detach().to(points)
    alignment = refine_alignment(points, mesh, faces, start, scale=scale)
    closest = closest_points_on_mesh(points, alignment.apply(mesh), faces)
    return ScanDistance.of(closest.distance, alignment)


def _require_one_frame(estimate: Float[Tensor, "V 3"], truth: Float[Tensor, "W 3"]) -> None:
    """Refuse meshes of very different sizes or places, whose alignment would end anywhere."""
    middles, sizes = [], []
    for vertices in (estimate, truth):
        lower, upper = vertices.amin(0), vertices.amax(0)
        middles.append((lower + upper) / 2.0)
        sizes.append(float((upper - lower).norm()))
    apart = float((middles[0] - middles[1]).norm())
    if apart > max(sizes) or max(sizes) > LARGEST_SIZE_RATIO * min(sizes):
        raise InputError(
            f"the meshes do not lie in one frame: sizes {sizes[0]:.3g} and {sizes[1]:.3g}, "
            f"{apart:.3g} apart; give landmarks of both"
        )


def _identity(like: Float[Tensor, "V 3"]) -> Similarity:
    return Similarity(
        rotation=torch.eye(3).to(like), scale=like.new_ones(()), translation=like.new_zeros(3)
    )
