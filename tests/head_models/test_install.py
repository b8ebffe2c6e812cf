"""Installing downloads: content decides, names do not collide, nothing half-done, nothing twice."""

import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from flame_fit.asset_files import sha256_of
from flame_fit.errors import AssetError
from flame_fit.head_models import InstallOutcome, install, list_assets
from flame_fit.head_models.records import read_records
from tests.flame.release_files import release_bytes
from tests.head_models import companion_files as files


def names(outcomes: tuple[InstallOutcome, ...]) -> list[str | None]:
    return [None if outcome.record is None else outcome.record.name for outcome in outcomes]


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name, data in members.items():
            target.writestr(name, data)
    return path


@pytest.fixture
def companions(downloads: Path) -> Path:
    """A folder of companion files, two of which share their name, among other files."""
    data = downloads / "DECA" / "data"
    data.mkdir(parents=True)
    (data / "landmark_embedding.npy").write_bytes(files.dictionary_npy())
    (data / "head_template.obj").write_bytes(files.template_obj())
    other = downloads / "tracker"
    other.mkdir()
    (other / "landmark_embedding.npy").write_bytes(files.dictionary_npy(with_eyes=True))
    (other / "l_eyelid.npy").write_bytes(files.eyelid_npy(0))
    (other / "r_eyelid.npy").write_bytes(files.eyelid_npy(1))
    (other / "FLAME_masks.pkl").write_bytes(files.masks_pkl())
    (other / "mediapipe.npz").write_bytes(files.mediapipe_npz())
    (other / "flame_static_embedding.pkl").write_bytes(files.static_pkl())
    (other / "flame_dynamic_embedding.npy").write_bytes(files.dynamic_npy())
    (other / "LICENSE").write_text("Ask us first.")
    (other / "notes.pdf").write_bytes(b"%PDF-1.4")
    (other / ".DS_Store").write_bytes(b"x")
    return downloads


def test_a_folder_of_companions(asset_folder: Path, companions: Path) -> None:
    outcomes = install([companions])
    assert set(names(outcomes)) == {
        None, "flame_landmarks", "flame_landmarks_with_eyes", "flame_chart", "flame_eyelid",
        f"flame_eyelid_{sha256_of(companions / 'tracker' / 'r_eyelid.npy')[:8]}", "flame_masks",
        "flame_mediapipe_landmarks", "flame_static_landmarks", "flame_dynamic_landmarks",
    }  # fmt: skip
    (left_out,) = (outcome for outcome in outcomes if outcome.record is None)
    assert left_out.source.endswith("notes.pdf")
    assert left_out.reason.startswith("notes.pdf is no head model and no file that goes with one")
    for record in read_records(asset_folder):
        path = asset_folder / f"{record.name}.npz"
        assert sha256_of(path) == record.sha256
        with np.load(path, allow_pickle=False) as arrays:
            assert arrays.files
        assert record.notice == "Ask us first."
        assert record.licence and record.terms and record.purpose and record.installed


def test_the_same_file_is_installed_once(asset_folder: Path, companions: Path) -> None:
    first = install([companions])
    written = {path: path.stat().st_mtime_ns for path in asset_folder.iterdir()}
    renamed = companions / "other name.bin"
    renamed.write_bytes(files.masks_pkl())
    second = install([companions])
    assert not any(outcome.is_new for outcome in second)
    assert all(outcome.is_new for outcome in first if outcome.record is not None)
    assert {path: path.stat().st_mtime_ns for path in asset_folder.iterdir()} == written
    assert [r.name for o in second if (r := o.record) and "other" in o.source] == ["flame_masks"]


def test_what_was_lost_or_changed_is_installed_again(asset_folder: Path, downloads: Path) -> None:
    source = downloads / "masks.pkl"
    source.write_bytes(files.masks_pkl())
    (outcome,) = install([source])
    assert outcome.record is not None
    path = asset_folder / f"{outcome.record.name}.npz"
    content = path.read_bytes()
    for damage in (path.unlink, lambda: path.write_bytes(b"nothing")):
        damage()
        (again,) = install([source])
        assert again.is_new and path.read_bytes() == content


def test_archives_whose_names_collide(asset_folder: Path, downloads: Path) -> None:
    first = archive(
        downloads / "one.zip",
        {
            "landmark_embedding.npy": files.dictionary_npy(),
            "Readme.txt": b"First licence",
            "__MACOSX/landmark_embedding.npy": b"",
        },
    )
    second = archive(
        downloads / "two.zip", {"a/b/landmark_embedding.npy": files.dictionary_npy(sign=-1)}
    )
    one, two = install([first, second])
    assert one.record is not None and two.record is not None
    assert one.source == "one.zip: landmark_embedding.npy"
    assert one.record.notice == "First licence" and two.record.notice == ""
    assert one.record.name == "flame_landmarks"
    assert two.record.name == f"flame_landmarks_{two.record.source_sha256[:8]}"


