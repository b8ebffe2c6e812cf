"""What `--texture` takes from the photo and what from the codes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from flame_fit.appearance import shade
from flame_fit.config import FAST
from flame_fit.flame import FlameModel
from flame_fit.geometry import vertex_normals
from flame_fit.head_models import load_head_model
from flame_fit.image_files import srgb8_to_linear
from flame_fit.pipeline import FitResult, FitSession

SIZE = 256


@pytest.fixture(scope="module")
def made(astronaut) -> dict[str, FitResult]:
    """One face with every texture that needs no file."""
    session = FitSession(dataclasses.replace(FAST, texture_size=SIZE))
    faces = session.observe(astronaut)
    results = {}
    for name in ("complete", "bake", "offset", "pca"):
        session.plan = dataclasses.replace(session.plan, texture=name)
        results[name] = session.fit_faces(faces)[0]
    return results


def albedo(result: FitResult) -> np.ndarray:
    return srgb8_to_linear(result.export.texture)


def image(result: FitResult, name: str) -> np.ndarray:
    (found,) = [item.image for item in result.export.maps if item.name == name]
    return found


def test_the_codes_alone_take_nothing_from_the_photo(made):
    pca = made["pca"]
    assert image(pca, "confidence").max() == 0
    assert pca.report.psnr == pytest.approx(pca.report.psnr_model, abs=0.5)
    assert pca.report.coverage == made["bake"].report.coverage > 0.3


def test_bake_is_the_photo_where_it_is_seen_and_the_codes_elsewhere(made):
    confidence = image(made["bake"], "confidence")
    mask = image(made["bake"], "mask") > 0
    unseen, sure = (confidence == 0) & mask, (confidence == 255) & mask
    assert 0.1 < sure.sum() / mask.sum() < 0.6
    levels = [made[name].export.texture[unseen].astype(int) for name in ("bake", "pca")]
    assert np.abs(levels[0] - levels[1]).max() <= 1, "but for rounding"
    residual = 2.0 * image(made["complete"], "residual") / 255.0
    apart = np.abs(albedo(made["bake"]) - albedo(made["complete"]) * residual)
    assert np.median(apart[sure]) < 0.004, "both show the photo's own texels"
    assert np.median(apart[unseen]) > 0.004, "complete has their tone run on"


def test_an_offset_comes_nearest_to_the_photo(made):
    quality = {name: result.report.psnr for name, result in made.items()}
    assert quality["offset"] > quality["bake"] > quality["pca"] + 3.0
    unseen = (image(made["offset"], "confidence") == 0) & (image(made["offset"], "mask") > 0)
    ratio = albedo(made["offset"])[unseen] / np.maximum(albedo(made["pca"])[unseen], 0.01)
    assert np.quantile(np.abs(np.log(ratio)), 0.9) < 0.8, "near the codes where nothing is seen"


def test_the_shaded_map_is_albedo_times_smooth_light_times_residual(made):
    result = made["complete"]
    assets = load_head_model("open_head")
    shapes = [getattr(result.scene.flame, name).shape[1] for name in ("shape", "expression")]
    model = FlameModel(assets, shape_count=shapes[0], expression_count=shapes[1])
    normals = vertex_normals(model.mesh(result.scene.flame).vertices, assets.faces)
    light = shade(normals, result.scene.lighting)[0].numpy()
    corner_uv = assets.chart.uv[assets.chart.faces].reshape(-1, 2).numpy()
    vertex = assets.faces.reshape(-1).numpy()
    column = np.clip(corner_uv[:, 0] * SIZE, 0, SIZE - 1).astype(int)
    row = np.clip((1.0 - corner_uv[:, 1]) * SIZE, 0, SIZE - 1).astype(int)
    lit = srgb8_to_linear(image(result, "shaded"))[row, column]
    residual = 2.0 * image(result, "residual")[row, column] / 255.0
    assert np.abs(residual - 1.0).max() > 0.02, "smooth light explains no photo quite"
    bare = albedo(result)[row, column] * residual
    bright = (bare.min(axis=1) > 0.05) & (lit.max(axis=1) < 0.95) & (light[vertex].min(axis=1) > 0)
    assert light.std() > 0.03, "light has a direction"
    assert bright.mean() > 0.3
    error = np.abs(lit / np.maximum(bare, 1e-3) - light[vertex])[bright]
    assert np.median(error) < 0.03
