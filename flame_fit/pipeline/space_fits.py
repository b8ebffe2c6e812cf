"""Finished fits as maps for a texture space, and why some are left out."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float

from flame_fit.appearance import linear_to_srgb
from flame_fit.errors import FlameFitError, InputError
from flame_fit.export.folder import REPORT_FILE, TEXTURE_FILE
from flame_fit.flame import FlameAssets
from flame_fit.image_files import load_image, srgb8_to_linear
from flame_fit.texture import TexelGeometry
from flame_fit.texture.spaces import MapBatch
from flame_fit.untrusted import read_file

CONFIDENCE_FILE = "texture_confidence.png"
MASK_FILE = "texture_mask.png"
MAP_FILES = (TEXTURE_FILE, CONFIDENCE_FILE, MASK_FILE)
MAXIMUM_REPORT_BYTES = 16 * 2**20
GREY_LEVELS = 255.0
# Weight of completed colours in a texel of which a part was seen.
COMPLETED_SHARE = 1e-3
# Whatever a damaged folder can make its readers raise.
TROUBLE = (FlameFitError, OSError, ValueError, TypeError, LookupError, cv2.error, MemoryError)


@dataclass(frozen=True)
class FitLimits:
    """Which fits are good enough for a texture space."""

    least_psnr: float = 18.0
    """Fits whose light and skin explain the photo to fewer dB (`psnr_model`) are left out."""
    least_coverage: float = 0.25
    """Fits whose photo shows a smaller share of the face are left out."""
    most_landmark_error: float = 0.05
    """Fits with a larger `landmark_nme` are left out."""
    most_colour_distance: float = 6.0
    """Fits whose tint is farther from that of skin of their brightness, in robust standard
    deviations, are left out."""
    keep_doubtful: bool = False
    """Keep fits whose status is doubtful, if they are within the other limits."""


@dataclass(frozen=True)
class FitRecord:
    """What the report of a fit says.

    Attributes:
        status: `ok` or `doubtful`.
        landmark_nme: Mean landmark error over the inter-ocular distance.
        psnr_model: Of light and skin model, dB.
        coverage: Share of the face that the photo shows.
        model_name: Head model.
        model_sha256: Of its file.
        photo: Name of the photo.
        photo_sha256: Of its file.
        face: Number of the face in it.
        warnings: What the fit warned of.
    """

    status: str
    landmark_nme: float
    psnr_model: float
    coverage: float
    model_name: str
    model_sha256: str
    photo: str
    photo_sha256: str
    face: int
    warnings: tuple[str, ...]


def fit_folders(fits: Path) -> tuple[Path, ...]:
    """Return all folders with a report in a folder and below it, in order.

    Raises:
        InputError: There is none.
    """
    reports = fits.rglob(REPORT_FILE) if fits.is_dir() else ()
    folders = [
        report.parent
        for report in reports
        if not any(part.startswith(".") for part in report.relative_to(fits).parts)
    ]
    if not folders:
        raise InputError(f"{fits}: holds no {REPORT_FILE}; give the folder of finished fits")
    return tuple(sorted(folders))


def read_fit_record(folder: Path) -> FitRecord:
    """Return what the report of a fit says.

    Raises:
        InputError: It is no report of a fit.
        AssetError: It cannot be read.
    """
    path = folder / REPORT_FILE
    content = read_file(path, maximum_bytes=MAXIMUM_REPORT_BYTES)
    try:
        report = json.loads(content)
        return FitRecord(
            status=str(report["status"]),
            landmark_nme=_number(report["landmark_nme"]),
            psnr_model=_number(report["psnr_model"]),
            coverage=_number(report["coverage"]),
            model_name=str(report["model"]["name"]),
            model_sha256=str(report["model"]["sha256"]),
            photo=Path(str(report["photo"])).name,
            photo_sha256=str(report["photo_sha256"]),
            face=int(report["face"]),
            warnings=tuple(str(line) for line in report["warnings"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:80]
        raise InputError(
            f"{path} is no report of flame-fit ({reason}); fit the photo again"
        ) from error


def reason_against(record: FitRecord, assets: FlameAssets, limits: FitLimits) -> str:
    """Return why a fit is left out, empty if it is not.

    Args:
        record: Of the fit.
        assets: The model that the texture space is for.
        limits: What is good enough.
    """
    if record.model_sha256 != assets.sha256:
        return f"fitted with {record.model_name}, not with {assets.name}"
    if record.status != "ok" and not limits.keep_doubtful:
        return f"{record.status}: {record.warnings[0] if record.warnings else 'no reason given'}"
    # Written so that a number that is missing fails.
    if not record.psnr_model >= limits.least_psnr:
        return f"psnr_model {record.psnr_model:.1f} dB, below {limits.least_psnr:g}"
    if not record.landmark_nme <= limits.most_landmark_error:
        return f"landmark_nme {record.landmark_nme:.3f}, above {limits.most_landmark_error:g}"
    if not record.coverage >= limits.least_coverage:
        return f"coverage {record.coverage:.2f}, below {limits.least_coverage:g}"
    return ""


def read_fit_maps(folder: Path, texels: TexelGeometry) -> MapBatch:
    """Return the albedo of a fit and how well it was seen, on the covered texels.

    A larger map is averaged in linear light, what was seen before what was filled in.

    Raises:
        InputError: A map is missing, damaged or smaller than the chart is wanted.
    """
    albedo, confidence, mask = (load_image(folder / name).srgb for name in MAP_FILES)
    if not (albedo.shape == confidence.shape == mask.shape and len(albedo) == albedo.shape[1]):
        raise InputError(f"{folder}: its maps differ in size or are not square; fit it again")
    if len(albedo) < texels.size:
        raise InputError(
            f"{folder}: its texture has {len(albedo)} texels a side, fewer than {texels.size}; "
            f"give --size {len(albedo)} or fit with a larger --texture-size"
        )
    seen = confidence[..., 0] / np.float32(GREY_LEVELS) * (mask[..., 0] > 0)
    if len(albedo) == texels.size:
        srgb = albedo.astype(np.float32) / np.float32(GREY_LEVELS)
    else:
        srgb = _shrunk_colours(albedo, seen, texels.size)
        inside = _shrunk((mask[..., 0] > 0).astype(np.float32), texels.size)
        seen = _shrunk(seen, texels.size) / np.maximum(inside, COMPLETED_SHARE)
    confidence_map = torch.from_numpy(seen.astype(np.float32)).clamp(0.0, 1.0)
    return MapBatch(
        texels.from_map(torch.from_numpy(srgb))[None],
        texels.from_map(confidence_map[..., None])[None, :, 0],
    )


def _shrunk_colours(
    albedo: np.ndarray, seen: Float[np.ndarray, "S S"], size: int
) -> Float[np.ndarray, "U U 3"]:
    weight = seen + np.float32(COMPLETED_SHARE)
    colours = _shrunk(srgb8_to_linear(albedo) * weight[..., None], size)
    return linear_to_srgb(colours / _shrunk(weight, size)[..., None])


def _shrunk(image: np.ndarray, size: int) -> np.ndarray:
    return cv2.resize(image.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA)


def stamp_of(folder: Path) -> str:
    """Return a text that changes when the files of a fit do."""
    parts = []
    for name in (REPORT_FILE, *MAP_FILES):
        try:
            state = (folder / name).stat()
            parts.append(f"{state.st_size}-{state.st_mtime_ns}")
        except OSError:
            parts.append("none")
    return " ".join(parts)


def explain(folder: Path, error: BaseException) -> str:
    """Return the reason that a damaged folder gives for being left out."""
    text = " ".join(str(error).split())
    text = text.removeprefix(f"{folder}: ").replace(f"{folder}/", "")
    return text if isinstance(error, FlameFitError) else f"{type(error).__name__}: {text}"[:120]


def _number(value: object) -> float:
    """Return a number of a report; null is what stands for one that is not finite."""
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{type(value).__name__} instead of a number")
    return float(value)
