"""The face mesh: 478 points of a face, refined in a second pass, with depth and confidence."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from flame_fit.observation import Landmarks
from flame_fit.priors.face_box import FaceBox, box_around
from flame_fit.priors.face_detection import FaceDetection
from flame_fit.priors.face_mesh_topology import (
    LEFT_EYE_INNER,
    LEFT_EYE_OUTER,
    LEFT_IRIS,
    LEFT_LIDS,
    MESH_COUNT,
    POINT_COUNT,
    RIGHT_EYE_INNER,
    RIGHT_EYE_OUTER,
    RIGHT_IRIS,
    RIGHT_LIDS,
    face_mesh_topology,
)
from flame_fit.priors.iris import find_iris
from flame_fit.priors.litert import LiteModel

# MediaPipe's margin around a detection and around the points of the pass before.
_CROP_SCALE = 1.5
# Disagreement under a mirror that halves a confidence, as a share of the crop: about 4 % of the
# distance of the outer eye corners in a frontal face.
_DISAGREEMENT_SCALE = 0.015
# Cosine between the mesh normal and the direction to the camera: hidden below, fully visible above.
_HIDDEN_COSINE, _VISIBLE_COSINE = -0.2, 0.4
# A hidden point is still guessed from the rest of the face, so it keeps a little weight.
_HIDDEN_CONFIDENCE = 0.05
# Lid gap over eye width at which irises vanish and are freely seen.
_CLOSED_GAP, _OPEN_GAP = 0.06, 0.2


@dataclass(frozen=True, eq=False)
class FaceMeshFit:
    """The mesh of one face.

    Attributes:
        landmarks: 478 points; confidence and depth filled.
        score: 0..1: the network's probability of a face times the agreement of its two answers.
        roll: Radians by which the eye line is turned, clockwise on screen.
    """

    landmarks: Landmarks
    score: float
    roll: float


@dataclass(frozen=True, eq=False)
class _Pass:
    """One run of the network: photo pixels with relative depth, and its probability of a face."""

    points: Float[np.ndarray, "n 3"]
    score: float


def fit_face_mesh(
    srgb: UInt8[np.ndarray, "H W 3"],
    detection: FaceDetection,
    model: LiteModel,
    *,
    iris_model: LiteModel | None,
) -> FaceMeshFit:
    """Find the mesh in a detected face.

    The crop is placed by the detection, then by the points found in it; the second crop is also
    looked at in a mirror. Both answers are averaged, and where they differ confidence is lost.

    Args:
        srgb: The photo.
        detection: Where the face is.
        model: The 478-point model, or the 468-point model together with `iris_model`.
        iris_model: Finds the irises and the lids; None if `model` knows the irises.
    """
    around = box_around(detection.box.reshape(2, 2), angle=0.0, scale=_CROP_SCALE)
    first = _run(srgb, FaceBox(around.x, around.y, around.side, detection.roll), model)
    box = box_of_points(first.points[:, :2], scale=_CROP_SCALE)
    direct, mirrored = _run(srgb, box, model), _run(srgb, box.mirror(), model)
    mirror = face_mesh_topology().mirror[: len(direct.points)]
    other = mirrored.points[mirror]
    points = (direct.points + other) / 2
    disagreement = np.linalg.norm((direct.points - other)[:, :2], axis=1) / box.side
    presence = (direct.score + mirrored.score) / 2
    score = presence * float(_agreement(disagreement).mean())
    if iris_model is not None:
        points = _with_irises(srgb, points, iris_model)
        # The iris model runs once: its points share the trust in the lids around them.
        missing = POINT_COUNT - len(disagreement)
        disagreement = np.concatenate([disagreement, np.zeros(missing)])
    confidence = presence * _agreement(disagreement) * visibility(points)
    confidence = confidence * _iris_openness(points[:, :2])
    landmarks = Landmarks(
        kind="mediapipe478" if iris_model is None else "mediapipe468",
        pixels=points[:, :2].astype(np.float32),
        confidence=confidence.astype(np.float32),
        depth=points[:, 2].astype(np.float32),
    )
    return FaceMeshFit(landmarks=landmarks, score=score, roll=box.angle)


def box_of_points(pixels: Float[np.ndarray, "n 2"], *, scale: float) -> FaceBox:
    """The square around a face mesh, turned with its eye line."""
    dx, dy = pixels[LEFT_EYE_OUTER] - pixels[RIGHT_EYE_OUTER]
    return box_around(pixels[:MESH_COUNT], angle=float(np.arctan2(dy, dx)), scale=scale)


def visibility(points: Float[np.ndarray, "478 3"]) -> Float[np.ndarray, "478"]:
    """How much each point faces the camera, from the normals of the mesh; irises take their eye's.

    Args:
        points: x and y in photo pixels, depth in the same unit, larger is farther.
    """
    triangles = face_mesh_topology().triangles
    corners = points[triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    summed = np.zeros((MESH_COUNT, 3))
    for corner in range(3):
        np.add.at(summed, triangles[:, corner], normals)
    # Seen from the camera the triangles run clockwise on screen, so their normals point away from
    # it.
    cosine = -summed[:, 2] / np.maximum(np.linalg.norm(summed, axis=1), 1e-9)
    seen = np.ones(len(points))
    seen[:MESH_COUNT] = _smooth_step(cosine, _HIDDEN_COSINE, _VISIBLE_COSINE)
    for iris, corners_of_eye in _EYES:
        seen[iris] = seen[list(corners_of_eye)].mean()
    return _HIDDEN_CONFIDENCE + (1 - _HIDDEN_CONFIDENCE) * seen


_EYES = (
    (RIGHT_IRIS, (RIGHT_EYE_OUTER, RIGHT_EYE_INNER)),
    (LEFT_IRIS, (LEFT_EYE_OUTER, LEFT_EYE_INNER)),
)


def _run(srgb: UInt8[np.ndarray, "H W 3"], box: FaceBox, model: LiteModel) -> _Pass:
    size = model.input_size
    outputs = model(box.cut(srgb, size).astype(np.float32) / 255)
    raw = outputs[0].reshape(-1, 3).astype(np.float64) / size
    pixels = box.to_photo(raw[:, :2])
    points = np.concatenate([pixels, raw[:, 2:] * box.side], axis=1)
    return _Pass(points=points, score=float(1 / (1 + np.exp(-outputs[1].reshape(-1)[0]))))


def _with_irises(
    srgb: UInt8[np.ndarray, "H W 3"], mesh: Float[np.ndarray, "468 3"], model: LiteModel
) -> Float[np.ndarray, "478 3"]:
    points = np.concatenate([mesh, np.zeros((POINT_COUNT - MESH_COUNT, 3))])
    for left, iris, lids in ((False, RIGHT_IRIS, RIGHT_LIDS), (True, LEFT_IRIS, LEFT_LIDS)):
        eye = find_iris(srgb, mesh[:, :2], model, left=left)
        points[list(eye.contour_index), :2] = eye.contour
        points[iris, :2] = eye.iris
        points[iris, 2] = mesh[list(lids), 2].mean()
    return points


def _agreement(disagreement: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    return 1 / (1 + (disagreement / _DISAGREEMENT_SCALE) ** 2)


def _iris_openness(pixels: Float[np.ndarray, "478 2"]) -> Float[np.ndarray, "478"]:
    opening = np.ones(len(pixels))
    for iris, corners, lids in (
        (RIGHT_IRIS, (RIGHT_EYE_OUTER, RIGHT_EYE_INNER), RIGHT_LIDS),
        (LEFT_IRIS, (LEFT_EYE_OUTER, LEFT_EYE_INNER), LEFT_LIDS),
    ):
        gap = np.linalg.norm(pixels[lids[0]] - pixels[lids[1]])
        width = max(float(np.linalg.norm(pixels[corners[0]] - pixels[corners[1]])), 1e-6)
        opening[iris] = gap / width
    return _smooth_step(opening, _CLOSED_GAP, _OPEN_GAP)


def _smooth_step(
    value: Float[np.ndarray, "*n"], low: float, high: float
) -> Float[np.ndarray, "*n"]:
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return t * t * (3 - 2 * t)
