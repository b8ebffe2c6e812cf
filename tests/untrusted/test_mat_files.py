"""MATLAB files: what scipy writes is read back; damage and traps end in one line."""

import io
import struct

import numpy as np
import pytest
import scipy.io

from flame_fit.errors import AssetError
from flame_fit.untrusted.mat_files import read_mat

CONTENT = {
    "double": np.linspace(-1, 1, 12).reshape(4, 3),
    "single": np.float32([[1.5, 2.5]]),
    "whole": np.arange(6, dtype=np.int32).reshape(2, 3),
    "small": np.uint8([[1], [2]]),
    "cube": np.arange(24.0).reshape(2, 3, 4),
    "empty": np.zeros((0, 3)),
}


def saved(folder, content=CONTENT, **options):
    path = folder / "file.mat"
    scipy.io.savemat(path, content, **options)
    return path


@pytest.mark.parametrize("compressed", [False, True])
def test_numbers_come_back(tmp_path, compressed):
    path = saved(tmp_path, do_compression=compressed)
    found = read_mat(path)
    assert found.keys() == CONTENT.keys()
    for key, value in CONTENT.items():
        np.testing.assert_array_equal(found[key], value)
        assert found[key].dtype == value.dtype


def test_doubles_that_are_stored_as_small_numbers_come_back_as_doubles(tmp_path):
    """MATLAB stores whole doubles in fewer bytes; scipy does not, so one is made here."""
    flags = struct.pack("<IIII", 6, 8, 6, 0)
    sizes = struct.pack("<IIii", 5, 8, 2, 2)
    name = struct.pack("<HHBxxx", 1, 1, ord("a"))
    values = struct.pack("<HH4B", 2, 4, 1, 2, 3, 4)
    body = flags + sizes + name + values
    header = b"MATLAB 5.0".ljust(124) + b"\x00\x01IM"
    path = tmp_path / "file.mat"
    path.write_bytes(header + struct.pack("<II", 14, len(body)) + body)
    found = read_mat(path)["a"]
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, [[1, 3], [2, 4]])


def test_other_things_are_skipped_unless_asked_for(tmp_path):
    path = saved(tmp_path, {"text": "hello", "cell": np.array([1, "a"], dtype=object), "x": 1.0})
    assert set(read_mat(path)) == {"x"}
    assert set(read_mat(path, keys=("x", "absent"))) == {"x"}
    with pytest.raises(AssetError, match="'text' is no matrix of real numbers"):
        read_mat(path, keys=("text",))
    path = saved(tmp_path, {"x": np.array([1j])})
    with pytest.raises(AssetError, match="'x' is no matrix of real numbers"):
        read_mat(path)


@pytest.mark.parametrize("compressed", [False, True])
def test_sizes_are_checked_before_anything_is_unpacked(tmp_path, compressed):
    path = saved(tmp_path, {"x": np.zeros((1000, 1000))}, do_compression=compressed)
    limit = 100_000 if compressed else 8_010_000
    data = path.read_bytes()
    assert len(data) < limit or not compressed
    if compressed:
        with pytest.raises(AssetError, match="'x' takes 8000000 bytes, more than allowed here"):
            read_mat(path, maximum_bytes=limit)
    else:
        with pytest.raises(AssetError, match="more than the 1000 allowed here"):
            read_mat(path, maximum_bytes=1000)


@pytest.mark.parametrize("compressed", [False, True])
def test_every_truncation_and_many_changes_give_one_line_or_numbers(tmp_path, rng, compressed):
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, {"a": np.eye(3), "b": np.arange(4)}, do_compression=compressed)
    whole = buffer.getvalue()
    path = tmp_path / "file.mat"
    outcomes = []
    changed = [whole[:length] for length in range(0, len(whole), 3)]
    for _ in range(300):
        data = bytearray(whole)
        data[rng.integers(len(data))] = rng.integers(256)
        changed.append(bytes(data))
    for data in changed:
        path.write_bytes(data)
        try:
            outcomes.append(all(array.dtype.kind in "fiu" for array in read_mat(path).values()))
        except AssetError as error:
            assert "\n" not in str(error)
            outcomes.append(False)
    assert any(outcomes)
    assert not all(outcomes)


def test_files_of_other_kinds_say_so(tmp_path):
    path = tmp_path / "file.mat"
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(200))
    with pytest.raises(AssetError, match=r"saved with -v7\.3; save it in MATLAB with -v7"):
        read_mat(path)
    path.write_bytes(b"something else" * 20)
    with pytest.raises(AssetError, match=r"does not begin as \.mat files do"):
        read_mat(path)
