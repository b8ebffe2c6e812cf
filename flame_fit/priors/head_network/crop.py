"""The square of a photo in which a whole head is looked at."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from flame_fit.priors.face_box import FaceBox
from flame_fit.priors.face_mesh_topology import (
    CHIN,
    LEFT_EYE_OUTER,
    MESH_COUNT,
    RIGHT_EYE_OUTER,
    TOP,
)

# Where the middle of a head lies from the middle of its face mesh, and how large the square is,
# in heights of the face from the chin to the hairline.
_UP, _BACK, _SIDE = 0.08, 0.33, 1.75
# A square is at least this large, in units of the face mesh's spread: a mesh gone wrong may have
# no height.
_LEAST_SPREAD = 2.8


def head_box(points: Float[np.ndarray, "n 3"]) -> FaceBox:
    """Return the square around a head, turned so that the head stands upright in it.

    Args:
        points: MediaPipe's face mesh: photo pixels, and depth in the same unit, larger is farther.
    """
    mesh = np.asarray(points, dtype=np.float64)[:MESH_COUNT]
    centre = mesh.mean(axis=0)
    up = mesh[TOP] - mesh[CHIN]
    across = mesh[LEFT_EYE_OUTER] - mesh[RIGHT_EYE_OUTER]
    height = float(np.linalg.norm(up))
    spread = float(np.sqrt(np.square(mesh - centre).sum(axis=1).mean()))
    # Pixels with depth are a right-handed frame (right, down, away).
    back = np.cross(up, across)
    back = back / max(float(np.linalg.norm(back)), 1e-9)
    middle = centre + _UP * up + _BACK * height * back
    # The eye line tells the roll; in a profile it is short, and the face's height tells it.
    lean = across[:2] + np.array([-up[1], up[0]])
    return FaceBox(
        x=float(middle[0]),
        y=float(middle[1]),
        side=max(_SIDE * height, _LEAST_SPREAD * spread),
        angle=float(np.arctan2(lean[1], lean[0])),
    )
