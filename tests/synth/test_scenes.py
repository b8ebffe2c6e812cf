"""Synthetic scenes are the same for the same seed and show a head in the picture."""

from __future__ import annotations

import numpy as np
import torch

from flame_fit.render import make_rasterizer
from flame_fit.synth import SceneRanges, random_scene, render_scene

SIZE = (96, 96)


def test_a_seed_gives_one_picture_and_another_seed_another(model, space):
    rasterizer = make_rasterizer("warp")
    pictures = [
        render_scene(
            random_scene(model, space, seed=seed, image_size=SIZE),
            model,
            space,
            image_size=SIZE,
            rasterizer=rasterizer,
            seed=seed,
            supersampling=1,
        )
        for seed in (3, 3, 4)
    ]
    assert np.array_equal(pictures[0].srgb, pictures[1].srgb)
    assert not np.array_equal(pictures[0].srgb, pictures[2].srgb)
    assert 0.1 < pictures[0].coverage.mean() < 0.9


def test_unknowns_stay_in_their_ranges(model, space):
    ranges = SceneRanges(yaw_degrees=0.0, pitch_degrees=0.0, roll_degrees=0.0, jaw_radians=0.1)
    for seed in range(5):
        scene = random_scene(model, space, seed=seed, ranges=ranges)
        assert torch.equal(scene.flame.head_rotation, torch.zeros(1, 3))
        assert 0.0 <= float(scene.flame.jaw[0, 0]) <= 0.1
        assert float(scene.flame.translation[0, 2]) < 0.0
