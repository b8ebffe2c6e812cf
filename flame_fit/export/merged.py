"""Heads out of several fits of one person, as a folder like that of a fit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import UInt8

from flame_fit.export.folder import head_contents, write_folder
from flame_fit.export.params_file import params_bytes
from flame_fit.export.report import ModelRecord
from flame_fit.export.scene import ExportMesh, ExportParams, TextureMap
from flame_fit.image_files import encode_png


@dataclass(frozen=True)
class MergedSource:
    """One fit that a merged head was made from.

    Attributes:
        folder: Of the fit, as resolved.
        photo: Name of its photo.
        photo_sha256: Of the photo's file.
        face: Number of the face in it.
        status: Of the fit.
        landmark_nme: Of the fit.
        psnr_model: Of the fit, dB.
        coverage: Share of the face's texels that its photo shows.
        share: Of the seen texels of the face, how much detail is taken from it.
        sharpness: Detail that it shows over what the sharpest photo shows.
        compared: With how many of the others its colours were compared.
        scale: By what its brightness Y and tints U and V were multiplied,
        shift: and what was added, sRGB from 0 to 1.
    """

    folder: str
    photo: str
    photo_sha256: str
    face: int
    status: str
    landmark_nme: float
    psnr_model: float
    coverage: float
    share: float
    sharpness: float
    compared: int
    scale: tuple[float, ...]
    shift: tuple[float, ...]


@dataclass(frozen=True)
class MergeReport:
    """What a merged head was made from: the content of its `report.json`.

    Its fields have the names and the meaning of a fit's, so that what reads fits reads it too.

    Attributes:
        status: `ok`, or `doubtful` when a warning says that the result should be looked at.
        photo: Folder of the first fit.
        photo_sha256: Of the digests of all photos.
        face: 0, which no face of a photo is.
        landmark_nme: Mean of the fits'.
        psnr_model: Mean of the fits', dB.
        coverage: Share of the face's texels that at least one photo shows.
        sources: The fits.
        model: The head model.
        texture_model: Name of the texture space.
        texture_size: Texels along each side.
        seconds: Time for all of it.
        version: Of flame_fit.
        warnings: What the user should know about this result.
        files: Names of the files written beside the report.
    """

    status: Literal["ok", "doubtful"]
    photo: str
    photo_sha256: str
    face: int
    landmark_nme: float
    psnr_model: float
    coverage: float
    sources: tuple[MergedSource, ...]
    model: ModelRecord
    texture_model: str
    texture_size: int
    seconds: float
    version: str
    warnings: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class MergedHead:
    """All that `write_merged` writes.

    Attributes:
        mesh: Geometry and chart, without expression and pose.
        texture: sRGB colours over the chart, row 0 is v = 1.
        params: The identity; camera, place and light are those of the first picture of `overview`.
        overview: The head from all sides.
        report: What it was made from.
        maps: Further maps over the chart.
    """

    mesh: ExportMesh
    texture: UInt8[np.ndarray, "U U 3"]
    params: ExportParams
    overview: UInt8[np.ndarray, "h w 3"]
    report: MergeReport
    maps: tuple[TextureMap, ...] = ()


def write_merged(head: MergedHead, folder: str | Path) -> MergeReport:
    """Write a merged head into a folder, replacing an earlier one in one step.

    Args:
        head: What to write.
        folder: The head's own folder; its parents are made.

    Returns:
        The report as written.

    Raises:
        UsageError: If the folder cannot be written.
    """
    contents = {
        **head_contents(head.mesh, head.texture, head.maps),
        "params.npz": params_bytes(head.params),
        "overlay.png": encode_png(head.overview),
    }
    report = replace(head.report, files=tuple(contents))
    return write_folder(Path(folder), contents, lambda: report)
