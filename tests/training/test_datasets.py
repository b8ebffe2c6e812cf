"""Training images: read, varied, and the same again whenever the same epoch is run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from flame_fit.errors import InputError
from flame_fit.priors.face_labels import FACE_LABELS, mirrored_labels
from flame_fit.training.colours import changed_colours
from flame_fit.training.datasets import (
    NO_CHANGES,
    EpochSampler,
    ParsingDataset,
    SampleKey,
    UvDataset,
)
from flame_fit.training.parsing_files import find_parsing_items
from flame_fit.training.settings import (
    ColourChanges,
    ParsingAugmentation,
    ParsingData,
    UvAugmentation,
    UvData,
)
from flame_fit.training.uv_files import UvTarget, find_uv_items
from flame_fit.training.warps import SEAM, fit_matrix, warped_uv
from tests.training.made import SIDE, head_mask, label_picture, save, write_parsing, write_uv

STILL = ParsingAugmentation(
    scale=(1.0, 1.0), mirror_share=0.0, rotation_share=0.0, colour=NO_CHANGES
)


@pytest.fixture(scope="module")
def uv_items(tmp_path_factory):
    return find_uv_items(write_uv(tmp_path_factory.mktemp("uv"), people=3))


@pytest.fixture(scope="module")
def parsing_items(tmp_path_factory):
    return find_parsing_items(write_parsing(tmp_path_factory.mktemp("parsing")))


def inner(mask):
    """The mask without the pixels beside its edge."""
    import cv2

    kernel = np.ones((3, 3), np.uint8)
    return cv2.erode(mask.astype(np.uint8), kernel, iterations=2).astype(bool)


@pytest.mark.parametrize("size", [(48, 48), (96, 64), (32, 32)])
@pytest.mark.parametrize("turned", [False, True])
def test_photo_and_uv_move_together(size, turned, uv_items):
    changes = UvAugmentation(colour=NO_CHANGES, shift_pixels=6.0) if turned else None
    dataset = UvDataset(uv_items, data=UvData(image_size=size), augmentation=changes, seed=1)
    assert len(dataset) == 3
    for epoch in range(3):
        sample = dataset[SampleKey(0, epoch)]
        mask = inner(sample.mask[0].numpy())
        assert mask.mean() > 0.1
        # The photo's red and green are its UV.
        seen = 2 * sample.images[:2].numpy() - 1
        error = np.abs(seen - sample.uv.numpy())[:, mask]
        assert error.max() < 4.5 / 255
    still = UvDataset(uv_items, data=UvData(image_size=size), augmentation=None, seed=1)
    same = torch.equal(still[SampleKey(0)].uv, dataset[SampleKey(0)].uv)
    assert same is not turned


def test_uv_are_not_mixed_across_a_seam():
    uv = np.zeros((40, 40, 2), dtype=np.float32)
    uv[:, :20], uv[:, 20:] = 0.1, 0.9
    target = UvTarget(uv=uv, mask=np.ones((40, 40), dtype=bool))
    found = warped_uv(target, fit_matrix((40, 40), (112, 112)), size=(112, 112))
    assert np.minimum(np.abs(found.uv - 0.1), np.abs(found.uv - 0.9)).max() < SEAM
    assert found.mask.all()


def test_smooth_uv_are_interpolated():
    column = np.arange(64, dtype=np.float32) / 640
    uv = np.stack(np.broadcast_arrays(column[None], column[:, None]), axis=-1)
    target = UvTarget(uv=np.ascontiguousarray(uv), mask=np.ones((64, 64), dtype=bool))
    found = warped_uv(target, fit_matrix((64, 64), (160, 160)), size=(160, 160))
    expected = ((np.arange(160) + 0.5) * 64 / 160 - 0.5) / 640
    assert np.abs(found.uv[80, 4:-4, 0] - expected[4:-4]).max() < 1e-4


def test_an_epoch_has_the_same_images_whenever_it_is_run(uv_items, parsing_items):
    first = UvDataset(uv_items, data=UvData(), augmentation=UvAugmentation(), seed=5)
    again = UvDataset(uv_items, data=UvData(), augmentation=UvAugmentation(), seed=5)
    other = UvDataset(uv_items, data=UvData(), augmentation=UvAugmentation(), seed=6)
    key = SampleKey(1, 4)
    assert torch.equal(first[key].images, again[key].images)
    assert not torch.equal(first[key].images, first[SampleKey(1, 5)].images)
    assert not torch.equal(first[key].images, other[key].images)
    parsing = ParsingDataset(
        parsing_items, data=ParsingData(), augmentation=ParsingAugmentation(), seed=5
    )
    assert torch.equal(parsing[key].images, parsing[key].images)
    assert not torch.equal(parsing[key].labels, parsing[SampleKey(1, 5)].labels)


def test_left_and_right_change_places_in_the_mirror(parsing_items):
    data = ParsingData(image_size=(SIDE, SIDE))
    plain = ParsingDataset(parsing_items, data=data, augmentation=STILL, seed=0)[SampleKey(0)]
    mirror = replace(STILL, mirror_share=1.0)
    flipped = ParsingDataset(parsing_items, data=data, augmentation=mirror, seed=0)[SampleKey(0)]
    assert np.array_equal(plain.labels.numpy(), label_picture())
    expected = mirrored_labels(label_picture(), FACE_LABELS)
    assert np.array_equal(flipped.labels.numpy(), expected)
    assert torch.equal(flipped.images, plain.images.flip(-1))
    # The right eye stays on the left side of the picture.
    assert (flipped.labels[:, : SIDE // 2] != 4).all()
    coarse = ParsingDataset(
        parsing_items, data=replace(data, num_classes=11), augmentation=mirror, seed=0
    )[SampleKey(0)]
    assert set(coarse.labels.unique().tolist()) == {0, 1, 2}


@pytest.mark.parametrize("scale", [0.75, 1.0, 1.25])
def test_photo_and_labels_move_together(scale, parsing_items):
    changes = replace(
        STILL, scale=(scale, scale), mirror_share=0.5, rotation_share=1.0, rotation_degrees=10.0
    )
    data = ParsingData(image_size=(96, 96))
    dataset = ParsingDataset(parsing_items, data=data, augmentation=changes, seed=2)
    outside = 0.0
    for epoch in range(4):
        sample = dataset[SampleKey(0, epoch)]
        labels = sample.labels.numpy()
        known = labels != 255
        outside = max(outside, 1.0 - known.mean())
        # Red is twelve times the class; eyes that were mirrored changed places.
        red = np.rint(sample.images[0].numpy() * 255 / 12)
        swapped = np.select([labels == 3, labels == 4], [4, 3], labels)
        agree = np.maximum(red == labels, red == swapped)[known].mean()
        assert agree > 0.85
        turned = (labels == 3).sum() > 0
        assert turned
    assert 0 < outside < 0.2
    assert (dataset[SampleKey(0)].labels >= 0).all()


def test_backgrounds_replace_what_has_no_depth(tmp_path):
    write_uv(tmp_path / "data", people=2)
    for person in range(2):
        save(
            tmp_path / f"data/depths/p{person}/0.front.png",
            np.where(head_mask(), 9, 0).astype(np.uint16),
        )
    save(tmp_path / "behind/b.png", np.full((64, 80, 3), (10, 200, 30), np.uint8))
    data = UvData(background_dir=tmp_path / "behind", image_size=(SIDE, SIDE))
    items = find_uv_items(tmp_path / "data")
    sample = UvDataset(items, data=data, augmentation=None, seed=0)[SampleKey(1)]
    pixels = np.rint(sample.images.permute(1, 2, 0).numpy() * 255)
    assert (pixels[~head_mask()] == (10, 200, 30)).all()
    assert (pixels[head_mask()] != (10, 200, 30)).any(axis=-1).all()


def test_backgrounds_that_cannot_be_used_are_refused(tmp_path):
    items = find_uv_items(write_uv(tmp_path / "data", people=2))
    (tmp_path / "behind").mkdir()
    data = UvData(background_dir=tmp_path / "behind")
    with pytest.raises(InputError, match="holds no picture"):
        UvDataset(items, data=data, augmentation=None, seed=0)
    save(tmp_path / "behind/b.png", np.zeros((64, 80, 3), np.uint8))
    with pytest.raises(InputError, match="no photo has a depth map"):
        UvDataset(items, data=data, augmentation=None, seed=0)


def test_a_map_of_another_size_is_named(tmp_path):
    items = find_uv_items(write_uv(tmp_path, people=2))
    save(items[0].image, np.zeros((40, 40, 3), np.uint8))
    dataset = UvDataset(items, data=UvData(), augmentation=None, seed=0)
    with pytest.raises(InputError, match="48 x 48 pixels, its photo 40 x 40"):
        dataset[SampleKey(0)]


def test_every_image_comes_once_an_epoch_in_a_new_order():
    sampler = EpochSampler(10, seed=3, shuffle=True)
    orders = []
    for epoch in (0, 1, 0):
        sampler.set_epoch(epoch)
        keys = list(sampler)
        assert {key.epoch for key in keys} == {epoch}
        orders.append([key.index for key in keys])
        assert sorted(orders[-1]) == list(range(10))
    assert orders[0] == orders[2] != orders[1]
    still = EpochSampler(4, seed=3, shuffle=False)
    still.set_epoch(5)
    assert list(still) == [SampleKey(index, 0) for index in range(4)]


def test_processes_share_the_images_of_an_epoch():
    parts = [
        [key.index for key in EpochSampler(10, seed=3, shuffle=True, rank=rank, processes=4)]
        for rank in range(4)
    ]
    assert {len(part) for part in parts} == {3}
    assert sorted({index for part in parts for index in part}) == list(range(10))


def test_colours_change_as_far_as_allowed(rng):
    photo = rng.integers(60, 180, size=(16, 16, 3), dtype=np.uint8)
    same = changed_colours(photo, NO_CHANGES, rng)
    assert np.array_equal(np.rint(same * 255).astype(np.uint8), photo)
    only = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0}
    brighter = changed_colours(photo, ColourChanges(**only | {"brightness": 0.3}), rng)
    ratio = brighter / same
    assert np.ptp(ratio) < 1e-4
    assert 0.7 <= ratio.mean() <= 1.3
    contrast = changed_colours(photo, ColourChanges(**only | {"contrast": 0.3}), rng)
    grey = np.array([0.299, 0.587, 0.114], np.float32)
    assert np.isclose((contrast @ grey).mean(), (same @ grey).mean(), atol=1e-4)
    saturation = changed_colours(photo, ColourChanges(**only | {"saturation": 0.3}), rng)
    assert np.allclose(saturation @ grey, same @ grey, atol=1e-4)
    assert np.abs(saturation - same).max() > 1e-3
    hue = changed_colours(photo, ColourChanges(**only | {"hue": 0.1}), rng)
    assert np.allclose(hue.max(axis=-1), same.max(axis=-1), atol=1e-4)
    assert np.abs(hue - same).max() > 1e-3
    assert hue.dtype == np.float32
