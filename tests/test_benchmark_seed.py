"""The seed's schedule: what it minimises, that it works, and how its time is told."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from flame_fit.appearance import TextureSpace, spherical_harmonics
from flame_fit.flame import FlameModel
from flame_fit.geometry import project
from flame_fit.priors.face_mesh_topology import POINT_COUNT, face_mesh_topology
from flame_fit.render import make_rasterizer
from flame_fit.testing import tiny_assets
from scripts.benchmarking import seed_comparison, tables
from scripts.benchmarking.seed_photo import face_square, ibug_from_mesh
from scripts.benchmarking.seed_schedule import (
    SeedParams,
    SeedPhoto,
    SeedSettings,
    SeedTools,
    fit_seed,
    full_loss,
    render_seed,
    rigid_loss,
    seed_harmonics,
)

SIDE = 48
SETTINGS = SeedSettings(rigid_passes=30, full_passes=30)


@pytest.fixture(scope="module")
def tools():
    generator = torch.Generator().manual_seed(0)
    space = TextureSpace(
        mean=0.3 + 0.4 * torch.rand(16, 16, 3, generator=generator),
        basis=0.05 * torch.randn(16, 16, 3, 4, generator=generator),
        scale=torch.ones(4),
    )
    model = FlameModel(tiny_assets())
    return SeedTools.of(model, space, make_rasterizer("warp"), settings=SETTINGS)


@pytest.fixture(scope="module")
def target(tools):
    """A head that the schedule can find, and its picture."""
    start = SeedParams.start(tools, SETTINGS)
    lights = torch.zeros(1, 9, 3)
    lights[0, 0] = 1.0
    lights[0, 3] = 0.2
    true = dataclasses.replace(
        start,
        pose=torch.tensor([[0.05, 0.1, 0.0, 0.05, 0.0, 0.0]]),
        camera=torch.tensor([[5.4, 0.01, -0.01]]),
        lights=lights,
    )
    picture = render_seed(true, tools, side=SIDE)
    points = tools.model.landmarks(
        tools.model.mesh(true.flame()), "ibug", projection="orthographic"
    )
    photo = SeedPhoto(
        image=picture.image,
        mask=picture.coverage[..., None],
        landmarks=project(true.view(2), points).pixels - 1.0,
    )
    return true, photo


def test_the_seeds_harmonics_are_ours_in_another_order_and_scale():
    normals = torch.nn.functional.normalize(
        torch.randn(50, 3, generator=torch.Generator().manual_seed(1)), dim=-1
    )
    ours = spherical_harmonics(normals)[:, [0, 3, 1, 2, 4, 7, 5, 8, 6]]
    first = 1.0 / math.sqrt(4.0 * math.pi)
    # The seed leaves the factor pi of the cosine out of its first function only.
    wanted = first * torch.cat((ours[:, :1], math.pi * ours[:, 1:]), dim=1)
    torch.testing.assert_close(seed_harmonics(normals), wanted)


def test_losses_are_zero_at_the_truth_but_for_the_priors(tools, target):
    true, photo = target
    assert float(rigid_loss(true, photo, tools)) < 1e-6
    assert float(full_loss(true, photo, tools, settings=SETTINGS)) < 1e-5
    shaped = dataclasses.replace(true, shape=true.shape + 2.0)
    bare = dataclasses.replace(SETTINGS, shape_weight=0.0)
    count = true.shape.numel()
    added = full_loss(shaped, photo, tools, settings=SETTINGS) - full_loss(
        shaped, photo, tools, settings=bare
    )
    assert float(added) == pytest.approx(1e-4 * 0.5 * 4.0 * count, rel=1e-2)


def test_the_schedule_lowers_its_losses_and_finds_the_head(tools, target):
    true, photo = target
    seen = []
    fit = fit_seed(photo, tools, settings=SETTINGS, on_pass=lambda: seen.append(None))
    assert len(seen) == len(fit.rigid_seconds) + len(fit.full_seconds) == 60
    assert fit.rigid_losses[-1] < 0.5 * fit.rigid_losses[0]
    assert fit.full_losses[-1] < 0.7 * fit.full_losses[0]
    start = SeedParams.start(tools, SETTINGS)
    assert (fit.params.camera - true.camera).norm() < 0.6 * (start.camera - true.camera).norm()
    assert fit.params.lights.abs().sum() > 0.0


def test_the_first_stage_moves_pose_and_camera_only(tools, target):
    _, photo = target
    fit = fit_seed(photo, tools, settings=dataclasses.replace(SETTINGS, full_passes=0))
    start = SeedParams.start(tools, SETTINGS)
    for name in ("shape", "expression", "texture", "lights"):
        assert torch.equal(getattr(fit.params, name), getattr(start, name))
    assert not torch.equal(fit.params.pose, start.pose)
    assert not torch.equal(fit.params.camera, start.camera)


def test_a_fit_can_go_on_from_another(tools, target):
    true, photo = target
    few = dataclasses.replace(SETTINGS, rigid_passes=1, full_passes=1)
    fit = fit_seed(photo, tools, settings=few, start=true)
    assert fit.rigid_losses[0] < 1e-6
    torch.testing.assert_close(fit.params.camera, true.camera, atol=0.02, rtol=0.0)


def test_texture_light_and_geometry_get_gradients_but_not_through_normals(tools, target):
    true, photo = target
    dark = dataclasses.replace(true, lights=torch.zeros_like(true.lights))
    flat = dataclasses.replace(true, texture=true.texture + 0.5, pose=true.pose + 0.05)
    for params, name in ((dark, "lights"), (flat, "texture"), (flat, "pose"), (flat, "camera")):
        free = getattr(params, name).clone().requires_grad_()
        loss = full_loss(
            dataclasses.replace(params, **{name: free}), photo, tools, settings=SETTINGS
        )
        (gradient,) = torch.autograd.grad(loss, free)
        assert gradient.abs().sum() > 0.0, name
    # One colour everywhere: only normals and outlines could move the head, and neither does.
    mean = torch.full_like(tools.space.mean, 0.5)
    plain = dataclasses.replace(tools, space=dataclasses.replace(tools.space, mean=mean))
    pose = true.pose.clone().requires_grad_()
    image = render_seed(dataclasses.replace(true, pose=pose), plain, side=SIDE).image
    (gradient,) = torch.autograd.grad(image.square().sum(), pose)
    assert gradient.abs().max() < 1e-4 * float(image.detach().square().sum())


def test_ibug_points_of_a_mirrored_mesh_are_mirrored():
    rng = np.random.default_rng(0)
    mesh = rng.normal(size=(POINT_COUNT, 2))
    mirrored = mesh[face_mesh_topology().mirror] * [-1.0, 1.0]
    first, second = ibug_from_mesh(mesh), ibug_from_mesh(mirrored)
    assert first.shape == (68, 2)
    np.testing.assert_allclose(second[:17], first[16::-1] * [-1.0, 1.0])
    # The outer corners of the eyes, the tip of the nose, the corners of the mouth.
    np.testing.assert_allclose(second[[36, 30, 48]], first[[45, 30, 54]] * [-1.0, 1.0])


def test_the_square_of_a_face_is_four_eye_distances_wide():
    points = np.zeros((68, 2), np.float32)
    points[36:42], points[42:48] = (100.0, 200.0), (160.0, 200.0)
    points[[48, 54]] = (110.0, 250.0), (150.0, 250.0)
    crop = face_square(points)
    assert crop.size == (256, 256)
    assert float(crop.scale) == pytest.approx(256 / 240)
    middle = crop.to_crop(torch.tensor([[[130.0, 205.0]]]))
    torch.testing.assert_close(middle, torch.tensor([[[128.0, 128.0]]]))


def test_the_seeds_table_says_what_was_extrapolated_and_what_is_missing():
    half, one = tables.Spread(0.5, 0.5, 0.5), tables.Spread(1.0, 1.0, 1.0)
    comparison = seed_comparison.SeedComparison(
        presets=(
            seed_comparison.PresetSeconds("standard", one),
            seed_comparison.PresetSeconds("fast", half),
        ),
        schedules=(
            seed_comparison.ScheduleSeconds("warp", 0.01, 0.02, 1000, 1000, 18.0),
            seed_comparison.ScheduleSeconds("pytorch3d", 0.01, 2.5, 8, 1000, 2002.0),
            seed_comparison.ScheduleSeconds("nvdiffrast", missing="not installed"),
        ),
    )
    table = seed_comparison.seed_table(comparison)
    names = [row[0] for row in table.rows]
    assert "seed's schedule, warp" in names
    assert "seed's schedule, pytorch3d (extrapolated)" in names
    assert table.rows[2][1:3] == ("18.0x", "36.0x")
    assert table.rows[3][1:] == ("2,002x", "4,004x", "2002.00", "10.0", "2500.0", "8 of 1,000")
    assert table.rows[4][1] == "not run"
    assert "Extrapolated" in table.note
    assert "nvdiffrast: not installed." in table.note


def test_a_few_passes_are_extrapolated_to_all(tools, target, monkeypatch):
    _, photo = target
    bench = seed_comparison.SeedBench(tools.model, tools.space, SETTINGS, torch.device("cpu"))
    monkeypatch.setattr(seed_comparison.SeedBench, "tools", lambda self, name: tools)
    face = dataclasses.make_dataclass("Face", ["seed"])(photo)
    fit, timed = bench.time_schedule(face, "torch", passes=2)
    assert len(fit.rigid_seconds) == len(fit.full_seconds) == 3
    assert (timed.passes_run, timed.passes, timed.extrapolated) == (6, 60, True)
    assert timed.total == pytest.approx(30 * timed.rigid_pass + 30 * timed.full_pass)
