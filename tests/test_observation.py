"""Crops, masks and landmarks keep the same place in every frame."""

import numpy as np
import pytest
import torch

from flame_fit.geometry.cameras import Crop
from flame_fit.image_files import Photo
from flame_fit.observation import (
    FaceEvidence,
    Landmarks,
    MaskPatch,
    crop_linear,
    crop_srgb,
    targets_on_crop,
    working_crop,
)


def crop_of(x: float, y: float, scale: float, size: int = 40) -> Crop:
    return Crop(torch.tensor([[x, y]]), torch.tensor([[scale]]), (size, size))


@pytest.fixture
def photo(tmp_path) -> Photo:
    """A ramp: red is twice the column, green twice the row."""
    y, x = np.mgrid[0:100, 0:120]
    return Photo(tmp_path / "ramp.png", np.stack([2 * x, 2 * y, 0 * x], -1).astype(np.uint8))


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_crop_pixels_show_their_place_in_the_photo(photo, scale):
    crop = crop_of(20.0, 30.0, scale, size=20)
    found = crop_srgb(photo, crop)[10, 10].astype(float)
    place = 10.5 / scale + np.array([20.0, 30.0])
    np.testing.assert_allclose(found[:2], 2 * (place - 0.5), atol=1.1)


def test_linear_crop_is_the_crop_in_linear_light(photo):
    crop = crop_of(5.0, 5.0, 1.0)
    np.testing.assert_allclose(crop_linear(photo, crop), photo.linear()[5:45, 5:45], atol=1e-6)


def test_masks_agree_on_photo_and_crop(photo, rng):
    patch = MaskPatch(rng.random((30, 30)).astype(np.float32), np.array([12.0, 20.0]), 2.0)
    whole = patch.on_photo(photo)
    np.testing.assert_allclose(patch.on_crop(crop_of(12.0, 20.0, 0.5, size=30)), patch.values)
    np.testing.assert_allclose(
        patch.on_crop(crop_of(20.0, 30.0, 1.0)), whole[30:70, 20:60], atol=1e-6
    )
    assert whole[:18].max() == 0.0


def test_landmarks_move_with_the_crop(rng):
    pixels = rng.random((68, 2)).astype(np.float32) * 100
    depth = rng.random(68).astype(np.float32)
    landmarks = Landmarks("ibug68", pixels, np.ones(68, np.float32), depth)
    targets = targets_on_crop(landmarks, crop_of(10.0, 20.0, 2.0))
    np.testing.assert_allclose(targets.pixels[0], (pixels - [10, 20]) * 2, atol=1e-4)
    np.testing.assert_allclose(targets.depth[0], depth * 2)


def test_working_crop_centres_the_face():
    evidence = FaceEvidence((), (100.0, 50.0, 180.0, 150.0), 1.0, 0.0, None, "none")
    crop = working_crop(evidence, size=256, margin=2.0)
    box = torch.tensor([[[100.0, 50.0], [180.0, 150.0]]])
    centre = crop.to_crop(box).mean(dim=1)
    torch.testing.assert_close(centre, torch.tensor([[128.0, 128.0]]))
    assert float(crop.scale) == pytest.approx(256 / 200)
    assert evidence.size == pytest.approx(np.sqrt(80 * 100))
