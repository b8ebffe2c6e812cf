"""Hands of the colour of skin and strands of hair are no skin; moles and wrinkles are."""

from __future__ import annotations

import dataclasses

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
    coarse_labels,
)
from flame_fit.priors.face_regions import face_region
from flame_fit.priors.face_shares import face_shares
from flame_fit.priors.skin import skin_weight

SIZE = (256, 256)
# sRGB; hair and strands less red than skin, wrinkles redder.
SKIN, WALL = (215, 150, 125), (150, 160, 150)
FAIR_HAIR, DARK_HAIR, WRINKLE, MOLE = (205, 180, 140), (60, 48, 42), (130, 75, 60), (90, 60, 50)


def whole_crop() -> Crop:
    return Crop(torch.zeros(1, 2), torch.ones(1, 1), SIZE)


def planes_of(labels: np.ndarray, blur: float) -> np.ndarray:
    """A label map as soft as a network's."""
    sharp = [(labels == k).astype(np.float32) for k in range(FACE_LABELS.count)]
    return np.stack([cv2.GaussianBlur(each, (0, 0), blur) for each in sharp])


def weigh(image: np.ndarray, pixels: np.ndarray, planes: np.ndarray, *, told: bool) -> np.ndarray:
    """The weight of skin, told of hands and hair or not."""
    shares = face_shares(Parsing(planes, FACE_LABELS.names, np.zeros(2), 1.0), whole_crop())
    if not told:
        nothing = np.zeros_like(shares.skin)
        shares = dataclasses.replace(shares, skin_coloured=nothing, hair=nothing)
    return skin_weight(image, pixels, shares=shares, exclude_holes=False)


def noisy(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.clip(image + rng.normal(0, 3, image.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("coarse", [False, True])
def test_hands_and_hair_are_those_of_the_labels_in_both_schemes(coarse):
    labels = np.zeros(SIZE, np.uint8)
    rows = (FaceLabel.HAIR, FaceLabel.SKIN, FaceLabel.GLASSES, FaceLabel.FACEWEAR)
    for number, label in enumerate(rows):
        labels[40 * number : 40 * number + 40] = label
    scheme = COARSE_FACE_LABELS if coarse else FACE_LABELS
    labels = coarse_labels(labels) if coarse else labels
    planes = np.stack([(labels == k).astype(np.float32) for k in range(scheme.count)])
    found = face_shares(Parsing(planes, scheme.names, np.zeros(2), 1.0), whole_crop())
    np.testing.assert_allclose(found.hair[:, 5], labels[:, 5] == labels[0, 0], atol=1e-6)
    # The coarse scheme does not tell glasses from hands.
    expected = np.isin(labels[:, 5], (labels[130, 0], labels[90, 0] if coarse else 255))
    np.testing.assert_allclose(found.skin_coloured[:, 5], expected, atol=1e-6)


def test_colour_is_no_reason_to_call_a_doubtful_hand_skin(frontal_pixels, rng):
    inside = face_region(frontal_pixels, SIZE) > 0.5
    image = noisy(np.where(inside[..., None], SKIN, WALL).astype(np.float32), rng)
    low, high = frontal_pixels.min(axis=0), frontal_pixels.max(axis=0)
    top = int(low[1] + 0.65 * (high[1] - low[1]))
    labels = np.where(inside, FaceLabel.SKIN, FaceLabel.BACKGROUND).astype(np.uint8)
    planes = planes_of(labels, 1.0)
    # The parsing takes what hides the mouth for a hand, but is not sure.
    planes[FaceLabel.FACEWEAR, top:] = 0.7 * planes[FaceLabel.SKIN, top:]
    planes[FaceLabel.SKIN, top:] *= 0.3
    safe = cv2.erode(inside.astype(np.uint8), np.ones((9, 9))) > 0
    hand, skin = safe.copy(), safe.copy()
    hand[: top + 8], skin[top - 8 :] = False, False
    fooled = weigh(image, frontal_pixels, planes, told=False)
    told = weigh(image, frontal_pixels, planes, told=True)
    assert fooled[hand].mean() > 0.6
    assert told[hand].mean() < 0.4
    assert told[skin].mean() > 0.95


def strand_of(pixels: np.ndarray, width: int) -> np.ndarray:
    """A curve from the right rim of the face over its cheek, as a mask."""
    x0, x1 = pixels[:, 0].min(), pixels[:, 0].max()
    y0, y1 = pixels[:, 1].min(), pixels[:, 1].max()
    share = np.linspace(0.0, 1.0, 40)
    x = x1 - (0.03 + 0.2 * np.sin(np.pi * share)) * (x1 - x0)
    y = y0 + (0.35 + 0.4 * share) * (y1 - y0)
    points = np.stack([x, y], axis=1).round().astype(np.int32)
    return (
        cv2.polylines(
            np.zeros(SIZE, np.uint8), [points], isClosed=False, color=[1], thickness=width
        )
        > 0
    )


@pytest.mark.parametrize("hair", [FAIR_HAIR, DARK_HAIR])
def test_a_strand_that_the_parsing_misses_is_left_out(frontal_pixels, rng, hair):
    image, planes, strand = painted(frontal_pixels, hair, line=hair)
    image = noisy(image, rng)
    missed = weigh(image, frontal_pixels, planes, told=False)
    told = weigh(image, frontal_pixels, planes, told=True)
    assert missed[strand].mean() > 0.6
    assert told[strand].mean() < 0.25
    # What is not beside it stays.
    inside = cv2.erode((face_region(frontal_pixels, SIZE) > 0.5).astype(np.uint8), np.ones((9, 9)))
    left = inside > 0
    left[:, int(frontal_pixels[:, 0].mean()) :] = False
    assert told[left].min() > 0.9


def test_a_wrinkle_from_the_hair_and_a_mole_stay(frontal_pixels, rng):
    image, planes, wrinkle = painted(frontal_pixels, DARK_HAIR, line=WRINKLE)
    left = frontal_pixels[:, 0].min() + 0.25 * np.ptp(frontal_pixels[:, 0])
    place = (round(float(left)), round(float(frontal_pixels[:, 1].mean()) + 20))
    cv2.circle(image, place, 2, MOLE, -1)
    image = noisy(image, rng)
    kept = weigh(image, frontal_pixels, planes, told=False)
    told = weigh(image, frontal_pixels, planes, told=True)
    np.testing.assert_allclose(told[wrinkle], kept[wrinkle], atol=1e-6)
    assert told[place[1], place[0]] > 0.7


def painted(
    pixels: np.ndarray, hair: tuple[int, ...], *, line: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A face with hair at its right rim and a thin line over its cheek that no parsing knows."""
    inside = face_region(pixels, SIZE) > 0.5
    image = np.where(inside[..., None], SKIN, hair).astype(np.float32)
    rim = inside & (np.arange(SIZE[1]) > pixels[:, 0].max() - 0.06 * np.ptp(pixels[:, 0]))
    image[rim] = hair
    mask = strand_of(pixels, 2) & inside & ~rim
    image[mask] = line
    labels = np.where(inside & ~rim, FaceLabel.SKIN, FaceLabel.HAIR).astype(np.uint8)
    return image, planes_of(labels, 1.5), mask
