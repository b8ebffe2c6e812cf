"""Things sit where they belong on every head."""

from __future__ import annotations

import numpy as np
import pytest

from flame_fit.synth import SceneRanges, random_scene
from flame_fit.synth.accessories import random_glasses, random_microphone, random_scarf
from flame_fit.synth.beard import random_beard
from flame_fit.synth.clothes import Shoulders, random_shoulders
from flame_fit.synth.hair import Hair, random_hair
from flame_fit.synth.hands import random_hand
from flame_fit.synth.head_frame import (
    BETWEEN_BROWS,
    CHIN,
    LOWER_LIP,
    NOSE_TIP,
    UPPER_LIP,
    HeadFrame,
)
from flame_fit.synth.headwear import FaceMask, random_hat, random_headscarf, random_mask
from flame_fit.synth.solids import Solid


def beard_of_some_colour(generator):
    return random_beard(generator, (0.1, 0.06, 0.04))


MAKERS = (
    beard_of_some_colour,
    random_hat,
    random_headscarf,
    random_mask,
    random_glasses,
    random_microphone,
    random_scarf,
    random_shoulders,
    random_hair,
    random_hand,
)
WIDE = SceneRanges(shape_sigma=1.5, yaw_degrees=60.0, pitch_degrees=30.0, jaw_radians=0.4)


@pytest.fixture(scope="module", params=range(4))
def frame(request, model, space):
    scene = random_scene(model, space, seed=request.param, ranges=WIDE)
    return HeadFrame.of(model, model.mesh(scene.flame))


def beyond_skin(points, frame):
    """How far points lie outside of the head, metres."""
    distance = np.linalg.norm(points, axis=1)
    azimuth = np.degrees(np.arctan2(points[:, 0], points[:, 2]))
    elevation = np.degrees(np.arcsin(points[:, 1] / distance))
    return distance - frame.radius_at(azimuth, elevation)


def test_head_axes_move_with_the_head(frame):
    left, right = frame.eyes
    assert left[0] > 0.0 > right[0]
    np.testing.assert_allclose(frame.eyes[:, 1:].mean(axis=0)[0], 0.0, atol=1e-4)
    assert frame.landmarks[NOSE_TIP][2] > left[2]
    assert frame.landmarks[CHIN][1] < frame.mouth[1] < frame.landmarks[NOSE_TIP][1] < left[1]
    assert frame.neck_base[1] < frame.landmarks[CHIN][1]
    assert 0.7 < frame.scale < 1.4


def test_the_radius_of_the_head_is_where_its_skin_is(frame):
    face = frame.landmarks[[9, 50, 280, 10, 5]]
    assert np.abs(beyond_skin(face, frame)).max() < 0.005


@pytest.mark.parametrize("maker", MAKERS)
def test_things_are_sound_and_the_same_for_the_same_seed(maker, frame):
    for seed in range(4):
        thing = maker(np.random.default_rng(seed))
        assert thing == maker(np.random.default_rng(seed))
        solids = thing.build(frame)
        for solid, again in zip(solids, thing.build(frame), strict=True):
            assert np.isfinite(solid.vertices).all()
            assert np.abs(solid.vertices).max() < 0.9
            assert solid.faces.min() >= 0
            assert solid.faces.max() < len(solid.vertices)
            assert solid.texture.min() >= 0.0
            assert solid.texture.max() <= 1.5
            np.testing.assert_array_equal(solid.vertices, again.vertices)
            np.testing.assert_array_equal(solid.texture, again.texture)


def test_lenses_stand_before_the_eyes_and_the_rims_do_not_cut_into_them(frame):
    for seed in range(4):
        rims, lenses = random_glasses(np.random.default_rng(seed)).build(frame)
        assert rims.transmission is None
        assert lenses.transmission is not None
        for eye in frame.eyes:
            aside = np.abs(lenses.vertices - eye)[:, :2]
            before = lenses.vertices[(aside < 0.02).all(axis=1), 2] - eye[2]
            assert len(before) > 0
            assert 0.012 < before.min() < before.max() < 0.06


def test_short_hair_covers_the_skull_and_leaves_the_face_free(frame):
    hair = Hair("short", (0.1, 0.1, 0.1), thickness=0.015, hairline=6.0, seed=2)
    (solid,) = hair.build(frame)
    outside = beyond_skin(solid.vertices, frame)
    direction = solid.vertices / np.linalg.norm(solid.vertices, axis=1, keepdims=True)
    crown = direction[:, 1] > 0.9
    assert outside[crown].min() > 0.0
    ahead = direction @ (frame.landmarks[NOSE_TIP] / np.linalg.norm(frame.landmarks[NOSE_TIP]))
    used = np.unique(solid.faces)
    assert outside[used][ahead[used] > 0.85].max(initial=-1.0) < 0.0


