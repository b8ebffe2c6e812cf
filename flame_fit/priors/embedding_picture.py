"""A picture to check landmark embeddings by: pictures of the model with all points drawn in."""

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8

from flame_fit.flame import LandmarkEmbeddings
from flame_fit.geometry import SurfacePoints
from flame_fit.priors.embedding_views import SeenView

PICTURE_VIEWS, COLUMNS, ZOOM = 8, 4, 2
_SEEN, _EMBEDDED, _INNER, _OUTLINE = (255, 0, 0), (0, 255, 0), (255, 220, 0), (60, 120, 255)
_SMALL, _LARGE = 2, 4


def check_picture(
    views: Sequence[SeenView],
    embeddings: LandmarkEmbeddings,
    faces: Int[np.ndarray, "F 3"],
) -> UInt8[np.ndarray, "H W 3"]:
    """Return a contact sheet of some views with the points, sRGB.

    Red is what the detector saw, green the embedding of its points, yellow the inner iBUG points,
    blue the outline.

    Args:
        views: Pictures of the model.
        embeddings: Its landmarks.
        faces: Its triangles.
    """
    numbers = np.linspace(0, len(views) - 1, PICTURE_VIEWS).astype(int)
    sheets = [_sheet(views[number], embeddings, faces) for number in numbers]
    rows = [np.hstack(sheets[start : start + COLUMNS]) for start in range(0, len(sheets), COLUMNS)]
    return np.vstack(rows)


def _sheet(
    view: SeenView, embeddings: LandmarkEmbeddings, faces: Int[np.ndarray, "F 3"]
) -> UInt8[np.ndarray, "h w 3"]:
    picture = cv2.resize(view.picture, None, fx=ZOOM, fy=ZOOM)
    layers = [(view.landmarks, _SEEN, _SMALL)]
    if embeddings.mediapipe is not None:
        layers.append((_pixels(embeddings.mediapipe, view, faces), _EMBEDDED, _SMALL))
    if embeddings.ibug is not None:
        layers.append((_pixels(embeddings.ibug, view, faces)[17:], _INNER, _SMALL))
    table = embeddings.contour
    if table is not None:
        row = int(np.abs(table.yaw_degrees.numpy() - np.rad2deg(view.yaw)).argmin())
        layers.append((_pixels(table.points, view, faces)[row], _OUTLINE, _LARGE))
    for points, colour, radius in layers:
        for x, y in points * ZOOM:
            cv2.circle(picture, (int(x), int(y)), radius, colour, -1, cv2.LINE_AA)
    return picture


def _pixels(
    points: SurfacePoints, view: SeenView, faces: Int[np.ndarray, "F 3"]
) -> Float[np.ndarray, "*n 2"]:
    corners = view.vertices[faces[points.face_index.numpy()]]
    return np.einsum("...cd,...c->...d", corners, points.barycentrics.numpy())
