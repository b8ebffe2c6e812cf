"""A small head-shaped scene with a chart whose colours tell where a texel belongs."""

from __future__ import annotations

import numpy as np

from flame_fit.export import (
    Backends,
    ExportMesh,
    ExportParams,
    ExportScene,
    FitReport,
    ModelRecord,
    OverlayImages,
    Seconds,
    StageReport,
    TermReport,
    TextureMap,
)

RINGS, SECTORS = 12, 16
RADIUS_METRES = 0.1
TEXTURE_SIZE = 64


def make_mesh() -> ExportMesh:
    """A ball whose chart is longitude and latitude, with its seam at the back (-z)."""
    longitude = np.linspace(-np.pi, np.pi, SECTORS + 1)
    latitude = np.linspace(-np.pi / 2, np.pi / 2, RINGS + 1)
    columns, rows = np.meshgrid(longitude, latitude)
    chart_positions = np.stack(
        [
            np.cos(rows) * np.sin(columns),
            np.sin(rows),
            np.cos(rows) * np.cos(columns),
        ],
        axis=-1,
    ).reshape(-1, 3)
    uv = np.stack([columns / (2 * np.pi) + 0.5, rows / np.pi + 0.5], axis=-1).reshape(-1, 2)
    grid = np.arange(len(uv)).reshape(RINGS + 1, SECTORS + 1)
    quads = np.stack([grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]], axis=-1)
    quads = quads.reshape(-1, 4)
    uv_faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    vertices, vertex_of_chart = np.unique(np.round(chart_positions, 9), axis=0, return_inverse=True)
    faces = vertex_of_chart.reshape(-1)[uv_faces]
    solid = np.array([len(set(face)) == 3 for face in faces.tolist()])
    vertices = (vertices * RADIUS_METRES).astype(np.float32)
    return ExportMesh(
        vertices=vertices,
        neutral_vertices=vertices * np.float32(0.5),
        faces=faces[solid],
        uv=uv.astype(np.float32),
        uv_faces=uv_faces[solid],
    )


def make_texture() -> np.ndarray:
    """Red grows with u, green with v (so downwards rows get darker), blue is constant."""
    centres = (np.arange(TEXTURE_SIZE) + 0.5) / TEXTURE_SIZE
    texture = np.full((TEXTURE_SIZE, TEXTURE_SIZE, 3), 40, dtype=np.uint8)
    texture[..., 0] = np.round(255 * centres)[None, :]
    texture[..., 1] = np.round(255 * (1 - centres))[:, None]
    return texture


def make_params() -> ExportParams:
    rng = np.random.default_rng(1)
    return ExportParams(
        shape=rng.normal(size=20).astype(np.float32),
        expression=rng.normal(size=10).astype(np.float32),
        head_rotation=np.array([0.1, -0.2, 0.05], dtype=np.float32),
        translation=np.array([0.0, 0.01, -0.6], dtype=np.float32),
        neck=np.zeros(3, dtype=np.float32),
        jaw=np.array([0.1, 0.0, 0.0], dtype=np.float32),
        eyes=np.zeros(6, dtype=np.float32),
        focal=np.array([900.0, 900.0], dtype=np.float32),
        principal_point=np.array([256.0, 256.0], dtype=np.float32),
        image_size=np.array([512, 512]),
        lighting=rng.normal(size=(9, 3)).astype(np.float32),
        texture_code=np.zeros(0, dtype=np.float32),
        projection="perspective",
        model_name="open_head",
        model_sha256="0" * 64,
    )


def make_report() -> FitReport:
    return FitReport(
        status="ok",
        photo="/photos/a.png",
        photo_sha256="1" * 64,
        face=1,
        seconds=Seconds(total=1.0, observe=0.1, geometry=0.4, appearance=0.3, texture=0.2),
        landmark_nme=0.01,
        psnr_model=27.0,
        psnr=33.0,
        coverage=0.7,
        stages=(
            StageReport(
                name="landmarks",
                status="converged",
                steps=7,
                terms=(TermReport(name="landmarks", unweighted=2.0, weighted=1.0),),
            ),
        ),
        model=ModelRecord(name="open_head", sha256="0" * 64, licence="CC0-1.0"),
        texture_model="open_head_texture",
        device="cpu",
        backends=Backends(detector="mediapipe478", segmentation="selfie", rasterizer="warp"),
        seed=0,
        version="0.1.0",
    )


def make_overlay(height: int = 96, width: int = 80) -> OverlayImages:
    return OverlayImages(
        photo=np.full((height, width, 3), (200, 30, 30), dtype=np.uint8),
        render=np.full((height, width, 3), (30, 200, 30), dtype=np.uint8),
        shape=np.full((height, width, 3), 180, dtype=np.uint8),
        coverage=np.pad(np.ones((height // 2, width // 2), dtype=np.float32), height // 4)[
            :height, :width
        ],
    )


def make_scene() -> ExportScene:
    return ExportScene(
        mesh=make_mesh(),
        texture=make_texture(),
        params=make_params(),
        overlay=make_overlay(),
        report=make_report(),
        maps=(TextureMap("confidence", np.full((8, 8), 65535, dtype=np.uint16)),),
    )
