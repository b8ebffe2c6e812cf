"""The truth of a picture agrees with itself, and things in front take away what they hide."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from flame_fit.appearance import directional_to_sh
from flame_fit.errors import AssetError, UsageError
from flame_fit.flame import FlameModel
from flame_fit.geometry import SurfacePoints, points_on_surface, project, unproject
from flame_fit.geometry.cameras import centred_camera
from flame_fit.render import rasterize_chart
from flame_fit.synth import SceneRanges, Staging, random_scene, render_scene
from flame_fit.synth.accessories import Glasses
from flame_fit.synth.hands import Hand
from flame_fit.synth.lamps import Lamp
from flame_fit.synth.solids import ellipsoid
from flame_fit.synth.truth import points_seen

SIZE = (160, 160)
CHIN, FOREHEAD = 152, 10
TONE = (0.4, 0.28, 0.2)
HAND = Hand("mouth", 20.0, 0.05, 2.0, 0.001, mirrored=False, tone=TONE, seed=1)
CLEAR, DARK = (0.9, 0.9, 0.85), (0.1, 0.1, 0.12)


def glasses(transmission):
    return Glasses(0.026, 0.02, 3.0, 0.0015, (0.05, 0.05, 0.05), transmission, 0.0)


@pytest.fixture(scope="module")
def turned(model, space):
    ranges = SceneRanges(yaw_degrees=40.0, head_share=(0.8, 0.8))
    return random_scene(model, space, seed=5, image_size=SIZE, ranges=ranges)


@pytest.fixture(scope="module")
def photo(take, turned):
    return take(turned)


@pytest.fixture(scope="module")
def bare(take, frontal):
    return take(frontal)


@pytest.fixture(scope="module")
def covered(take, frontal):
    return take(frontal, Staging(things=(HAND,)))


def test_landmarks_are_the_projected_points_of_the_model(photo, model, turned):
    world = model.landmarks(model.mesh(turned.flame), "mediapipe")
    points = project(turned.camera, world)
    np.testing.assert_allclose(photo.truth.landmarks, points.pixels[0], atol=1e-3)
    np.testing.assert_allclose(photo.truth.landmark_depth, points.depth[0], atol=1e-6)


def test_depth_at_a_pixel_leads_back_to_the_surface(photo, model, turned):
    truth = photo.truth
    row, column = np.nonzero(truth.face_index >= 0)
    centres = torch.from_numpy(np.stack((column, row), -1) + 0.5).float()
    depth = torch.from_numpy(truth.depth[row, column])
    world = unproject(turned.camera, centres[None], depth[None])[0]
    points = SurfacePoints(
        torch.from_numpy(truth.face_index[row, column]).long(),
        torch.from_numpy(truth.barycentrics[row, column]),
    )
    faces = model.assets.faces
    surface = points_on_surface(torch.from_numpy(truth.vertices)[None], faces, points)[0]
    assert float((world - surface).norm(dim=-1).max()) < 2e-5


def test_the_chart_point_of_a_pixel_projects_into_that_pixel(photo, model, turned, rasterizer):
    truth, chart = photo.truth, model.assets.chart
    size = 2048
    texels = rasterize_chart(chart.uv, chart.faces, size, rasterizer=rasterizer)
    row, column = np.nonzero(truth.skin)
    uv = torch.from_numpy(truth.uv[row, column])
    texel = [
        ((1.0 - uv[:, 1]) * size).long().clamp(0, size - 1),
        (uv[:, 0] * size).long().clamp(0, size - 1),
    ]
    face = texels.face_index[texel[0], texel[1]]
    known = (face >= 0).numpy()
    points = SurfacePoints(face[known].long(), texels.barycentrics[texel[0], texel[1]][known])
    world = points_on_surface(torch.from_numpy(truth.vertices)[None], model.assets.faces, points)
    pixels = project(turned.camera, world).pixels[0].numpy()
    centres = np.stack((column, row), -1)[known] + 0.5
    distance = np.linalg.norm(pixels - centres, axis=1)
    assert known.mean() > 0.98
    assert np.median(distance) < 0.2
    assert np.quantile(distance, 0.97) < 1.0


def test_normals_are_unit_vectors_towards_the_camera(photo):
    truth = photo.truth
    seen = truth.face_index >= 0
    assert np.allclose(np.linalg.norm(truth.normals[seen], axis=-1), 1.0, atol=1e-5)
    assert np.mean(truth.normals[truth.skin][:, 2] > 0.0) > 0.9
    assert not truth.normals[~seen].any()


def test_a_hand_hides_skin_and_landmarks_and_nothing_else(bare, covered):
    without, truth = bare.truth, covered.truth
    hand = truth.solid == truth.names.index("hand")
    assert hand.sum() > 500
    assert not truth.skin[hand].any()
    assert not truth.depth[hand].any()
    np.testing.assert_array_equal(truth.skin[~hand], without.skin[~hand])
    np.testing.assert_array_equal(truth.depth[~hand], without.depth[~hand])
    np.testing.assert_array_equal(truth.landmarks, without.landmarks)
    lost = without.landmark_visible & ~truth.landmark_visible
    assert lost[[13, 14]].all()
    assert not (truth.landmark_visible & ~without.landmark_visible).any()
    column, row = truth.landmarks[lost].astype(int).T
    assert hand[row, column].mean() > 0.9
    assert covered.coverage[hand].mean() < 0.1


def test_clear_glass_hides_no_landmark_and_dark_glass_does(take, frontal, bare):
    clear = take(frontal, Staging(things=(glasses(CLEAR),))).truth
    dark = take(frontal, Staging(things=(glasses(DARK),))).truth
    pupils = [468, 473]
    assert bare.truth.landmark_visible[pupils].all()
    assert clear.landmark_visible[pupils].all()
    assert not dark.landmark_visible[pupils].any()
    for truth in (clear, dark):
        assert truth.behind_glass.sum() > 100
        assert not truth.skin[truth.behind_glass].any()
        assert truth.depth[truth.behind_glass & (truth.solid == 0)].min() > 0.0


def test_glass_darkens_what_is_behind_it(take, frontal):
    clear = take(frontal, Staging(things=(glasses(CLEAR),)))
    dark = take(frontal, Staging(things=(glasses(DARK),)))
    behind = clear.truth.behind_glass
    assert dark.srgb[behind].mean() < 0.6 * clear.srgb[behind].mean()


def test_the_far_side_of_a_face_is_not_seen(take, frontal, bare):
    turn = torch.tensor([[0.0, np.pi / 2.0, 0.0]])
    profile = take(replace(frontal, flame=replace(frontal.flame, head_rotation=turn))).truth
    right_cheek, left_cheek = 50, 280
    assert bare.truth.landmark_visible[[right_cheek, left_cheek]].all()
    # Turned to its left, a head shows its right cheek.
    assert profile.landmark_visible[right_cheek]
    assert not profile.landmark_visible[left_cheek]


def test_points_outside_of_the_picture_are_not_visible(take, frontal):
    shift = torch.tensor([[0.4, 0.0, 0.0]])
    flame = replace(frontal.flame, translation=frontal.flame.translation + shift)
    truth = take(replace(frontal, flame=flame)).truth
    outside = truth.landmarks[:, 0] > SIZE[1]
    assert outside.any()
    assert not truth.landmark_visible[outside].any()


def test_of_a_ball_the_half_towards_the_camera_is_seen():
    ball = ellipsoid(np.array([0.0, 0.0, -1.0]), np.full(3, 0.1), rows=40, columns=40)
    vertices = torch.from_numpy(ball.vertices)
    camera = centred_camera(torch.tensor([300.0], dtype=torch.float64), (100, 100))
    seen = points_seen(vertices, vertices, torch.from_numpy(ball.faces), camera)
    # The horizon of a ball of radius r at distance d lies r^2 / d before its middle.
    ahead = vertices[:, 2] + 1.0 - 0.01
    assert bool(seen[ahead > 0.01].all())
    assert not bool(seen[ahead < -0.01].any())


def test_up_stays_up(bare):
    landmarks = bare.truth.landmarks
    assert landmarks[FOREHEAD, 1] < landmarks[CHIN, 1]
    rows = np.nonzero(bare.truth.skin)[0]
    assert rows.min() < landmarks[FOREHEAD, 1] < landmarks[CHIN, 1] < rows.max()


def left_over_right(photo):
    """How much brighter the person's left half of the skin is than the right."""
    row, column = np.nonzero(photo.truth.skin)
    middle = photo.truth.landmarks[[FOREHEAD, CHIN], 0].mean()
    light = photo.srgb[row, column].astype(float).sum(axis=1)
    return light[column > middle].mean() / light[column < middle].mean()


