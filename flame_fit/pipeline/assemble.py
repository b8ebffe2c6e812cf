"""From tensors to what is written: arrays, pictures and the report."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

import flame_fit
from flame_fit.appearance import linear_to_srgb8
from flame_fit.config import FitConfig
from flame_fit.export import (
    Backends,
    ExportMesh,
    ExportParams,
    ExportScene,
    ExportUncertainty,
    FitReport,
    ModelRecord,
    OverlayImages,
    Seconds,
    StageReport,
    TermReport,
    TextureMap,
)
from flame_fit.flame import FlameAssets, FlameModel, FlameParams
from flame_fit.geometry import (
    points_on_surface,
    project,
)
from flame_fit.image_files import Photo
from flame_fit.losses import landmark_error
from flame_fit.observation import FaceEvidence
from flame_fit.pipeline.doubts import doubts_about
from flame_fit.pipeline.landmark_terms import MESH_COUNT, inter_ocular_pixels
from flame_fit.pipeline.look import Look
from flame_fit.pipeline.result import FitResult
from flame_fit.pipeline.stages import StageReport as SolvedStage
from flame_fit.pipeline.tools import FitTools
from flame_fit.pipeline.uncertainty import Uncertainty, vertex_deviation
from flame_fit.render import ClayShader, interpolate_covered, paint
from flame_fit.texture import shade_texture
from flame_fit.texture.texel_geometry import chart_of, face_region

MILLIMETRES = 1000.0
# What one is in the picture of the residual: it may be brighter than one.
RESIDUAL_UNIT = 0.5
EYEBALLS = ("left_eyeball", "right_eyeball")


@dataclass(frozen=True)
class ObservedFace:
    """One face of one photo before it is fitted.

    Attributes:
        photo: The photo.
        photo_sha256: Of its file.
        number: Of the face in the photo, the largest is 1.
        evidence: What the detectors saw.
        seconds: Time for reading and detecting.
    """

    photo: Photo
    photo_sha256: str
    number: int
    evidence: FaceEvidence
    seconds: float


@dataclass(frozen=True)
class FittedFace:
    """Everything known about one fitted face.

    Attributes:
        observed: The photo and what was seen in it.
        stages: What the stages did, in order.
        look: The scene, texture and pictures.
        uncertainty: Of the last stage that moved the head.
        geometry_seconds: Time for the geometry.
        total_seconds: Time for all of it.
    """

    observed: ObservedFace
    stages: tuple[SolvedStage, ...]
    look: Look
    uncertainty: Uncertainty
    geometry_seconds: float
    total_seconds: float


def assemble_result(fitted: FittedFace, *, tools: FitTools, config: FitConfig) -> FitResult:
    """Return the result of a fitted face.

    Args:
        fitted: All that was found.
        tools: Models and backends.
        config: The configuration, for the record.
    """
    scene, look = fitted.look.scene, fitted.look
    landmarks = _fitted_landmarks(fitted, tools)
    export = ExportScene(
        mesh=export_mesh(scene.flame, tools.model),
        texture=to_srgb8(look.maps.albedo),
        params=_params(fitted, tools),
        overlay=_overlay(fitted, landmarks, tools, config),
        report=_report(fitted, landmarks, tools, config),
        maps=(
            TextureMap("confidence", to_uint8(look.maps.confidence)),
            TextureMap("mask", to_uint8(look.maps.mask.float())),
            TextureMap("shaded", to_srgb8(_shaded(look, tools))),
            TextureMap("residual", to_uint8(RESIDUAL_UNIT * look.maps.residual)),
        ),
    )
    return FitResult(scene=scene, export=export)


def _shaded(look: Look, tools: FitTools) -> Float[Tensor, "U U 3"]:
    """Return the texture under the light of the photo, linear."""
    return shade_texture(
        look.maps.albedo,
        look.mesh.vertices[0],
        tools.assets,
        look.scene.lighting[0],
        residual=look.maps.residual,
        texels=tools.layout.texels,
    )


def _eye_faces(assets: FlameAssets) -> Bool[np.ndarray, " F"] | None:
    """Return which triangles are eyeballs, None where the model does not say."""
    eyes = face_region(assets, *EYEBALLS)
    return _numpy(eyes) if bool(eyes.any()) else None


def _numpy(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()


def to_uint8(values: Float[Tensor, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    """Return values from 0 to 1 as whole numbers from 0 to 255."""
    return _numpy((values.clamp(0.0, 1.0) * 255.0).round().to(torch.uint8))


def to_srgb8(linear: Float[Tensor, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    """Return linear colours as 8-bit sRGB."""
    return _numpy(linear_to_srgb8(linear))


def _in_model_space(params: FlameParams) -> FlameParams:
    """Return the same head without its place before the camera."""
    return FlameParams(
        shape=params.shape,
        expression=params.expression,
        head_rotation=torch.zeros_like(params.head_rotation),
        neck=params.neck,
        jaw=params.jaw,
        eyes=params.eyes,
        translation=torch.zeros_like(params.translation),
    )


def export_mesh(flame: FlameParams, model: FlameModel) -> ExportMesh:
    """Return a head as it is written: posed as it is, but not placed before a camera.

    Args:
        flame: Its coefficients.
        model: The head model.
    """
    assets, chart = model.assets, chart_of(model.assets)
    neutral = FlameParams.zeros(
        shape=model.shape_count, expression=model.expression_count, device=flame.shape.device
    )
    neutral = FlameParams(**{**vars(neutral), "shape": flame.shape})
    return ExportMesh(
        vertices=_numpy(model.mesh(_in_model_space(flame)).vertices[0]),
        neutral_vertices=_numpy(model.mesh(neutral).vertices[0]),
        faces=_numpy(assets.faces),
        uv=_numpy(chart.uv),
        uv_faces=_numpy(chart.faces),
        eye_faces=_eye_faces(assets),
    )


def _params(fitted: FittedFace, tools: FitTools) -> ExportParams:
    scene = fitted.look.scene
    flame, camera, decoder = scene.flame, scene.camera, fitted.look.decoder
    return ExportParams(
        shape=_numpy(flame.shape[0]),
        expression=_numpy(flame.expression[0]),
        head_rotation=_numpy(flame.head_rotation[0]),
        translation=_numpy(flame.translation[0]),
        neck=_numpy(flame.neck[0]),
        jaw=_numpy(flame.jaw[0]),
        eyes=_numpy(flame.eyes[0]),
        focal=_numpy(camera.focal[0]),
        principal_point=_numpy(camera.principal_point[0]),
        image_size=np.array([fitted.observed.photo.width, fitted.observed.photo.height]),
        lighting=_numpy(scene.lighting[0]),
        texture_code=_numpy(scene.texture_code[0]),
        projection=camera.projection,
        model_name=tools.assets.name,
        model_sha256=tools.assets.sha256,
        uncertainty=_uncertainty(fitted, tools),
        texture_latents=None if decoder is None else _numpy(decoder.latents),
    )


def _uncertainty(fitted: FittedFace, tools: FitTools) -> ExportUncertainty:
    found = fitted.uncertainty
    span = found.layout.span("shape")
    return ExportUncertainty(
        shape=_numpy(found.deviation("shape")),
        expression=_numpy(found.deviation("expression")),
        head_rotation=_numpy(found.deviation("head_rotation")),
        translation=_numpy(found.deviation("translation")),
        vertices_mm=MILLIMETRES * _numpy(vertex_deviation(tools.model, found)),
        shape_covariance=_numpy(found.covariance[span, span]),
    )


def _deviation_image(fitted: FittedFace, tools: FitTools) -> Float[np.ndarray, "H W"]:
    """Return how unsure the shape is at each pixel of the picture, millimetres."""
    look = fitted.look
    covered = look.render.surface.covered
    deviation = vertex_deviation(tools.model, fitted.uncertainty)
    values = interpolate_covered(covered, look.mesh.faces, deviation[None, :, None])
    return MILLIMETRES * _numpy(covered.scatter(values)[0, ..., 0])


def _fitted_landmarks(fitted: FittedFace, tools: FitTools) -> Float[Tensor, "L 2"]:
    """Return where the first landmark set lies on the fitted head, in photo pixels."""
    scene, seen = fitted.look.scene, fitted.observed.evidence.landmarks[0]
    mesh = fitted.look.mesh
    kind = "ibug" if seen.kind == "ibug68" else "mediapipe"
    points = tools.model.landmark_points(mesh, kind, projection=scene.camera.projection)
    world = points_on_surface(mesh.vertices, mesh.faces, points)
    return project(scene.camera, world).pixels[0, : len(seen.pixels)]


def _overlay(
    fitted: FittedFace, landmarks: Float[Tensor, "L 2"], tools: FitTools, config: FitConfig
) -> OverlayImages:
    look = fitted.look
    clay = paint(look.render.surface, ClayShader())
    coverage = look.render.coverage[0]
    # The writer blends by coverage itself, so the render goes there without it.
    covered = coverage.clamp_min(1e-3)[..., None]
    dots = None
    if config.overlay_landmarks:
        dots = _numpy(look.crop.to_crop(landmarks[None].cpu())[0])
    return OverlayImages(
        photo=to_srgb8(look.photo),
        render=to_srgb8(look.render.image[0] / covered),
        shape=to_srgb8(clay.image[0] / covered),
        coverage=_numpy(coverage),
        landmarks=dots,
        deviation_mm=_deviation_image(fitted, tools) if config.overlay_uncertainty else None,
    )


def _report(
    fitted: FittedFace, landmarks: Float[Tensor, "L 2"], tools: FitTools, config: FitConfig
) -> FitReport:
    look, seen = fitted.look, fitted.observed.evidence.landmarks[0]
    target = torch.from_numpy(seen.pixels).to(landmarks)
    error = landmark_error(
        landmarks[:MESH_COUNT], target[:MESH_COUNT], scale=inter_ocular_pixels(seen)
    )
    coverage = _coverage(look, tools)
    evidence = fitted.observed.evidence
    warnings = doubts_about(look, evidence, landmark_error=error, coverage=coverage)
    return FitReport(
        status="doubtful" if warnings else "ok",
        photo=str(fitted.observed.photo.path.resolve()),
        photo_sha256=fitted.observed.photo_sha256,
        face=fitted.observed.number,
        seconds=Seconds(
            total=fitted.total_seconds,
            observe=fitted.observed.seconds,
            geometry=fitted.geometry_seconds,
            appearance=look.appearance_seconds,
            texture=look.texture_seconds,
        ),
        landmark_nme=error,
        psnr_model=look.psnr_model,
        psnr=look.psnr,
        coverage=coverage,
        stages=_stages(fitted),
        model=ModelRecord(tools.assets.name, tools.assets.sha256, tools.assets.licence),
        texture_model=config.texture_model,
        device=str(tools.device),
        backends=Backends(
            detector=evidence.detector,
            segmentation="mediapipe selfie segmentation and skin colour",
            rasterizer=tools.rasterizer_name,
            dense=tools.dense_name,
            parser=tools.parser_name,
        ),
        seed=config.seed,
        version=flame_fit.__version__,
        warnings=warnings,
        config=config,
    )


def _coverage(look: Look, tools: FitTools) -> float:
    """Return the share of the face's texels that the photo shows."""
    layout, assets = tools.layout, tools.assets
    if assets.regions is None:
        return math.nan
    face = assets.regions.mask("face")[assets.faces].all(dim=-1)
    inside = face[layout.texels.surface.face_index]
    return float(look.shown.reshape(-1)[layout.texels.texel[inside]].mean())


def _stages(fitted: FittedFace) -> tuple[StageReport, ...]:
    return tuple(
        StageReport(
            report.name,
            report.status,
            report.steps,
            tuple(TermReport(t.name, t.unweighted, t.weighted) for t in report.terms),
        )
        for report in fitted.stages
    )
