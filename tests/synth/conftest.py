"""A head model with few texture components, and pictures that several tests look at."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from flame_fit.appearance import load_texture_space, white_lighting
from flame_fit.flame import FlameModel, load_assets
from flame_fit.render import make_rasterizer
from flame_fit.synth import SceneRanges, random_scene, render_scene

PICTURE_SIZE = (160, 160)


@pytest.fixture(scope="session")
def model():
    return FlameModel(load_assets("open_head"))


@pytest.fixture(scope="session")
def space():
    return load_texture_space("open_head_texture", component_count=4)


@pytest.fixture(scope="session")
def rasterizer():
    return make_rasterizer("warp")


@pytest.fixture(scope="session")
def frontal(model, space):
    """An upright head that looks into the camera, under even light."""
    still = SceneRanges(
        yaw_degrees=0.0,
        pitch_degrees=0.0,
        roll_degrees=0.0,
        jaw_radians=0.0,
        gaze_radians=0.0,
        expression_sigma=0.0,
        head_share=(0.8, 0.8),
    )
    scene = random_scene(model, space, seed=11, image_size=PICTURE_SIZE, ranges=still)
    place = scene.flame.translation * torch.tensor([0.0, 0.0, 1.0])
    return replace(scene, flame=replace(scene.flame, translation=place), lighting=white_lighting())


@pytest.fixture(scope="session")
def take(model, space, rasterizer):
    """Renders a scene at the size of these tests."""

    def render(scene, staging=None, *, supersampling=1):
        return render_scene(
            scene,
            model,
            space,
            image_size=PICTURE_SIZE,
            rasterizer=rasterizer,
            supersampling=supersampling,
            staging=staging,
        )

    return render
