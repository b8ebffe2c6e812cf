"""The seven points by which a head is laid onto a scan, and which of them can be trusted."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from flame_fit.errors import InputError
from flame_fit.flame import FlameAssets
from flame_fit.geometry import points_on_surface
from flame_fit.geometry.alignment import similarity_alignment
from flame_fit.geometry.topology import SurfacePoints

LANDMARK_NAMES = (
    "right outer eye corner",
    "right inner eye corner",
    "left inner eye corner",
    "left outer eye corner",
    "bottom of the nose",
    "right mouth corner",
    "left mouth corner",
)
"""Left and right are the person's. The order of the NoW benchmark."""
IBUG_POINTS = (36, 39, 42, 45, 33, 48, 54)
"""The same among the 68 points of iBUG."""
MIRRORED = (3, 2, 1, 0, 4, 6, 5)
LARGEST_MISFIT = 0.25
"""Share of the distance between the outer eye corners; two people's faces differ by a few %."""
MIRROR_DOUBT = 0.5
"""Points that fit twice as well with left and right swapped were swapped."""


def model_landmarks(
    vertices: Float[Tensor, "V 3"], faces: Int[Tensor, "F 3"], *, assets: FlameAssets
) -> Float[Tensor, "7 3"] | None:
    """Return the seven points on a mesh that has the topology of a head model.

    Args:
        vertices: Of the mesh, however shaped and posed.
        faces: Its triangles.
        assets: The head model.

    Returns:
        None if the mesh is another one, or the model has no embedding of the 68 points.
    """
    embedding = assets.landmarks.ibug if assets.landmarks else None
    if embedding is None or len(vertices) != len(assets.v_template):
        return None
    own = assets.faces.to(faces.device)
    if own.shape != faces.shape or not bool((own == faces).all()):
        return None
    chosen = torch.tensor(IBUG_POINTS)
    points = SurfacePoints(
        face_index=embedding.face_index[chosen].to(vertices.device),
        barycentrics=embedding.barycentrics[chosen].to(vertices),
    )
    return points_on_surface(vertices[None], faces, points)[0]


def require_same_face(
    scan_landmarks: Float[Tensor, "7 3"], mesh_landmarks: Float[Tensor, "7 3"]
) -> None:
    """Refuse two sets of seven points that cannot be those of two faces.

    Raises:
        InputError: Something is not finite, left and right are swapped in one of them, or they do
            not fit.
    """
    scan, mesh = scan_landmarks.detach().double(), mesh_landmarks.detach().to(scan_landmarks)
    mesh = mesh.double()
    if not bool(torch.isfinite(scan).all() and torch.isfinite(mesh).all()):
        raise InputError("landmarks are not finite; mark all seven points")
    across = float((scan[0] - scan[3]).norm())
    if not across > 0.0:
        raise InputError("the outer eye corners of the scan are one point; mark them again")
    misfit = _misfit(mesh, scan) / across
    swapped = _misfit(mesh[list(MIRRORED)], scan) / across
    if misfit > LARGEST_MISFIT and swapped > LARGEST_MISFIT:
        raise InputError(
            f"the landmarks of mesh and scan differ by {misfit:.0%} of the distance between the "
            f"eye corners; expected this order in both: {', '.join(LANDMARK_NAMES)}"
        )
    # Faces are nearly flat and symmetric: swapped ones differ only by the little relief they have.
    if swapped < MIRROR_DOUBT * misfit:
        raise InputError(
            "left and right are swapped in the landmarks of mesh or scan; "
            f"expected this order in both: {', '.join(LANDMARK_NAMES)}"
        )


def _misfit(source: Float[Tensor, "7 3"], target: Float[Tensor, "7 3"]) -> float:
    """Return the root mean square distance that a similarity leaves."""
    moved = similarity_alignment(source, target).apply(source)
    return float((moved - target).square().sum(-1).mean().sqrt())
