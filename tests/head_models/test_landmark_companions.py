"""Landmark embeddings in all four formats: what each holds, and what is refused."""

import io
import pickle
from pathlib import Path

import numpy as np
import pytest

from flame_fit.errors import AssetError
from flame_fit.head_models.landmark_companions import landmark_file
from tests.head_models import companion_files as files


def dictionary() -> dict[str, np.ndarray]:
    """The dict format as plain arrays, as the untrusted reader gives it."""
    full, table = files.ibug_points(), files.outline_table(1)
    return {
        "full_lmk_faces_idx": full.face_index.numpy()[None],
        "full_lmk_bary_coords": full.barycentrics.numpy()[None],
        "dynamic_lmk_faces_idx": table.face_index.numpy(),
        "dynamic_lmk_bary_coords": table.barycentrics.numpy(),
    }


def test_the_dict_has_68_points_and_a_table_by_rising_angle() -> None:
    found = landmark_file(dictionary(), source="x.npy")
    assert found is not None and found.ibug is not None and found.table is not None
    points = files.ibug_points()
    assert np.array_equal(found.ibug.face_index, points.face_index.numpy())
    np.testing.assert_allclose(found.ibug.barycentrics, points.barycentrics, atol=1e-6)
    table = files.outline_table(1)
    for angle, row in ((-39, 78), (-1, 40), (0, 0), (1, 1), (39, 39)):
        assert np.array_equal(found.table.face_index[angle + 39], table.face_index[row]), angle
    assert found.eyes is None and found.inner is None and found.mediapipe is None


def test_with_eyes_there_are_two_more(tmp_path: Path) -> None:
    from flame_fit.untrusted import read_npy

    path = tmp_path / "landmark_embedding_with_eyes.npy"
    path.write_bytes(files.dictionary_npy(with_eyes=True))
    found = landmark_file(read_npy(path), source=path.name)
    assert found is not None and found.ibug is not None and found.eyes is not None
    assert len(found.ibug.face_index) == 68
    assert np.array_equal(found.eyes.face_index, files.iris_points().face_index.numpy())


def test_the_pair_of_ringnet_and_mediapipes_file(tmp_path: Path) -> None:
    from flame_fit.untrusted import read_npy, read_npz, read_pickle

    (tmp_path / "s.pkl").write_bytes(files.static_pkl())
    (tmp_path / "d.npy").write_bytes(files.dynamic_npy())
    (tmp_path / "m.npz").write_bytes(files.mediapipe_npz())
    static = landmark_file(read_pickle(tmp_path / "s.pkl"), source="s.pkl")
    dynamic = landmark_file(read_npy(tmp_path / "d.npy"), source="d.npy")
    mediapipe = landmark_file(read_npz(tmp_path / "m.npz"), source="m.npz")
    assert static is not None and static.inner is not None and static.ibug is None
    assert np.array_equal(static.inner.face_index, files.ibug_points().face_index.numpy()[17:])
    assert dynamic is not None and dynamic.table is not None and dynamic.inner is None
    assert dynamic.table.face_index.shape == (79, 17)
    assert mediapipe is not None and mediapipe.mediapipe is not None
    assert np.array_equal(mediapipe.mediapipe_index, files.MEDIAPIPE_NUMBERS)


@pytest.mark.parametrize("content", [None, [1, 2], np.zeros(3), {"lips": np.arange(3)}, {}])
def test_other_data_are_no_embedding(content: object) -> None:
    assert landmark_file(content, source="x") is None


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("full_lmk_faces_idx", np.full((1, 68), 9976), "'full_lmk_faces_idx' has triangles"),
        ("full_lmk_faces_idx", np.full((1, 68), -1), "'full_lmk_faces_idx' has triangles"),
        ("full_lmk_faces_idx", np.zeros((1, 68)), "is float64, expected whole numbers"),
        ("full_lmk_bary_coords", np.full((1, 68, 3), np.nan), "are no barycentric weights"),
        ("full_lmk_bary_coords", np.full((1, 68, 3), 0.5), "are no barycentric weights"),
        ("full_lmk_bary_coords", np.zeros((1, 67, 3)), r"expected numbers \(1, 68, 3\)"),
        ("dynamic_lmk_faces_idx", np.zeros((78, 17), int), "expected numbers"),
    ],
)
def test_unsound_embeddings_are_refused(key: str, value: np.ndarray, message: str) -> None:
    with pytest.raises(AssetError, match=f"x.npy: .*{message}"):
        landmark_file(dictionary() | {key: value}, source="x.npy")


def test_counts_that_mean_nothing_are_refused() -> None:
    few = {key: array[:, :40] for key, array in dictionary().items() if key.startswith("full")}
    with pytest.raises(AssetError, match="x: 40 landmarks, expected 68 or 70"):
        landmark_file(few, source="x")
    points = dict(np.load(io.BytesIO(files.mediapipe_npz())))
    points["landmark_indices"][1] = points["landmark_indices"][0]
    with pytest.raises(AssetError, match="landmark numbers from 0 to 416, expected different"):
        landmark_file(points, source="x")
    inner = pickle.loads(files.static_pkl())  # noqa: S301 - written above
    with pytest.raises(AssetError, match="x: 20 landmarks, expected 51 or 68"):
        landmark_file({key: array[:20] for key, array in inner.items()}, source="x")
