"""Find faces with BlazeFace (short range): the whole photo in four turns, then its parts."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from flame_fit.priors.face_box import FaceBox
from flame_fit.priors.litert import LiteModel

# BlazeFace short range: 128 px input; two anchors per cell of a 16 x 16 grid, six per cell of 8 x
# 8.
_ANCHOR_GRIDS = ((16, 2), (8, 6))
_KEYPOINTS = 6
_LOGIT_LIMIT = 100.0
SCORE_THRESHOLD = 0.5
# Faces lying on their side or head score at most 0.86 on photos, upright ones more unless small.
_SURE_SCORE = 0.9
# Side of the square for a second look, in face sizes.
_CLOSE_UP = 2.2
_OVERLAP_THRESHOLD = 0.3
# Sides of half-overlapping tiles over the photo's short side: faces down to about 1/16 of it are
# found.
_TILE_FRACTIONS = (0.6, 0.3)
_TILE_MIN_PIXELS = 96
# The overview is shrunk to this first: four turned copies are cut from it.
_OVERVIEW_SIDE = 512


@dataclass(frozen=True, eq=False)
class FaceDetection:
    """One face found.

    Attributes:
        box: x0, y0, x1, y1 in photo pixels.
        keypoints: The person's right eye, left eye, nose tip, mouth, right ear, left ear; photo
            pixels.
        score: Probability, 0..1.
    """

    box: Float[np.ndarray, "4"]
    keypoints: Float[np.ndarray, "6 2"]
    score: float

    @property
    def size(self) -> float:
        """Side of a square as large as the box."""
        return float(np.sqrt(np.prod(np.maximum(self.box[2:] - self.box[:2], 0))))

    @property
    def roll(self) -> float:
        """Radians by which the eye line is turned, clockwise on screen."""
        dx, dy = self.keypoints[1] - self.keypoints[0]
        return float(np.arctan2(dy, dx))


def _anchor_centres() -> Float[np.ndarray, "896 2"]:
    centres = []
    for cells, count in _ANCHOR_GRIDS:
        y, x = np.divmod(np.arange(cells * cells), cells)
        grid = (np.stack([x, y], axis=1) + 0.5) / cells
        centres.append(np.repeat(grid, count, axis=0))
    return np.concatenate(centres)


_ANCHORS = _anchor_centres()


def detection_rounds(
    srgb: UInt8[np.ndarray, "H W 3"], model: LiteModel
) -> Iterator[list[FaceDetection]]:
    """Faces found in ever more costly rounds: the whole photo, then larger and smaller parts of it.

    A caller stops when it has what it looked for; one face may appear in several rounds.

    Args:
        srgb: The photo.
        model: BlazeFace short range.
    """
    found = _detect_in_whole(srgb, model)
    yield _looked_at_closely(srgb, found, model)
    height, width = srgb.shape[:2]
    for fraction in _TILE_FRACTIONS:
        found = detect_in_boxes(srgb, tiles(width, height, fraction), model)
        yield _looked_at_closely(srgb, found, model)


def _looked_at_closely(
    srgb: UInt8[np.ndarray, "H W 3"], faces: list[FaceDetection], model: LiteModel
) -> list[FaceDetection]:
    """The same faces, the unsure ones seen larger and in four turns, which settles how they lie."""
    result = []
    for face in faces:
        if face.score < _SURE_SCORE:
            x, y = (face.box[:2] + face.box[2:]) / 2
            around = FaceBox(float(x), float(y), _CLOSE_UP * face.size)
            face = next(iter(detect_in_boxes(srgb, _four_turns(around), model)), face)
        result.append(face)
    return [group[0] for group in _overlapping(result)]


def _four_turns(box: FaceBox) -> list[FaceBox]:
    return [replace(box, angle=quarter * 0.5 * np.pi) for quarter in range(4)]


def _detect_in_whole(srgb: UInt8[np.ndarray, "H W 3"], model: LiteModel) -> list[FaceDetection]:
    """Faces in the whole photo, looked at in four turns.

    The network also sees faces that stand on their head, with the features upside down, but it is
    surer of upright ones: at each place the surest of the four answers tells how the head is
    turned.
    """
    factor = max(1, max(srgb.shape[:2]) // _OVERVIEW_SIDE)
    small = srgb
    if factor > 1:
        size = (srgb.shape[1] // factor, srgb.shape[0] // factor)
        small = cv2.resize(srgb, size, interpolation=cv2.INTER_AREA)
    height, width = small.shape[:2]
    boxes = _four_turns(FaceBox(width / 2, height / 2, float(max(height, width))))
    zoom = np.array([srgb.shape[1] / width, srgb.shape[0] / height])
    return [
        replace(face, box=face.box * np.tile(zoom, 2), keypoints=face.keypoints * zoom)
        for face in detect_in_boxes(small, boxes, model)
    ]


def tiles(width: int, height: int, fraction: float) -> list[FaceBox]:
    """Half-overlapping squares that cover a photo; none where they would be too small."""
    side = fraction * min(width, height)
    if side < _TILE_MIN_PIXELS:
        return []
    columns, rows = (int(np.ceil((extent - side) / (side / 2))) + 1 for extent in (width, height))
    xs = np.linspace(side / 2, width - side / 2, columns)
    ys = np.linspace(side / 2, height - side / 2, rows)
    return [FaceBox(float(x), float(y), float(side)) for y in ys for x in xs]


def detect_in_boxes(
    srgb: UInt8[np.ndarray, "H W 3"], boxes: list[FaceBox], model: LiteModel
) -> list[FaceDetection]:
    """Faces in each of some squares of a photo; where finds overlap the surest one."""
    found = [face for box in boxes for face in _detect_in_box(srgb, box, model)]
    return [group[0] for group in _overlapping(found)]


def _detect_in_box(
    srgb: UInt8[np.ndarray, "H W 3"], box: FaceBox, model: LiteModel
) -> list[FaceDetection]:
    size = model.input_size
    pixels = box.cut(srgb, size, zero_border=True).astype(np.float32) / 127.5 - 1.0
    regressors, logits = model(pixels)
    logits = np.clip(logits.reshape(-1).astype(np.float64), -_LOGIT_LIMIT, _LOGIT_LIMIT)
    scores = 1.0 / (1.0 + np.exp(-logits))
    keep = scores > SCORE_THRESHOLD
    raw = regressors.reshape(len(_ANCHORS), -1)[keep].astype(np.float64) / size
    centre = raw[:, :2] + _ANCHORS[keep]
    half = raw[:, 2:4] / 2
    keypoints = raw[:, 4:].reshape(-1, _KEYPOINTS, 2) + _ANCHORS[keep][:, None]
    faces = []
    for i, score in enumerate(scores[keep]):
        corners = np.stack([centre[i] - half[i], centre[i] + half[i]])
        # A quarter turn swaps corners; any angle keeps the bounding box of the turned square.
        square = np.array([[x, y] for x in corners[:, 0] for y in corners[:, 1]])
        on_photo = box.to_photo(square)
        bounds = np.concatenate([on_photo.min(axis=0), on_photo.max(axis=0)])
        faces.append(FaceDetection(bounds, box.to_photo(keypoints[i]), float(score)))
    return merge_detections(faces)


def merge_detections(faces: list[FaceDetection]) -> list[FaceDetection]:
    """Non-maximum suppression that averages overlapping finds with their scores as weights."""
    merged = []
    for group in _overlapping(faces):
        weights = np.array([face.score for face in group])
        weights = weights / weights.sum()
        box = np.einsum("n,nd->d", weights, np.stack([face.box for face in group]))
        keypoints = np.einsum("n,nkd->kd", weights, np.stack([face.keypoints for face in group]))
        merged.append(FaceDetection(box, keypoints, group[0].score))
    return merged


def _overlapping(faces: list[FaceDetection]) -> list[list[FaceDetection]]:
    """Groups of finds of one face, the surest first in each and the surest group first."""
    left = sorted(faces, key=lambda face: -face.score)
    groups = []
    while left:
        same = _overlap(left[0].box, np.stack([face.box for face in left])) > _OVERLAP_THRESHOLD
        same[0] = True
        groups.append([face for face, joined in zip(left, same, strict=True) if joined])
        left = [face for face, joined in zip(left, same, strict=True) if not joined]
    return groups


def _overlap(
    box: Float[np.ndarray, "4"], boxes: Float[np.ndarray, "n 4"]
) -> Float[np.ndarray, "n"]:
    """Intersection over union."""
    low = np.maximum(box[:2], boxes[:, :2])
    high = np.minimum(box[2:], boxes[:, 2:])
    inter = np.prod(np.maximum(high - low, 0), axis=1)
    area = np.prod(np.maximum(box[2:] - box[:2], 0))
    areas = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)
    return inter / np.maximum(area + areas - inter, 1e-9)
