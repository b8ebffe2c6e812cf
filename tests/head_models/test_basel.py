"""Basel Face Models: known colours come back at known places of our chart."""

import json

import h5py
import numpy as np
import pytest
import scipy.io
import torch

from flame_fit.appearance import load_texture_space
from flame_fit.asset_files import ASSETS_VARIABLE
from flame_fit.errors import AssetError
from flame_fit.flame import load_assets
from flame_fit.geometry.registration import RegistrationSchedule
from flame_fit.head_models.basel import basel_texture_space, texture_space_bytes
from flame_fit.head_models.basel_file import read_basel_model
from flame_fit.priors.model_files import resolve_face_models
from flame_fit.texture import build_texel_geometry, face_region
from tests.head_models import basel_files

SIZE = 128
QUICK = RegistrationSchedule(stiffness=(0.3, 0.05), landmark_weight=(2.0, 0.3), iterations=2)


@pytest.fixture(scope="module")
def assets():
    return load_assets()


@pytest.fixture(scope="module")
def texels(assets):
    return build_texel_geometry(assets, SIZE)


@pytest.fixture(scope="module")
def known():
    """OpenHead's own texture, which the synthetic files carry."""
    mean = load_texture_space("open_head_texture", component_count=0).mean
    channels = torch.nn.functional.interpolate(
        mean.permute(2, 0, 1)[None], size=(SIZE, SIZE), mode="bilinear", antialias=True
    )
    return channels[0].permute(1, 2, 0)


@pytest.fixture(scope="module")
def made(assets, known, tmp_path_factory):
    path = tmp_path_factory.mktemp("basel") / "model2019_bfm.h5"
    basel_files.write_h5(path)
    return basel_texture_space(path, assets, size=SIZE, backdrop=known, schedule=QUICK)


def places(assets, texels):
    """Where each covered texel lies on our template."""
    corners = assets.v_template[texels.corners.long()]
    return (corners * texels.surface.barycentrics[..., None]).sum(1)


def test_both_layouts_hold_the_same_model(tmp_path):
    made = basel_files.face()
    basel_files.write_2009(tmp_path / "01_MorphableModel.mat")
    basel_files.write_h5(tmp_path / "model2017-1_bfm_nomouth.h5")
    old = read_basel_model(tmp_path / "01_MorphableModel.mat")
    new = read_basel_model(tmp_path / "model2017-1_bfm_nomouth.h5")
    assert (old.kind, new.kind) == ("Basel Face Model 2009", "Basel Face Model 2017 or 2019")
    for model in (old, new):
        np.testing.assert_allclose(model.vertices, made.vertices, atol=1e-7)
        np.testing.assert_allclose(model.colour, made.colour, atol=1e-6)
        expected = made.basis.reshape(-1, 3, 2) * basel_files.stored_deviations()
        np.testing.assert_allclose(model.colour_basis, expected, atol=1e-5)
        assert (np.sort(model.faces, axis=1) == np.sort(made.faces, axis=1)).all()
        # Counter-clockwise from outside, whichever way the file has them.
        corners = model.vertices[model.faces]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        assert normals[:, 2].sum() > 0
    assert old.landmark_names == ()
    assert "center.nose.tip" in new.landmark_names
    tip = new.landmark_places[new.landmark_names.index("center.nose.tip")]
    np.testing.assert_allclose(tip, made.landmarks["center.nose.tip"], atol=1e-9)


def test_known_colours_come_back_at_known_places(made, known):
    difference = (made.space.mean - known).abs().mean(-1)[made.seen]
    assert 0.35 < float(made.seen.float().mean()) < 0.6
    assert float(difference.mean()) < 0.015
    assert float(difference.quantile(0.95)) < 0.05
    # A flat texture of the mean colour would be farther off.
    flat = (known[made.seen].mean(0) - known).abs().mean(-1)[made.seen]
    assert float(difference.mean()) < 0.6 * float(flat.mean())
    assert "points that the file names" in made.landmark_source
    assert made.distance_mm < 1.0


def test_components_follow_their_patterns(made, assets, texels):
    place = places(assets, texels).numpy()
    seen = texels.from_map(made.seen[..., None].float())[:, 0] > 0
    norms = np.linalg.norm(basel_files.pattern(_templates(assets)).reshape(-1, 2), axis=0)
    scale = basel_files.stored_deviations() / norms
    wanted = (basel_files.pattern(place) * scale)[seen.numpy()]
    for component in range(2):
        rows = texels.from_map(made.space.basis[..., component])[seen].numpy()
        error = np.abs(rows - wanted[..., component]).mean()
        assert error < 0.12 * np.abs(wanted[..., component]).mean()


def _templates(assets):
    """Template places of the vertices that the synthetic file shows."""
    hidden = torch.zeros(len(assets.v_template), dtype=torch.bool)
    for name in basel_files.HIDDEN:
        hidden |= assets.regions.mask(name)
    kept = ~(hidden | (assets.v_template[:, 2] < basel_files.BACK))
    used = torch.unique(assets.faces[kept[assets.faces].all(1)])
    return assets.v_template[used].numpy()


