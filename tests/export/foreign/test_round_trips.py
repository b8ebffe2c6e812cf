"""Fitted parameters out to other tools and back."""

import io
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from flame_fit.export.foreign import load_params, save_params
from flame_fit.export.foreign.frames import (
    posed_vertices,
)
from flame_fit.export.foreign.layout import NECK_NOTE
from flame_fit.testing import tiny_assets
from tests.export.foreign.tools import (
    codes,
    our_pixels,
    written,
)


@pytest.mark.parametrize("layout", ["flame-fit", "vhap"])
def test_layouts_with_a_neck_hold_everything(tmp_path, fitted, tiny, layout):
    fitted = replace(fitted, neck=np.array([0.1, 0.2, -0.1]))
    path = written(tmp_path, save_params(fitted, assets=tiny, layout=layout), layout)
    back = load_params(path, assets=tiny).params
    left_out = {"uncertainty", "texture_latents"} | (
        {"texture_code"} if layout == "vhap" else set()
    )
    for field in fields(fitted):
        if field.name not in left_out:
            ours, theirs = getattr(fitted, field.name), getattr(back, field.name)
            if isinstance(ours, str):
                assert ours == theirs
            else:
                np.testing.assert_allclose(theirs[: ours.size], ours, rtol=1e-5, atol=1e-6)


def test_a_round_trip_over_a_moving_camera_keeps_every_vertex_and_the_light(tmp_path, fitted, tiny):
    exported = save_params(fitted, assets=tiny, layout="flame-head-tracker")
    assert "square of 640 pixels whose upper left corner is at (0, -80)" in " ".join(exported.notes)
    back = load_params(written(tmp_path, exported, "flame-head-tracker"), assets=tiny).params
    assert not any(back.neck)
    before, after = posed_vertices(fitted, tiny), posed_vertices(back, tiny)
    np.testing.assert_allclose(after, before, atol=2e-6)
    np.testing.assert_allclose(back.lighting, fitted.lighting, atol=1e-5)
    np.testing.assert_allclose(back.texture_code, fitted.texture_code, rtol=1e-6)
    in_square = our_pixels(back, after) * 640 / 256 + (0, -80)
    np.testing.assert_allclose(in_square, our_pixels(fitted, before), atol=0.01)


@pytest.mark.parametrize("layout", ["seed", "deca"])
def test_a_round_trip_over_codes_keeps_what_they_hold(tmp_path, fitted, tiny, layout):
    fitted = replace(fitted, projection="orthographic", focal=np.full(2, 1200.0), eyes=np.zeros(6))
    exported = save_params(fitted, assets=tiny, layout=layout)
    path = written(tmp_path, exported, layout)
    back = load_params(path, assets=tiny, image_size=(640, 640)).params
    before, after = posed_vertices(fitted, tiny), posed_vertices(back, tiny)
    np.testing.assert_allclose(after[:, :2], before[:, :2], atol=1e-6)
    np.testing.assert_allclose(after[:, 2] + 1.0, before[:, 2] + 0.7, atol=1e-6)
    # The image became a square around the principal point.
    np.testing.assert_allclose(
        our_pixels(back, after) + (0, -80), our_pixels(fitted, before), atol=0.01
    )
    np.testing.assert_allclose(back.lighting, fitted.lighting, atol=1e-5)
    assert not any("vertices move" in note for note in exported.notes)
    assert any("upper left corner is at (0, -80)" in note for note in exported.notes)


def test_a_perspective_camera_is_flattened_by_as_much_as_is_said(tmp_path, fitted, tiny):
    exported = save_params(fitted, assets=tiny, layout="seed")
    (note,) = [note for note in exported.notes if "vertices move by up to" in note]
    path = written(tmp_path, exported, "seed")
    back = load_params(path, assets=tiny, image_size=(640, 640)).params
    before = our_pixels(fitted, posed_vertices(fitted, tiny))
    after = our_pixels(back, posed_vertices(replace(back, eyes=fitted.eyes), tiny)) + (0, -80)
    largest = np.linalg.norm(after - before, axis=1).max()
    assert f"up to {largest:.1f} pixels" in note
    assert 1 < largest < 40
    assert any("no eye pose" in note for note in exported.notes)


def test_vertices_on_the_neck_joint_alone_keep_their_place_without_correctives(
    tmp_path, fitted, tiny
):
    """The whole way through a file, on a model whose upper part hangs on the neck joint alone."""
    weights = torch.zeros_like(tiny.skinning_weights)
    upper = tiny.v_template[:, 1] > -0.05
    weights[upper, 1], weights[~upper, 0] = 1.0, 1.0
    model = replace(tiny, skinning_weights=weights, pose_basis=torch.zeros_like(tiny.pose_basis))
    fitted = replace(fitted, neck=np.array([0.3, -0.2, 0.1]))
    exported = save_params(fitted, assets=model, layout="flame-head-tracker")
    assert NECK_NOTE in exported.notes
    back = load_params(written(tmp_path, exported, "flame-head-tracker"), assets=model).params
    difference = posed_vertices(back, model) - posed_vertices(fitted, model)
    assert np.abs(difference[upper.numpy()]).max() < 2e-6
    assert np.abs(difference[~upper.numpy()]).max() > 1e-3


def test_the_seed_opens_what_is_written_for_it(fitted, tiny):
    data = save_params(fitted, assets=tiny, layout="seed").data
    codes = np.load(io.BytesIO(data), allow_pickle=True)[()]
    shapes = {key: value.shape for key, value in codes.items()}
    assert shapes == {
        "shape": (1, 100), "exp": (1, 50), "pose": (1, 6), "cam": (1, 3), "tex": (1, 50),
        "lit": (1, 9, 3),
    }  # fmt: skip
    assert {value.dtype for value in codes.values()} == {np.dtype(np.float32)}


def test_what_a_layout_has_no_room_for_is_said(tmp_path, rng):
    wide = tiny_assets(shape_count=120, expression_count=60)
    params = load_params(_identity(tmp_path, rng), assets=wide).params
    params = replace(params, shape=rng.normal(size=120), expression=rng.normal(size=60))
    notes = " ".join(save_params(params, assets=wide, layout="seed").notes)
    assert "100 identity coefficients; 20 more were left out" in notes
    assert "50 expression coefficients; 10 more were left out" in notes


def _identity(folder, rng):
    path = folder / "identity.npy"
    np.save(path, codes(rng, 100, 300), allow_pickle=False)
    return path
