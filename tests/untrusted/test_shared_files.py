"""The published FLAME companion files all load, as Python's own readers would load them."""

from pathlib import Path

import numpy as np

from flame_fit.untrusted import open_zip, read_npy, read_npz, read_obj, read_torch

READERS = {".obj": read_obj, ".npy": read_npy, ".npz": read_npz}
LANDMARK_SHAPES = {
    "static_lmk_faces_idx": (51,),
    "static_lmk_bary_coords": (51, 3),
    "dynamic_lmk_faces_idx": (79, 17),
    "dynamic_lmk_bary_coords": (79, 17, 3),
    "full_lmk_faces_idx": (1, 68),
    "full_lmk_bary_coords": (1, 68, 3),
}


def test_every_file_of_the_topology_folder_is_read(shared_data: Path) -> None:
    folder = shared_data / "flame_topology"
    found = {path.name: READERS[path.suffix](path) for path in folder.iterdir()}
    template = found.pop("head_template.obj")
    assert (len(template.vertices), len(template.uv)) == (5023, 5118)
    assert template.faces.shape == template.uv_faces.shape == (9976, 3)
    for name in ("l_eyelid.npy", "r_eyelid.npy"):
        np.testing.assert_array_equal(found.pop(name), np.load(folder / name, allow_pickle=False))
    landmarks = found.pop("landmark_embedding.npy")
    assert {key: value.shape for key, value in landmarks.items()} == LANDMARK_SHAPES
    for name in ("static", "dynamic", "full"):
        np.testing.assert_allclose(landmarks[f"{name}_lmk_bary_coords"].sum(-1), 1, atol=1e-4)
        assert landmarks[f"{name}_lmk_faces_idx"].max() < 9976
    mediapipe = found.pop("mediapipe_landmark_embedding.npz")
    assert mediapipe["lmk_b_coords"].shape == (105, 3)
    assert found == {}


def test_tensors_and_task_files_are_read(shared_data: Path) -> None:
    for path in (shared_data / "dposer_face").rglob("*.pt"):
        assert isinstance(read_torch(path), dict | np.ndarray)
    names = {
        member.name for member in open_zip(shared_data / "mediapipe/face_landmarker.task").members
    }
    assert "face_landmarks_detector.tflite" in names
