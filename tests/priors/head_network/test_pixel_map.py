"""Points drawn out to an answer for each pixel: places of the chart, and labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from flame_fit.flame import FlameAssets, FlameModel, FlameParams
from flame_fit.geometry import Camera, points_on_surface, project
from flame_fit.head_models import load_head_model
from flame_fit.image_files import Photo
from flame_fit.observation import DenseCorrespondences, Parsing
from flame_fit.priors.face_labels import FACE_LABELS, FaceLabel
from flame_fit.priors.head_network import (
    labels_of_pixels,
    load_head_network,
    pixel_map,
    point_mesh,
)
from flame_fit.render import interpolate, make_rasterizer, rasterize
from flame_fit.texture.texel_geometry import chart_of

SIZE = (160, 200)
PHOTO = Photo(Path("drawn"), np.zeros((*SIZE, 3), np.uint8))


def _all_of(label: FaceLabel, *, upper: FaceLabel | None = None) -> Parsing:
    """A patch over the whole photo that shows one label, another one in its upper half."""
    shares = np.zeros((FACE_LABELS.count, 50, 50), np.float32)
    shares[label] = 1.0
    if upper is not None:
        shares[:, :25] = 0.0
        shares[upper, :25] = 1.0
    return Parsing(shares, FACE_LABELS.names, np.zeros(2), 4.0)


def _camera() -> Camera:
    return Camera(focal=torch.full((1, 2), 500.0), principal_point=torch.tensor([[100.0, 80.0]]))


def _vertices(assets: FlameAssets, *, yaw: float) -> torch.Tensor:
    model = FlameModel(assets, shape_count=1, expression_count=1)
    rest = FlameParams.zeros(shape=1, expression=1)
    turn = torch.tensor([[0.0, yaw, 0.0]])
    params = FlameParams(
        **{
            **vars(rest),
            "head_rotation": turn,
            "translation": torch.tensor([[0.0, 0.0, -1.0]]),
        }
    )
    return model.mesh(params).vertices


def test_true_points_give_the_true_chart() -> None:
    """With the points where they really are the map is the chart as it is drawn, hidden parts too:
    a turned head shows its near side only."""
    assets = load_head_model("open_head")
    chart, rasterizer = chart_of(assets), make_rasterizer("warp", "cpu")
    points = load_head_network().points
    mesh = point_mesh(points, chart)
    for yaw in (0.0, 0.8):
        vertices = _vertices(assets, yaw=yaw)
        world = points_on_surface(vertices, assets.faces, points)
        seen = project(_camera(), world)
        dense = DenseCorrespondences(
            points=points,
            pixels=seen.pixels[0].numpy(),
            sigma=np.ones(len(world[0]), np.float32),
            depth=seen.depth[0].numpy() - 1.0,
            depth_sigma=np.ones(len(world[0]), np.float32),
        )
        found = pixel_map(dense, mesh, _all_of(FaceLabel.SKIN), PHOTO, rasterizer=rasterizer)
        fragments = rasterize(vertices, assets.faces, _camera(), SIZE, rasterizer=rasterizer)
        truth = interpolate(fragments, chart.faces, chart.uv[None])[0].numpy()
        both = (found.mask > 0.5) & (fragments.face_index[0].numpy() >= 0)
        assert both.sum() > 0.8 * (fragments.face_index[0] >= 0).sum()
        error = np.abs(found.uv[both] - truth[both]).max(axis=-1)
        assert np.median(error) < 0.003
        assert (error < 0.02).mean() > 0.97


def test_what_is_no_skin_is_not_in_the_mask() -> None:
    assets = load_head_model("open_head")
    points = load_head_network().points
    world = points_on_surface(_vertices(assets, yaw=0.0), assets.faces, points)
    seen = project(_camera(), world)
    ones = np.ones(len(world[0]), np.float32)
    dense = DenseCorrespondences(points, seen.pixels[0].numpy(), ones, 0.0 * ones, ones)
    found = pixel_map(
        dense,
        point_mesh(points, chart_of(assets)),
        _all_of(FaceLabel.SKIN, upper=FaceLabel.HAIR),
        PHOTO,
        rasterizer=make_rasterizer("warp", "cpu"),
    )
    assert found.mask[:96].max() == 0.0
    assert found.mask[108:130, 90:110].min() == 1.0


def test_labels_fill_the_patch_and_background_the_rest() -> None:
    labels = labels_of_pixels(_all_of(FaceLabel.SKIN, upper=FaceLabel.HAIR), PHOTO)
    assert (labels[:98, :198] == FaceLabel.HAIR).all()
    assert (labels[102:, :198] == FaceLabel.SKIN).all()
    away = Parsing(
        _all_of(FaceLabel.SKIN).probabilities, FACE_LABELS.names, np.array([40.0, 40.0]), 1.0
    )
    beside = labels_of_pixels(away, PHOTO)
    assert (beside[42:88, 42:88] == FaceLabel.SKIN).all()
    assert (beside[:38] == FaceLabel.BACKGROUND).all()
