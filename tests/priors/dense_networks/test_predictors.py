"""The predictors: sizes, channels, ranges, and what they do with odd input."""

import numpy as np
import pytest
import torch
from PIL import Image

from flame_fit.errors import AssetError, UsageError
from flame_fit.priors.dense_networks import (
    LabelMap,
    ParsingPredictor,
    UvPredictor,
    normalised_images,
    square_parsing,
)
from flame_fit.priors.face_labels import COARSE_FACE_LABELS, FACE_LABELS

SIZE = (32, 48)


@pytest.fixture
def photo(rng):
    return rng.integers(0, 256, (60, 90, 3)).astype(np.uint8)


def answer(network, photo, size):
    """The published steps, one after the other."""
    small = np.asarray(Image.fromarray(photo).resize(size[::-1], Image.Resampling.BILINEAR))
    image = torch.from_numpy(small.astype(np.float32) / 255).permute(2, 0, 1)[None]
    with torch.no_grad():
        return network(normalised_images(image)).final[0].numpy()


def test_uv_at_the_networks_own_size(uv_network, rng):
    photo = rng.integers(0, 256, (*SIZE, 3)).astype(np.uint8)
    found = UvPredictor(uv_network, image_size=SIZE).predict(photo)
    u, v, mask = answer(uv_network, photo, SIZE)
    expected = np.clip((np.stack([u, v], axis=-1) + 1) / 2, 0, 1)
    np.testing.assert_allclose(found.uv, expected, atol=1e-5)
    np.testing.assert_allclose(found.mask, 1 / (1 + np.exp(-mask)), atol=1e-5)
    assert found.uv.std() > 0


def test_uv_comes_at_the_photos_size(uv_network, photo):
    found = UvPredictor(uv_network, image_size=SIZE).predict(photo)
    assert found.uv.shape == (60, 90, 2)
    assert found.mask.shape == (60, 90)
    assert found.uv.min() >= 0 and found.uv.max() <= 1
    u = (answer(uv_network, photo, SIZE)[0] + 1) / 2
    # Enlarged by the same factor both ways, so that the mean of a smooth map stays.
    assert abs(float(np.clip(u, 0, 1).mean() - found.uv[..., 0].mean())) < 0.05


def test_v_counted_from_the_top_is_turned(uv_network, photo):
    up = UvPredictor(uv_network, image_size=SIZE).predict(photo)
    down = UvPredictor(uv_network, image_size=SIZE, v_down=True).predict(photo)
    np.testing.assert_allclose(down.uv[..., 1], 1 - up.uv[..., 1], atol=1e-6)
    np.testing.assert_array_equal(down.uv[..., 0], up.uv[..., 0])


def test_labels_and_probabilities(parsing_network, photo):
    found = ParsingPredictor(parsing_network, image_size=SIZE).predict(photo)
    logits = answer(parsing_network, photo, SIZE)
    assert found.scheme is FACE_LABELS
    assert found.labels.shape == (60, 90)
    assert found.probabilities.shape == (19, *SIZE)
    np.testing.assert_allclose(found.probabilities.sum(axis=0), 1.0, atol=1e-5)
    likely = logits.argmax(axis=0)
    assert np.array_equal(found.probabilities.argmax(axis=0), likely)
    rows = (np.arange(60) + 0.5) * SIZE[0] // 60
    columns = (np.arange(90) + 0.5) * SIZE[1] // 90
    assert np.array_equal(found.labels, likely[rows.astype(int)][:, columns.astype(int)])
    assert len(np.unique(found.labels)) > 1


def test_older_scheme(old_parsing_network, photo):
    found = ParsingPredictor(old_parsing_network, image_size=SIZE).predict(photo)
    assert found.scheme is COARSE_FACE_LABELS
    assert found.labels.max() < 11


def test_batches_of_different_sizes_agree_with_single_photos(parsing_network, photo):
    predictor = ParsingPredictor(parsing_network, image_size=SIZE)
    other = photo[:40, ::-1]
    before = photo.copy()
    both = predictor.predict_batch([photo, other])
    assert [each.labels.shape for each in both] == [(60, 90), (40, 90)]
    for found, single in zip(both, (photo, other), strict=True):
        alone = predictor.predict(single)
        np.testing.assert_allclose(found.probabilities, alone.probabilities, atol=1e-4)
    assert np.array_equal(photo, before)


def test_from_files(uv_decoder, parsing_decoder, dinov3_file, uv_network, photo):
    found = UvPredictor.from_files(uv_decoder, dinov3=dinov3_file, image_size=SIZE).predict(photo)
    expected = UvPredictor(uv_network, image_size=SIZE).predict(photo)
    assert np.array_equal(found.uv, expected.uv)
    parser = ParsingPredictor.from_files(parsing_decoder, dinov3=dinov3_file)
    assert parser.scheme is FACE_LABELS
    assert parser.image_size == (512, 512)
    with pytest.raises(AssetError, match="is a UV network on DINOv3 vitb16; give a checkpoint for"):
        ParsingPredictor.from_files(uv_decoder, dinov3=dinov3_file)


def test_evidence_of_a_square(parsing_network, photo):
    predictor = ParsingPredictor(parsing_network, image_size=(32, 32))
    found = predictor.predict(photo[:60, :60])
    parsing = square_parsing(found, origin=np.array([5.0, 7.0]), side=60.0)
    assert parsing.scale == 60 / 32
    patch = parsing.share(("SKIN", "NOSE"))
    np.testing.assert_allclose(patch.values, found.probabilities[1:3].sum(axis=0))
    wide = LabelMap(found.labels, found.probabilities[:, :16], found.scheme)
    with pytest.raises(UsageError, match="image size is 16 x 32; choose a square one"):
        square_parsing(wide, origin=np.zeros(2), side=60.0)


def test_wrong_arguments(uv_network, parsing_network, photo):
    with pytest.raises(UsageError, match="is a parsing network of 19 classes .*; give one for uv"):
        UvPredictor(parsing_network)
    with pytest.raises(UsageError, match="image_size is 8 x 32; each side needs at least 16"):
        UvPredictor(uv_network, image_size=(8, 32))
    predictor = UvPredictor(uv_network, image_size=SIZE)
    with pytest.raises(UsageError, match="there are no photos; give at least one"):
        predictor.predict_batch([])
    with pytest.raises(UsageError, match=r"shape \(60, 90, 3\) and type float32; expected"):
        predictor.predict_batch([photo.astype(np.float32)])
    with pytest.raises(UsageError, match=r"shape \(60, 90, 4\) and type uint8; expected"):
        predictor.predict_batch([np.zeros((60, 90, 4), np.uint8)])
