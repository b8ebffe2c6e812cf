"""Files hold the truth of a picture, in the layouts that the training code reads."""

from __future__ import annotations

import io
import json

import cv2
import numpy as np
import pytest

from flame_fit.geometry import project
from flame_fit.priors.face_labels import FaceLabel
from flame_fit.synth import Staging, training_files, training_paths
from flame_fit.synth.accessories import Glasses
from flame_fit.synth.hair import Hair
from flame_fit.synth.training_files import DEEPEST, MOST, NECK_JOINT
from flame_fit.training.parsing_files import find_parsing_items, read_labels
from flame_fit.training.uv_files import (
    find_uv_items,
    read_background,
    read_calibration,
    read_uv,
)

LAYOUTS = ("uv", "parsing")


@pytest.fixture(scope="module")
def photo(take, frontal):
    things = (
        Hair("short", (0.1, 0.06, 0.04), 0.015, 6.0, seed=1),
        Glasses(0.026, 0.02, 3.0, 0.0015, (0.1, 0.1, 0.1), (0.9, 0.9, 0.9), 0.0),
    )
    return take(frontal, Staging(things=things))


@pytest.fixture(scope="module", params=LAYOUTS)
def folder(request, photo, model, tmp_path_factory):
    out = tmp_path_factory.mktemp(request.param)
    for file in training_files(photo, model, number=12, layout=request.param):
        path = out / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.data)
    return out


def pixels(path):
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_files_are_those_that_are_announced_and_the_picture_comes_last(photo, model, layout):
    files = training_files(photo, model, number=12, layout=layout)
    assert tuple(file.path for file in files) == training_paths(12, layout)
    assert files[-1].path.parts[0] == "images"
    again = training_files(photo, model, number=12, layout=layout)
    assert files == again
    assert not set(training_paths(12, layout)) & set(training_paths(13, layout))


def test_uv_masks_and_cameras_come_back_as_training_reads_them(folder, photo, model):
    (item,) = find_uv_items(folder)
    target, truth = read_uv(item), photo.truth
    seen = truth.face_index >= 0
    np.testing.assert_array_equal(target.mask, seen)
    np.testing.assert_allclose(target.uv[seen], truth.uv[seen], atol=1.0 / MOST)
    np.testing.assert_array_equal(read_background(item), truth.solid < 0)
    assert item.mask is not None
    assert item.calibration is not None
    found = read_calibration(item.calibration)
    mesh, camera = model.mesh(photo.scene.flame), photo.scene.camera
    neck = found.intrinsics @ found.motion[:3, 3]
    place = project(camera, mesh.joints[:, NECK_JOINT : NECK_JOINT + 1])
    np.testing.assert_allclose(neck[:2] / neck[2], place.pixels[0, 0], atol=1e-2)
    np.testing.assert_allclose(neck[2], place.depth[0, 0], atol=1e-5)
    np.testing.assert_allclose(found.motion[:3, :3] @ found.motion[:3, :3].T, np.eye(3), atol=1e-5)
    assert found.nose is not None
    nose = found.intrinsics @ found.nose
    np.testing.assert_allclose(nose[:2] / nose[2], truth.landmarks[1], atol=1e-2)


def test_depth_reaches_all_that_is_opaque(folder, photo):
    (item,) = find_uv_items(folder)
    stored, truth = pixels(item.depth), photo.truth
    assert stored.dtype == np.uint16
    depth = stored.astype(float) / MOST * DEEPEST
    seen = truth.face_index >= 0
    np.testing.assert_allclose(depth[seen], truth.depth[seen], atol=DEEPEST / MOST)
    hair = truth.solid == truth.names.index("hair")
    assert hair.any()
    assert (depth[hair] > 0.3).all()


def test_normals_and_landmarks_come_back(folder, photo):
    truth = photo.truth
    (normal_file,) = (folder / "normals").rglob("*.png")
    found = pixels(normal_file)[..., ::-1] / 127.5 - 1.0
    seen = truth.face_index >= 0
    np.testing.assert_allclose(found[seen], truth.normals[seen], atol=0.5 / 127.5 + 1e-6)
    (landmark_file,) = (folder / "landmarks").rglob("*.npy")
    table = np.load(io.BytesIO(landmark_file.read_bytes()), allow_pickle=False)
    np.testing.assert_array_equal(table[:, :2], truth.landmarks)
    np.testing.assert_array_equal(table[:, 2], truth.landmark_depth)
    np.testing.assert_array_equal(table[:, 3] > 0.5, truth.landmark_visible)


def test_labels_come_back(folder, photo):
    if (folder / "segmentations").is_dir():
        (item,) = find_parsing_items(folder)
        found = read_labels(item, classes=19, data_classes=19)
        np.testing.assert_array_equal(pixels(item.image)[..., ::-1], photo.srgb)
    else:
        (path,) = (folder / "labels").rglob("*.png")
        found = pixels(path)
    np.testing.assert_array_equal(found, photo.truth.labels)
    assert FaceLabel.GLASSES in found


def test_calibrations_are_plain_numbers(photo, model):
    calibration = training_files(photo, model, number=0, layout="uv")[-2]
    assert calibration.path.suffix == ".json"
    content = json.loads(calibration.data)
    assert sorted(content) == ["K", "T_gk", "nose"]
    assert [len(content[name]) for name in ("K", "T_gk", "nose")] == [9, 16, 3]
