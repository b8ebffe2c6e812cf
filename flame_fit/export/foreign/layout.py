"""What the converters of all layouts share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Float64

from flame_fit.appearance.lighting_conventions import from_convention_a, to_convention_a
from flame_fit.errors import InputError
from flame_fit.export.foreign.content import ForeignContent
from flame_fit.export.foreign.frames import Pose, RestJoints, rest_joints, without_neck
from flame_fit.export.scene import ExportParams
from flame_fit.flame import FlameAssets
from flame_fit.untrusted.pickle_writer import PickleValue

LayoutName = Literal["flame-fit", "seed", "vhap", "flame-head-tracker", "deca", "mica"]
NECK_NOTE = (
    "the layout has no neck: its turn went into the root, so the head is in place and the lower "
    "neck turns with it"
)
LIGHT_NOTE = (
    "light is for linear colours here and for display colours there: shading is the same number, "
    "the look is not"
)


@dataclass(frozen=True)
class Imported:
    """Parameters from another tool, and what to know about them."""

    params: ExportParams
    layout: LayoutName
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Exported:
    """A file for another tool, and what to know about it."""

    data: bytes
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class ForeignArrays:
    """The arrays of a file for another tool, and what to know about them."""

    arrays: dict[str, PickleValue]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ImportOptions:
    """What a foreign file does not say."""

    assets: FlameAssets
    image_size: tuple[int, int] | None = None
    """Width and height of the photo in pixels; the layout's own by default."""


@dataclass(frozen=True)
class Layout:
    """How one tool's files are read and written."""

    name: LayoutName
    suffix: str
    """Of the files it writes."""
    recognises: Callable[[ForeignContent], bool]
    load: Callable[[ForeignContent, ImportOptions], Imported]
    save: Callable[[ExportParams, FlameAssets], Exported]


def checked_codes(
    content: ForeignContent, key: str, *, room: int, what: str
) -> Float64[np.ndarray, "count"]:
    """Return coefficients; those beyond what the model has must be zero and are cut.

    Raises:
        InputError: The model has too few components.
    """
    codes = content.codes(key)
    if codes[room:].any():
        raise InputError(
            f"{content.path}: '{key}' has {codes.size} {what} coefficients, the model {room}; "
            "give the model they were fitted with (--model)"
        )
    return codes[:room]


def identity_codes(content: ForeignContent, key: str, assets: FlameAssets) -> np.ndarray:
    """Return identity coefficients that the model has."""
    return checked_codes(content, key, room=assets.shape_basis.shape[-1], what="identity")


def expression_codes(content: ForeignContent, key: str, assets: FlameAssets) -> np.ndarray:
    """Return expression coefficients that the model has."""
    return checked_codes(content, key, room=assets.expression_basis.shape[-1], what="expression")


def sized(codes: Float[np.ndarray, "given"], count: int) -> Float64[np.ndarray, "count"]:
    """Return the first coefficients, zeros where there are too few."""
    result = np.zeros(count)
    result[: min(count, codes.size)] = codes[:count]
    return result


def cut_note(name: str, codes: Float[np.ndarray, "given"], count: int) -> tuple[str, ...]:
    """Say how much is lost where a layout has fewer coefficients than were fitted."""
    lost = codes[count:]
    if not lost.any():
        return ()
    return (f"the layout has {count} {name} coefficients; {lost.size} more were left out",)


def light_from_a(lighting: Float[np.ndarray, "9 3"]) -> Float64[np.ndarray, "9 3"]:
    """Return our coefficients for light in the convention of DECA, VHAP and the seed."""
    return from_convention_a(torch.as_tensor(lighting, dtype=torch.float64)).numpy()


def light_to_a(lighting: Float[np.ndarray, "9 3"]) -> Float64[np.ndarray, "9 3"]:
    """Return light in the convention of DECA, VHAP and the seed."""
    return to_convention_a(torch.as_tensor(lighting, dtype=torch.float64)).numpy()


def pose_of(params: ExportParams) -> Pose:
    """Return where a fitted head is."""
    return Pose(
        head_rotation=np.asarray(params.head_rotation, dtype=np.float64),
        neck=np.asarray(params.neck, dtype=np.float64),
        translation=np.asarray(params.translation, dtype=np.float64),
    )


def neckless_pose(params: ExportParams, joints: RestJoints) -> tuple[Pose, tuple[str, ...]]:
    """Return the pose without a neck, and a note if that makes a difference."""
    pose = pose_of(params)
    return without_neck(pose, joints), ((NECK_NOTE,) if pose.neck.any() else ())


def joints_of(params: ExportParams, assets: FlameAssets) -> RestJoints:
    """Return root and neck of a fitted head at rest."""
    return rest_joints(assets, np.asarray(params.shape), np.asarray(params.expression))
