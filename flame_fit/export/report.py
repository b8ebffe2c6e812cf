"""The record of one fit, and its JSON form."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Literal

import numpy as np


@dataclass(frozen=True)
class Seconds:
    """Wall-clock time of each part of a fit.

    Attributes:
        total: From reading the photo to the last file written.
        observe: Detection, landmarks and masks.
        geometry: Pose, camera, shape and expression.
        appearance: Light and texture codes.
        texture: Baking and completion.
        export: Writing files.
    """

    total: float
    observe: float
    geometry: float
    appearance: float
    texture: float
    export: float = 0.0


@dataclass(frozen=True)
class TermReport:
    """One term of the objective at the end of a stage.

    Attributes:
        name: Of the term.
        unweighted: Its value as the loss function returns it.
        weighted: Its share of the objective.
    """

    name: str
    unweighted: float
    weighted: float


@dataclass(frozen=True)
class StageReport:
    """How one stage of the fit ended.

    Attributes:
        name: Of the stage.
        status: Why it stopped.
        steps: How many steps it took.
        terms: The terms of its objective at the end.
    """

    name: str
    status: str
    steps: int
    terms: tuple[TermReport, ...]


@dataclass(frozen=True)
class ModelRecord:
    """The head model of a fit.

    Attributes:
        name: Of the model.
        sha256: Of its file.
        licence: Under which its results may be used.
    """

    name: str
    sha256: str
    licence: str


@dataclass(frozen=True)
class Backends:
    """What did the work, as chosen or found.

    Attributes:
        detector: Face and landmark models.
        segmentation: Where the skin mask comes from.
        rasterizer: What drew the triangles.
        dense: What told points all over the head.
        parser: What told what each pixel shows.
    """

    detector: str
    segmentation: str
    rasterizer: str
    dense: str = "none"
    parser: str = "none"


@dataclass(frozen=True)
class FitReport:
    """What was fitted, with what, how well and how fast: the content of `report.json`.

    Attributes:
        status: `ok`, or `doubtful` when a warning says that the result should be looked at.
        photo: Path of the photo as resolved when it was read.
        photo_sha256: Of the file, so that a moved photo is known again.
        face: Number of the face in the photo by size, the largest is 1.
        seconds: Wall-clock times.
        landmark_nme: Mean landmark error over the inter-ocular distance.
        psnr_model: Of the render with the texture space alone on the skin mask, dB.
        psnr: The same with the baked texture, dB.
        coverage: Share of the chart's face texels that the photo shows.
        stages: The stages in the order they ran.
        model: The head model.
        texture_model: Name of the texture space.
        device: What the tensors lived on.
        backends: What did the work.
        seed: Of the random numbers.
        version: Of flame_fit.
        warnings: What the user should know about this result.
        config: The complete configuration of the run, a frozen dataclass.
        files: Names of the files written beside the report.
    """

    status: Literal["ok", "doubtful"]
    photo: str
    photo_sha256: str
    face: int
    seconds: Seconds
    landmark_nme: float
    psnr_model: float
    psnr: float
    coverage: float
    stages: tuple[StageReport, ...]
    model: ModelRecord
    texture_model: str
    device: str
    backends: Backends
    seed: int
    version: str
    warnings: tuple[str, ...] = ()
    config: object = None
    files: tuple[str, ...] = ()


def report_to_json(report: object) -> str:
    """Return a report, a frozen dataclass, as JSON; numbers that are not finite become null.

    Raises:
        TypeError: If a field holds something other than dataclasses, tuples and plain values.
    """
    return json.dumps(_plain(report), indent=2, allow_nan=False) + "\n"


def _plain(value: object) -> object:
    """Turn dataclasses into dicts, tuples into lists and numpy scalars into numbers."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    if value is None or isinstance(value, bool | int | str):
        return value
    raise TypeError(
        f"report holds a {type(value).__name__}; expected dataclasses, tuples, numbers or text"
    )
