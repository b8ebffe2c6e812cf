"""flame-head-tracker's `.npz`: the head stays, the camera moves.

`shape`, `exp`, `jaw_pose`, `eye_pose` (left, right), `head_pose` (zero) pose the head by the
published formula without translation. `cam` holds three Euler angles (a, b, c), radians, and a
position p: the camera's axes in the world are the columns of C = Rz(c) Ry(a) Rx(b), x right, y up,
looking along -z. A vertex X is seen by the pinhole `K`, of an image 256 pixels wide, at C^T (X -
p). The camera is fixed here, so the head gets the rotation C^T and comes to C^T (X - p); light
turns with it.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float64
from scipy.spatial.transform import Rotation

from flame_fit.errors import UsageError
from flame_fit.export.foreign.content import ForeignContent
from flame_fit.export.foreign.frames import (
    Pose,
    matrix,
    moved,
    rest_joints,
    square_view,
    turned_light,
)
from flame_fit.export.foreign.layout import (
    LIGHT_NOTE,
    ForeignArrays,
    Imported,
    ImportOptions,
    cut_note,
    expression_codes,
    identity_codes,
    joints_of,
    light_from_a,
    light_to_a,
    neckless_pose,
    sized,
)
from flame_fit.export.scene import ExportParams
from flame_fit.flame import FlameAssets

RENDER_SIDE = 256
SHAPE_COUNT, EXPRESSION_COUNT, TEXTURE_COUNT = 300, 100, 50
KEYS = ("shape", "exp", "jaw_pose", "eye_pose", "cam", "fov", "K")


def recognises(content: ForeignContent) -> bool:
    """Tell whether a file has flame-head-tracker's keys."""
    return all(key in content for key in KEYS)


def load(content: ForeignContent, options: ImportOptions) -> Imported:
    """Return our parameters for one picture.

    Raises:
        InputError: Something is missing or of another size.
        UsageError: The image is not square.
    """
    width, height = options.image_size or (RENDER_SIDE, RENDER_SIDE)
    if width != height:
        raise UsageError(
            f"the image is {width} x {height} pixels; layout flame-head-tracker has square images: "
            "give the size of the aligned crop"
        )
    shape = identity_codes(content, "shape", options.assets)
    expression = expression_codes(content, "exp", options.assets)
    own = Pose(
        head_rotation=_optional(content, "head_pose"),
        neck=_optional(content, "neck_pose"),
        translation=np.zeros(3),
    )
    camera = content.values("cam", 6)
    to_camera = camera_axes(camera[:3]).T
    pose = moved(
        own, rest_joints(options.assets, shape, expression), to_camera, -to_camera @ camera[3:]
    )
    intrinsics = content.values("K", 3, 3) * (width / RENDER_SIDE)
    light = light_from_a(content.values("light", 9, 3))
    params = ExportParams(
        shape=shape,
        expression=expression,
        head_rotation=pose.head_rotation,
        translation=pose.translation,
        neck=pose.neck,
        jaw=content.values("jaw_pose", 3),
        eyes=content.values("eye_pose", 6),
        focal=np.diagonal(intrinsics)[:2].copy(),
        principal_point=intrinsics[:2, 2].copy(),
        image_size=np.array((width, height)),
        lighting=turned_light(light, to_camera),
        texture_code=content.codes("tex") if "tex" in content else np.zeros(0),
        projection="perspective",
        model_name=options.assets.name,
        model_sha256=options.assets.sha256,
    )
    return Imported(params=params, layout="flame-head-tracker", notes=(LIGHT_NOTE,))


def arrays(params: ExportParams, assets: FlameAssets) -> ForeignArrays:
    """Return the arrays of one picture; the turn of the head becomes the camera's.

    Raises:
        UsageError: The camera is orthographic or its pixels are not square.
    """
    if params.projection != "perspective":
        raise UsageError(
            "the camera is orthographic; layout flame-head-tracker has a perspective one only"
        )
    joints = joints_of(params, assets)
    pose, notes = neckless_pose(params, joints)
    view = square_view(params)
    notes += cut_note("texture", np.asarray(params.texture_code), TEXTURE_COUNT)
    if view.left or view.top or view.side != RENDER_SIDE:
        notes += (
            f"K belongs to the square of {view.side:.6g} pixels whose upper left corner is at "
            f"({view.left:.6g}, {view.top:.6g}) in the photo, resized to {RENDER_SIDE} pixels",
        )
    to_camera = matrix(pose.head_rotation)
    # C^T (J - p) is where the root joint comes to, which is J + t.
    place = joints.root - to_camera.T @ (joints.root + pose.translation)
    focal = float(params.focal[0]) * RENDER_SIDE / view.side
    centre = 0.5 * RENDER_SIDE
    content = {
        "shape": sized(np.asarray(params.shape), SHAPE_COUNT),
        "exp": sized(np.asarray(params.expression), EXPRESSION_COUNT),
        "head_pose": np.zeros(3),
        "jaw_pose": np.asarray(params.jaw),
        "eye_pose": np.asarray(params.eyes),
        "tex": sized(np.asarray(params.texture_code), TEXTURE_COUNT),
        "light": light_to_a(turned_light(np.asarray(params.lighting), to_camera.T)),
        "cam": np.concatenate((euler_angles(to_camera.T), place)),
        "fov": np.array(np.degrees(2.0 * np.arctan2(centre, focal))),
        "K": np.array(((focal, 0.0, centre), (0.0, focal, centre), (0.0, 0.0, 1.0))),
    }
    return ForeignArrays(
        arrays={key: value[None].astype(np.float32) for key, value in content.items()},
        notes=(*notes, LIGHT_NOTE),
    )


def camera_axes(angles: Float[np.ndarray, "3"]) -> Float64[np.ndarray, "3 3"]:
    """Return Rz(c) Ry(a) Rx(b) of the angles (a, b, c), radians."""
    return Rotation.from_euler("ZYX", angles[[2, 0, 1]]).as_matrix()


def euler_angles(axes: Float[np.ndarray, "3 3"]) -> Float64[np.ndarray, "3"]:
    """Return the angles (a, b, c) of `camera_axes`, the first one between -90 and 90 degrees."""
    about_z, about_y, about_x = Rotation.from_matrix(axes).as_euler("ZYX")
    return np.array((about_y, about_x, about_z))


def _optional(content: ForeignContent, key: str) -> Float64[np.ndarray, "3"]:
    return content.values(key, 3) if key in content else np.zeros(3)
