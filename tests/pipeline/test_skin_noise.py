"""How far skin colours are believed, by what light and texture leave over of a photo."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from flame_fit.pipeline.skin_evidence import SkinSettings, skin_noise, usual_noise

SETTINGS = SkinSettings()


def _noise(sigma: float, settings: SkinSettings = SETTINGS, brightness: float = 0.6):
    return skin_noise(0.5 * (sigma / settings.sigma) ** 2, brightness, settings)


@pytest.mark.parametrize("sigma", [0.012, 0.016, 0.02])
def test_the_deviation_of_a_calm_photo_is_that_of_what_is_left_over(sigma):
    assert math.isclose(_noise(sigma).sigma, sigma)


@pytest.mark.parametrize("sigma", [0.0295, 0.05, 0.2])
def test_a_photograph_is_believed_as_usual(sigma):
    noise = _noise(sigma)
    assert (noise.sigma, noise.worth) == (SETTINGS.sigma, SETTINGS.worth)
    assert noise == usual_noise(SETTINGS)


def test_belief_rises_evenly_between():
    sigmas = [_noise(sigma).sigma for sigma in np.linspace(0.018, 0.032, 57).tolist()]
    assert (np.diff(sigmas) >= 0).all()
    assert np.diff(sigmas).max() < 0.1 * SETTINGS.sigma


def test_a_photo_that_leaves_nothing_is_not_believed_without_end():
    noise = _noise(0.0)
    assert noise.sigma == SETTINGS.least_sigma
    assert noise.worth == pytest.approx(SETTINGS.worth * 25.0)


def test_a_dark_photo_is_not_believed_for_being_dark():
    """A photo of half the brightness that leaves half as much over is explained as well."""
    bright = _noise(0.026, brightness=SETTINGS.brightness)
    assert _noise(0.013, brightness=0.5 * SETTINGS.brightness) == bright
    assert _noise(0.01, brightness=0.0).sigma == SETTINGS.sigma


def test_worth_grows_as_what_is_left_becomes_noise():
    assert _noise(0.0125).worth == pytest.approx(16.0 * SETTINGS.worth)


def test_shading_bends_the_shape_where_asked_or_where_little_is_left():
    calm, rough = SETTINGS.calm[0], SETTINGS.calm[1]
    assert _noise(calm).shading_moves and not _noise(rough).shading_moves
    for shading, moves in (("always", True), ("never", False)):
        settings = dataclasses.replace(SETTINGS, shading=shading)
        assert {_noise(sigma, settings).shading_moves for sigma in (calm, rough)} == {moves}
