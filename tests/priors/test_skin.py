"""Skin weight on painted faces: keeps skin of any tone under any light, drops what is not skin."""

import cv2
import numpy as np
import pytest
import torch

from flame_fit.image_files import load_image
from flame_fit.observation import crop_srgb
from flame_fit.pipeline.head_crop import HeadSquare, crop_of_square
from flame_fit.priors import find_faces
from flame_fit.priors.face_regions import face_region, skin_holes
from flame_fit.priors.skin import skin_weight

SIZE = (256, 256)
# sRGB.
PALE, DARK = (236, 200, 180), (92, 58, 42)
HAIR, CLOTH, WALL = (35, 26, 22), (40, 60, 120), (150, 160, 150)


def painted(pixels: np.ndarray, skin: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """A face in one colour before hair, clothes and a wall, with noise."""
    image = np.empty((*SIZE, 3), np.float32)
    image[:] = WALL
    cv2.ellipse(image, (128, 100), (85, 95), 0, 0, 360, HAIR, -1)
    image[225:] = CLOTH
    region = face_region(pixels, SIZE)[..., None]
    image = image * (1 - region) + np.array(skin, np.float32) * region
    return np.clip(image + rng.normal(0, 3, image.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("skin", [PALE, DARK])
def test_skin_is_kept_and_its_holes_are_dropped(frontal_pixels, rng, skin):
    image = painted(frontal_pixels, skin, rng)
    before = image.copy()
    weight = skin_weight(image, frontal_pixels)
    inside = face_region(frontal_pixels, SIZE) * (1 - skin_holes(frontal_pixels, SIZE))
    assert weight[cv2.erode(inside, np.ones((7, 7))) > 0.9].mean() > 0.95
    assert weight[inside == 0].max() == 0.0
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("skin", [PALE, DARK])
def test_strong_side_light_is_no_reason_to_drop_skin(frontal_pixels, rng, skin):
    image = painted(frontal_pixels, skin, rng).astype(np.float32) / 255
    # A lamp at the left: the right side gets a tenth of the light.
    light = np.linspace(1.0, 0.1, SIZE[1], dtype=np.float32)[None, :, None]
    lit = ((image**2.2 * light) ** (1 / 2.2) * 255).astype(np.uint8)
    weight = skin_weight(lit, frontal_pixels, exclude_holes=False)
    region = cv2.erode(face_region(frontal_pixels, SIZE), np.ones((9, 9))) > 0.9
    assert weight[region].mean() > 0.85


@pytest.mark.parametrize(("skin", "cover"), [(PALE, HAIR), (PALE, CLOTH), (DARK, CLOTH)])
def test_a_fringe_or_a_scarf_is_dropped(frontal_pixels, rng, skin, cover):
    image = painted(frontal_pixels, skin, rng)
    top = int(frontal_pixels[[70, 300], 1].min()) - 4
    image[:top] = np.clip(np.array(cover) + rng.normal(0, 3, (top, 256, 3)), 0, 255)
    weight = skin_weight(image, frontal_pixels, exclude_holes=False)
    region = face_region(frontal_pixels, SIZE) > 0.9
    assert weight[: top - 4][region[: top - 4]].mean() < 0.1
    assert weight[top + 12 :][region[top + 12 :]].mean() > 0.9


def test_grey_photos_work(frontal_pixels, rng):
    image = painted(frontal_pixels, PALE, rng)
    grey = np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
    weight = skin_weight(grey, frontal_pixels, exclude_holes=False)
    region = cv2.erode(face_region(frontal_pixels, SIZE), np.ones((9, 9))) > 0.9
    assert weight[region].mean() > 0.9


def test_person_mask_and_coverage_bound_the_skin(frontal_pixels, rng):
    image = painted(frontal_pixels, PALE, rng)
    left = np.zeros(SIZE, np.float32)
    left[:, :128] = 1.0
    assert skin_weight(image, frontal_pixels, person=left)[:, 129:].max() == 0.0
    assert skin_weight(image, frontal_pixels, coverage=left)[:, 129:].max() == 0.0


def test_the_weight_does_not_depend_on_the_size_of_the_crop(frontal_pixels, rng):
    image = painted(frontal_pixels, PALE, rng)
    weight = skin_weight(image, frontal_pixels)
    large = cv2.resize(image, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    tripled = skin_weight(large, frontal_pixels * 3)
    assert np.abs(cv2.resize(tripled, SIZE, interpolation=cv2.INTER_AREA) - weight).mean() < 0.02


def test_photos_agree_with_another_parser(shared_data, detector):
    # Its masks hold eyes and mouth, end in a straight line on the forehead and leave out the neck.
    overlaps = []
    for path in sorted((shared_data / "photos").glob("*.png")):
        photo = load_image(path)
        (face,) = find_faces(photo, detector=detector)
        x0, y0, x1, y1 = face.box
        side = 1.6 * max(x1 - x0, y1 - y0)
        crop = crop_of_square(HeadSquare((x0 + x1 - side) / 2, (y0 + y1 - side) / 2, side), 256)
        pixels = crop.to_crop(torch.from_numpy(face.landmarks[0].pixels)[None])[0].numpy()
        person = face.person.on_crop(crop)
        weight = skin_weight(crop_srgb(photo, crop), pixels, person=person, exclude_holes=False)
        mask = np.load(path.with_name(f"{path.stem}_seg.npy")) != 0
        stack = np.repeat(mask[..., None].astype(np.uint8) * 255, 3, axis=2)
        other = crop_srgb(type(photo)(path, stack), crop)[..., 0] > 127
        mine = weight > 0.5
        overlaps.append((mine & other).sum() / (mine | other).sum())
    assert np.mean(overlaps) > 0.78
    assert min(overlaps) > 0.6
