"""A result folder is whole or absent, whatever happens while it is written."""

import json
import stat
from dataclasses import replace

import numpy as np
import pytest

from flame_fit.errors import UsageError
from flame_fit.export import TextureMap, earlier_result, replaced_folder, write_result
from flame_fit.export import folder as folder_module

FILES = {
    "mesh.obj",
    "mesh.mtl",
    "texture.png",
    "neutral.obj",
    "mesh.glb",
    "params.npz",
    "overlay.png",
    "report.json",
    "texture_confidence.png",
}


def names_in(folder):
    return {entry.name for entry in folder.iterdir()}


def test_every_promised_file_is_written(scene, tmp_path):
    report = write_result(scene, tmp_path / "out" / "a")
    assert names_in(tmp_path / "out") == {"a"}
    assert names_in(tmp_path / "out" / "a") == FILES
    content = json.loads((tmp_path / "out" / "a" / "report.json").read_text())
    assert set(content["files"]) == FILES - {"report.json"}
    assert content["seconds"]["export"] == report.seconds.export > 0
    assert report.seconds.total == scene.report.seconds.total + report.seconds.export


def test_a_second_fit_replaces_the_first_and_keeps_the_users_files(scene, tmp_path):
    folder = tmp_path / "a"
    write_result(scene, folder)
    (folder / "notes.txt").write_text("mine")
    write_result(replace(scene, maps=()), folder)
    assert names_in(folder) == FILES - {"texture_confidence.png"} | {"notes.txt"}
    assert names_in(tmp_path) == {"a"}


@pytest.mark.parametrize("failing", ["obj_text", "encode_png", "report_to_json"])
def test_failure_leaves_the_earlier_result_untouched(scene, tmp_path, monkeypatch, failing):
    folder = tmp_path / "a"
    write_result(scene, folder)
    before = {entry.name: entry.read_bytes() for entry in folder.iterdir()}

    def fail(*_args, **_options):
        raise RuntimeError("injected")

    monkeypatch.setattr(folder_module, failing, fail)
    with pytest.raises(RuntimeError, match="injected"):
        write_result(scene, folder)
    assert {entry.name: entry.read_bytes() for entry in folder.iterdir()} == before
    assert names_in(tmp_path) == {"a"}


def test_interrupt_leaves_nothing_behind(tmp_path):
    with pytest.raises(KeyboardInterrupt), replaced_folder(tmp_path / "a") as draft:
        (draft / "half").write_text("half")
        raise KeyboardInterrupt
    assert names_in(tmp_path) == set()


def test_failed_last_rename_restores_the_earlier_result(tmp_path, monkeypatch):
    folder = tmp_path / "a"
    folder.mkdir()
    (folder / "old").write_text("old")
    rename = type(folder).rename

    def rename_but_not_drafts(self, target):
        if self.suffix == ".partial":
            raise OSError("injected")
        return rename(self, target)

    monkeypatch.setattr(type(folder), "rename", rename_but_not_drafts)
    with pytest.raises(OSError, match="injected"), replaced_folder(folder) as draft:
        (draft / "new").write_text("new")
    assert names_in(tmp_path) == {"a"}
    assert names_in(folder) == {"old"}


def test_folder_has_the_rights_of_any_other(tmp_path):
    (tmp_path / "plain").mkdir()
    with replaced_folder(tmp_path / "a"):
        pass
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == stat.S_IMODE(
        (tmp_path / "plain").stat().st_mode
    )


def test_unwritable_place_is_one_clear_line(scene, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UsageError, match="cannot be written .*choose another --out") as caught:
        write_result(scene, tmp_path / "file" / "a")
    assert "\n" not in str(caught.value)


def test_a_folder_remembers_its_photo(scene, tmp_path):
    write_result(scene, tmp_path / "a")
    result = earlier_result(tmp_path / "a")
    assert result is not None
    assert (result.photo, result.photo_sha256) == ("/photos/a.png", "1" * 64)
    assert set(result.files) == FILES


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"photo": 1}'])
def test_a_foreign_folder_has_no_result(tmp_path, content):
    if content is not None:
        (tmp_path / "report.json").write_text(content)
    assert earlier_result(tmp_path) is None


def test_maps_keep_sixteen_bits(scene, tmp_path):
    import cv2

    values = np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000
    write_result(replace(scene, maps=(TextureMap("depth", values),)), tmp_path / "a")
    loaded = cv2.imread(str(tmp_path / "a" / "texture_depth.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(loaded, values)
