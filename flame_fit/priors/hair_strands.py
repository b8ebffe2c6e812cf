"""Thin strands of hair that run over a face, found by their colour.

A strand is a line less red than the skin on both its sides: hair of most colours is, dark or fair.
Wrinkles, nostrils and shadows are dark but redder than what surrounds them; moles, highlights and
lashes do not begin in the hair.
"""

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from flame_fit.priors.face_mesh_topology import face_mesh_topology
from flame_fit.priors.face_regions import fill

# All lengths are pixels of a picture in which the face is about 160 high. By how much log red over
# green is lower than on both sides: where a strand is sure, and as long as it runs on to there.
_LINE_SIGMA = 1.5
_SURE, _LEAST = 0.1, 0.04
# The same in standard deviations of all skin: dark photos are noisy, and rough skin has lines.
_SURE_NOISE, _LEAST_NOISE = 5.0, 2.0
_LENGTH = 8.0
# A strand begins this near the hair and leads this far away from it; the rim of skin does not.
_BEGIN, _LEAD = 3.0, 4.0
# Frame of eyes and lips, whose rims are such lines.
_FRAME = 7
# A strand may be interrupted for so long, and parts so much of the skin from the face at most.
_GAP, _PARTED_SHARE = 5, 0.05
_HALF = 0.5


def hair_strands(
    features: Float[np.ndarray, "H W 3"],
    skin: Bool[np.ndarray, "H W"],
    hair: Bool[np.ndarray, "H W"],
    pixels: Float[np.ndarray, "n 2"],
    *,
    outline: Bool[np.ndarray, "H W"],
) -> Bool[np.ndarray, "H W"]:
    """Strands of hair on the skin, and the skin that they part from the face.

    Args:
        features: From `colour_features`, of a picture in which the face is about 160 pixels high.
        skin: What was taken for skin.
        hair: Where strands begin.
        pixels: Face mesh in pixels of the picture.
        outline: From `features_of_face`; a brow's rim is a faint line, so one must be sure there.
    """
    topology = face_mesh_topology()
    loops = [topology.left_eye, topology.right_eye, topology.lips_outer]
    framed = cv2.dilate(fill(pixels, loops, skin.shape), _square(_FRAME)) > _HALF
    line = _less_red(features)
    noise = 1.4826 * float(np.median(np.abs(line[skin]))) if skin.any() else 0.0
    sure, least = max(_SURE, _SURE_NOISE * noise), max(_LEAST, _LEAST_NOISE * noise)
    candidate = skin & ~framed & (line > np.where(outline, sure, least))
    count, found, boxes, _ = cv2.connectedComponentsWithStats(candidate.astype(np.uint8))
    labels, rows = np.asarray(found, dtype=np.int32), np.nonzero(candidate)
    away = cv2.distanceTransform((~hair).astype(np.uint8), cv2.DIST_L2, 3)[rows]
    surest, nearest, farthest = np.zeros(count), np.full(count, np.inf), np.zeros(count)
    np.maximum.at(surest, labels[rows], line[rows])
    np.minimum.at(nearest, labels[rows], away)
    np.maximum.at(farthest, labels[rows], away)
    length = np.hypot(boxes[:, cv2.CC_STAT_WIDTH], boxes[:, cv2.CC_STAT_HEIGHT])
    strand = (surest > sure) & (nearest <= _BEGIN) & (farthest >= _LEAD) & (length >= _LENGTH)
    if not strand[1:].any():
        return np.zeros_like(skin)
    strand[0] = False
    return _with_parted(strand[labels], skin, framed)


def _less_red(features: Float[np.ndarray, "H W 3"]) -> Float[np.ndarray, "H W"]:
    """By how much each pixel is less red than both its sides: the curvature across a line."""
    red = np.ascontiguousarray(features[..., 1], dtype=np.float32)
    # Sobel's second differences are four times the derivative.
    smooth = cv2.GaussianBlur(red, (0, 0), _LINE_SIGMA) * np.float32(_LINE_SIGMA**2 / 4)
    xx = cv2.Sobel(smooth, cv2.CV_32F, 2, 0)
    yy = cv2.Sobel(smooth, cv2.CV_32F, 0, 2)
    xy = cv2.Sobel(smooth, cv2.CV_32F, 1, 1)
    return (xx + yy) / 2 + np.sqrt(((xx - yy) / 2) ** 2 + xy**2)


def _with_parted(
    strands: Bool[np.ndarray, "H W"],
    skin: Bool[np.ndarray, "H W"],
    framed: Bool[np.ndarray, "H W"],
) -> Bool[np.ndarray, "H W"]:
    """Strands with what lies between them and the hair: seldom skin, and if so, in their shadow."""
    line = cv2.morphologyEx((strands | framed).astype(np.uint8), cv2.MORPH_CLOSE, _square(_GAP))
    face = _largest(skin & (cv2.dilate(line, _square(3)) == 0))
    regained = cv2.dilate(face.astype(np.uint8), _square(5)) > 0
    apart = (_largest(skin) & ~regained & (line == 0)).astype(np.uint8)
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(apart)
    beside = cv2.dilate(strands.astype(np.uint8), _square(5)) > 0
    parted = np.zeros(count, dtype=bool)
    parted[np.unique(labels[beside])] = True
    parted &= boxes[:, cv2.CC_STAT_AREA] < _PARTED_SHARE * skin.sum()
    parted[0] = False
    return strands | parted[labels]


def _largest(mask: Bool[np.ndarray, "H W"]) -> Bool[np.ndarray, "H W"]:
    """The largest connected part of a mask."""
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(
        mask.astype(np.uint8), connectivity=4
    )
    return labels == 1 + int(boxes[1:, cv2.CC_STAT_AREA].argmax()) if count > 1 else mask


def _square(side: int) -> UInt8[np.ndarray, "s s"]:
    return np.ones((side, side), np.uint8)
