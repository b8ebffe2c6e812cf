"""Folders of fits become one head; folders that do not go together are refused in one line."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch

from flame_fit.appearance import TextureSpace
from flame_fit.config import FitConfig
from flame_fit.errors import FlameFitError
from flame_fit.export import ExportScene, ExportUncertainty, TextureMap, read_params, write_result
from flame_fit.export.merged import write_merged
from flame_fit.export.report import ModelRecord
from flame_fit.flame import FlameModel, FlameParams
from flame_fit.pipeline.assemble import export_mesh
from flame_fit.pipeline.merge_fits import MergePlan, merge_fits
from flame_fit.pipeline.merge_sources import merged_shape, read_fits
from flame_fit.testing import tiny_assets
from flame_fit.texture import build_texel_geometry
from tests.export.scenes import make_overlay, make_params, make_report

SIZE, SHAPES, EXPRESSIONS = 64, 6, 4


@pytest.fixture(scope="module")
def assets():
    return tiny_assets()


@pytest.fixture(autouse=True)
def _tiny(monkeypatch, assets):
    grey = TextureSpace(
        mean=torch.full((SIZE, SIZE, 3), 0.5),
        basis=torch.zeros(SIZE, SIZE, 3, 1),
        scale=torch.ones(1),
    )
    monkeypatch.setattr("flame_fit.pipeline.merge_fits.load_head_model", lambda name: assets)
    monkeypatch.setattr(
        "flame_fit.pipeline.merge_fits.load_head_texture", lambda name, assets: grey
    )


def scene_of(assets, number: int, deviations: np.ndarray) -> ExportScene:
    """A fit whose photo shows one side of the head, the sides overlapping in the middle."""
    rng = np.random.default_rng(number)
    texels = build_texel_geometry(assets, SIZE)
    columns = (np.arange(SIZE) + 0.5) / SIZE
    seen = (columns < 0.6) if number == 0 else (columns > 0.4)
    confidence = np.broadcast_to(seen * np.uint8(255), (SIZE, SIZE)).astype(np.uint8)
    level = 140 if number == 0 else 110
    texture = np.full((SIZE, SIZE, 3), (level, level * 0.8, level * 0.7)).astype(np.uint8)
    texture += rng.integers(0, 6, (SIZE, SIZE, 1), dtype=np.uint8)
    shape = rng.normal(size=SHAPES).astype(np.float32)
    model = FlameModel(assets, shape_count=SHAPES, expression_count=EXPRESSIONS)
    flame = FlameParams.zeros(shape=SHAPES, expression=EXPRESSIONS)
    flame = dataclasses.replace(flame, shape=torch.from_numpy(shape)[None])
    params = dataclasses.replace(
        make_params(),
        shape=shape,
        expression=np.zeros(EXPRESSIONS, dtype=np.float32),
        texture_code=np.zeros(1, dtype=np.float32),
        model_name=assets.name,
        model_sha256=assets.sha256,
        uncertainty=ExportUncertainty(
            shape=deviations,
            expression=np.ones(EXPRESSIONS),
            head_rotation=np.ones(3),
            translation=np.ones(3),
            vertices_mm=np.ones(len(assets.v_template)),
            shape_covariance=np.diag(deviations**2),
        ),
    )
    report = dataclasses.replace(
        make_report(),
        photo=f"/photos/{number}.png",
        photo_sha256=f"{number}" * 64,
        coverage=0.55,
        model=ModelRecord(assets.name, assets.sha256, assets.licence),
        config=dataclasses.replace(FitConfig(), texture_size=SIZE),
    )
    mask = texels.covered().numpy().astype(np.uint8) * np.uint8(255)
    return ExportScene(
        mesh=export_mesh(flame, model),
        texture=texture,
        params=params,
        overlay=make_overlay(),
        report=report,
        maps=(TextureMap("confidence", confidence), TextureMap("mask", mask)),
    )


DEVIATIONS = (
    np.array([0.1, 0.5, 1.0, 0.3, 0.2, 0.9]),
    np.array([0.5, 0.1, 1.0, 0.3, 0.8, 0.1]),
)


@pytest.fixture
def fits(tmp_path, assets):
    folders = []
    for number, deviations in enumerate(DEVIATIONS):
        folders.append(tmp_path / f"fit{number}")
        write_result(scene_of(assets, number, deviations), folders[-1])
    return tuple(folders)


def change_report(folder, **change):
    path = folder / "report.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))


def test_each_coefficient_follows_the_fit_that_is_sure_of_it(fits):
    first, second = read_fits(fits)
    weights = [1.0 / deviations**2 for deviations in DEVIATIONS]
    expected = (weights[0] * first.params.shape + weights[1] * second.params.shape) / sum(weights)
    np.testing.assert_allclose(merged_shape((first, second)), expected, atol=1e-5)


def test_a_fit_knows_nothing_of_coefficients_it_did_not_estimate(fits):
    first, second = read_fits(fits)
    fewer = dataclasses.replace(
        second.params,
        shape=second.params.shape[:2],
        uncertainty=dataclasses.replace(
            second.params.uncertainty,
            shape=DEVIATIONS[1][:2],
            shape_covariance=np.diag(DEVIATIONS[1][:2] ** 2),
        ),
    )
    shape = merged_shape((first, dataclasses.replace(second, params=fewer)))
    weight = 1.0 / DEVIATIONS[0][5] ** 2
    assert shape[5] == pytest.approx(weight * first.params.shape[5] / (weight + 1.0), abs=1e-5)


def test_the_head_has_what_both_photos_show_in_one_look(fits, tmp_path, assets):
    head = merge_fits(MergePlan(fits))
    report = write_merged(head, tmp_path / "whole")
    assert report.status == "ok", report.warnings
    assert report.coverage > 0.9 > 0.55
    assert [source.photo for source in report.sources] == ["0.png", "1.png"]
    assert sum(source.share for source in report.sources) == pytest.approx(1.0, abs=1e-4)
    mask = build_texel_geometry(assets, SIZE).covered().numpy()
    seen = mask & (head.maps[0].image > 200)
    levels = head.texture[seen][:, 0].astype(float)
    assert 112 < np.median(levels) < 142, "between the two photos"
    assert np.ptp(np.percentile(levels, (2, 98))) < 12, "no step where one photo ends"
    written = read_params(tmp_path / "whole" / "params.npz")
    np.testing.assert_allclose(written.shape, merged_shape(read_fits(fits)))
    assert written.uncertainty is None
    np.testing.assert_array_equal(head.mesh.vertices, head.mesh.neutral_vertices)
    names = {entry.name for entry in (tmp_path / "whole").iterdir()}
    assert names == {
        "mesh.obj",
        "mesh.mtl",
        "mesh.glb",
        "neutral.obj",
        "texture.png",
        "texture_confidence.png",
        "texture_mask.png",
        "params.npz",
        "overlay.png",
        "report.json",
    }


def test_a_doubtful_fit_makes_a_doubtful_head(fits):
    change_report(fits[1], status="doubtful", warnings=["the face is very dark"])
    report = merge_fits(MergePlan(fits)).report
    assert report.status == "doubtful"
    assert report.warnings == ("fit1: the face is very dark",)


BROKEN = {
    "once": (lambda a, b: (a, a), "1 fit was given; give the folders of 2 or more"),
    "missing": (lambda a, b: (a, b.parent / "none"), "none: no such folder; give a folder that"),
    "photo": (
        lambda a, b: change_report(b, photo_sha256="0" * 64) or (a, b),
        "fit1: of the same photo as .*fit0; give fits of different photos",
    ),
    "model": (
        lambda a, b: change_report(b, model={"name": "flame", "sha256": "1" * 64}) or (a, b),
        "fit1: params.npz and report.json differ in model; fit it again",
    ),
    "size": (
        lambda a, b: change_report(b, config={"texture_size": 128, "model": "tiny"}) or (a, b),
        "fit1: its texture has 128 texels a side, that of .*fit0 64; fit them with one",
    ),
    "report": (
        lambda a, b: (b / "report.json").write_text("{") and (a, b),
        "report.json is no report of flame-fit",
    ),
    "params": (lambda a, b: (b / "params.npz").unlink() or (a, b), "params.npz"),
    "map": (lambda a, b: (b / "texture.png").unlink() or (a, b), "texture.png does not exist"),
    "config": (
        lambda a, b: change_report(b, config=None) or (a, b),
        "report.json does not say how the photo was fitted; fit it again",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_fits_that_do_not_go_together_are_refused_in_one_line(fits, name):
    spoil, message = BROKEN[name]
    with pytest.raises(FlameFitError, match=message) as caught:
        merge_fits(MergePlan(tuple(spoil(*fits))))
    assert "\n" not in str(caught.value)


def test_another_model_file_of_the_same_name_is_refused(fits, monkeypatch, assets):
    other = dataclasses.replace(assets, sha256="2" * 64)
    monkeypatch.setattr("flame_fit.pipeline.merge_fits.load_head_model", lambda name: other)
    with pytest.raises(FlameFitError, match="fitted with another tiny than the file .*--model"):
        merge_fits(MergePlan(fits))
