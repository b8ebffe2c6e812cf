"""The overview shows four panels of one height, composed by coverage."""

from dataclasses import replace

import numpy as np
import pytest

from flame_fit.export import compose_overlay
from flame_fit.export.overlay import CAPTION_HEIGHT, GAP, over_photo


@pytest.mark.parametrize("panel_height", [96, 200, 48])
def test_panels_share_a_height_and_keep_their_aspect(scene, panel_height):
    picture = compose_overlay(scene.overlay, scene.texture, panel_height=panel_height)
    panel_width = round(80 * panel_height / 96)
    assert picture.shape == (
        panel_height + GAP + CAPTION_HEIGHT,
        3 * panel_width + panel_height + 5 * GAP,
        3,
    )


def test_first_panel_is_the_photo(scene):
    picture = compose_overlay(scene.overlay, scene.texture, panel_height=96)
    np.testing.assert_array_equal(picture[GAP : GAP + 96, GAP : GAP + 80], scene.overlay.photo)


def test_render_covers_the_photo_by_its_coverage(scene):
    half = replace(scene.overlay, coverage=np.full((96, 80), 0.5, dtype=np.float32))
    np.testing.assert_array_equal(over_photo(half), np.full((96, 80, 3), (115, 115, 30)))


def test_dots_are_drawn_where_the_landmarks_are(scene):
    bare = compose_overlay(scene.overlay, scene.texture, panel_height=96)
    landmarks = np.array([[20.5, 30.5]])
    dotted = compose_overlay(
        replace(scene.overlay, landmarks=landmarks), scene.texture, panel_height=96
    )
    rows, columns = np.nonzero((bare != dotted).any(axis=-1))
    assert abs(rows.mean() - (GAP + 30)) < 0.6
    assert abs(columns.mean() - (2 * GAP + 80 + 20)) < 0.6


def test_inputs_are_not_changed(scene):
    before = scene.overlay.photo.copy(), scene.texture.copy()
    compose_overlay(scene.overlay, scene.texture)
    np.testing.assert_array_equal(scene.overlay.photo, before[0])
    np.testing.assert_array_equal(scene.texture, before[1])


def test_deviation_colours_the_shape_alone_and_brightest_where_it_is_largest(scene):
    bare = compose_overlay(scene.overlay, scene.texture, panel_height=96)
    deviation = np.zeros((96, 80), dtype=np.float32)
    deviation[:, 40:] = 3.0
    covered = np.ones((96, 80), dtype=np.float32)
    images = replace(scene.overlay, deviation_mm=deviation, coverage=covered)
    heat = compose_overlay(images, scene.texture, panel_height=96)
    left = 3 * GAP + 2 * 80
    shape = heat[GAP : GAP + 96, left : left + 80].astype(float).mean(axis=(0, 2))
    assert shape[45:].min() > 3.0 * shape[:35].max()
    np.testing.assert_array_equal(heat[GAP : GAP + 96, GAP : GAP + 80], scene.overlay.photo)
    caption = (slice(GAP + 96, None), slice(left, left + 80))
    assert (heat[caption] != bare[caption]).any()
