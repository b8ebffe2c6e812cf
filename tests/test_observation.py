"""Crops, masks and landmarks keep the same place in every frame."""

import numpy as np
import pytest
import torch

from flame_fit.geometry.cameras import Crop
from flame_fit.image_files import Photo
from flame_fit.observation import FaceEvidence, MaskPatch, crop_srgb


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


def test_masks_agree_on_photo_and_crop(photo, rng):
    patch = MaskPatch(rng.random((30, 30)).astype(np.float32), np.array([12.0, 20.0]), 2.0)
    whole = patch.on_photo(photo)
    np.testing.assert_allclose(patch.on_crop(crop_of(12.0, 20.0, 0.5, size=30)), patch.values)
    np.testing.assert_allclose(
        patch.on_crop(crop_of(20.0, 30.0, 1.0)), whole[30:70, 20:60], atol=1e-6
    )
    assert whole[:18].max() == 0.0


def test_size_of_a_face_is_the_side_of_an_equal_square():
    evidence = FaceEvidence((), (100.0, 50.0, 180.0, 150.0), 1.0, 0.0, None, "none")
    assert evidence.size == pytest.approx(np.sqrt(80 * 100))
