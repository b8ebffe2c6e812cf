"""MICA's `identity.npy`: 300 identity coefficients and nothing else."""

from __future__ import annotations

import io

import numpy as np

from flame_fit.errors import InputError
from flame_fit.export.foreign.content import BARE, ForeignContent
from flame_fit.export.foreign.layout import (
    Exported,
    Imported,
    ImportOptions,
    checked_codes,
    cut_note,
    sized,
)
from flame_fit.export.scene import ExportParams
from flame_fit.flame import FlameAssets

SHAPE_COUNT = 300
IMAGE_SIZE = (512, 512)
FOCAL_LENGTHS = 2.0
"""Focal length over the larger side of the image."""
DISTANCE = 0.8
"""Metres from the camera to the model's origin; a head is seven tenths as high as the image."""


def recognises(content: ForeignContent) -> bool:
    """Tell whether a file holds one list of 300 numbers."""
    return set(content.arrays) == {BARE} and content.arrays[BARE].shape[-1:] == (SHAPE_COUNT,)


def load(content: ForeignContent, options: ImportOptions) -> Imported:
    """Return the neutral head of an identity, looking into a camera that is made up.

    Raises:
        InputError: The file holds something else.
    """
    if not recognises(content):
        raise InputError(f"{content.path}: is no array of {SHAPE_COUNT} identity coefficients")
    size = np.array(options.image_size or IMAGE_SIZE)
    light = np.zeros((9, 3))
    light[0] = 1.0
    count = options.assets.shape_basis.shape[-1]
    params = ExportParams(
        shape=checked_codes(content, BARE, room=count, what="identity"),
        expression=np.zeros(0),
        head_rotation=np.zeros(3),
        translation=np.array((0.0, 0.0, -DISTANCE)),
        neck=np.zeros(3),
        jaw=np.zeros(3),
        eyes=np.zeros(6),
        focal=np.full(2, FOCAL_LENGTHS * size.max()),
        principal_point=0.5 * size.astype(np.float64),
        image_size=size,
        lighting=light,
        texture_code=np.zeros(0),
        projection="perspective",
        model_name=options.assets.name,
        model_sha256=options.assets.sha256,
    )
    note = f"the layout has an identity only: neutral, white light, {DISTANCE} m from a camera"
    return Imported(params=params, layout="mica", notes=(note,))


def save(params: ExportParams, assets: FlameAssets) -> Exported:
    """Return the identity as a `.npy` file."""
    del assets
    buffer = io.BytesIO()
    codes = sized(np.asarray(params.shape), SHAPE_COUNT).astype(np.float32)
    np.save(buffer, codes, allow_pickle=False)
    notes = cut_note("identity", np.asarray(params.shape), SHAPE_COUNT)
    return Exported(
        data=buffer.getvalue(),
        notes=(*notes, "the layout has an identity only; the rest is left out"),
    )
