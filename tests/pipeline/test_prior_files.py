"""Finished chart coordinates and label maps come back out of files, and others are refused."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from flame_fit.errors import AssetError, InputError
from flame_fit.image_files import Photo
from flame_fit.pipeline.prior_files import parsing_of_labels, read_parsing, read_pixel_chart
from flame_fit.priors.face_labels import COARSE_FACE_LABELS, FACE_LABELS, CoarseFaceLabel, FaceLabel

HEIGHT, WIDTH = 40, 60


@pytest.fixture
def photo(tmp_path) -> Photo:
    return Photo(tmp_path / "me.jpg", np.zeros((HEIGHT, WIDTH, 3), np.uint8))


def write(path: Path, values: np.ndarray) -> Path:
    """Write a PNG; colours in the order red, green, blue."""
    colours = values[..., ::-1] if values.ndim == 3 else values
    assert cv2.imwrite(str(path), np.ascontiguousarray(colours))
    return path


def chart_values(rng) -> np.ndarray:
    return rng.integers(0, 65536, (HEIGHT, WIDTH, 3)).astype(np.uint16)


def test_chart_coordinates_come_back_from_a_file_and_from_a_folder(photo, tmp_path, rng):
    values = chart_values(rng)
    path = write(tmp_path / "me_uv.png", values)
    for given in (path, tmp_path):
        found = read_pixel_chart(given, photo)
        assert np.allclose(found.uv, values[..., :2] / 65535.0, atol=1e-6)
        assert np.allclose(found.mask, values[..., 2] / 65535.0, atol=1e-6)
        assert found.scale == 1.0
        assert not found.origin.any()
        assert found.source == str(path)


def labels_of(first: int, second: int) -> np.ndarray:
    labels = np.full((HEIGHT, WIDTH), first, np.uint8)
    labels[:, WIDTH // 2 :] = second
    return labels


def test_label_maps_come_back_and_an_unknown_pixel_may_be_anything(photo, tmp_path):
    labels = labels_of(FaceLabel.SKIN, FaceLabel.HAIR)
    labels[0, 0] = 255
    write(tmp_path / "me_mask.png", labels)
    found = read_parsing(tmp_path, photo)
    assert found.labels == FACE_LABELS.names
    assert found.scale == 1.0
    assert np.array_equal(found.probabilities.argmax(axis=0)[1:], labels[1:])
    assert np.allclose(found.probabilities[:, 0, 0], 1.0 / FACE_LABELS.count)
    assert np.allclose(found.probabilities.sum(axis=0), 1.0)


def test_a_map_of_low_numbers_is_one_of_the_older_scheme(photo, tmp_path):
    labels = labels_of(CoarseFaceLabel.SKIN, CoarseFaceLabel.ACCESSORY)
    found = read_parsing(write(tmp_path / "me_seg.png", labels), photo)
    assert found.labels == COARSE_FACE_LABELS.names
    assert found.share(["ACCESSORY"]).values[:, -1].min() == 1.0


def test_large_maps_are_kept_coarsely_in_place():
    labels = np.zeros((1030, 1500), np.uint8)
    labels[:, :600] = FaceLabel.HAIR
    found = parsing_of_labels(labels)
    assert found.scale == 3.0
    assert found.probabilities.shape == (FACE_LABELS.count, 344, 500)
    hair = found.share(["HAIR"]).values
    assert hair[:343, :200].min() == 1.0
    assert hair[:343, 200:].max() == 0.0
    assert np.allclose(found.probabilities.sum(axis=0), 1.0, atol=1e-5)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((HEIGHT, WIDTH, 3), np.uint8), "uint8 .* expected a 16-bit PNG with u in red"),
        (np.zeros((HEIGHT, WIDTH), np.uint16), "uint16 .* expected a 16-bit PNG with u in red"),
        (np.zeros((HEIGHT, 9, 3), np.uint16), "has 9 x 40 pixels, its photo 60 x 40; make it from"),
    ],
)
def test_files_that_are_no_chart_coordinates_are_refused(photo, tmp_path, values, message):
    with pytest.raises(InputError, match=message):
        read_pixel_chart(write(tmp_path / "me.png", values), photo)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((HEIGHT, WIDTH, 3), np.uint8), "expected an 8-bit PNG with the number"),
        (np.full((HEIGHT, WIDTH), 200, np.uint8), "100% of its pixels have no number of a class"),
        (np.zeros((HEIGHT, 9), np.uint8), "has 9 x 40 pixels, its photo 60 x 40; make it from"),
    ],
)
def test_files_that_are_no_label_maps_are_refused(photo, tmp_path, values, message):
    with pytest.raises(InputError, match=message):
        read_parsing(write(tmp_path / "me.png", values), photo)


def test_missing_and_damaged_files_are_named(photo, tmp_path):
    with pytest.raises(InputError, match=r"no me_uv.png or me.png in .* leave --uv out"):
        read_pixel_chart(tmp_path, photo)
    with pytest.raises(InputError, match=r"no me_mask.png or .*; add one or leave --parser out"):
        read_parsing(tmp_path, photo)
    with pytest.raises(AssetError, match="does not exist"):
        read_parsing(tmp_path / "none.png", photo)
    (tmp_path / "me.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match="damaged or no image"):
        read_pixel_chart(tmp_path, photo)
