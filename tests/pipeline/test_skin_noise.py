"""How far skin colours are believed, by what light and texture leave over of a photo."""

from __future__ import annotations

import dataclasses
import math

import pytest

from flame_fit.pipeline.skin_evidence import SkinSettings, skin_noise, usual_noise

SETTINGS = SkinSettings()


def _noise(sigma: float, settings: SkinSettings = SETTINGS):
    return skin_noise(0.5 * (sigma / settings.sigma) ** 2, settings)


@pytest.mark.parametrize("sigma", [0.012, 0.03, 0.049])
def test_the_deviation_is_that_of_what_is_left_over(sigma):
    assert math.isclose(_noise(sigma).sigma, sigma)


def test_a_photo_that_leaves_more_than_usual_is_believed_as_usual():
    noise = _noise(0.2)
    assert (noise.sigma, noise.worth) == (SETTINGS.sigma, SETTINGS.worth)
    assert noise == usual_noise(SETTINGS)


def test_a_photo_that_leaves_nothing_is_not_believed_without_end():
    noise = skin_noise(0.0, SETTINGS)
    assert noise.sigma == SETTINGS.least_sigma
    assert noise.worth == pytest.approx(SETTINGS.worth * 25.0)


def test_worth_grows_as_what_is_left_becomes_noise():
    assert _noise(0.025).worth == pytest.approx(4.0 * SETTINGS.worth)


def test_shading_bends_the_shape_where_asked_or_where_little_is_left():
    calm, rough = 0.5 * SETTINGS.shading_sigma, 0.5 * (SETTINGS.shading_sigma + SETTINGS.sigma)
    assert _noise(calm).shading_moves and not _noise(rough).shading_moves
    for shading, moves in (("always", True), ("never", False)):
        settings = dataclasses.replace(SETTINGS, shading=shading)
        assert {_noise(sigma, settings).shading_moves for sigma in (calm, rough)} == {moves}
