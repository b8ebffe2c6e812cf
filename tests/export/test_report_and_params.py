"""Records come back as they were written, and hold nothing that JSON or numpy cannot."""

import json
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import pytest

from flame_fit.errors import AssetError, InputError
from flame_fit.export import params_bytes, read_params, report_to_json
from flame_fit.export.scene import ExportParams, ExportUncertainty

CONTRACT = {
    "status",
    "seconds",
    "landmark_nme",
    "psnr_model",
    "psnr",
    "coverage",
    "stages",
    "model",
    "device",
    "backends",
    "seed",
    "version",
    "warnings",
}


def test_report_has_every_promised_field(scene):
    content = json.loads(report_to_json(scene.report))
    assert set(content) >= CONTRACT
    assert set(content["seconds"]) == {
        "total",
        "observe",
        "geometry",
        "appearance",
        "texture",
        "export",
    }
    assert set(content["model"]) == {"name", "sha256", "licence"}
    term = content["stages"][0]["terms"][0]
    assert set(term) == {"name", "unweighted", "weighted"}


def test_report_turns_what_is_not_finite_into_null(scene):
    report = replace(scene.report, psnr=float("nan"), psnr_model=float("inf"))
    content = json.loads(report_to_json(report), parse_constant=pytest.fail)
    assert content["psnr"] is None
    assert content["psnr_model"] is None


@dataclass(frozen=True)
class Settings:
    path: Path
    sizes: tuple[int, ...]
    gain: float


def test_report_records_a_config_of_any_shape(scene):
    config = Settings(path=Path("x/y"), sizes=(1, 2), gain=np.float32(0.5))
    content = json.loads(report_to_json(replace(scene.report, config=config)))
    assert content["config"] == {"path": "x/y", "sizes": [1, 2], "gain": 0.5}


def test_report_refuses_what_it_cannot_say(scene):
    with pytest.raises(TypeError, match="holds a ndarray; expected dataclasses"):
        report_to_json(replace(scene.report, config=np.zeros(2)))


def test_params_round_trip(scene, tmp_path):
    path = tmp_path / "params.npz"
    path.write_bytes(params_bytes(scene.params))
    loaded = read_params(path)
    for field in fields(ExportParams):
        before, after = getattr(scene.params, field.name), getattr(loaded, field.name)
        np.testing.assert_array_equal(before, after)
        assert type(before) is type(after)


def test_uncertainty_comes_back_with_the_parameters(scene, tmp_path):
    generator = np.random.default_rng(0)
    deviation = ExportUncertainty(
        shape=generator.random(4),
        expression=generator.random(2),
        head_rotation=generator.random(3),
        translation=generator.random(3),
        vertices_mm=generator.random(9),
        shape_covariance=generator.random((4, 4)),
    )
    path = tmp_path / "params.npz"
    path.write_bytes(params_bytes(replace(scene.params, uncertainty=deviation)))
    loaded = read_params(path).uncertainty
    for field in fields(ExportUncertainty):
        before, after = getattr(deviation, field.name), getattr(loaded, field.name)
        np.testing.assert_allclose(after, before, rtol=1e-6)
    with np.load(path, allow_pickle=False) as archive:
        assert "deviation_vertices_mm" in archive.files


def test_params_need_no_pickle(scene, tmp_path):
    path = tmp_path / "params.npz"
    path.write_bytes(params_bytes(scene.params))
    with np.load(path, allow_pickle=False) as archive:
        assert {"shape", "expression", "lighting", "model_sha256"} <= set(archive.files)
        assert all(archive[name].dtype != object for name in archive.files)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 cut"])
def test_damaged_params_are_one_clear_line(tmp_path, content):
    path = tmp_path / "params.npz"
    path.write_bytes(content)
    with pytest.raises(AssetError, match="params.npz is not a readable") as caught:
        read_params(path)
    assert "\n" not in str(caught.value)


def test_params_that_lack_a_name_say_which(tmp_path):
    path = tmp_path / "params.npz"
    np.savez(path, shape=np.zeros(3))
    with pytest.raises(InputError, match="lacks expression, head_rotation"):
        read_params(path)
