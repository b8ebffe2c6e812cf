"""A head that is known is found again."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from flame_fit.appearance import TextureSpace, shade
from flame_fit.geometry import Crop
from flame_fit.image_files import srgb8_to_linear
from flame_fit.pipeline import FitSession
from flame_fit.pipeline.head_view import region_of_pixels, view_head
from flame_fit.pipeline.refine import fit_appearance
from flame_fit.pipeline.skin_view import SkinView
from flame_fit.synth import random_scene, render_scene
from tests.pipeline.recovery import (
    IMAGE_SIZE,
    recover_detected,
    recover_exact,
    session_for_recovery,
)

SEEDS = (2000, 2001, 2002)


@pytest.fixture(scope="module")
def session() -> FitSession:
    return session_for_recovery()


@pytest.mark.parametrize("seed", SEEDS)
def test_true_landmarks_give_the_head_back(session, seed):
    errors = recover_exact(session, seed)
    assert errors.landmark_pixels < 0.5
    assert errors.geometry_mm < 1.0
    assert errors.geometry_mm < 0.6 * errors.template_mm
    assert errors.rotation_degrees < 3.0


@pytest.mark.parametrize("seed", SEEDS)
def test_light_is_found_within_five_percent_where_head_and_albedo_are_known(session, seed):
    tools = session.tools
    scene = random_scene(tools.model, tools.texture_space, seed=seed, image_size=IMAGE_SIZE)
    photo = render_scene(
        scene,
        tools.model,
        tools.texture_space,
        image_size=IMAGE_SIZE,
        rasterizer=tools.rasterizer,
        seed=seed,
    )
    mesh = tools.model.mesh(scene.flame)
    view = view_head(mesh, tools.assets, scene.camera, IMAGE_SIZE, rasterizer=tools.rasterizer)
    space = tools.texture_space
    known = TextureSpace(
        mean=space.mean + (space.basis @ (scene.texture_code[0] * space.scale)),
        basis=space.basis[..., :0],
        scale=space.scale[:0],
    )
    skin = SkinView(
        crop=Crop(torch.zeros(1, 2), torch.ones(1, 1), IMAGE_SIZE),
        camera=scene.camera,
        mesh=mesh,
        view=view,
        pixels=torch.from_numpy(srgb8_to_linear(photo.srgb)),
        person=torch.ones(IMAGE_SIZE),
        weight=torch.ones(IMAGE_SIZE),
        surface=torch.ones(IMAGE_SIZE),
    )
    found = fit_appearance(
        [skin],
        replace(scene, texture_code=torch.zeros(1, 0)),
        session.plan.fine_level,
        tools=replace(tools, texture_space=known),
        plan=session.plan,
        seed=0,
    ).scene
    rows = region_of_pixels(view, tools.assets, "face").nonzero()[:, 0]
    # Light is judged by what it does to the head that is seen.
    true = shade(view.normals[rows][None], scene.lighting)[0]
    fitted = shade(view.normals[rows][None], found.lighting)[0]
    assert float((fitted - true).norm() / true.norm()) < 0.05


def test_a_picture_alone_gives_a_head_in_the_right_place(session):
    errors = recover_detected(session, SEEDS[0])
    assert errors.landmark_pixels < 8.0
    assert errors.geometry_mm < 2.0
    assert errors.rotation_degrees < 20.0
    assert 0.0 < errors.light_error < 1.0
