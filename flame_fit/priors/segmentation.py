"""Where the person is: MediaPipe's selfie segmentation on a square around the head."""

import numpy as np
from jaxtyping import UInt8

from flame_fit.observation import MaskPatch
from flame_fit.priors.face_box import FaceBox
from flame_fit.priors.litert import LiteModel

# The model was trained on heads with shoulders: this many face heights on a side, shifted down a
# little.
_CROP_SCALE = 2.6
_SHIFT_DOWN = 0.15


def segment_person(
    srgb: UInt8[np.ndarray, "H W 3"],
    box: tuple[float, float, float, float],
    model: LiteModel,
) -> MaskPatch:
    """The person mask around a face.

    Args:
        srgb: The photo.
        box: x0, y0, x1, y1 of the face in photo pixels.
        model: The general selfie segmentation model.
    """
    x0, y0, x1, y1 = box
    face = max(x1 - x0, y1 - y0)
    side = _CROP_SCALE * face
    x, y = (x0 + x1) / 2, (y0 + y1) / 2 + _SHIFT_DOWN * face
    pixels = FaceBox(x, y, side).cut(srgb, model.input_size)
    (mask,) = model(pixels.astype(np.float32) / 255)
    return MaskPatch(
        values=np.clip(mask[0, ..., 0], 0.0, 1.0),
        origin=np.array([x - side / 2, y - side / 2]),
        scale=side / model.input_size,
    )
