"""What a parsing says of a crop, and that it decides what skin is."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from flame_fit.geometry import Crop
from flame_fit.observation import Parsing
from flame_fit.priors.face_labels import (
    COARSE_FACE_LABELS,
    FACE_LABELS,
    FaceLabel,
    LabelScheme,
    coarse_labels,
)
from flame_fit.priors.face_regions import face_region
from flame_fit.priors.face_shares import face_shares
from flame_fit.priors.skin import skin_weight

SIZE = (256, 256)
PATCH = 64
SKIN, WALL = (215, 170, 150), (150, 160, 150)


def whole_crop() -> Crop:
    return Crop(torch.zeros(1, 2), torch.ones(1, 1), SIZE)


def parsing_of(labels: np.ndarray, scheme: LabelScheme = FACE_LABELS) -> Parsing:
    """A label map as coarse and soft as a network's."""
    planes = [
        cv2.resize((labels == k).astype(np.float32), (PATCH, PATCH), interpolation=cv2.INTER_AREA)
        for k in range(scheme.count)
    ]
    return Parsing(np.stack(planes), scheme.names, np.zeros(2), SIZE[0] / PATCH)


@pytest.mark.parametrize("coarse", [False, True])
def test_shares_are_those_of_the_labels_in_both_schemes(coarse):
    labels = np.zeros(SIZE, np.uint8)
    rows = {
        (0, 40): FaceLabel.HAIR,
        (40, 80): FaceLabel.LEFT_BROW,
        (80, 120): FaceLabel.SKIN,
        (120, 160): FaceLabel.RIGHT_EYE,
        (160, 200): FaceLabel.BEARD,
        (200, 240): FaceLabel.FACEWEAR,
    }
    for (start, end), label in rows.items():
        labels[start:end] = label
    scheme = COARSE_FACE_LABELS if coarse else FACE_LABELS
    found = face_shares(
        parsing_of(coarse_labels(labels) if coarse else labels, scheme), whole_crop()
    )
    for share, kept in (
        (found.skin, (40, 120)),
        (found.inner, (120, 160)),
        (found.beard, (160, 200)),
    ):
        share = share[:, 5:-5]
        assert share[kept[0] + 5 : kept[1] - 5].min() > 0.99
        assert share[: kept[0] - 5].max() < 0.01 > share[kept[1] + 5 :].max()
    cover = found.cover[:, 5:-5]
    assert cover[5:35].min() > 0.99 < cover[205:235].min()
    assert cover[45:195].max() < 0.01


def face_with_hand(pixels: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A face of one colour with a hand of the same colour before its mouth, and the labels."""
    inside = face_region(pixels, SIZE) > 0.5
    image = np.where(inside[..., None], SKIN, WALL) + rng.normal(0, 3, (*SIZE, 3))
    labels = np.where(inside, FaceLabel.SKIN, FaceLabel.BACKGROUND).astype(np.uint8)
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    top = int(low[1] + 0.65 * (high[1] - low[1]))
    labels[top:] = np.where(inside[top:], FaceLabel.FACEWEAR, labels[top:])
    return np.clip(image, 0, 255).astype(np.uint8), labels


def test_a_hand_of_the_colour_of_skin_is_left_out(frontal_pixels, rng):
    image, labels = face_with_hand(frontal_pixels, rng)
    inside = cv2.erode(face_region(frontal_pixels, SIZE), np.ones((9, 9))) > 0.9
    hand = inside & (labels == FaceLabel.FACEWEAR)
    skin = inside & (labels == FaceLabel.SKIN)
    hand[: np.nonzero(hand.any(axis=1))[0][0] + 8] = False
    skin[np.nonzero(skin.any(axis=1))[0][-1] - 8 :] = False
    alone = skin_weight(image, frontal_pixels, exclude_holes=False)
    assert alone[hand].mean() > 0.9
    shares = face_shares(parsing_of(labels), whole_crop())
    told = skin_weight(image, frontal_pixels, shares=shares, exclude_holes=False)
    assert told[hand].mean() < 0.05
    assert told[skin].mean() > 0.9


def test_colour_draws_the_line_that_a_coarse_parsing_blurs(frontal_pixels, rng):
    inside = face_region(frontal_pixels, SIZE)
    image = np.where(inside[..., None] > 0.5, SKIN, WALL) + rng.normal(0, 3, (*SIZE, 3))
    image = np.clip(image, 0, 255).astype(np.uint8)
    soft = cv2.GaussianBlur((inside > 0.5).astype(np.float32), (0, 0), 6.0)
    planes = np.zeros((FACE_LABELS.count, *SIZE), np.float32)
    planes[FaceLabel.SKIN], planes[FaceLabel.BACKGROUND] = soft, 1.0 - soft
    shares = face_shares(Parsing(planes, FACE_LABELS.names, np.zeros(2), 1.0), whole_crop())
    everywhere = np.ones(SIZE, np.float32)
    weight = skin_weight(
        image, frontal_pixels, coverage=everywhere, shares=shares, exclude_holes=False
    )
    rim = (inside > 0.5) != (soft > 0.15)
    wrong_by_parsing = np.abs(soft - (inside > 0.5))[rim].mean()
    wrong = np.abs(weight - (inside > 0.5))[rim].mean()
    assert wrong < 0.6 * wrong_by_parsing


def test_parsing_adds_eyes_and_mouths_to_the_holes(frontal_pixels, rng):
    image, labels = face_with_hand(frontal_pixels, rng)
    labels[100:110, 100:110] = FaceLabel.MOUTH_INTERIOR
    shares = face_shares(parsing_of(labels), whole_crop())
    kept = skin_weight(image, frontal_pixels, shares=shares)
    assert kept[103:107, 103:107].max() < 0.1
