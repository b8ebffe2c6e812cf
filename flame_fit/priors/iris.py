"""Iris and eye contour points from MediaPipe's iris model, beside the 468-point mesh."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from flame_fit.priors.face_box import FaceBox
from flame_fit.priors.face_mesh_topology import (
    LEFT_EYE_INNER,
    LEFT_EYE_OUTER,
    RIGHT_EYE_INNER,
    RIGHT_EYE_OUTER,
    face_mesh_topology,
)
from flame_fit.priors.litert import LiteModel

# MediaPipe's crop: 2.3 eye widths.
_CROP_SCALE = 2.3
# The first 16 of the 71 contour points are lid points of the mesh: these, in the right eye.
_RIGHT_CONTOUR = (33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173)
# The model sees right eyes; a left eye is mirrored, which swaps the iris points at its two sides.
_MIRRORED_IRIS = (0, 3, 2, 1, 4)


@dataclass(frozen=True, eq=False)
class EyePoints:
    """What the iris model finds in one eye.

    Attributes:
        contour_index: Mesh points that the contour points are.
        contour: Lid points in photo pixels.
        iris: Centre, then image right, top, image left and bottom of the iris; photo pixels.
    """

    contour_index: tuple[int, ...]
    contour: Float[np.ndarray, "16 2"]
    iris: Float[np.ndarray, "5 2"]


def find_iris(
    srgb: UInt8[np.ndarray, "H W 3"],
    mesh_pixels: Float[np.ndarray, "n 2"],
    model: LiteModel,
    *,
    left: bool,
) -> EyePoints:
    """Iris and lid points of one eye.

    Args:
        srgb: The photo.
        mesh_pixels: The face mesh in photo pixels; its eye corners place the crop.
        model: The iris model.
        left: The person's left eye, else the right one.
    """
    outer, inner = (LEFT_EYE_OUTER, LEFT_EYE_INNER) if left else (RIGHT_EYE_OUTER, RIGHT_EYE_INNER)
    centre = (mesh_pixels[outer] + mesh_pixels[inner]) / 2
    across = mesh_pixels[inner] - mesh_pixels[outer]
    across = -across if left else across
    side = _CROP_SCALE * max(float(np.linalg.norm(across)), 1.0)
    angle = float(np.arctan2(across[1], across[0]))
    box = FaceBox(float(centre[0]), float(centre[1]), side, angle, mirrored=left)
    size = model.input_size
    outputs = model(box.cut(srgb, size).astype(np.float32) / 255)
    contour, iris = (box.to_photo(out.reshape(-1, 3)[:, :2] / size) for out in outputs)
    index = np.array(_RIGHT_CONTOUR)
    if left:
        index, iris = face_mesh_topology().mirror[index], iris[list(_MIRRORED_IRIS)]
    return EyePoints(tuple(index.tolist()), contour[: len(index)], iris)
