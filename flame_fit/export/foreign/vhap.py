"""VHAP's `tracked_flame_params_*.npz`: the same joints, a world whose camera is 1 m in front.

`rotation`, `translation`, `neck_pose`, `jaw_pose`, `eyes_pose` (left, right) and `expr` have a row
for each picture, `shape` is shared. Vertices are those of the published formula plus the
translation. The single camera of an uncalibrated track stands at (0, 0, 1) and looks along -z; a
pixel is

    (w / 2 + f max(w, h) x / d,   h / 2 - f max(w, h) y / d),   d = 1 - z

with f = `focal_length`. The camera is at the origin here, so translations differ by 1 m in z.
`lights` is in the convention of DECA, in world axes. Offsets of single vertices have no place here.
"""

from __future__ import annotations

import numpy as np

from flame_fit.errors import UsageError
from flame_fit.export.foreign.content import ForeignContent
from flame_fit.export.foreign.frames import SQUARE_PIXELS
from flame_fit.export.foreign.layout import (
    LIGHT_NOTE,
    ForeignArrays,
    Imported,
    ImportOptions,
    expression_codes,
    identity_codes,
    light_from_a,
    light_to_a,
    sized,
)
from flame_fit.export.scene import ExportParams
from flame_fit.flame import FlameAssets

CAMERA_PLACE = np.array((0.0, 0.0, 1.0))
SHAPE_COUNT, EXPRESSION_COUNT = 300, 100
KEYS = ("rotation", "translation", "neck_pose", "jaw_pose", "eyes_pose", "shape", "expr")
OFFSET_KEYS = ("static_offset", "dynamic_offset")


def recognises(content: ForeignContent) -> bool:
    """Tell whether a file has VHAP's keys."""
    return all(key in content for key in KEYS)


def load(content: ForeignContent, options: ImportOptions) -> Imported:
    """Return our parameters for one picture of a track.

    Raises:
        InputError: Something is missing or of another size.
        UsageError: Neither the file nor the options tell the size of the image.
    """
    rotation, translation = content.values("rotation", 3), content.values("translation", 3)
    width, height = options.image_size or _stored_size(content)
    notes = [LIGHT_NOTE] if "lights" in content else []
    notes += [
        f"'{key}' moves single vertices, which these parameters cannot; it was left out"
        for key in OFFSET_KEYS
        if key in content and content.arrays[key].any()
    ]
    white = np.zeros((9, 3))
    white[0] = 1.0
    focal = content.values("focal_length", 1)[0] * max(width, height)
    params = ExportParams(
        shape=identity_codes(content, "shape", options.assets),
        expression=expression_codes(content, "expr", options.assets),
        head_rotation=rotation,
        translation=translation - CAMERA_PLACE,
        neck=content.values("neck_pose", 3),
        jaw=content.values("jaw_pose", 3),
        eyes=content.values("eyes_pose", 6),
        focal=np.full(2, focal),
        principal_point=0.5 * np.array((width, height), dtype=np.float64),
        image_size=np.array((width, height)),
        lighting=light_from_a(content.values("lights", 9, 3)) if "lights" in content else white,
        texture_code=content.codes("tex") if "tex" in content else np.zeros(0),
        projection="perspective",
        model_name=options.assets.name,
        model_sha256=options.assets.sha256,
    )
    return Imported(params=params, layout="vhap", notes=tuple(notes))


def arrays(params: ExportParams, assets: FlameAssets) -> ForeignArrays:
    """Return a track of one picture.

    Raises:
        UsageError: The camera is orthographic, or its axis is not the image's centre.
    """
    del assets
    width, height = (int(size) for size in params.image_size)
    _check_camera(params)
    content = {
        "rotation": np.asarray(params.head_rotation)[None],
        "translation": (np.asarray(params.translation) + CAMERA_PLACE)[None],
        "neck_pose": np.asarray(params.neck)[None],
        "jaw_pose": np.asarray(params.jaw)[None],
        "eyes_pose": np.asarray(params.eyes)[None],
        "shape": sized(np.asarray(params.shape), SHAPE_COUNT),
        "expr": sized(np.asarray(params.expression), EXPRESSION_COUNT)[None],
        "focal_length": np.asarray(params.focal)[:1] / max(width, height),
        "lights": light_to_a(np.asarray(params.lighting)),
    }
    floats = {key: value.astype(np.float32) for key, value in content.items()}
    whole = {
        "timestep_id": np.array([0]),
        "n_processed_frames": np.array(1),
        "image_size": np.array((height, width)),
    }
    return ForeignArrays(arrays={**floats, **whole}, notes=(LIGHT_NOTE,))


def _stored_size(content: ForeignContent) -> tuple[int, int]:
    if "image_size" not in content:
        raise UsageError(
            f"{content.path}: does not say how large the image is; give --image-size WIDTH HEIGHT"
        )
    height, width = content.values("image_size", 2)
    return round(float(width)), round(float(height))


def _check_camera(params: ExportParams) -> None:
    if params.projection != "perspective":
        raise UsageError("the camera is orthographic; layout vhap has a perspective one only")
    focal_x, focal_y = (float(length) for length in params.focal)
    off_axis = np.abs(np.asarray(params.principal_point) - 0.5 * np.asarray(params.image_size))
    if abs(focal_x - focal_y) > SQUARE_PIXELS * focal_x or off_axis.max() > SQUARE_PIXELS * focal_x:
        raise UsageError(
            f"the camera has focal lengths {focal_x:.6g} and {focal_y:.6g} pixels and its axis "
            f"{off_axis.max():.6g} pixels off the centre; layout vhap has one focal length and a "
            "centred axis; fit the whole photo, not a crop of it"
        )