def test_light_from_the_left_lights_the_left(take, frontal, bare):
    towards = torch.tensor([0.9, 0.0, 0.43588989])
    smooth = directional_to_sh(towards, torch.full((3,), 0.8))[None]
    lamp = Lamp((0.9, 0.0, 0.43588989), (0.8, 0.8, 0.8))
    dark = replace(frontal, lighting=0.2 * frontal.lighting)
    by_harmonics = take(replace(dark, lighting=dark.lighting + smooth))
    by_lamp = take(dark, Staging(lamps=(lamp,)))
    assert left_over_right(bare) == pytest.approx(1.0, abs=0.05)
    assert left_over_right(by_harmonics) > 1.3
    assert left_over_right(by_lamp) > 1.3


def test_harmonics_are_the_smooth_part_of_a_lamp(take, frontal):
    """On lit skin without shadows both give nearly the same picture."""
    towards = torch.tensor([0.0, 0.0, 1.0])
    half = 0.5 * frontal.lighting
    smooth = half + directional_to_sh(towards, torch.full((3,), 0.5))[None]
    by_harmonics = take(replace(frontal, lighting=smooth))
    by_lamp = take(
        replace(frontal, lighting=half), Staging(lamps=(Lamp((0.0, 0.0, 1.0), (0.5, 0.5, 0.5)),))
    )
    facing = by_lamp.truth.skin & (by_lamp.truth.normals[..., 2] > 0.5)
    difference = by_lamp.srgb[facing].astype(float) - by_harmonics.srgb[facing]
    assert np.abs(difference).mean() < 6.0


