"""Faces are found where they are, however the photo is turned, mirrored, scaled or crowded."""

import cv2
import numpy as np
import pytest

from flame_fit.errors import NoFaceError, UsageError
from flame_fit.image_files import Photo, load_image
from flame_fit.priors import find_faces
from flame_fit.priors.face_mesh_topology import IBUG_INNER, POINT_COUNT, face_mesh_topology
from flame_fit.priors.landmark_files import load_landmarks

LEFT_EYE, RIGHT_EYE = 263, 33


def eye_distance(pixels: np.ndarray) -> float:
    return float(np.linalg.norm(pixels[LEFT_EYE] - pixels[RIGHT_EYE]))


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected, axis=1).mean() / eye_distance(expected))


def pasted(photo: Photo, places: list[tuple[int, int, float]], size=(512, 1024)) -> Photo:
    """Copies of the portrait's head on grey: left edge, top edge, scale."""
    canvas = np.full((*size, 3), 120, np.uint8)
    head = photo.srgb[0:256, 120:330]
    for x, y, scale in places:
        copy = cv2.resize(head, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        canvas[y : y + copy.shape[0], x : x + copy.shape[1]] = copy
    return Photo(photo.path, canvas)


def test_the_portrait_is_found_with_all_points(portrait, detector):
    before = portrait.srgb.copy()
    (face,) = find_faces(portrait, detector=detector)
    (landmarks,) = face.landmarks
    assert face.detector == landmarks.kind == detector
    assert landmarks.pixels.shape == (POINT_COUNT, 2)
    assert np.isfinite(landmarks.pixels).all()
    assert landmarks.confidence.min() >= 0.0
    assert landmarks.confidence.max() <= 1.0
    assert 0.5 < face.score <= 1.0
    x0, y0, x1, y1 = face.box
    assert 150 < x0 < x1 < 300
    assert 50 < y0 < y1 < 220
    np.testing.assert_array_equal(portrait.srgb, before)


def test_the_nose_is_nearer_than_the_ears(portrait, detector):
    depth = find_faces(portrait, detector=detector)[0].landmarks[0].depth
    assert depth[1] < depth[[234, 454]].min()


def test_irises_lie_between_the_lids(portrait, detector):
    pixels = find_faces(portrait, detector=detector)[0].landmarks[0].pixels
    for centre, (outer, inner) in ((468, (33, 133)), (473, (263, 362))):
        middle = (pixels[outer] + pixels[inner]) / 2
        width = np.linalg.norm(pixels[outer] - pixels[inner])
        assert np.linalg.norm(pixels[centre] - middle) < 0.25 * width
        ring = np.linalg.norm(pixels[centre + 1 : centre + 5] - pixels[centre], axis=1)
        assert (ring > 0.1 * width).all()
        assert (ring < 0.35 * width).all()


@pytest.mark.parametrize("degrees", [30, 90, 150, 180, 270])
def test_a_turned_photo_gives_turned_points(portrait, detector, degrees):
    expected = find_faces(portrait, detector=detector)[0].landmarks[0].pixels
    side = 726
    turn = cv2.getRotationMatrix2D((0.0, 0.0), degrees, 1.0)[:, :2]
    shift = np.array([side, side]) / 2 - turn @ np.array([256.0, 256.0])
    matrix = np.column_stack([turn, shift])
    turned = Photo(portrait.path, cv2.warpAffine(portrait.srgb, matrix, (side, side)))
    (face,) = find_faces(turned, detector=detector)
    back = (face.landmarks[0].pixels - 0.5 - shift) @ turn + 0.5
    assert relative_error(back, expected) < 0.02


def test_a_mirrored_photo_gives_mirrored_points(portrait, detector):
    expected = find_faces(portrait, detector=detector)[0].landmarks[0]
    mirrored = Photo(portrait.path, np.ascontiguousarray(portrait.srgb[:, ::-1]))
    found = find_faces(mirrored, detector=detector)[0].landmarks[0]
    mirror = face_mesh_topology().mirror
    pixels = found.pixels[mirror] * [-1.0, 1.0] + [portrait.width, 0.0]
    assert relative_error(pixels, expected.pixels) < 0.015
    np.testing.assert_allclose(found.confidence[mirror], expected.confidence, atol=0.3)


@pytest.mark.parametrize("scale", [0.4, 3.0])
def test_a_scaled_photo_gives_scaled_points(portrait, detector, scale):
    expected = find_faces(portrait, detector=detector)[0].landmarks[0].pixels
    scaled = cv2.resize(portrait.srgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    ratio = scaled.shape[1] / portrait.width
    found = find_faces(Photo(portrait.path, scaled), detector=detector)[0].landmarks[0].pixels
    assert relative_error(found / ratio, expected) < 0.03


def test_the_largest_of_several_faces_comes_first(portrait, detector):
    crowd = pasted(portrait, [(20, 250, 0.7), (300, 20, 1.6), (760, 250, 1.0)])
    faces = find_faces(crowd, detector=detector, face="all")
    assert len(faces) == 3
    sizes = [face.size for face in faces]
    assert sizes == sorted(sizes, reverse=True)
    lefts = [face.box[0] for face in faces]
    assert lefts[0] < lefts[1]
    assert lefts[2] < lefts[0]
    (largest,) = find_faces(crowd, detector=detector)
    assert relative_error(largest.landmarks[0].pixels, faces[0].landmarks[0].pixels) < 0.01
    (second,) = find_faces(crowd, detector=detector, face=2)
    assert second.box == pytest.approx(faces[1].box)


def test_a_small_face_in_a_large_photo_is_found(portrait, detector):
    small = pasted(portrait, [(700, 60, 0.3)], size=(800, 1000))
    (face,) = find_faces(small, detector=detector)
    assert 20 < face.size < 40
    assert 700 < face.box[0] < 770


def test_the_person_mask_covers_the_face_and_not_the_corners(portrait, detector):
    (face,) = find_faces(portrait, detector=detector)
    mask = face.person.on_photo(portrait)
    x0, y0, x1, y1 = (int(value) for value in face.box)
    assert mask[y0:y1, x0 + 10 : x1 - 10].mean() > 0.95
    assert mask[:40, :40].max() < 0.2
    (plain,) = find_faces(portrait, detector=detector, segment=False)
    assert plain.person is None


def test_no_face_and_too_few_faces_give_one_line(portrait, detector, rng):
    noise = Photo(portrait.path, rng.integers(0, 255, (300, 300, 3), dtype=np.uint8))
    with pytest.raises(NoFaceError, match="no face found") as caught:
        find_faces(noise, detector=detector)
    assert "\n" not in str(caught.value)
    with pytest.raises(NoFaceError, match="face 3 was asked for, 1 found"):
        find_faces(portrait, detector=detector, face=3)


@pytest.mark.parametrize("face", [0, -1, "smallest", True, 1.5])
def test_unknown_choices_are_refused(portrait, face):
    with pytest.raises((UsageError, TypeError), match="face"):
        find_faces(portrait, face=face)


def test_photos_agree_with_another_detector(shared_data, detector):
    # FAN is another network with its own habits: 2 to 3.5 % of the eye distance apart.
    errors = []
    for path in sorted((shared_data / "photos").glob("*.png")):
        (face,) = find_faces(load_image(path), detector=detector)
        mine = face.landmarks[0].pixels[np.array(IBUG_INNER)].mean(axis=1)
        other = load_landmarks(path.with_suffix(".npy")).pixels
        distance = np.linalg.norm(mine - other[17:], axis=1).mean()
        errors.append(distance / np.linalg.norm(other[36] - other[45]))
    assert len(errors) == 5
    assert max(errors) < 0.04
    assert np.mean(errors) < 0.03
