"""Named sets are the same everywhere, keep to their ranges, and hold what their names say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from flame_fit.errors import AssetError, UsageError
from flame_fit.flame import FlameModel
from flame_fit.geometry import axis_angle_to_matrix, yaw_pitch_roll
from flame_fit.synth import HARD_CASES, StagingRanges, draw_setup, random_staging, take_photo
from flame_fit.synth.sets import FIRST_SEED, VARIED_RANGES

SIZE = (128, 128)
UPPER_LID, LOWER_LID, OUTER_CORNER, INNER_CORNER = 159, 145, 33, 133
UPPER_LIP, LOWER_LIP, FOREHEAD, CHIN = 13, 14, 10, 152


@pytest.fixture(scope="module")
def hard(model, space, rasterizer):
    """One picture of each difficulty, in the order of their names."""
    setups = [
        draw_setup("hard", number, model, space, image_size=(256, 256))
        for number in range(len(HARD_CASES))
    ]
    return {
        case: take_photo(setup, model, space, image_size=(256, 256), rasterizer=rasterizer)
        for case, setup in zip(HARD_CASES, setups, strict=True)
    }


def opening(photo, upper, lower):
    landmarks = photo.truth.landmarks
    size = np.linalg.norm(landmarks[OUTER_CORNER] - landmarks[INNER_CORNER])
    return np.linalg.norm(landmarks[upper] - landmarks[lower]) / size


@pytest.mark.parametrize("name", ["plain", "varied", "hard"])
def test_a_picture_is_the_same_each_time_and_unlike_its_neighbour(name, model, space, rasterizer):
    setups = [draw_setup(name, number, model, space, image_size=SIZE) for number in (4, 4, 11)]
    shapes = [setup.scene.flame.shape for setup in setups]
    assert setups[0].staging == setups[1].staging != setups[2].staging
    assert torch.equal(shapes[0], shapes[1])
    assert not torch.equal(shapes[0], shapes[2])
    first, again = (
        take_photo(setup, model, space, image_size=SIZE, rasterizer=rasterizer)
        for setup in setups[:2]
    )
    np.testing.assert_array_equal(first.srgb, again.srgb)
    np.testing.assert_array_equal(first.truth.skin, again.truth.skin)


def test_sets_share_no_seed():
    starts = sorted(FIRST_SEED.values())
    assert np.diff(starts).min() >= 1_000_000


def test_the_random_numbers_do_not_change_with_the_machine():
    """Drawn once and kept: another value means that every published measurement changed."""
    staging = random_staging(6_000_000)
    assert [thing.name for thing in staging.things] == ["hair", "clothes", "glasses", "hand"]
    assert staging.background.seed == 1790797455


def test_varied_heads_use_their_whole_range_and_stay_in_it(model, space):
    setups = [draw_setup("varied", number, model, space) for number in range(50)]
    rotations = torch.cat([setup.scene.flame.head_rotation for setup in setups])
    angles = yaw_pitch_roll(axis_angle_to_matrix(rotations))
    for found, limit in (
        (angles.yaw, VARIED_RANGES.yaw_degrees),
        (angles.pitch, VARIED_RANGES.pitch_degrees),
        (angles.roll, VARIED_RANGES.roll_degrees),
    ):
        degrees = torch.rad2deg(found)
        assert 0.85 * limit < float(degrees.max()) <= limit + 0.01
        assert -limit - 0.01 <= float(degrees.min()) < -0.85 * limit
    distances = [-float(setup.scene.flame.translation[0, 2]) for setup in setups]
    assert min(distances) < 0.4
    assert max(distances) > 1.2


def test_things_are_as_frequent_as_asked():
    ranges = StagingRanges()
    drawn = [random_staging(seed) for seed in range(400)]
    for name in ("glasses", "scarf", "hand", "microphone", "clothes"):
        share = np.mean([any(t.name == name for t in staging.things) for staging in drawn])
        expected = getattr(ranges, name)
        assert abs(share - expected) < 3.0 * np.sqrt(expected * (1.0 - expected) / len(drawn))
    none = StagingRanges(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    bare = random_staging(1, ranges=none)
    assert bare.things == ()
    assert bare.lamps == ()
    assert not bare.dark_cavities


def test_plain_heads_are_bare(model, space):
    setup = draw_setup("plain", 3, model, space)
    assert setup.staging.things == ()
    assert setup.staging.lamps == ()
    assert setup.name == "plain_0003"


def test_difficulties_come_in_turn(model, space):
    names = [draw_setup("hard", number, model, space).name for number in range(8)]
    assert [name.split("_", 2)[2] for name in names] == [*HARD_CASES, HARD_CASES[0]]


def test_profiles_are_turned_by_sixty_degrees(hard):
    rotation = axis_angle_to_matrix(hard["profile"].scene.flame.head_rotation)
    assert abs(float(torch.rad2deg(yaw_pitch_roll(rotation).yaw))) == pytest.approx(60.0, abs=0.01)


def test_a_hand_covers_the_mouth(hard):
    truth = hard["hand_over_mouth"].truth
    assert "hand" in truth.names
    assert not truth.landmark_visible[[UPPER_LIP, LOWER_LIP]].any()


def test_closed_eyes_are_closed_and_wide_open_mouths_open(hard):
    assert opening(hard["closed_eyes"], UPPER_LID, LOWER_LID) < 0.16
    assert opening(hard["dark"], UPPER_LID, LOWER_LID) > 0.25
    assert opening(hard["wide_open_mouth"], UPPER_LIP, LOWER_LIP) > 0.7


def test_dark_faces_are_dark_and_overexposed_ones_clipped(hard):
    dark, bright = hard["dark"], hard["overexposed"]
    assert dark.srgb[dark.truth.skin].mean() < 60.0
    assert (bright.srgb[bright.truth.skin].max(axis=-1) >= 253).mean() > 0.4


def test_small_faces_are_64_pixels_high(hard):
    landmarks = hard["small_face"].truth.landmarks
    height = np.linalg.norm(landmarks[FOREHEAD] - landmarks[CHIN])
    assert 45.0 < height < 75.0


def test_unknown_sets_and_negative_pictures_are_refused(model, space):
    message = "set 'easy' does not exist; use one of plain, varied, hard"
    with pytest.raises(UsageError, match=message):
        draw_setup("easy", 0, model, space)
    with pytest.raises(UsageError, match="picture -1 was asked for; they are numbered from 0"):
        draw_setup("plain", -1, model, space)


def test_eyes_of_a_model_without_lids_cannot_be_closed(model, space):
    lidless = FlameModel(replace(model.assets, eyelid_basis=None))
    number = HARD_CASES.index("closed_eyes")
    with pytest.raises(AssetError, match="has no eyelids; use open_head"):
        draw_setup("hard", number, lidless, space)
