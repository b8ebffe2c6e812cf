"""HDF5 files: plain arrays are read; links, other files, plug-ins and damage are refused."""

import sys

import h5py
import numpy as np
import pytest

from flame_fit.errors import AssetError
from flame_fit.untrusted.hdf5_files import read_hdf5


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.h5"


def test_numbers_and_text_come_back(path):
    with h5py.File(path, "w") as file:
        file["shape/model/mean"] = np.arange(6, dtype=np.float32)
        file.create_dataset("packed", data=np.eye(50), compression="gzip", shuffle=True)
        file["metadata/text"] = "landmärks"
        file["metadata/list"] = np.array([b"one"], dtype="S3")
    keys = ("shape/model/mean", "packed", "metadata/text", "metadata/list", "not/there")
    found = read_hdf5(path, keys=keys)
    assert set(found) == set(keys[:-1])
    np.testing.assert_array_equal(found["shape/model/mean"], np.arange(6))
    np.testing.assert_array_equal(found["packed"], np.eye(50))
    assert (str(found["metadata/text"]), str(found["metadata/list"])) == ("landmärks", "one")


def test_links_are_not_followed(path, tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["x"] = np.ones(3)
    with h5py.File(path, "w") as file:
        file["real"] = np.ones(3)
        file["outside"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/x")
        file["soft"] = h5py.SoftLink("/real")
        file["group"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/")
    for key in ("outside", "soft", "group/x"):
        with pytest.raises(AssetError, match=f"'{key}' is a link to elsewhere"):
            read_hdf5(path, keys=(key,))


def test_values_in_other_files_are_not_fetched(path, tmp_path):
    (tmp_path / "raw").write_bytes(bytes(24))
    with h5py.File(tmp_path / "source.h5", "w") as file:
        file["x"] = np.ones(3)
    layout = h5py.VirtualLayout(shape=(3,), dtype="f8")
    layout[:] = h5py.VirtualSource(str(tmp_path / "source.h5"), "x", shape=(3,))
    with h5py.File(path, "w") as file:
        file.create_dataset("raw", (3,), "f8", external=[(str(tmp_path / "raw"), 0, 24)])
        file.create_virtual_dataset("virtual", layout)
    for key in ("raw", "virtual"):
        with pytest.raises(AssetError, match=f"'{key}' takes its values from other files"):
            read_hdf5(path, keys=(key,))


def test_kinds_and_sizes_are_checked_first(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("huge", (10**6, 10**6), "f8", compression="gzip", chunks=(100, 100))
        file.create_dataset("lzf", data=np.zeros(1000), compression="lzf")
        file["record"] = np.zeros(2, dtype=[("a", "f4"), ("b", "i4")])
        file["group/x"] = 1.0
        file["texts"] = ["a", "b"]
        file.create_dataset("ragged", (1,), dtype=h5py.vlen_dtype(np.float64))
    problems = {
        "huge": "larger than allowed",
        "lzf": "packed in an unusual way",
        "record": "no array of numbers or text",
        "group": "is no array",
        "texts": "more than one text",
        "ragged": "more than one text",
    }
    for key, problem in problems.items():
        with pytest.raises(AssetError, match=problem):
            read_hdf5(path, keys=(key,))


def test_damage_gives_one_line(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=np.arange(1000.0), compression="gzip")
    whole = path.read_bytes()
    for length in range(0, len(whole) - 1, 101):
        path.write_bytes(whole[:length])
        with pytest.raises(AssetError) as caught:
            read_hdf5(path, keys=("x",))
        assert "\n" not in str(caught.value)


def test_without_h5py_the_message_names_the_remedy(path, monkeypatch):
    path.write_bytes(b"anything")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(AssetError, match=r"run: pip install 'flame-fit\[basel\]'"):
        read_hdf5(path, keys=("x",))
