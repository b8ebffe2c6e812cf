"""Finished fits of one person to one head: identity, texture, and a record of both."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from flame_fit import __version__
from flame_fit.appearance import decode
from flame_fit.errors import InputError
from flame_fit.export import ExportParams, ModelRecord, TextureMap
from flame_fit.export.merged import MergedHead, MergedSource, MergeReport
from flame_fit.flame import FlameAssets, FlameModel, FlameParams
from flame_fit.head_models import load_head_model, load_head_texture
from flame_fit.pipeline.assemble import export_mesh, to_srgb8, to_uint8
from flame_fit.pipeline.head_sheet import PANEL, head_sheet, sheet_view
from flame_fit.pipeline.merge_sources import (
    FittedPhoto,
    mean_code,
    merged_shape,
    read_fits,
    seen_albedo,
)
from flame_fit.texture import TextureLayout, TextureMaps, texture_layout
from flame_fit.texture.from_photo import complete_texture
from flame_fit.texture.merge import MergedTexels, merge_texels


@dataclass(frozen=True)
class MergePlan:
    """What is merged, and with which models.

    Attributes:
        folders: Of finished fits of one person.
        model: Head model, a name or a path; as the first fit says if None.
        texture_model: Texture space for what no photo shows; as the first fit says if None.
    """

    folders: tuple[Path, ...]
    model: str | None = None
    texture_model: str | None = None


def merge_fits(plan: MergePlan) -> MergedHead:
    """Merge finished fits of one person.

    The identity is the most likely one given what all photos say. The texture takes of each texel
    what the best photo shows, in colours matched to each other; what no photo shows is completed as
    that of a single photo is.

    Args:
        plan: What is merged.

    Raises:
        InputError: There are fewer than two fits, one is damaged, or they do not go together.
        AssetError: A file or a model cannot be read.
    """
    started = time.perf_counter()
    fits = read_fits(plan.folders)
    assets = load_head_model(plan.model or fits[0].model)
    if assets.sha256 != fits[0].record.model_sha256:
        raise InputError(
            f"{fits[0].folder}: fitted with another {fits[0].record.model_name} than the file that "
            f"{plan.model or fits[0].model} names; give --model"
        )
    layout = texture_layout(assets, fits[0].texture_size)
    photos = [seen_albedo(fit, assets, layout.texels) for fit in fits]
    merged = merge_texels(photos, assets, layout=layout)
    texture_model = plan.texture_model or fits[0].texture_model
    code = mean_code(fits)
    codes = _codes_albedo(code, texture_model, assets)
    maps = complete_texture(merged.seen, codes, assets, layout=layout, tone_is_skin=True)
    face = _face_rows(assets, layout)
    warnings = _warnings(fits, merged)
    report = MergeReport(
        status="doubtful" if warnings else "ok",
        photo=str(fits[0].folder.resolve()),
        photo_sha256=_digest([fit.record.photo_sha256 for fit in fits]),
        face=0,
        landmark_nme=float(np.mean([fit.record.landmark_nme for fit in fits])),
        psnr_model=float(np.mean([fit.record.psnr_model for fit in fits])),
        coverage=float(layout.texels.from_map(maps.confidence[..., None])[face].mean()),
        sources=tuple(_source(fits, merged, index, face) for index in range(len(fits))),
        model=ModelRecord(assets.name, assets.sha256, assets.licence),
        texture_model=texture_model,
        texture_size=layout.texels.size,
        seconds=time.perf_counter() - started,
        version=__version__,
        warnings=warnings,
    )
    expressions = max(len(fit.params.expression) for fit in fits)
    return _assembled(_Rest(merged_shape(fits), expressions, code), maps, report, assets)


def _codes_albedo(
    code: Float[np.ndarray, " K"], texture_model: str, assets: FlameAssets
) -> Float[Tensor, "P P 3"]:
    space = load_head_texture(texture_model, assets)
    if len(code) > space.scale.shape[0]:
        raise InputError(
            f"the fits have {len(code)} texture codes, {texture_model} has {space.scale.shape[0]}; "
            "give the --texture-model that they were fitted with"
        )
    return decode(space, torch.from_numpy(code)[None])[0].clamp(0.0, 1.0)


def _digest(digests: Sequence[str]) -> str:
    return hashlib.sha256(" ".join(sorted(digests)).encode()).hexdigest()


def _face_rows(assets: FlameAssets, layout: TextureLayout) -> Bool[Tensor, " N"]:
    """Return which texels lie on the face; all of a model that does not mark it."""
    at = layout.texels.surface.face_index
    if assets.regions is None or "face" not in assets.regions.names:
        return torch.ones_like(at, dtype=torch.bool)
    return assets.regions.mask("face")[assets.faces].all(dim=-1)[at]


def _source(
    fits: Sequence[FittedPhoto], merged: MergedTexels, index: int, face: Bool[Tensor, " N"]
) -> MergedSource:
    fit, match = fits[index], merged.matches[index]
    return MergedSource(
        folder=str(fit.folder.resolve()),
        photo=fit.record.photo,
        photo_sha256=fit.record.photo_sha256,
        face=fit.record.face,
        status=fit.record.status,
        landmark_nme=fit.record.landmark_nme,
        psnr_model=fit.record.psnr_model,
        coverage=fit.record.coverage,
        share=_share(merged, index, face),
        sharpness=float(merged.sharpness[index]),
        compared=match.compared,
        scale=tuple(match.scale.tolist()),
        shift=tuple(match.shift.tolist()),
    )


def _share(merged: MergedTexels, index: int, face: Bool[Tensor, " N"]) -> float:
    seen = merged.seen.baked
    trust = torch.zeros_like(merged.share[index])
    trust[seen.row] = seen.confidence
    trust = trust * face
    return float((merged.share[index] * trust).sum() / trust.sum().clamp_min(1e-6))


def _warnings(fits: Sequence[FittedPhoto], merged: MergedTexels) -> tuple[str, ...]:
    lonely = [
        f"{fit.folder.name} shares too little with the others: its colours were not matched"
        for fit, match in zip(fits, merged.matches, strict=True)
        if match.compared == 0
    ]
    doubted = [
        f"{fit.folder.name}: {'; '.join(fit.record.warnings) or fit.record.status}"
        for fit in fits
        if fit.record.status != "ok"
    ]
    return (*lonely, *doubted)


@dataclass(frozen=True)
class _Rest:
    """Coefficients of a head at rest: identity, how many expressions there are, texture code."""

    shape: Float[np.ndarray, " S"]
    expressions: int
    code: Float[np.ndarray, " K"]


def _assembled(
    rest: _Rest, maps: TextureMaps, report: MergeReport, assets: FlameAssets
) -> MergedHead:
    """Return what is written: the head at rest, seen from all sides."""
    count, shape = rest.expressions, rest.shape
    model = FlameModel(assets, shape_count=len(shape), expression_count=count)
    flame = FlameParams.zeros(shape=len(shape), expression=count)
    flame = replace(flame, shape=torch.from_numpy(shape)[None])
    mesh = export_mesh(flame, model)
    vertices = torch.from_numpy(mesh.vertices)
    view = sheet_view(vertices)
    nothing = np.zeros(3, dtype=np.float32)
    params = ExportParams(
        shape=shape,
        expression=np.zeros(count, dtype=np.float32),
        head_rotation=nothing,
        translation=view.translation.numpy(),
        neck=nothing,
        jaw=nothing,
        eyes=np.zeros(6, dtype=np.float32),
        focal=view.camera.focal[0].numpy(),
        principal_point=view.camera.principal_point[0].numpy(),
        image_size=np.array([PANEL, PANEL]),
        lighting=view.lighting.numpy(),
        texture_code=rest.code,
        projection=view.camera.projection,
        model_name=assets.name,
        model_sha256=assets.sha256,
    )
    return MergedHead(
        mesh=mesh,
        texture=to_srgb8(maps.albedo),
        params=params,
        overview=head_sheet(vertices, maps.albedo, assets),
        report=report,
        maps=(
            TextureMap("confidence", to_uint8(maps.confidence)),
            TextureMap("mask", to_uint8(maps.mask.float())),
        ),
    )
