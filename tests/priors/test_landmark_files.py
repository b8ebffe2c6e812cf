"""Landmarks of other programs: the right points, or one line that says what is wrong."""

import json

import numpy as np
import pytest

from flame_fit.errors import InputError
from flame_fit.priors.landmark_files import load_landmarks


def instance(count: int, **changes: object) -> list[dict[str, object]]:
    keypoints = [[float(i), float(2 * i)] for i in range(count)]
    return [{"keypoints": keypoints, "keypoint_scores": [0.5] * count} | changes]


def test_npy_points_move_from_pixel_centres_to_pixel_corners(tmp_path, rng):
    points = rng.random((68, 2)) * 100
    np.save(tmp_path / "face.npy", points)
    found = load_landmarks(tmp_path / "face.npy")
    assert found.kind == "ibug68"
    np.testing.assert_allclose(found.pixels, points + 0.5, rtol=1e-6)
    np.testing.assert_array_equal(found.confidence, 1.0)
    np.save(tmp_path / "face.npy", np.column_stack([points, np.full(68, 0.25)]))
    np.testing.assert_allclose(load_landmarks(tmp_path / "face.npy").confidence, 0.25)


def test_mmpose_json_gives_points_and_scores(tmp_path):
    path = tmp_path / "face.json"
    path.write_text(json.dumps(instance(68, keypoint_scores=[1.2] * 68)))
    found = load_landmarks(path)
    np.testing.assert_allclose(found.pixels[3], [3.5, 6.5])
    np.testing.assert_array_equal(found.confidence, 1.0)


def test_whole_body_predictions_give_their_face(tmp_path):
    path = tmp_path / "body.json"
    path.write_text(json.dumps(instance(133)))
    found = load_landmarks(path)
    np.testing.assert_allclose(found.pixels[[0, 67]], [[23.5, 46.5], [90.5, 180.5]])


def test_the_shared_examples_load(shared_data):
    for path in (shared_data / "mmpose").glob("*.json"):
        assert load_landmarks(path).pixels.shape == (68, 2)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (instance(67), "67 keypoints"),
        (instance(68, keypoint_scores=[1.0]), "no \\[x, y\\] pairs"),
        (instance(68, keypoints=[[1.0]] * 68), "no \\[x, y\\] pairs"),
        (instance(68, keypoints="none"), "no \\[x, y\\] pairs"),
        (instance(68, keypoints=None), "no \\[x, y\\] pairs"),
        (instance(68, keypoints=[[float("nan"), 1.0]] * 68), "no \\[x, y\\] pairs"),
        (instance(68, keypoint_scores=[float("inf")] * 68), "not finite"),
        ([], "no list of instances"),
        ({"keypoints": []}, "no list of instances"),
        ([{"boxes": []}], "no list of instances"),
    ],
)
def test_wrong_json_gives_one_line(tmp_path, content, words):
    path = tmp_path / "face.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=words) as caught:
        load_landmarks(path)
    assert "\n" not in str(caught.value)


def test_wrong_npy_gives_one_line(tmp_path):
    path = tmp_path / "face.npy"
    for array, words in (
        (np.zeros((68, 4)), "expected \\(68, 2\\)"),
        (np.full((68, 2), np.nan), "not finite"),
        (np.array([["a", "b"]] * 68), "expected numbers"),
    ):
        np.save(path, array)
        with pytest.raises(InputError, match=words):
            load_landmarks(path)
    np.save(path, np.array([{"x": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="no plain .npy"):
        load_landmarks(path)
    np.savez(tmp_path / "archive.npz", points=np.zeros((68, 2)))
    (tmp_path / "archive.npz").rename(path)
    with pytest.raises(InputError, match="an archive"):
        load_landmarks(path)


def test_unusable_files_give_one_line(tmp_path):
    (tmp_path / "text.json").write_text("hello")
    (tmp_path / "points.txt").write_text("1 2")
    (tmp_path / "empty.npy").write_bytes(b"")
    for name, words in (
        ("text.json", "no JSON"),
        ("points.txt", "ending '.txt'"),
        ("empty.npy", "no plain .npy"),
        ("missing.npy", "does not exist"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            load_landmarks(tmp_path / name)
        assert "\n" not in str(caught.value)