def test_dangerous_files_leave_nothing(asset_folder: Path, downloads: Path) -> None:
    """A climbing archive, a pickle that calls the shell, and a good file beside them."""
    climbing = downloads / "climbing.zip"
    with zipfile.ZipFile(climbing, "w") as target:
        target.writestr("../../escaped.pkl", files.masks_pkl())
    touched = downloads / "touched"
    (downloads / "evil.pkl").write_bytes(f"cos\nsystem\n(S'touch {touched}'\ntR.".encode())
    (downloads / "empty.npy").write_bytes(b"")
    (downloads / "model2017-1_bfm_nomouth.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    (downloads / "good.pkl").write_bytes(files.masks_pkl())
    before = sorted(downloads.rglob("*"))
    others = ("evil.pkl", "empty.npy", "model2017-1_bfm_nomouth.h5", "good.pkl")
    outcomes = install([climbing, *(downloads / name for name in others)])
    assert names(outcomes) == [None, None, None, None, "flame_masks"]
    assert "flame-fit texture-space from-basel model2017" in outcomes[3].reason
    assert all("\n" not in outcome.reason for outcome in outcomes)
    assert sorted(downloads.rglob("*")) == before
    assert sorted(path.name for path in asset_folder.iterdir()) == [
        "flame_masks.json", "flame_masks.npz",
    ]  # fmt: skip


def test_paths_that_hold_nothing(asset_folder: Path, downloads: Path) -> None:
    missing, empty = install([downloads / "no.pkl", downloads])
    assert missing.reason.endswith("no.pkl does not exist; check the path")
    assert "holds no file" in empty.reason
    assert not asset_folder.exists()


def test_textures_keep_their_units(
    asset_folder: Path, downloads: Path, rng: np.random.Generator
) -> None:
    from flame_fit.appearance import load_texture_space

    made = {
        "flame_texture": files.flame_texture_npz(rng),
        "bfm_texture": files.basel_texture_npz(rng),
        "albedomm_texture": files.albedomm_npz(rng),
    }
    for name, data in made.items():
        source = downloads / f"download_{name}.npz"
        source.write_bytes(data)
        (outcome,) = install([source])
        assert outcome.record is not None and outcome.record.name == name
        assert (
            outcome.record.kind == "texture space" and outcome.record.purpose == "--texture-model"
        )
        original, installed = load_texture_space(source), load_texture_space(name)
        np.testing.assert_allclose(installed.mean, original.mean, atol=1e-6)
        np.testing.assert_allclose(installed.basis, original.basis, atol=2e-4)
        assert (installed.chart is None) == (original.chart is None)


def test_pictures_are_textures_only_where_the_user_says_so(
    asset_folder: Path, downloads: Path
) -> None:
    cv2.imwrite(str(downloads / "photo.png"), np.full((64, 64, 3), 90, np.uint8))
    (aside,) = install([downloads])
    assert aside.record is None and "is a picture; name it by itself" in aside.reason
    (named,) = install([downloads / "photo.png"])
    assert named.record is not None and named.record.kind == "texture map"
    (downloads / "map.obj").write_bytes(files.template_obj())
    cv2.imwrite(str(downloads / "map.png"), np.full((32, 32, 3), 200, np.uint8))
    found = {outcome.source: outcome.record for outcome in install([downloads])}
    record = found["downloads/map.png"]
    assert record is not None and record.title.endswith("with chart")
    with np.load(asset_folder / f"{record.name}.npz") as arrays:
        assert arrays["f"].shape == arrays["ft"].shape == (9976, 3)


def test_names_of_the_package_are_not_taken(
    asset_folder: Path, downloads: Path, rng: np.random.Generator
) -> None:
    source = downloads / "open_head_texture.npz"
    np.savez(source, mean=rng.uniform(0, 255, (8, 8, 3)), tex_dir=np.zeros((8, 8, 3, 2)))
    (outcome,) = install([source])
    assert outcome.record is not None
    assert outcome.record.name == f"open_head_texture_{sha256_of(source)[:8]}"


def test_a_damaged_record_is_named(asset_folder: Path, downloads: Path) -> None:
    source = downloads / "masks.pkl"
    source.write_bytes(files.masks_pkl())
    install([source])
    (asset_folder / "other.json").write_text("[1]")
    assert len(read_records(asset_folder)) == 1
    record = asset_folder / "flame_masks.json"
    content = json.loads(record.read_text())
    for text in ("{", json.dumps(content | {"name": "x"}), json.dumps(content | {"kind": "x"})):
        record.write_text(text)
        with pytest.raises(AssetError, match="flame_masks.json .*remove it and install"):
            read_records(asset_folder)


def test_the_list_shows_the_package_and_what_is_installed(
    asset_folder: Path, downloads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = downloads / "masks.pkl"
    source.write_bytes(files.masks_pkl())
    install([source])
    (downloads / "custom.npz").write_bytes(release_bytes("plain_npz"))
    monkeypatch.setenv("FLAME_FIT_ASSETS", str(downloads))
    listed = {asset.name: asset for asset in list_assets()}
    assert set(listed) == {"custom", "flame_masks", "open_head", "open_head_texture"}
    assert listed["open_head"].kind == "head model" and listed["open_head"].terms == "CC0 1.0"
    assert listed["open_head_texture"].purpose == "--texture-model"
    assert listed["flame_masks"].folder == asset_folder
    assert listed["custom"].folder == downloads and listed["custom"].terms == "see its source"
