"""The training set is wide, and what is painted on skin stays where it belongs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from flame_fit.errors import AssetError, UsageError
from flame_fit.geometry import axis_angle_to_matrix, yaw_pitch_roll
from flame_fit.synth import MOST_PICTURES, draw_setup, draw_training_setup
from flame_fit.synth.face_map import face_map, texture_brows, vertex_masks
from flame_fit.synth.skin_look import SkinLook, with_look
from flame_fit.synth.training_set import LARGEST_TURN, WIDEST_JAW

COUNT = 100


@pytest.fixture(scope="module")
def setups(model, space):
    return [draw_training_setup(0, number, model, space) for number in range(COUNT)]


@pytest.fixture(scope="module")
def masks(model):
    return face_map(model.assets, 256)


@pytest.fixture
def texture(rng):
    return rng.uniform(0.2, 0.6, (256, 256, 3)).astype(np.float32)


def test_everything_that_hides_a_face_occurs(setups):
    names = {type(thing).__name__ for setup in setups for thing in setup.staging.things}
    assert names >= {
        *("Hair", "Hat", "Headscarf", "Beard", "Shoulders", "Glasses", "Scarf", "Hand"),
        *("Microphone", "FaceMask"),
    }
    looks = [setup.staging.skin for setup in setups if setup.staging.skin is not None]
    for name in ("freckles", "blemishes", "stubble", "lipstick", "eye_shadow", "blush"):
        assert 0 < sum(getattr(look, name) > 0 for look in looks) < len(looks)
    sensors = [setup.staging.sensor for setup in setups]
    assert any(sensor.saturation == 0.0 for sensor in sensors)
    assert any(sensor.resolution < 0.5 for sensor in sensors)
    assert {len(setup.staging.lamps) for setup in setups} == {0, 1, 2}


def test_heads_use_their_whole_range_and_stay_in_it(setups):
    turns = torch.cat([setup.scene.flame.head_rotation for setup in setups])
    angles = yaw_pitch_roll(axis_angle_to_matrix(turns))
    for found, largest in zip((angles.yaw, angles.pitch, angles.roll), LARGEST_TURN, strict=True):
        reach = torch.rad2deg(found.abs().max())
        assert 0.8 * largest < float(reach) < largest + 1e-3
    jaws = torch.cat([setup.scene.flame.jaw for setup in setups])[:, 0]
    assert 0.8 * WIDEST_JAW < float(jaws.max()) <= WIDEST_JAW
    ratio = torch.cat([setup.scene.camera.focal[:, 0] for setup in setups]) / 512.0
    assert 0.7 <= float(ratio.min()) < 1.0
    assert 3.5 < float(ratio.max()) <= 4.0


def test_seeds_share_no_picture_and_pictures_are_the_same_each_time(model, space):
    first = draw_training_setup(0, 7, model, space)
    again = draw_setup("training", 7, model, space)
    other = draw_training_setup(1, 7, model, space)
    assert first.staging == again.staging
    assert torch.equal(first.scene.flame.shape, again.scene.flame.shape)
    assert not torch.equal(first.scene.flame.shape, other.scene.flame.shape)
    last = draw_training_setup(0, MOST_PICTURES - 1, model, space)
    assert last.staging != draw_training_setup(1, 0, model, space).staging


@pytest.mark.parametrize(("seed", "number"), [(-1, 0), (0, -1), (0, MOST_PICTURES)])
def test_pictures_out_of_range_are_refused(seed, number, model, space):
    with pytest.raises(UsageError, match=f"picture {number} of seed {seed} was asked for"):
        draw_training_setup(seed, number, model, space)


def test_masks_lie_where_their_names_say(masks, model, space):
    def centre(mask):
        row, column = np.nonzero(mask > 0.5)
        assert len(row) > 20
        return row.mean(), column.mean()

    rows = [centre(mask)[0] for mask in (masks.lids, masks.nose, masks.moustache, masks.lips)]
    assert rows == sorted(rows)
    assert centre(masks.goatee)[0] > rows[-1]
    for mask in (masks.beard, masks.moustache, masks.goatee, masks.strap, masks.lids, masks.cheeks):
        assert abs(centre(mask)[1] - 127.5) < 3.0
        assert float((mask * masks.lips).max()) < 0.6
    brows = texture_brows(model.assets, space)
    assert centre(brows)[0] / len(brows) < centre(masks.lids)[0] / 256
    upright = vertex_masks(model.assets)
    height = model.assets.v_template[:, 1].numpy()
    assert height[upright.lids[0] > 0.5].min() > height[upright.goatee[0] > 0.5].max()


def test_a_look_of_nothing_changes_nothing(texture, masks):
    brows = np.zeros((256, 256), np.float32)
    given = texture.copy()
    painted = with_look(texture, SkinLook(), masks, brows)
    np.testing.assert_allclose(painted.texture, given, atol=1e-6)
    np.testing.assert_array_equal(texture, given)


@pytest.mark.parametrize(
    ("look", "where"),
    [
        (SkinLook(lipstick=1.0, lips=(0.9, 0.0, 0.0)), "lips"),
        (SkinLook(eye_shadow=1.0, lids=(0.0, 0.0, 0.9)), "lids"),
        (SkinLook(blush=1.0), "cheeks"),
    ],
)
def test_make_up_stays_in_its_place(look, where, texture, masks):
    brows = np.zeros((256, 256), np.float32)
    change = np.abs(with_look(texture, look, masks, brows).texture - texture).max(axis=-1)
    mask = getattr(masks, where)
    assert change[mask > 0.8 * mask.max()].mean() > 0.03
    assert change[mask == 0.0].max() < 1e-6


def test_stubble_darkens_the_beard_and_nothing_else(texture, masks):
    brows = np.zeros((256, 256), np.float32)
    darker = texture - with_look(texture, SkinLook(stubble=1.0), masks, brows).texture
    assert darker[(masks.beard > 0.9) & (masks.skin > 0.0)].mean() > 0.1
    assert darker.min() > -1e-6
    elsewhere = (masks.beard == 0.0) & (masks.moustache == 0.0)
    assert darker[elsewhere].max() < 1e-6


def test_a_model_without_landmarks_has_no_masks(model):
    with pytest.raises(AssetError, match="no chart with landmarks; use open_head"):
        face_map(replace(model.assets, landmarks=None), 64)
