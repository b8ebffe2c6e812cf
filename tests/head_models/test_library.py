"""Models by name and path: order of the search, companions, what is kept, and what is refused."""

import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from flame_fit.asset_files import sha256_of
from flame_fit.errors import AssetError
from flame_fit.flame import FlameAssets, load_assets
from flame_fit.head_models import install, library, load_head_model
from flame_fit.head_models.model_arrays import model_arrays
from flame_fit.head_models.npz_bytes import npz_bytes
from flame_fit.testing import tiny_assets
from tests.flame.release_files import release_bytes
from tests.flame.test_assets import assert_same
from tests.head_models import companion_files as files


class Completer:
    """Stands in for completing a model, which takes long: gives what is missing some content."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(
        self, assets: FlameAssets, *, reference: FlameAssets, on_stage: Callable[[str], None]
    ) -> FlameAssets:
        self.calls += 1
        on_stage("everything")
        assert reference.name == "open_head"
        count = len(assets.v_template)
        tiny = tiny_assets()
        assert tiny.landmarks is not None and tiny.chart is not None
        landmarks = assets.landmarks or tiny.landmarks
        return replace(
            assets,
            chart=assets.chart
            or replace(tiny.chart, faces=torch.zeros(len(assets.faces), 3, dtype=torch.long)),
            regions=assets.regions
            or replace(tiny.regions, masks=torch.zeros(len(tiny.regions.names), count).bool()),
            mirror_vertex=torch.arange(count),
            landmarks=replace(
                landmarks,
                mediapipe=landmarks.mediapipe or tiny.landmarks.mediapipe,
                ibug=landmarks.ibug or tiny.landmarks.ibug,
                contour=landmarks.contour or tiny.landmarks.contour,
            ),
            eyelid_basis=(
                torch.zeros(count, 3, 2) if assets.eyelid_basis is None else assets.eyelid_basis
            ),
        )


@pytest.fixture
def completer(monkeypatch: pytest.MonkeyPatch) -> Completer:
    made = Completer()
    monkeypatch.setattr(library, "complete_assets", made)
    return made


@pytest.fixture
def archive(downloads: Path) -> Path:
    path = downloads / "FLAME2023Open.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as target:
        target.writestr("flame2023_Open.pkl", release_bytes("flame2023_open"))
    return path


def named(path: Path, name: str) -> Path:
    """Write a complete little model with a name of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(npz_bytes(model_arrays(replace(tiny_assets(), name=name))))
    return path


def test_arrays_of_a_model_are_the_model(tmp_path: Path) -> None:
    path = named(tmp_path / "tiny.npz", "tiny")
    assert_same(load_assets(path), tiny_assets())
    again = npz_bytes(model_arrays(load_assets(path)))
    assert again == path.read_bytes()


def test_folders_are_searched_in_order(
    asset_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, completer: Completer
) -> None:
    assert load_head_model().name == "open_head"
    named(asset_folder / "mine.npz", "installed")
    named(tmp_path / "chosen" / "mine.npz", "chosen")
    assert load_head_model("mine").name == "installed"
    monkeypatch.setenv("FLAME_FIT_ASSETS", str(tmp_path / "chosen"))
    assert load_head_model("mine").name == "chosen"
    assert load_head_model(asset_folder / "mine.npz").name == "installed"
    assert completer.calls == 0 and not (asset_folder / library.CACHE_FOLDER).exists()


def test_unknown_names_and_paths(asset_folder: Path, archive: Path) -> None:
    install([archive])
    with pytest.raises(AssetError, match="'flame2019' is not installed; there are open_head, "):
        load_head_model("flame2019")
    with pytest.raises(AssetError, match="flame2023_open.*flame-fit assets install PATH$"):
        load_head_model("flame2019")
    with pytest.raises(AssetError, match="no.pkl does not exist"):
        load_head_model("no.pkl")