def test_what_is_not_seen_is_completed_smoothly(made, assets, texels, known):
    mean = texels.from_map(made.space.mean)
    place = places(assets, texels)
    inner = face_region(
        assets, "mouth_interior", "teeth", "left_eyeball", "right_eyeball", "eye_sockets"
    )[texels.surface.face_index]
    back = (place[:, 2] < -0.06) & ~inner
    seen = texels.from_map(made.seen[..., None].float())[:, 0] > 0
    assert not seen[back].any()
    low, high = mean[seen].amin(0), mean[seen].amax(0)
    assert ((mean[back] >= low - 0.02) & (mean[back] <= high + 0.02)).all()
    # No edge where the seen part ends: neighbouring texels differ little.
    image, covered = made.space.mean, texels.covered()
    border = made.seen[:, 1:] != made.seen[:, :-1]
    border &= covered[:, 1:] & covered[:, :-1]
    skin = texels.to_map((~inner)[:, None].float())[..., 0] > 0
    border &= skin[:, 1:] & skin[:, :-1]
    step = (image[:, 1:] - image[:, :-1]).abs().mean(-1)
    assert float(step[border].mean()) < 0.015
    # Eyeballs and teeth are the backdrop's, and do not vary.
    teeth = face_region(assets, "teeth")[texels.surface.face_index]
    difference = texels.from_map(made.space.mean - known)[teeth].abs()
    assert float(difference.max()) < 1e-5


def test_the_file_is_a_texture_space_of_the_published_layout(made, tmp_path, assets):
    path = tmp_path / "texture.npz"
    path.write_bytes(texture_space_bytes(made.space))
    with np.load(path, allow_pickle=False) as arrays:
        assert arrays["mean"].shape == (SIZE, SIZE, 3)
        assert arrays["tex_dir"].shape == (SIZE, SIZE, 3, 2)
        assert 20 < arrays["mean"].max() <= 256
        # BGR: skin is red, so the last channel is the largest.
        assert arrays["mean"][..., 2].mean() > arrays["mean"][..., 0].mean()
    space = load_texture_space(path)
    np.testing.assert_allclose(space.mean, made.space.mean, atol=1e-6)
    np.testing.assert_allclose(space.basis, made.space.basis, atol=1e-6)
    assert torch.equal(space.chart.faces, assets.chart.faces)


def test_2009_has_no_landmarks_so_they_are_found_in_a_picture(
    tmp_path, assets, known, monkeypatch, shared_data
):
    monkeypatch.setenv(ASSETS_VARIABLE, str(shared_data / "mediapipe"))
    try:
        resolve_face_models("auto")
    except AssetError as error:
        pytest.skip(f"the detector's models cannot be had: {error}")
    path = tmp_path / "01_MorphableModel.mat"
    basel_files.write_2009(path)
    made = basel_texture_space(path, assets, size=SIZE, most_components=1, schedule=QUICK)
    assert "finds in a picture of the mean" in made.landmark_source
    assert made.space.scale.shape == (1,)
    difference = (made.space.mean - known).abs().mean(-1)[made.seen]
    assert float(difference.mean()) < 0.015


def changed_h5(path, **arrays):
    basel_files.write_h5(path)
    with h5py.File(path, "a") as file:
        for key, value in arrays.items():
            name = key.replace("__", "/")
            del file[name]
            if value is not None:
                file[name] = value
    return path


def test_damaged_files_are_refused_in_one_line(tmp_path):
    path = tmp_path / "model.h5"
    count = len(basel_files.face().vertices)
    bad = np.full(3 * count, np.nan, dtype=np.float32)
    problems = {
        "lacks 'color/model/mean'; it is no Basel": {"color__model__mean": None},
        "'shape/model/mean' has 9 finite": {"shape__model__mean": np.full(9, np.nan)},
        "'color/model/mean' has": {"color__model__mean": bad},
        "point outside its": {"shape__representer__cells": np.full((3, 2), count)},
        "triangles are": {"shape__representer__cells": np.zeros((2, 5), dtype=int)},
        "colour components are": {"color__model__pcaBasis": np.zeros((3 * count, 5))},
        "negative variances": {"color__model__pcaVariance": np.array([-1.0, 1.0])},
        "no list of named points": {"metadata__landmarks__json": '[{"id": 3}]'},
        "which is no head": {"shape__model__mean": np.zeros(3 * count)},
    }
    for problem, change in problems.items():
        with pytest.raises(AssetError, match=problem) as caught:
            read_basel_model(changed_h5(path, **change))
        assert "\n" not in str(caught.value)
    scipy.io.savemat(tmp_path / "model.mat", {"shapeMU": np.ones((3, 1))})
    with pytest.raises(AssetError, match="lacks 'texMU'; it is no Basel Face Model"):
        read_basel_model(tmp_path / "model.mat")
    with pytest.raises(AssetError, match=r"are \.mat files \(2009\) or \.h5 files"):
        read_basel_model(tmp_path / "model.ply")


def test_landmark_text_is_read_as_data(tmp_path):
    path = tmp_path / "model.h5"
    text = json.dumps([{"id": "a", "coordinates": [1, 2, 3], "extra": {"x": [1]}}])
    model = read_basel_model(changed_h5(path, metadata__landmarks__json=text))
    assert model.landmark_names == ("a",)
    np.testing.assert_allclose(model.landmark_places, [[0.001, 0.002, 0.003]])
