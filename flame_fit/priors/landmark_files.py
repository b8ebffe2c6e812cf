"""Landmarks found by other programs: iBUG-68 points as `.npy` or as MMPose JSON."""

import json
import math
from pathlib import Path

import numpy as np
from jaxtyping import Float

from flame_fit.errors import InputError
from flame_fit.observation import Landmarks

IBUG_COUNT = 68
# COCO-WholeBody's 133 points hold the same 68 face points here.
_WHOLE_BODY_COUNT = 133
_WHOLE_BODY_FACE = slice(23, 91)
_MAX_FILE_BYTES = 64 * 2**20
# Tools count pixels from the centre of the first one, this project from its corner.
_PIXEL_CENTRE = 0.5


def load_landmarks(path: str | Path) -> Landmarks:
    """Read iBUG-68 points of one face in photo pixels.

    Takes `.npy` files of shape (68, 2), or (68, 3) with a confidence, and MMPose prediction JSON:
    a list of instances with `keypoints` and `keypoint_scores`, of which the first is taken;
    whole-body predictions (133 points) give their face.

    Args:
        path: The file.

    Raises:
        InputError: The file is missing, damaged or holds no such points.
    """
    path = Path(path)
    readers = {".npy": _read_npy, ".json": _read_mmpose}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path} has the ending '{path.suffix}'; give landmarks as .npy or .json")
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise InputError(
                f"{path} has more than {_MAX_FILE_BYTES} bytes; it is no landmark file"
            )
        points = reader(path)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; check the path of the landmark file") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check its rights") from None
    if not np.isfinite(points).all():
        raise InputError(f"{path} holds values that are not finite; run the landmark tool again")
    return Landmarks(
        kind="ibug68",
        pixels=(points[:, :2] + _PIXEL_CENTRE).astype(np.float32),
        confidence=np.clip(points[:, 2], 0.0, 1.0).astype(np.float32),
    )


def _read_npy(path: Path) -> Float[np.ndarray, "68 3"]:
    try:
        points = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise InputError(f"{path} is no plain .npy file ({error}); save it as numbers") from None
    if not isinstance(points, np.ndarray) or points.shape not in ((68, 2), (68, 3)):
        shape = getattr(points, "shape", "an archive")
        raise InputError(f"{path} has shape {shape}, expected (68, 2) in iBUG order")
    if points.dtype.kind not in "iuf":
        raise InputError(f"{path} holds {points.dtype} values, expected numbers")
    points = points.astype(np.float64)
    if points.shape[1] == 2:  # noqa: PLR2004
        points = np.concatenate([points, np.ones((IBUG_COUNT, 1))], axis=1)
    return points


def _read_mmpose(path: Path) -> Float[np.ndarray, "68 3"]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        reason = str(error).split("\n")[0][:80]
        raise InputError(f"{path} is no JSON file ({reason}); give MMPose predictions") from None
    instance = content[0] if isinstance(content, list) and content else None
    if not isinstance(instance, dict) or "keypoints" not in instance:
        raise InputError(
            f"{path} is no list of instances with 'keypoints'; give MMPose predictions of one image"
        )
    keypoints = instance["keypoints"]
    try:
        scores = instance.get("keypoint_scores", [1.0] * len(keypoints))
        points = np.array(
            [[*_pair(xy), float(score)] for xy, score in zip(keypoints, scores, strict=True)]
        )
    except (TypeError, ValueError):
        raise InputError(
            f"{path}: 'keypoints' are no [x, y] pairs with one of 'keypoint_scores' each"
        ) from None
    if len(points) == _WHOLE_BODY_COUNT:
        points = points[_WHOLE_BODY_FACE]
    if len(points) != IBUG_COUNT:
        raise InputError(
            f"{path} holds {len(points)} keypoints, expected 68 (iBUG) or 133 (COCO-WholeBody)"
        )
    return points


def _pair(xy: object) -> tuple[float, float]:
    x, y = xy  # type: ignore[misc]
    if not (math.isfinite(float(x)) and math.isfinite(float(y))):
        raise ValueError("not finite")
    return float(x), float(y)
