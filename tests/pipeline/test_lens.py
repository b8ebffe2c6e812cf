"""Where a camera comes from, and what is no camera."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flame_fit.config import FitConfig
from flame_fit.errors import InputError
from flame_fit.image_files import Photo
from flame_fit.pipeline.lens import lens_of, read_intrinsics

MATRIX = np.array([[900.0, 0.0, 310.0], [0.0, 910.0, 205.0], [0.0, 0.0, 1.0]])


@pytest.fixture
def photo():
    return Photo(path=Path("me.jpg"), srgb=np.zeros((400, 600, 3), np.uint8))


def written(folder, name):
    path = folder / name
    if path.suffix == ".npy":
        np.save(path, MATRIX)
    elif path.suffix == ".npz":
        np.savez(path, camera_matrix=MATRIX)
    elif path.suffix == ".txt":
        np.savetxt(path, MATRIX)
    elif name == "matrix.json":
        path.write_text(json.dumps({"K": MATRIX.tolist()}))
    else:
        path.write_text(json.dumps({"fx": 900, "fy": 910, "cx": 310, "cy": 205}))
    return path


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.txt", "matrix.json", "pinhole.json"])
def test_every_format_gives_the_same_camera(tmp_path, photo, name):
    path = written(tmp_path, name)
    assert np.array_equal(read_intrinsics(path), MATRIX)
    lens = lens_of(photo, replace(FitConfig(), intrinsics=path, focal=5.0))
    assert lens.known
    assert lens.camera.focal.tolist() == [[900.0, 910.0]]
    assert lens.camera.principal_point.tolist() == [[310.0, 205.0]]


def test_option_goes_before_exif_and_exif_before_habit(photo):
    with_exif = replace(photo, focal_pixels=700.0)
    option = lens_of(with_exif, replace(FitConfig(), focal=500.0))
    exif = lens_of(with_exif, FitConfig())
    habit = lens_of(photo, FitConfig())
    assert [float(each.camera.focal[0, 0]) for each in (option, exif, habit)] == [500, 700, 900]
    assert [each.known for each in (option, exif, habit)] == [True, True, False]
    assert habit.camera.principal_point.tolist() == [[300.0, 200.0]]


def test_camera_projects_as_asked(photo):
    lens = lens_of(photo, replace(FitConfig(), camera="orthographic"))
    assert lens.camera.projection == "orthographic"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("missing.json", None),
        ("text.json", "no json"),
        ("empty.json", "{}"),
        ("list.json", "[1, 2]"),
        ("negative.json", '{"fx": -1, "fy": 1, "cx": 0, "cy": 0}'),
        ("words.json", '{"fx": "wide", "fy": 1, "cx": 0, "cy": 0}'),
        ("nan.txt", "nan 0 0\n0 1 0\n0 0 1\n"),
        ("broken.npy", "no array"),
        ("broken.npz", "no archive"),
    ],
)
def test_what_is_no_camera_is_said_in_one_line(tmp_path, name, content):
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError) as caught:
        read_intrinsics(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
