"""Models come from where the user put them or are fetched once; what is wrong with them is said."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from flame_fit.asset_files import ASSETS_VARIABLE, CACHE_VARIABLE, OFFLINE_VARIABLE
from flame_fit.errors import AssetError, UsageError
from flame_fit.priors import model_files
from flame_fit.priors.litert import load_model
from flame_fit.priors.model_files import (
    MAX_MEMBER_BYTES,
    TASK_NAME,
    read_task_member,
    resolve_face_models,
)


@pytest.fixture
def empty_machine(monkeypatch, tmp_path) -> Path:
    """No assets, no cache, no network."""
    monkeypatch.setenv(ASSETS_VARIABLE, str(tmp_path / "assets"))
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv(OFFLINE_VARIABLE, "1")
    return tmp_path


def test_unknown_detectors_are_refused_with_the_choices():
    with pytest.raises(UsageError, match="auto, mediapipe478, mediapipe468"):
        resolve_face_models("dlib")


@pytest.mark.parametrize("detector", ["auto", "mediapipe468", "mediapipe478"])
def test_without_models_and_network_the_remedy_is_named(empty_machine, detector):
    with pytest.raises(AssetError, match=OFFLINE_VARIABLE) as caught:
        resolve_face_models(detector)
    assert "\n" not in str(caught.value)
    if detector == "mediapipe478":
        assert TASK_NAME in str(caught.value)
        assert "mediapipe468" in str(caught.value)


def test_a_failed_download_is_tried_once_in_a_process(empty_machine, monkeypatch):
    calls = []

    def fails(*args, **kwargs):
        calls.append(args)
        raise AssetError("no connection")

    monkeypatch.setattr(model_files, "fetch_url", fails)
    for _ in range(3):
        with pytest.raises(AssetError, match="no connection"):
            resolve_face_models("mediapipe478")
    assert len(calls) == 1


def test_auto_takes_the_wheel_when_there_is_no_task_file(empty_machine, monkeypatch):
    monkeypatch.setattr(model_files, "fetch_wheel_members", lambda *args: ())
    models = resolve_face_models("auto")
    assert models.name == "mediapipe468"
    assert models.iris is not None


def test_the_users_task_file_is_preferred(shared_data, empty_machine, monkeypatch):
    monkeypatch.setenv(ASSETS_VARIABLE, str(shared_data / "mediapipe"))
    models = resolve_face_models("auto")
    assert models.name == "mediapipe478"
    assert models.iris is None
    assert models.mesh.is_file()
    assert empty_machine in models.mesh.parents
    # A damaged copy in the cache is replaced, not used.
    models.mesh.write_bytes(b"damaged")
    model_files._models_of_task.cache_clear()
    assert resolve_face_models("auto").mesh.stat().st_size > 1_000_000


def test_another_task_file_is_refused(empty_machine):
    path = empty_machine / "assets" / TASK_NAME
    path.parent.mkdir()
    path.write_bytes(b"something else")
    with pytest.raises(AssetError, match="another version"):
        resolve_face_models("auto")


def zipped(path: Path, name: str, content: bytes) -> Path:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    path.write_bytes(data.getvalue())
    return path


def test_task_members_are_checked_before_they_are_unpacked(tmp_path):
    bomb = zipped(tmp_path / "bomb.task", "model.tflite", bytes(MAX_MEMBER_BYTES + 1))
    with pytest.raises(AssetError, match="expected at most"):
        read_task_member(bomb, "model.tflite")
    with pytest.raises(AssetError, match="holds no other.tflite"):
        read_task_member(bomb, "other.tflite")
    (tmp_path / "text.task").write_text("no zip")
    with pytest.raises(AssetError, match="cannot be read"):
        read_task_member(tmp_path / "text.task", "model.tflite")


def test_a_file_that_is_no_model_is_named(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"no model")
    with pytest.raises(AssetError, match="not a TFLite model") as caught:
        load_model(path)
    assert "\n" not in str(caught.value)


def test_models_load_in_silence_and_repeat_their_answers(detector, capfd, rng):
    load_model.cache_clear()
    model = load_model(resolve_face_models(detector).mesh)
    image = rng.random((model.input_size, model.input_size, 3), dtype=np.float32)
    first, second = model(image), model(image)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err == ""
