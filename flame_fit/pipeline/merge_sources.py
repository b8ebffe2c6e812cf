"""Finished fits of one person, read to be merged, and the identity that all of them tell."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.errors import InputError
from flame_fit.export import ExportParams, read_params
from flame_fit.export.folder import REPORT_FILE
from flame_fit.flame import FlameAssets, FlameModel, FlameParams
from flame_fit.geometry import Camera
from flame_fit.pipeline.space_fits import (
    MAXIMUM_REPORT_BYTES,
    FitRecord,
    read_fit_maps,
    read_fit_record,
)
from flame_fit.render import texels_per_pixel, to_screen
from flame_fit.texture import TexelGeometry
from flame_fit.texture.merge_colour import SeenAlbedo
from flame_fit.texture.texel_geometry import chart_of
from flame_fit.untrusted import read_file

PARAMS_FILE = "params.npz"
FEWEST_FITS = 2
# Landmark error over the inter-ocular distance at which the texture of a photo counts half. It is
# no sure sign of a head that is placed badly: in turned heads the landmarks themselves are often
# off, and the fit then goes by other evidence.
MIDDLING_NME = 0.1
# Length of the expression coefficients at which it counts half; fits of calm faces have about 2.
MIDDLING_EXPRESSION = 2.5


@dataclass(frozen=True)
class FittedPhoto:
    """A finished fit as its folder has it.

    Attributes:
        folder: Of the fit.
        record: What its report says.
        params: Its parameters.
        model: Head model that it was asked for, a name or a path.
        texture_model: Texture space.
        texture_size: Texels along each side of its maps.
    """

    folder: Path
    record: FitRecord
    params: ExportParams
    model: str
    texture_model: str
    texture_size: int


def read_fits(folders: Sequence[Path]) -> tuple[FittedPhoto, ...]:
    """Read finished fits that are to be merged.

    Raises:
        InputError: There are fewer than two, one is damaged, or they do not go together.
        AssetError: A file cannot be read.
    """
    distinct = {folder.resolve(): folder for folder in folders}
    if len(distinct) < FEWEST_FITS:
        raise InputError(
            f"{len(distinct)} fit was given; give the folders of {FEWEST_FITS} or more fits of one "
            "person"
        )
    fits = tuple(_read_fit(folder) for folder in distinct.values())
    first, known = fits[0], {(fits[0].record.photo_sha256, fits[0].record.face): fits[0].folder}
    for fit in fits[1:]:
        face = (fit.record.photo_sha256, fit.record.face)
        if face in known:
            raise InputError(
                f"{fit.folder}: of the same photo as {known[face]}; give fits of different photos"
            )
        known[face] = fit.folder
        if fit.record.model_sha256 != first.record.model_sha256:
            raise InputError(
                f"{fit.folder}: fitted with {fit.record.model_name}, {first.folder} with "
                f"{first.record.model_name}; give fits of one head model"
            )
        if fit.texture_size != first.texture_size:
            raise InputError(
                f"{fit.folder}: its texture has {fit.texture_size} texels a side, that of "
                f"{first.folder} {first.texture_size}; fit them with one --texture-size"
            )
    return fits


def _read_fit(folder: Path) -> FittedPhoto:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give a folder that `flame-fit fit` wrote")
    record = read_fit_record(folder)
    params = read_params(folder / PARAMS_FILE)
    if params.model_sha256 != record.model_sha256:
        raise InputError(f"{folder}: {PARAMS_FILE} and {REPORT_FILE} differ in model; fit it again")
    content = json.loads(read_file(folder / REPORT_FILE, maximum_bytes=MAXIMUM_REPORT_BYTES))
    try:
        config = content["config"]
        return FittedPhoto(
            folder=folder,
            record=record,
            params=params,
            model=str(config["model"]),
            texture_model=str(content["texture_model"]),
            texture_size=int(config["texture_size"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{folder / REPORT_FILE} does not say how the photo was fitted; fit it again"
        ) from error


def merged_shape(fits: Sequence[FittedPhoto]) -> Float[np.ndarray, " S"]:
    """Return the mean identity, each fit counting by its precision (the inverse covariance).

    Along every direction of the shape space those fits count most that are surest of it. The prior
    counts as it does in one fit: what is wrong in fits of one person is wrong in much the same way,
    so more photos make the identity better, but not surer. Coefficients that a fit did not estimate
    are zero with deviation one to it.

    Args:
        fits: Of one person.
    """
    count = max(len(fit.params.shape) for fit in fits)
    total, information = np.zeros((count, count)), np.zeros(count)
    for fit in fits:
        known = len(fit.params.shape)
        precision = np.eye(count)
        precision[:known, :known] = np.linalg.inv(_covariance(fit))
        total += precision
        information[:known] += precision[:known, :known] @ fit.params.shape
    return np.linalg.solve(total, information).astype(np.float32)


def _covariance(fit: FittedPhoto) -> Float[np.ndarray, "S S"]:
    """Return how sure a fit is of its shape.

    Raises:
        InputError: It does not say, or not of all coefficients.
    """
    found = fit.params.uncertainty
    count = len(fit.params.shape)
    if found is None or found.shape_covariance.shape != (count, count):
        raise InputError(
            f"{fit.folder}: does not say how sure its shape is, which merging needs; fit the photo "
            "again with this version"
        )
    return found.shape_covariance.astype(np.float64)


def seen_albedo(fit: FittedPhoto, assets: FlameAssets, texels: TexelGeometry) -> SeenAlbedo:
    """Return what the photo of a fit shows of the texture, and how finely.

    Args:
        fit: The fit.
        assets: Its head model.
        texels: The chart at the size of its maps.

    Raises:
        InputError: A map is missing or damaged, or the coefficients are not those of the model.
    """
    maps = read_fit_maps(fit.folder, texels)
    by_face = _pixels_per_texel(fit, assets, texels.size)
    resolution = by_face.index_select(0, texels.surface.face_index)
    return SeenAlbedo(maps.srgb[0], maps.confidence[0], resolution, _worth(fit))


def _worth(fit: FittedPhoto) -> float:
    """Return how much the detail of a photo counts.

    Detail of a head that is placed worse lies farther from where it belongs, and wrinkles of a
    laughing face do not belong to a head at rest.
    """
    measured = fit.record.landmark_nme
    error = measured / MIDDLING_NME if math.isfinite(measured) else 1.0
    moved = float(np.linalg.norm(fit.params.expression)) / MIDDLING_EXPRESSION
    return 1.0 / ((1.0 + error**2) * (1.0 + moved**4))


def _pixels_per_texel(fit: FittedPhoto, assets: FlameAssets, size: int) -> Float[Tensor, " F"]:
    """Return each triangle's size in the photo over its size in the chart, per side."""
    params, chart = fit.params, chart_of(assets)
    most = (assets.shape_basis.shape[-1], assets.expression_basis.shape[-1])
    if len(params.shape) > most[0] or len(params.expression) > most[1]:
        raise InputError(
            f"{fit.folder}: has {len(params.shape)} shape and {len(params.expression)} expression "
            f"coefficients, {assets.name} has {most[0]} and {most[1]}; fit it again"
        )
    model = FlameModel(
        assets, shape_count=len(params.shape), expression_count=len(params.expression)
    )
    names = ("shape", "expression", "head_rotation", "neck", "jaw", "eyes", "translation")
    flame = FlameParams(**{name: _row(getattr(params, name)) for name in names})
    camera = Camera(_row(params.focal), _row(params.principal_point), params.projection)
    screen = to_screen(model.mesh(flame).vertices, camera)
    return 1.0 / texels_per_pixel(screen, assets.faces, chart.uv, chart.faces, size)[0]


def _row(values: np.ndarray) -> Float[Tensor, "1 n"]:
    return torch.from_numpy(values.astype(np.float32))[None]


def mean_code(fits: Sequence[FittedPhoto]) -> Float[np.ndarray, " K"]:
    """Return the mean texture code, by how much each photo shows of the face."""
    count = max(len(fit.params.texture_code) for fit in fits)
    total, worth = np.zeros(count), 0.0
    for fit in fits:
        coverage = max(fit.record.coverage, 1e-3)
        total[: len(fit.params.texture_code)] += coverage * fit.params.texture_code
        worth += coverage
    return (total / worth).astype(np.float32)
