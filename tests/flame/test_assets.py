"""Model files: round trip, packed integers, published files, and every way a file can be wrong."""

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from flame_fit.errors import AssetError, UsageError
from flame_fit.flame import FlameModel, FlameParams, load_assets
from flame_fit.head_models.model_arrays import model_arrays
from flame_fit.head_models.npz_bytes import npz_bytes
from flame_fit.testing import tiny_assets


def arrays_of(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.npz"
    path.write_bytes(npz_bytes(model_arrays(tiny_assets())))
    return path


def assert_same(found: Any, expected: Any) -> None:
    for field in fields(expected):
        left, right = getattr(found, field.name), getattr(expected, field.name)
        if field.name == "sha256":
            continue
        if isinstance(right, torch.Tensor):
            assert torch.equal(left, right), field.name
        elif hasattr(right, "__dataclass_fields__"):
            assert_same(left, right)
        else:
            assert left == right, field.name


def test_round_trip(saved: Path) -> None:
    found = load_assets(saved)
    assert_same(found, tiny_assets())
    assert len(found.sha256) == 64


def test_packed_integers_are_scaled(saved: Path) -> None:
    arrays = arrays_of(saved)
    exact = {key: arrays[key] for key in ("shapedirs", "posedirs", "arkit_dirs")}
    for key, value in exact.items():
        scale = np.abs(value).max((0, 1)) / 32767
        arrays[key] = np.round(value / scale).astype(np.int16)
        name = "arkit_scale" if key == "arkit_dirs" else f"{key}_scale"
        arrays[name] = scale.astype(np.float32)
    np.savez(saved, **arrays)
    found = load_assets(saved)
    basis = torch.cat((found.shape_basis, found.expression_basis), dim=-1).numpy()
    np.testing.assert_allclose(basis, exact["shapedirs"], atol=2e-7)
    np.testing.assert_allclose(found.pose_basis.numpy(), exact["posedirs"], atol=2e-7)
    np.testing.assert_allclose(found.arkit_basis.numpy(), exact["arkit_dirs"], atol=2e-7)


def test_a_bare_published_model(saved: Path) -> None:
    """Only FLAME's own arrays, 400 components in one basis, the root's parent as 2**32 - 1."""
    arrays = arrays_of(saved)
    basis = np.zeros((302, 3, 400))
    basis[..., :10] = arrays["shapedirs"]
    table = arrays["kintree_table"].astype(np.uint32)
    table[0, 0] = 2**32 - 1
    np.savez(
        saved,
        **{key: arrays[key] for key in ("v_template", "f", "posedirs", "J_regressor", "weights")},
        shapedirs=basis,
        kintree_table=table,
    )
    found = load_assets(saved)
    assert (found.shape_basis.shape[-1], found.expression_basis.shape[-1]) == (300, 100)
    assert found.name == "tiny"
    assert found.licence.startswith("unknown")
    assert found.chart is None and found.regions is None and found.landmarks is None
    assert found.mirror_vertex is None and found.arkit_basis is None and found.arkit_names == ()
    assert FlameModel(found).mesh(FlameParams.zeros()).vertices.shape == (1, 302, 3)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("v_template", None, "'v_template' is missing"),
        ("v_template", np.zeros((302, 2)), "'v_template' is 302 x 2, expected any x 3"),
        ("v_template", np.full((302, 3), np.nan), "'v_template' is not finite"),
        ("v_template", np.array(["a"] * 3)[None], "has type <U1"),
        ("f", np.full((4, 3), 302), "'f' has indices from 302 to 302, allowed are 0 to 301"),
        ("f", np.full((4, 3), -1), "'f' has indices from -1 to -1"),
        ("f", np.zeros((4, 3)), "'f' has type float64"),
        ("shapedirs", np.zeros((302, 3, 9)), "do not add up to the 9 components"),
        ("shapedirs", np.zeros((302, 3, 10), np.int16), "'shapedirs_scale' is missing"),
        ("n_shape", None, "no 'n_shape' tells how many are identity"),
        ("n_shape", np.int32(-1), "do not add up"),
        ("posedirs", np.zeros((302, 3, 35)), "expected 302 x 3 x 36"),
        ("J_regressor", np.zeros((4, 302)), "expected 5 x 302"),
        ("kintree_table", np.array([[-1, 0, 3, 1, 1], range(5)]), "must be an earlier joint"),
        ("weights", np.full((302, 5), 0.1), "miss the sum 1 by 0.5"),
        ("ft", np.full((600, 3), 10**6), "'ft' has indices"),
        ("region_masks", np.zeros((2, 302), bool), "expected 7 x 302"),
        ("region_masks", np.zeros((7, 302)), "'region_masks' has type float64"),
        ("mirror_vertex", np.full(302, 400), "allowed are 0 to 301"),
        ("arkit_names", np.array(["one"]), "expected 302 x 3 x 1"),
        ("ibug_face_index", np.zeros(67, np.int32), "expected 68"),
        ("ibug_barycentric", np.zeros((68, 3)), "misses the sum 1"),
        ("contour_yaw", np.zeros(9), "'contour_yaw' must rise"),
        ("meta", np.array("[1]"), "'meta' is not a JSON object"),
        ("meta", np.array("{"), "'meta' is not a JSON object"),
        ("meta", np.array("[" * 100_001), "'meta' is not a JSON object"),
    ],
)
def test_wrong_content_is_named(saved: Path, key: str, value: Any, message: str) -> None:
    arrays = arrays_of(saved)
    if value is None:
        del arrays[key]
    else:
        arrays[key] = value
    np.savez(saved, **arrays)
    with pytest.raises(AssetError) as raised:
        load_assets(saved)
    text = str(raised.value)
    assert message in text
    assert str(saved) in text
    assert "\n" not in text