def test_a_fringe_reaches_lower_than_short_hair(frame):
    def lowest(kind):
        (solid,) = Hair(kind, (0.1, 0.1, 0.1), 0.012, 6.0, seed=2).build(frame)
        used = solid.vertices[np.unique(solid.faces)]
        ahead = used[(np.abs(used[:, 0]) < 0.02) & (used[:, 2] > 0.02)]
        return ahead[beyond_skin(ahead, frame) > 0.0, 1].min()

    assert lowest("fringe") < lowest("short") - 0.01
    assert lowest("fringe") < frame.landmarks[BETWEEN_BROWS][1] + 0.03


def test_hair_that_hangs_farther_forward_covers_more_of_the_face(frame):
    def cheek_vertices(hangs_from):
        hair = Hair("long", (0.1, 0.1, 0.1), 0.012, 6.0, seed=2, hangs_from=hangs_from)
        (solid,) = hair.build(frame)
        used = solid.vertices[np.unique(solid.faces)]
        outside = beyond_skin(used, frame) > 0.0
        return (outside & (used[:, 1] < 0.0) & (used[:, 2] > 0.3 * np.abs(used[:, 0]))).sum()

    assert cheek_vertices(40.0) > cheek_vertices(75.0)


def test_a_mask_lies_before_nose_and_mouth(frame):
    mask = FaceMask(0.8, 55.0, 8.0, None, 0.0, seed=3)
    (solid,) = mask.build(frame)
    distance = np.linalg.norm(solid.vertices, axis=1)
    for landmark in (UPPER_LIP, LOWER_LIP, NOSE_TIP):
        point = frame.landmarks[landmark]
        nearest = (solid.vertices @ point / distance).argmax()
        assert distance[nearest] > np.linalg.norm(point)


def test_a_beard_follows_the_skin_it_grows_on(frame):
    for seed in range(4):
        (solid,) = beard_of_some_colour(np.random.default_rng(seed)).build(frame)
        below = solid.vertices[:, 1] < frame.landmarks[NOSE_TIP][1] + 0.03
        assert below.mean() > 0.95
        gap = np.linalg.norm(solid.vertices[::10, None] - frame.vertices[None], axis=-1).min(1)
        assert np.median(gap) < 0.03


def test_a_neckline_parts_skin_from_cloth(frame):
    skin_part, cloth_part = Shoulders(0.2, 0.05, 1, tone=(0.4, 0.3, 0.2), neckline=0.3).build(frame)
    assert (skin_part.name, cloth_part.name) == ("bare_shoulders", "clothes")
    count = len(skin_part.faces) + len(cloth_part.faces)
    (whole,) = Shoulders(0.2, 0.05, 1).build(frame)
    assert count == len(whole.faces)
    height = [part.vertices[np.unique(part.faces), 1].mean() for part in (skin_part, cloth_part)]
    assert height[0] > height[1]


def test_a_hand_lies_on_the_face_and_not_in_it(frame):
    for seed in range(4):
        (hand,) = random_hand(np.random.default_rng(seed), place="mouth").build(frame)
        outside = beyond_skin(hand.vertices, frame)
        assert np.quantile(outside, 0.05) > -0.012
        assert np.linalg.norm(hand.vertices - frame.mouth, axis=1).min() < 0.09


def test_a_scarf_surrounds_the_neck(frame):
    (scarf,) = random_scarf(np.random.default_rng(0)).build(frame)
    around = np.arctan2(scarf.vertices[:, 0], scarf.vertices[:, 2] - frame.neck_base[2])
    assert np.histogram(around, bins=12, range=(-np.pi, np.pi))[0].min() > 0
    assert frame.neck_base[1] - 0.05 < scarf.vertices[:, 1].mean() < frame.eyes[0, 1]


def test_moving_a_solid_turns_and_shifts_it():
    solid = Solid("x", np.eye(3), np.array([[0, 1, 2]]), np.zeros((3, 2)), np.zeros((2, 2, 3)))
    turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    moved = solid.moved(turn, np.array([0.0, 0.0, 5.0]))
    np.testing.assert_allclose(moved.vertices[0], [0.0, 1.0, 5.0])
    np.testing.assert_array_equal(solid.vertices, np.eye(3))