def test_a_hand_throws_a_shadow_and_cavities_darken(take, frontal):
    lamp = Lamp((0.0, 0.6, 0.8), (0.8, 0.8, 0.8), shine=0.03)
    dim = replace(frontal, lighting=0.2 * frontal.lighting)
    raised = replace(HAND, place="right_brow", gap=0.05, turn=0.0)
    lit = take(dim, Staging(lamps=(lamp,)))
    shaded = take(dim, Staging(things=(raised,), lamps=(lamp,)))
    both = lit.truth.skin & shaded.truth.skin
    darker = shaded.srgb[both].astype(int).sum(-1) < lit.srgb[both].astype(int).sum(-1) - 60
    assert 0.01 < darker.mean() < 0.6
    closed = take(frontal, Staging(dark_cavities=True))
    brow, under_chin = closed.truth.landmarks[9].astype(int), closed.truth.landmarks[CHIN]
    below = (under_chin + [0.0, 6.0]).astype(int)
    open_sky = take(frontal)
    dimmed = [
        closed.srgb[y, x].sum() / open_sky.srgb[y, x].sum(dtype=int) for x, y in (brow, below)
    ]
    assert dimmed[1] < dimmed[0] <= 1.0


def test_models_without_chart_or_landmarks_are_refused(frontal, model, space, rasterizer):
    for change, message in (
        ({"chart": None}, "has no UV chart"),
        ({"landmarks": None}, "has no landmark embeddings"),
    ):
        lacking = FlameModel(replace(model.assets, **change))
        with pytest.raises(AssetError, match=message):
            render_scene(frontal, lacking, space, image_size=SIZE, rasterizer=rasterizer)


def test_a_batch_and_no_samples_are_refused(take, frontal):
    two = replace(frontal, texture_code=frontal.texture_code.expand(2, -1))
    with pytest.raises(UsageError, match="2 heads; render them one by one"):
        take(two)
    with pytest.raises(UsageError, match="supersampling must be 1 or more, got 0"):
        take(frontal, supersampling=0)