def test_meta_names_and_licences(saved: Path) -> None:
    arrays = arrays_of(saved)
    arrays["meta"] = np.array(json.dumps({"name": "A head", "licence": "CC0", "notes": [1]}))
    np.savez(saved, **arrays)
    found = load_assets(saved)
    assert (found.name, found.licence) == ("A head", "CC0")


def test_pickles_are_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "generic_model.pkl"
    path.write_bytes(b"cos\nsystem\n(S'touch opened'\ntR.")
    with pytest.raises(AssetError, match="asks for 'os.system', which models have no use for"):
        load_assets(path)
    assert list(tmp_path.iterdir()) == [path]


def test_missing_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AssetError, match="does not exist; check the path"):
        load_assets(tmp_path / "no.npz")
    monkeypatch.setenv("FLAME_FIT_ASSETS", str(tmp_path))
    with pytest.raises(AssetError, match="asset 'no_such_head.npz' was not found in"):
        load_assets("no_such_head")


def test_names_are_looked_up(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLAME_FIT_ASSETS", str(saved.parent))
    assert load_assets("tiny").name == "tiny"


def test_regions_by_name() -> None:
    regions = tiny_assets().regions
    assert int(regions.mask("lips").sum()) > 3
    with pytest.raises(UsageError, match="no region 'beak'; choose from face, left_eye_region"):
        regions.mask("beak")


def test_moving_changes_dtype_of_numbers_only() -> None:
    moved = tiny_assets().to(dtype=torch.float64)
    assert moved.v_template.dtype == torch.float64
    assert moved.landmarks.contour.points.barycentrics.dtype == torch.float64
    assert moved.faces.dtype == torch.int64
    assert moved.regions.masks.dtype == torch.bool
    assert replace(moved, name="x").name == "x"


def test_the_tiny_head_is_symmetric_and_its_chart_is_not_mirrored() -> None:
    assets = tiny_assets()
    mirrored = assets.v_template[assets.mirror_vertex] * torch.tensor((-1.0, 1.0, 1.0))
    torch.testing.assert_close(mirrored, assets.v_template, atol=1e-6, rtol=0)
    corners = assets.chart.uv[assets.chart.faces]
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    assert float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).min()) > 0
    assert assets.chart.uv.shape[0] != assets.v_template.shape[0]
