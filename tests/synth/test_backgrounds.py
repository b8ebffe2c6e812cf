"""Backgrounds are pictures of light, the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from flame_fit.synth.backgrounds import KINDS, Background, background_image, random_background

SIZE = (48, 72)


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_gives_one_background_and_another_seed_another(kind):
    first, again, other = (
        background_image(Background(kind, seed=seed), SIZE) for seed in (1, 1, 2)
    )
    assert first.shape == (*SIZE, 3)
    assert first.dtype == np.float32
    assert first.min() >= 0.0
    assert first.max() <= 1.0
    assert np.ptp(first) > 0.01
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("kind", ["noise", "room"])
def test_blur_takes_the_edges_away(kind):
    def steepest(blur):
        picture = background_image(Background(kind, blur=blur, seed=1), SIZE)
        return np.abs(np.diff(picture, axis=1)).max()

    assert steepest(0.1) < 0.5 * steepest(0.0)


def test_a_room_fills_the_picture():
    for seed in range(5):
        assert background_image(Background("room", seed=seed), SIZE).max(axis=-1).min() > 0.0


def test_every_kind_is_drawn_sometimes():
    drawn = {random_background(np.random.default_rng(seed)).kind for seed in range(60)}
    assert drawn == set(KINDS)
