"""The record of a texture space, and its JSON form."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass

from flame_fit.texture.spaces import ColourSpread

SIGNIFICANT = 6


@dataclass(frozen=True)
class LeftOut:
    """A fit that is not in the space.

    Attributes:
        folder: Below the folder of all fits.
        reason: Why.
    """

    folder: str
    reason: str


@dataclass(frozen=True)
class ComponentRecord:
    """What the space is with so many of its components.

    Attributes:
        components: How many; 0 is the mean alone.
        deviation: Standard deviation of the last of them, sRGB root mean square over all texels.
        explained: Share of the used maps' squared departures from the mean that is explained.
        rms_used: Root mean square error of the used maps on seen texels, sRGB from 0 to 1.
        rms_new: The same of maps that were held out.
        rms_hidden: The same on texels of these that were seen but hidden from the estimate.
    """

    components: int
    deviation: float
    explained: float
    rms_used: float
    rms_new: float
    rms_hidden: float


@dataclass(frozen=True)
class SpaceReport:
    """What a texture space was made from and how good it is.

    Attributes:
        model: Name of the head model.
        model_sha256: Of its file.
        size: Texels along each side.
        noise: Standard deviation of what the components leave, sRGB from 0 to 1.
        colours: What the maps' colour factors were.
        records: From 0 components to all.
        used: Folders that the space is made from.
        held_out: Folders that it is only measured on.
        left_out: Folders that are in neither, and why.
        seconds: Of the last call.
        version: Of flame_fit.
        settings: How it was made, a frozen dataclass.
    """

    model: str
    model_sha256: str
    size: int
    noise: float
    colours: ColourSpread
    records: tuple[ComponentRecord, ...]
    used: tuple[str, ...]
    held_out: tuple[str, ...]
    left_out: tuple[LeftOut, ...]
    seconds: float
    version: str
    settings: object


def space_report_json(report: SpaceReport) -> str:
    """Return the report as JSON; numbers that are not finite become null."""
    return json.dumps(_plain(asdict(report)), indent=1, allow_nan=False) + "\n"


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.{SIGNIFICANT}g}") if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int) else str(value)
