"""Array files: read whole or refused in one line, never evaluated, never unpickled by Python."""

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from flame_fit.errors import AssetError
from flame_fit.untrusted import read_npy, read_npz, read_npz_objects
from scripts.fuzzing.hostile_files import npy_header, object_npy


class Bomb:
    """Makes a file when Python unpickles it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.path,))


def saved(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def refusal(read, path: Path, **options: int) -> str:
    with pytest.raises(AssetError) as error:
        read(path, **options)
    text = str(error.value)
    assert "\n" not in text and text.isprintable()
    return text


def test_reading_arrays(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    arrays = {
        "floats": np.arange(6.0).reshape(2, 3),
        "fortran": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "text": np.array("words"),
        "names": np.array(["a", "bcd"]),
        "empty": np.zeros((0, 3), dtype=np.float32),
        "flags": np.array([True, False]),
    }
    np.savez_compressed(path, **arrays)
    for found in (read_npz(path), read_npz_objects(path)):
        assert set(found) == set(arrays)
        for key, value in arrays.items():
            np.testing.assert_array_equal(found[key], value)
            assert found[key].dtype == value.dtype
    assert set(read_npz(path, keys=("text",))) == {"text"}


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_all_versions_of_the_format(tmp_path: Path, version: tuple[int, int]) -> None:
    array = np.arange(6, dtype=">f4").reshape(2, 3)
    with (tmp_path / "a.npy").open("wb") as file:
        np.lib.format.write_array(file, array, version=version)
    found = read_npy(tmp_path / "a.npy")
    np.testing.assert_array_equal(found, array)
    assert found.dtype.isnative


def test_sizes_as_python_two_wrote_them(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    text = "{'descr': '<f8', 'fortran_order': False, 'shape': (2L, 1L), }"
    path.write_bytes(npy_header(text) + np.array([1.0, 2.0]).tobytes())
    np.testing.assert_array_equal(read_npy(path), [[1.0], [2.0]])


def test_objects_are_never_unpickled_by_python(tmp_path: Path) -> None:
    path, canary = tmp_path / "bomb.npz", tmp_path / "opened"
    np.savez(path, data=np.array([Bomb(canary)], dtype=object))
    assert "holds Python objects, which could run code" in refusal(read_npz, path)
    assert "could run code; nothing was run" in refusal(read_npz_objects, path)
    path.write_bytes(pickle.dumps(Bomb(canary)))
    assert "not a readable .npz file" in refusal(read_npz, path)
    path.write_bytes(object_npy(pickle.dumps(Bomb(canary))))
    refusal(read_npy, path)
    assert not canary.exists()


def test_landmark_files_with_tensors(tmp_path: Path) -> None:
    content = {"faces": np.arange(4), "bary": torch.rand(4, 3), "both": {"x": [1, 2.5]}}
    np.save(tmp_path / "a.npy", np.array(content, dtype=object), allow_pickle=True)
    found = read_npy(tmp_path / "a.npy")
    assert found["both"] == {"x": [1, 2.5]}
    np.testing.assert_array_equal(found["bary"], content["bary"].numpy())
    np.savez(tmp_path / "a.npz", item=np.array(content, dtype=object), n=np.arange(2))
    assert set(read_npz_objects(tmp_path / "a.npz")["item"]) == set(content)


def test_announced_sizes_are_checked_before_anything_is_allocated(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    header = npy_header("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }")
    for content in (header + b"\0" * 80, saved(np.zeros(3))[:-1], b"", b"text"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("data.npy", content)
        assert "'data.npy'" in refusal(read_npz, path)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }", "no array of numbers"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), 'shape': (2,)}", "no array of"),
        ("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1,)}", "no array of numbers"),
        ("{'descr': '<M8[s]', 'fortran_order': False, 'shape': (1,)}", "not one of plain numbers"),
        ("{'descr': '|V8', 'fortran_order': False, 'shape': (1,)}", "not one of plain numbers"),
        ("{'descr': '<f3', 'fortran_order': False, 'shape': (1,)}", "has a size that numbers"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (2,)}", "announces 2 elements"),
        ("{'descr': '|b1', 'fortran_order': False, 'shape': (8,)}", "others than true and false"),
        ("{'descr': '<U2', 'fortran_order': False, 'shape': (1,)}", "characters that do not exist"),
        (" " * 5000, "longer than arrays of numbers need"),
    ],
)
def test_headers_that_lie(tmp_path: Path, header: str, message: str) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(npy_header(header) + b"\xff" * 8)
    assert message in refusal(read_npy, path)


def test_archives_that_unpack_to_too_much_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.npy", saved(np.zeros(10**6)))
    assert path.stat().st_size < 10**5
    assert "more than the 1000000 allowed here" in refusal(read_npz, path, maximum_bytes=10**6)


def test_missing_and_truncated_archives(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    assert "does not exist; check the path" in refusal(read_npz, path)
    np.savez(path, data=np.zeros(1000))
    whole = path.read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 10):
        path.write_bytes(whole[:size])
        assert "copy or download it again" in refusal(read_npz, path)
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 0xFF
    path.write_bytes(bytes(damaged))
    assert "copy or download it again" in refusal(read_npz, path)


def test_folders_devices_and_pipes_are_not_read(tmp_path: Path) -> None:
    assert "not an ordinary file" in refusal(read_npy, tmp_path)
    assert "not an ordinary file" in refusal(read_npy, Path("/dev/zero"))
    (tmp_path / "a.npy").write_bytes(saved(np.zeros(100)))
    text = refusal(read_npy, tmp_path / "a.npy", maximum_bytes=100)
    assert "more than the 100 allowed here" in text
