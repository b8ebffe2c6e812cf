"""The foreign head has the size of a person, and its pictures agree with their truth."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from flame_fit.appearance import directional_to_sh, white_lighting
from flame_fit.asset_files import ASSETS_VARIABLE
from flame_fit.errors import AssetError
from flame_fit.geometry import project, unproject
from flame_fit.geometry.rotations import HeadAngles
from flame_fit.priors import resolve_face_models
from flame_fit.render import make_rasterizer
from flame_fit.synth import load_foreign_head, place_head, render_foreign

SIZE = (256, 256)
FROM_LEFT = torch.tensor([1.0, 0.2, 0.35])
"""Towards a lamp at the person's left, world axes."""
RIGHT_OUTER, RIGHT_INNER, LEFT_INNER, LEFT_OUTER, NOSE_BASE, RIGHT_MOUTH, LEFT_MOUTH = range(7)


@pytest.fixture(scope="module")
def head(shared_data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ASSETS_VARIABLE, str(shared_data / "mediapipe"))
        try:
            resolve_face_models("auto")
        except AssetError as error:
            pytest.skip(f"the face models cannot be had: {error}")
        return load_foreign_head(shared_data / "hifi3dpp", rasterizer=make_rasterizer("warp"))


def placed(*, yaw_degrees):
    angles = HeadAngles(*torch.deg2rad(torch.tensor([yaw_degrees, 0.0, 0.0])))
    return place_head(angles, focal_pixels=2.0 * SIZE[0], distance=0.85, image_size=SIZE)


def take(head, *, yaw_degrees=0.0, lighting=None):
    return render_foreign(
        head,
        placed(yaw_degrees=yaw_degrees),
        white_lighting() if lighting is None else lighting,
        image_size=SIZE,
        rasterizer=make_rasterizer("warp"),
    )


@pytest.fixture(scope="module")
def frontal(head):
    return take(head)


def test_it_has_the_size_of_a_person_in_metres(head):
    left, right = (0.5 * (eye.vertices.min(0) + eye.vertices.max(0)) for eye in head.eyes)
    assert 0.058 < np.linalg.norm(left - right) < 0.070
    assert left[0] > 0.0 > right[0]
    assert np.abs(left + right).max() < 1e-6
    top = float(head.vertices[:, 1].max())
    chin = float(head.vertices[head.face][:, 1].min())
    assert 0.19 < top - chin < 0.27


def test_its_seven_landmarks_are_in_the_order_of_the_protocol(head):
    marks = head.landmarks
    across = [RIGHT_OUTER, RIGHT_INNER, LEFT_INNER, LEFT_OUTER]
    assert bool((marks[across, 0].diff() > 0.01).all())
    assert float(marks[RIGHT_MOUTH, 0]) < 0.0 < float(marks[LEFT_MOUTH, 0])
    assert float(marks[NOSE_BASE, 2]) > float(marks[:, 2].median())
    assert float(marks[RIGHT_MOUTH, 1]) < float(marks[NOSE_BASE, 1]) < float(marks[0, 1])
    mirrored = marks[[3, 2, 1, 0, 4, 6, 5]] * torch.tensor([-1.0, 1.0, 1.0])
    assert float((mirrored - marks).norm(dim=-1).max()) < 0.005
    assert float(torch.cdist(marks, head.vertices).amin(1).max()) < 1e-4


def test_its_face_leaves_out_ears_neck_and_the_back_of_the_head(head):
    face = head.vertices[head.face]
    assert 5000 < len(face) < 12000
    assert float(face[:, 0].abs().max()) < 0.08
    assert float(face[:, 2].min()) > -0.06
    assert float(face[:, 1].max()) < 0.06
    assert float(face[:, 1].min()) > -0.14


def test_its_pictures_agree_with_their_truth(head, frontal):
    placement = placed(yaw_degrees=0.0)
    world = placement.to_world(head.landmarks)
    expected = project(placement.camera, world[None]).pixels[0]
    np.testing.assert_allclose(frontal.truth.landmarks, expected, atol=1e-3)
    assert frontal.truth.landmark_visible.all()
    row, column = np.nonzero(frontal.truth.depth)
    centres = torch.from_numpy(np.stack((column, row), -1) + 0.5).float()
    depth = torch.from_numpy(frontal.truth.depth[row, column])
    points = unproject(placement.camera, centres[None], depth[None])[0]
    chosen = torch.arange(0, len(points), 97)
    distance = torch.cdist(points[chosen], placement.to_world(head.vertices)).amin(1)
    assert float(distance.max()) < 0.006
    np.testing.assert_allclose(placement.to_head(world).numpy(), head.landmarks.numpy(), atol=1e-6)


def test_it_turns_to_its_left_and_is_lit_from_its_left(head, frontal):
    turned = take(head, yaw_degrees=30.0)
    eyes = turned.truth.landmarks[[RIGHT_OUTER, LEFT_OUTER], 0].mean()
    ahead = turned.truth.landmarks[NOSE_BASE, 0] - eyes
    straight = frontal.truth.landmarks[NOSE_BASE, 0]
    assert ahead > 5.0
    assert abs(straight - frontal.truth.landmarks[[0, 3], 0].mean()) < 3.0
    lamp = directional_to_sh(normalize(FROM_LEFT, dim=0), torch.full((3,), 0.75))
    lit = take(head, lighting=0.45 * white_lighting() + lamp)
    row, column = np.nonzero(lit.truth.skin)
    left = column > straight
    light = lit.srgb[row, column].astype(float).sum(axis=1)
    assert light[left].mean() > 1.2 * light[~left].mean()


def test_eyes_are_seen_and_are_not_skin(frontal):
    truth = frontal.truth
    eyes = truth.solid > 0
    assert 30 < eyes.sum() < 2000
    assert not truth.skin[eyes].any()


def test_a_folder_without_the_head_is_refused(tmp_path):
    with pytest.raises(AssetError, match=r"mesh_head\.obj"):
        load_foreign_head(tmp_path, rasterizer=make_rasterizer("warp"))
