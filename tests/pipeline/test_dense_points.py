"""Points out of the face mesh and out of maps of chart coordinates."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from flame_fit.errors import AssetError, InputError
from flame_fit.flame import FlameModel, FlameParams, load_assets
from flame_fit.geometry import points_on_surface, project
from flame_fit.geometry.cameras import centred_camera
from flame_fit.observation import Landmarks
from flame_fit.pipeline.dense_points import (
    PIXEL_POINTS,
    PixelChart,
    mesh_points,
    pixel_points,
    points_of_mesh,
)
from flame_fit.pipeline.head_view import view_head
from flame_fit.priors.face_mesh_topology import face_mesh_topology
from flame_fit.render import make_rasterizer
from flame_fit.texture.chart_lookup import ChartLookup

SIZE = 192


@pytest.fixture(scope="module")
def model():
    return FlameModel(load_assets(), shape_count=2, expression_count=2)


@pytest.fixture(scope="module")
def lookup(model):
    return ChartLookup.of(model.assets.chart)


@pytest.fixture(scope="module")
def posed(model):
    flame = dataclasses.replace(
        FlameParams.zeros(shape=2, expression=2),
        head_rotation=torch.tensor([[0.1, 0.3, 0.0]]),
        translation=torch.tensor([[0.0, 0.0, -0.8]]),
    )
    return model.mesh(flame)


@pytest.fixture(scope="module")
def camera():
    return centred_camera(torch.tensor([420.0]), (SIZE, SIZE))


@pytest.fixture(scope="module")
def seen(model, posed, camera):
    """What a perfect network would say of a picture of the head."""
    view = view_head(posed, model.assets, camera, (SIZE, SIZE), rasterizer=make_rasterizer("warp"))
    ones = torch.ones(len(view.uv), 1)
    maps = view.covered.scatter(torch.cat([view.uv, ones], dim=1))[0].numpy()
    return PixelChart(maps[..., :2], maps[..., 2], np.zeros(2), 1.0, "a map")


def pixels_of(model, mesh, camera, points):
    world = points_on_surface(mesh.vertices, mesh.faces, points)
    return project(camera, world).pixels[0].numpy()


def test_pixels_become_the_points_that_they_show(model, posed, camera, lookup, seen):
    found = pixel_points(lookup, seen, face_size=100.0)
    known = np.isfinite(found.sigma)
    assert len(found.pixels) == PIXEL_POINTS
    assert known.sum() > 0.6 * PIXEL_POINTS
    apart = np.linalg.norm(pixels_of(model, posed, camera, found.points) - found.pixels, axis=1)
    assert np.quantile(apart[known], 0.95) < 0.05
    assert not np.isfinite(found.depth_sigma).any()
    # They are spread over the whole head, not over its upper rows.
    rows = np.nonzero(seen.mask)[0]
    assert abs(np.median(found.pixels[known, 1]) - np.median(rows)) < 0.05 * SIZE


def test_a_part_of_a_photo_lies_where_it_was_cut(lookup, seen):
    whole = pixel_points(lookup, seen, face_size=100.0)
    part = dataclasses.replace(seen, origin=np.array([30.0, -10.0]), scale=2.5)
    moved = pixel_points(lookup, part, face_size=100.0)
    known = np.isfinite(whole.sigma)
    assert np.allclose(moved.pixels[known], 2.5 * whole.pixels[known] + [30.0, -10.0], atol=1e-3)


def test_few_pixels_still_fill_the_arrays(lookup, seen):
    mask = np.zeros_like(seen.mask)
    mask[80:100, 80:100] = seen.mask[80:100, 80:100]
    found = pixel_points(lookup, dataclasses.replace(seen, mask=mask), face_size=100.0)
    assert len(found.pixels) == PIXEL_POINTS
    assert np.isfinite(found.sigma).sum() <= 400
    assert bool(found.points.barycentrics.isfinite().all())


def test_maps_that_say_nothing_or_of_another_chart_are_refused(lookup, seen):
    empty = dataclasses.replace(seen, mask=np.zeros_like(seen.mask))
    with pytest.raises(InputError, match="a map: chart coordinates are known at 0 pixels"):
        pixel_points(lookup, empty, face_size=100.0)
    other = dataclasses.replace(seen, uv=seen.uv + np.float32(1.5))
    with pytest.raises(InputError, match="lie beside the chart .* choose the --model"):
        pixel_points(lookup, other, face_size=100.0)


def test_middles_of_the_face_mesh_lie_on_the_head_where_the_landmarks_say(model, posed, camera):
    points = points_of_mesh(model.assets)
    embedded = model.landmark_points(posed, "mediapipe")
    pixels = pixels_of(model, posed, camera, embedded)
    confidence = np.ones(len(pixels), np.float32)
    confidence[0] = 0.1
    landmarks = Landmarks("mediapipe478", pixels, confidence)
    found = mesh_points(points, landmarks, face_size=100.0)
    apart = np.linalg.norm(pixels_of(model, posed, camera, points) - found.pixels, axis=1)
    # Triangles are flat where the head is round, and some span the nostrils.
    assert np.median(apart) < 0.5
    doubtful = (face_mesh_topology().triangles == 0).any(axis=1)
    assert np.array_equal(np.isfinite(found.sigma), ~doubtful)


def test_other_landmarks_and_models_without_them_have_no_face_mesh(model):
    points = points_of_mesh(model.assets)
    few = Landmarks("ibug68", np.zeros((68, 2), np.float32), np.ones(68, np.float32))
    with pytest.raises(InputError, match="leave --uv mesh or --landmarks out"):
        mesh_points(points, few, face_size=100.0)
    bare = dataclasses.replace(model.assets, landmarks=None)
    with pytest.raises(AssetError, match="'open_head' has no landmarks of the face mesh"):
        points_of_mesh(bare)
