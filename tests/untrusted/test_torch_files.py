"""Torch files: both formats are read like torch does, as numpy arrays."""

import argparse
import io
import os
import pickle
from collections import defaultdict
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
import torch

from flame_fit.errors import AssetError
from flame_fit.untrusted import open_torch, read_torch
from scripts.fuzzing.hostile_files import old_torch, zipped


def saved(path: Path, value: object, *, old: bool) -> Path:
    torch.save(value, path, _use_new_zipfile_serialization=not old)
    return path


@pytest.mark.parametrize("form", ["zip", "old"])
def test_both_formats(tmp_path: Path, form: str) -> None:
    shared = torch.arange(6.0).reshape(2, 3)
    content = {
        "model": torch.nn.Linear(3, 2).state_dict(),
        "rows": [shared[0], shared[1], shared.T],
        "half": torch.tensor([0.5], dtype=torch.float16),
        "brain": torch.tensor([1.5, -3.0], dtype=torch.bfloat16),
        "step": 7,
        "name": "x",
    }
    path = saved(tmp_path / "a.pt", content, old=form == "old")
    found = read_torch(path)
    expected = torch.load(path, weights_only=True)
    np.testing.assert_array_equal(found["model"]["weight"], expected["model"]["weight"])
    for left, right in zip(found["rows"], expected["rows"], strict=True):
        np.testing.assert_array_equal(left, right)
    assert found["half"].dtype == np.float16
    assert found["brain"].tolist() == [1.5, -3.0]
    assert (found["step"], found["name"]) == (7, "x")


def refusal(path: Path, **options: int) -> str:
    with pytest.raises(AssetError) as error:
        read_torch(path, **options)
    text = str(error.value)
    assert str(path) in text and "\n" not in text and text.isprintable()
    return text


def test_objects_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pt", torch.nn.Linear(2, 2), old=False)
    assert "asks for 'torch.nn.modules.linear.Linear'" in refusal(path)


def test_what_is_no_torch_file(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(zipped({"a.txt": b"x"}))
    assert "holds 'a.txt', expected one data.pkl" in refusal(path)
    path.write_bytes(pickle.dumps([1]) + pickle.dumps(2))
    assert "this is not a torch file" in refusal(path)
    path.write_bytes(b"")
    refusal(path)


@pytest.mark.parametrize("form", ["zip", "old"])
def test_cut_files(tmp_path: Path, form: str) -> None:
    buffer = io.BytesIO()
    torch.save({"a": torch.ones(50)}, buffer, _use_new_zipfile_serialization=form == "zip")
    whole = buffer.getvalue()
    path = tmp_path / "a.pt"
    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        refusal(path)


def test_tensors_that_reach_past_their_data(tmp_path: Path) -> None:
    """The smallest storage that announces a million numbers."""
    path = saved(tmp_path / "a.pt", torch.zeros(4)[:1], old=True)
    changed = path.read_bytes().replace(b"K\x01\x85q", b"K\x09\x85q", 1)
    path.write_bytes(changed)
    assert "reaches past its 4 stored numbers" in refusal(path)
    (tmp_path / "b.pt").write_bytes(old_torch(pickle.dumps({"a": [1]}, protocol=2)))
    assert read_torch(tmp_path / "b.pt") == {"a": [1]}


def test_limits(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pt", torch.zeros(1).expand(10**6), old=False)
    assert "more memory than allowed here" in refusal(path, maximum_bytes=10**6)


class Foreign:
    """Something a training might keep beside its weights."""

    def __init__(self, value: int) -> None:
        self.value = value


FOREIGN = {
    "instance": Foreign(3),
    "class": Foreign,
    "path": PurePosixPath("/x"),
    "dict": defaultdict(list, a=[1]),
    "namespace": argparse.Namespace(a=1),
    "inside": {"deep": [Foreign(1)]},
}


@pytest.mark.parametrize("form", ["zip", "old"])
@pytest.mark.parametrize("name", sorted(FOREIGN))
def test_entries_beside_unknown_objects(tmp_path: Path, name: str, form: str) -> None:
    """What is beside them is read; they are not, and whole files with them are not either."""
    weights = {"a": torch.arange(3.0), "b": torch.tensor([1.5], dtype=torch.bfloat16)}
    content = {"state_dict": weights, "settings": FOREIGN[name], "epoch": 3, 7: 1}
    path = saved(tmp_path / "a.ckpt", content, old=form == "old")
    entries = open_torch(path)
    assert entries.names == ("state_dict", "settings", "epoch")
    state = entries.read("state_dict")
    assert {key: value.tolist() for key, value in state.items()} == {"a": [0, 1, 2], "b": [1.5]}
    assert entries.read("epoch") == 3
    for read in (lambda: entries.read("settings"), entries.read_all, lambda: read_torch(path)):
        with pytest.raises(AssetError, match="which could run code; nothing was run") as error:
            read()
        assert str(path) in str(error.value)


class Hostile:
    """Runs something when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.marker),)


def test_nothing_beside_the_entries_is_run(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    path = saved(tmp_path / "a.ckpt", {"state": torch.ones(2), "x": Hostile(marker)}, old=False)
    assert open_torch(path).read("state").tolist() == [1, 1]
    with pytest.raises(AssetError, match=r"asks for '(posix|nt).mkdir'"):
        open_torch(path).read("x")
    assert not marker.exists()


def test_entries_that_do_not_exist(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.ckpt", {"a": 1}, old=False)
    with pytest.raises(AssetError, match="holds no 'b'; check that it is the right file"):
        open_torch(path).read("b")
    with pytest.raises(AssetError, match="the file holds a list, expected a dict"):
        open_torch(saved(tmp_path / "b.ckpt", [1], old=False))


def test_entries_count_memory_before_it_is_used(tmp_path: Path) -> None:
    content = {"small": torch.ones(3), "large": torch.zeros(1).expand(10**6)}
    entries = open_torch(saved(tmp_path / "a.pt", content, old=False), maximum_bytes=10**6)
    assert entries.read("small").tolist() == [1, 1, 1]
    with pytest.raises(AssetError, match="more memory than allowed here"):
        entries.read("large")
