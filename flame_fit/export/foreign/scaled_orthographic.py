"""Codes of DECA and of photometric_optimization, the seed: a scaled orthographic camera.

Both: `shape`, `exp`, `pose` (root, then jaw; neck and eyes are zero), `cam` (s, t_x, t_y) and nine
light coefficients for each colour. A vertex X of the published formula without translation is seen
at

    x = s (X_x + t_x),   y = -s (X_y + t_y)

in coordinates that run from -1 to 1 over the image, y downwards. Here that is an orthographic
camera of s W / 2 pixels a metre, W the side of the image, with its axis through the image's centre,
and the head moved by (t_x, t_y). Depth means nothing to such a camera; the head is put at 1 m.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64

from flame_fit.errors import UsageError
from flame_fit.export.foreign.content import ForeignContent
from flame_fit.export.foreign.frames import posed_vertices, square_view
from flame_fit.export.foreign.layout import (
    LIGHT_NOTE,
    ForeignArrays,
    Imported,
    ImportOptions,
    LayoutName,
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

PLACE = -1.0
"""Where the head is put on the camera's axis, metres in world axes."""
SHAPE_COUNT, EXPRESSION_COUNT, TEXTURE_COUNT = 100, 50, 50
CAMERA_KEYS = ("shape", "exp", "pose", "cam")


@dataclass(frozen=True)
class OrthographicCodes:
    """In what the two tools differ."""

    name: LayoutName
    light_key: str
    image_side: int
    """Pixels of the picture that the camera belongs to."""


SEED = OrthographicCodes(name="seed", light_key="lit", image_side=256)
DECA = OrthographicCodes(name="deca", light_key="light", image_side=224)


def recognises(codes: OrthographicCodes, content: ForeignContent) -> bool:
    """Tell whether a file has this tool's keys."""
    return all(key in content for key in (*CAMERA_KEYS, codes.light_key))


def load(codes: OrthographicCodes, content: ForeignContent, options: ImportOptions) -> Imported:
    """Return our parameters for a file of codes.

    Raises:
        InputError: Something is missing or of another size.
        UsageError: The image is not square.
    """
    width, height = options.image_size or (codes.image_side, codes.image_side)
    if width != height:
        raise UsageError(
            f"the image is {width} x {height} pixels; layout {codes.name} has square images: give "
            "the size of the crop that was fitted"
        )
    pose = content.values("pose", 6)
    scale, shift_x, shift_y = content.values("cam", 3)
    texture = content.codes("tex") if "tex" in content else np.zeros(0)
    params = ExportParams(
        shape=identity_codes(content, "shape", options.assets),
        expression=expression_codes(content, "exp", options.assets),
        head_rotation=pose[:3],
        translation=np.array((shift_x, shift_y, PLACE)),
        neck=np.zeros(3),
        jaw=pose[3:],
        eyes=np.zeros(6),
        focal=np.full(2, 0.5 * scale * width),
        principal_point=np.full(2, 0.5 * width),
        image_size=np.array((width, height)),
        lighting=light_from_a(content.values(codes.light_key, 9, 3)),
        texture_code=texture,
        projection="orthographic",
        model_name=options.assets.name,
        model_sha256=options.assets.sha256,
    )
    return Imported(params=params, layout=codes.name, notes=(LIGHT_NOTE,))


def arrays(codes: OrthographicCodes, params: ExportParams, assets: FlameAssets) -> ForeignArrays:
    """Return the codes of a fitted head, with a leading axis for the batch.

    Raises:
        UsageError: The pixels are not square.
    """
    joints = joints_of(params, assets)
    pose, notes = neckless_pose(params, joints)
    if np.asarray(params.eyes).any():
        notes += ("the layout has no eye pose; the gaze was left out",)
    notes += cut_note("identity", np.asarray(params.shape), SHAPE_COUNT)
    notes += cut_note("expression", np.asarray(params.expression), EXPRESSION_COUNT)
    notes += cut_note("texture", np.asarray(params.texture_code), TEXTURE_COUNT)
    flat, camera_notes = _orthographic(params, assets)
    view = square_view(flat)
    if view.left or view.top:
        notes += (
            f"cam belongs to the square of {view.side:.6g} pixels whose upper left corner is at "
            f"({view.left:.6g}, {view.top:.6g}) in the photo",
        )
    camera = np.array((2.0 * flat.focal[0] / view.side, *pose.translation[:2]))
    content = {
        "shape": sized(np.asarray(params.shape), SHAPE_COUNT),
        "exp": sized(np.asarray(params.expression), EXPRESSION_COUNT),
        "pose": np.concatenate((pose.head_rotation, np.asarray(params.jaw))),
        "cam": camera,
        "tex": sized(np.asarray(params.texture_code), TEXTURE_COUNT),
        codes.light_key: light_to_a(np.asarray(params.lighting)),
    }
    return ForeignArrays(
        arrays={key: value[None].astype(np.float32) for key, value in content.items()},
        notes=(*notes, *camera_notes, LIGHT_NOTE),
    )


def _orthographic(
    params: ExportParams, assets: FlameAssets
) -> tuple[ExportParams, tuple[str, ...]]:
    """Return parameters with an orthographic camera, and how far that moves vertices if it does."""
    if params.projection == "orthographic":
        return params, ()
    vertices = posed_vertices(params, assets)
    focal = np.asarray(params.focal, dtype=np.float64)
    flat = replace(params, focal=focal / -vertices[:, 2].mean(), projection="orthographic")
    shift = _seen(vertices, params) - _seen(vertices, flat)
    largest = np.linalg.norm(shift, axis=1).max()
    return flat, (
        "the layout has a scaled orthographic camera only; seen through it, vertices move by up to "
        f"{largest:.1f} pixels",
    )


def _seen(vertices: Float64[np.ndarray, "V 3"], params: ExportParams) -> np.ndarray:
    """Return the pixels of world points."""
    plane = vertices[:, :2] * np.array((1.0, -1.0))
    if params.projection == "perspective":
        plane = plane / -vertices[:, 2:]
    return plane * np.asarray(params.focal) + np.asarray(params.principal_point)