def test_an_installed_release_is_completed_once(
    asset_folder: Path, archive: Path, completer: Completer
) -> None:
    (outcome,) = install([archive])
    assert outcome.record is not None and outcome.record.name == "flame2023_open"
    assert outcome.source == "FLAME2023Open.zip: flame2023_Open.pkl"
    first, second = load_head_model("flame2023_open"), load_head_model("flame2023_open")
    assert completer.calls == 1
    assert_same(second, first)
    assert first.sha256 == sha256_of(asset_folder / "flame2023_open.npz")
    assert first.licence.startswith("CC BY 4.0") and library.is_complete(first)
    expected = files.bare_assets()
    assert torch.equal(first.v_template, expected.v_template)
    assert first.shape_basis.shape[-1] == 300 and first.expression_basis.shape[-1] == 100


def test_a_damaged_or_outdated_copy_is_made_anew(
    asset_folder: Path, archive: Path, downloads: Path, completer: Completer
) -> None:
    install([archive])
    load_head_model("flame2023_open")
    (kept,) = (asset_folder / library.CACHE_FOLDER).glob("*.npz")
    content = kept.read_bytes()
    kept.write_bytes(content[:-100])
    load_head_model("flame2023_open")
    assert completer.calls == 2 and kept.read_bytes() == content
    (downloads / "masks.pkl").write_bytes(files.masks_pkl())
    install([downloads / "masks.pkl"])
    found = load_head_model("flame2023_open")
    assert completer.calls == 3 and found.regions is not None
    assert int(found.regions.mask("left_eyeball").sum()) > 0


def test_an_installed_file_that_was_changed_is_refused(
    asset_folder: Path, archive: Path, completer: Completer
) -> None:
    install([archive])
    named(asset_folder / "flame2023_open.npz", "someone else's")
    with pytest.raises(AssetError, match="is not as it was installed; remove it and install"):
        load_head_model("flame2023_open")
    assert completer.calls == 0


def test_companions_beside_a_path_come_before_installed_ones(
    asset_folder: Path, downloads: Path, completer: Completer
) -> None:
    model = downloads / "generic_model.pkl"
    model.write_bytes(release_bytes("flame2023_open"))
    (downloads / "landmark_embedding.npy").write_bytes(files.dictionary_npy())
    (downloads / "head_template.obj").write_bytes(files.template_obj(shift=1))
    (downloads / "notes.npy").write_bytes(b"\x93NUMPY broken")
    elsewhere = downloads / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "chart.obj").write_bytes(files.template_obj(uv=0.5 * files.chart_uv()))
    (elsewhere / "l.npy").write_bytes(files.eyelid_npy(0))
    (elsewhere / "r.npy").write_bytes(files.eyelid_npy(1))
    install([elsewhere])
    found = load_head_model(model)
    assert found.landmarks is not None and found.landmarks.ibug is not None
    assert torch.equal(found.landmarks.ibug.face_index, files.ibug_points().face_index)
    assert found.chart is not None
    np.testing.assert_allclose(found.chart.uv, files.chart_uv(), atol=1e-6)
    assert found.eyelid_basis is not None and bool(found.eyelid_basis.any())
    assert found.sha256 == sha256_of(model)


def test_companions_of_another_mesh_stay_away(
    asset_folder: Path, downloads: Path, completer: Completer
) -> None:
    (downloads / "landmark_embedding.npy").write_bytes(files.dictionary_npy())
    install([downloads])
    bare = replace(tiny_assets(), eyelid_basis=None)
    path = downloads / "tiny.npz"
    path.write_bytes(npz_bytes(model_arrays(bare)))
    found = load_head_model(path)
    assert completer.calls == 1
    assert found.landmarks is not None and found.landmarks.ibug is not None
    expected = tiny_assets().landmarks
    assert expected is not None and expected.ibug is not None
    assert torch.equal(found.landmarks.ibug.face_index, expected.ibug.face_index)
