"""Labels say what is seen, and right and left are the person's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from flame_fit.errors import AssetError
from flame_fit.flame import FlameModel
from flame_fit.priors.face_labels import IGNORE, FaceLabel, mirrored_labels
from flame_fit.synth import Staging, draw_setup, render_scene, take_photo
from flame_fit.synth.accessories import Glasses
from flame_fit.synth.beard import Beard
from flame_fit.synth.clothes import Shoulders
from flame_fit.synth.hands import Hand
from flame_fit.synth.headwear import FaceMask, Hat, Headscarf
from flame_fit.synth.labels import SOLID_LABELS, needed_head_labels
from flame_fit.synth.skin_look import SkinLook

FOREHEAD, CHIN, NOSE_TIP, UPPER_LIP, LOWER_LIP = 10, 152, 4, 0, 17
RIGHT_IRIS, LEFT_IRIS, RIGHT_CHEEK, LEFT_CHEEK = 468, 473, 50, 280
RIGHT_BROW, LEFT_BROW = 105, 334
BROWN = (0.1, 0.06, 0.04)
CLEAR = (0.95, 0.95, 0.95)


@pytest.fixture(scope="module")
def symmetric(frontal):
    """The mean face, mouth a little open, in the middle of the picture."""
    flame = replace(
        frontal.flame,
        shape=torch.zeros_like(frontal.flame.shape),
        jaw=torch.tensor([[0.25, 0.0, 0.0]]),
    )
    return replace(frontal, flame=flame)


@pytest.fixture(scope="module")
def bare(take, symmetric):
    return take(symmetric)


def at(photo, *landmarks, shift=(0, 0)):
    """The labels at landmarks."""
    pixels = photo.truth.landmarks[list(landmarks)] + np.asarray(shift)
    column, row = pixels.astype(int).T
    return [FaceLabel(value) for value in photo.truth.labels[row, column]]


def middle(photo, label):
    """Mean row and column of a class."""
    row, column = np.nonzero(photo.truth.labels == label)
    assert len(row) > 3, label
    return np.array([row.mean(), column.mean()])


def test_the_parts_of_a_face_lie_where_its_landmarks_are(bare):
    assert at(bare, NOSE_TIP) == [FaceLabel.NOSE]
    assert set(at(bare, CHIN, FOREHEAD, RIGHT_CHEEK, LEFT_CHEEK)) == {FaceLabel.SKIN}
    assert at(bare, RIGHT_IRIS, LEFT_IRIS) == [FaceLabel.RIGHT_EYE, FaceLabel.LEFT_EYE]
    assert at(bare, UPPER_LIP, shift=(0, 1.5)) == [FaceLabel.TOP_LIP]
    assert at(bare, LOWER_LIP, shift=(0, -1.5)) == [FaceLabel.BOTTOM_LIP]
    rows = [
        middle(bare, label)[0]
        for label in (
            FaceLabel.RIGHT_BROW,
            FaceLabel.RIGHT_EYE,
            FaceLabel.NOSE,
            FaceLabel.TOP_LIP,
            FaceLabel.MOUTH_INTERIOR,
            FaceLabel.BOTTOM_LIP,
            FaceLabel.NECK,
        )
    ]
    assert rows == sorted(rows)


@pytest.mark.parametrize("part", ["EYE", "BROW", "EAR"])
def test_right_is_the_persons_right_which_is_left_in_the_picture(bare, part):
    right, left = (middle(bare, FaceLabel[f"{side}_{part}"])[1] for side in ("RIGHT", "LEFT"))
    nose = bare.truth.landmarks[NOSE_TIP, 0]
    assert right < nose < left
    assert abs(0.5 * (right + left) - nose) < 1.0


def test_a_symmetric_face_has_symmetric_labels(bare):
    labels = bare.truth.labels
    assert (labels == mirrored_labels(labels)).mean() > 0.985
    without_exchange = labels[:, ::-1]
    eyes = np.isin(labels, (FaceLabel.LEFT_EYE, FaceLabel.RIGHT_EYE))
    assert (labels == without_exchange)[eyes].mean() < 0.1


def test_brows_are_darker_than_the_skin_around_them(bare):
    labels, brightness = bare.truth.labels, bare.srgb.mean(axis=-1)
    for label, landmark in (
        (FaceLabel.RIGHT_BROW, RIGHT_BROW),
        (FaceLabel.LEFT_BROW, LEFT_BROW),
    ):
        row, column = np.nonzero(labels == label)
        near = (slice(row.min() - 4, row.max() + 5), slice(column.min(), column.max() + 1))
        skin = labels[near] == FaceLabel.SKIN
        assert brightness[row, column].mean() < brightness[near][skin].mean() - 5.0
        away = np.abs(np.stack((column, row), 1) + 0.5 - bare.truth.landmarks[landmark])
        assert away.max(axis=1).min() < 4.0


@pytest.mark.parametrize(
    ("thing", "landmark", "label"),
    [
        (Beard("full", BROWN, 0.006, 0.0, 1), CHIN, FaceLabel.BEARD),
        (FaceMask(0.8, 55.0, 8.0, (0.5, 0.6, 0.7), 0.0, 1), UPPER_LIP, FaceLabel.FACEWEAR),
        (
            Hand("mouth", 20.0, 0.05, 2.0, 0.001, mirrored=False, tone=BROWN, seed=1),
            UPPER_LIP,
            FaceLabel.FACEWEAR,
        ),
        (
            Glasses(0.026, 0.02, 3.0, 0.0015, BROWN, CLEAR, 0.0),
            LEFT_IRIS,
            FaceLabel.GLASSES,
        ),
    ],
)
def test_what_covers_a_point_takes_its_label(take, symmetric, bare, thing, landmark, label):
    photo = take(symmetric, Staging(things=(thing,)))
    assert at(photo, landmark) == [label]
    assert at(bare, landmark) != [label]
    assert at(photo, FOREHEAD) == [FaceLabel.SKIN]


def test_clear_lenses_are_glasses_and_still_show_the_head(take, symmetric):
    glasses = Glasses(0.026, 0.02, 3.0, 0.0015, BROWN, CLEAR, 0.0)
    truth = take(symmetric, Staging(things=(glasses,))).truth
    lens = truth.behind_glass & (truth.face_index >= 0)
    assert lens.sum() > 100
    assert (truth.labels[lens] == FaceLabel.GLASSES).all()
    assert not truth.skin[lens].any()


@pytest.mark.parametrize(
    "thing",
    [
        Hat("cap", 4.0, 10.0, 0.006, 0.01, 0.06, 1),
        Hat("brimmed", 4.0, 10.0, 0.006, 0.01, 0.06, 1),
        Headscarf(70.0, 6.0, 4.0, 0.005, 0.01, 1),
    ],
)
def test_headwear_is_above_the_brows_and_leaves_the_face_free(take, symmetric, thing):
    photo = take(symmetric, Staging(things=(thing,)))
    row, _ = np.nonzero(photo.truth.labels == FaceLabel.HEADWEAR)
    assert row.min() < photo.truth.landmarks[FOREHEAD, 1]
    assert FaceLabel.HEADWEAR not in at(photo, NOSE_TIP, RIGHT_CHEEK, LEFT_CHEEK, UPPER_LIP)


def test_bare_shoulders_are_neck_and_what_they_wear_is_clothing(take, symmetric):
    low = Shoulders(0.2, 0.05, 1, tone=BROWN, neckline=0.3)
    labels = take(symmetric, Staging(things=(low,))).truth.labels
    neck, _ = np.nonzero(labels == FaceLabel.NECK)
    clothing, _ = np.nonzero(labels == FaceLabel.CLOTHING)
    assert neck.mean() < clothing.mean()
    naked = take(symmetric, Staging(things=(replace(low, neckline=2.0),))).truth
    assert not (naked.labels == FaceLabel.CLOTHING).any()
    assert naked.names == ("head", "bare_shoulders")


@pytest.mark.parametrize("number", [3, 35, 57, 71])
def test_labels_agree_with_the_solids_of_a_training_picture(number, model, space, rasterizer):
    setup = draw_setup("training", number, model, space, image_size=(128, 128))
    photo = take_photo(setup, model, space, image_size=(128, 128), rasterizer=rasterizer)
    truth = photo.truth
    clear = ~truth.behind_glass
    assert (truth.labels[truth.behind_glass] == FaceLabel.GLASSES).all()
    assert (truth.labels[clear & (truth.solid < 0)] == FaceLabel.BACKGROUND).all()
    things = {int(label) for label in SOLID_LABELS.values()} - {int(FaceLabel.NECK)}
    assert not things & set(truth.labels[clear & (truth.solid == 0)].tolist())
    for index, name in enumerate(truth.names[1:], 1):
        assert (truth.labels[clear & (truth.solid == index)] == SOLID_LABELS[name]).all()
    assert len(truth.names) > 2
    assert IGNORE not in truth.labels


def test_stronger_brows_are_found_in_the_labels_as_they_are_painted(take, symmetric):
    def brows(width):
        look = SkinLook(brows=1.0, brow_width=width)
        photo = take(symmetric, Staging(skin=look))
        return np.isin(photo.truth.labels, (FaceLabel.LEFT_BROW, FaceLabel.RIGHT_BROW)), photo

    narrow, _ = brows(0.7)
    wide, photo = brows(1.6)
    assert narrow.sum() < 0.8 * wide.sum()
    assert photo.srgb[wide].mean() < photo.srgb[photo.truth.labels == FaceLabel.SKIN].mean() - 20.0


def test_lips_of_a_model_without_a_jaw_are_told_apart_by_their_line(model):
    assets = model.assets
    weights = assets.skinning_weights.clone()
    weights[:, 2] = 0.0
    jawless = replace(assets, skinning_weights=weights)
    found, usual = needed_head_labels(jawless).faces, needed_head_labels(assets).faces
    lips = (usual == FaceLabel.TOP_LIP) | (usual == FaceLabel.BOTTOM_LIP)
    assert torch.equal(found[~lips], usual[~lips])
    assert float((found == usual)[lips].float().mean()) > 0.8
    with pytest.raises(AssetError, match="no jaw and no landmarks"):
        needed_head_labels(replace(jawless, landmarks=None))


def test_a_head_of_which_nothing_is_known_is_ignored(model, space, symmetric, rasterizer):
    nameless = FlameModel(replace(model.assets, regions=None))
    photo = render_scene(
        symmetric, nameless, space, image_size=(64, 64), rasterizer=rasterizer, supersampling=1
    )
    assert set(np.unique(photo.truth.labels)) == {FaceLabel.BACKGROUND, IGNORE}
    with pytest.raises(AssetError, match=r"no regions nose, lips, .*; use open_head"):
        needed_head_labels(nameless.assets)
