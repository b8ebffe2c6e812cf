"""Real photographs: the sample photo always, the research photos where they are at hand."""

from __future__ import annotations

import dataclasses
import shutil

import numpy as np
import pytest

from flame_fit.config import PRESETS, TermWeights
from flame_fit.errors import InputError
from flame_fit.image_files import load_image, save_png
from flame_fit.pipeline import FitSession
from flame_fit.pipeline.identity_prior import IdentityPrior, write_identity_prior

LARGEST_NME = 0.02
LEAST_PSNR = 30.0


@pytest.fixture(scope="module")
def session() -> FitSession:
    return FitSession(dataclasses.replace(PRESETS["standard"], texture_size=512))


def _check(report) -> None:
    assert report.landmark_nme <= LARGEST_NME
    assert report.psnr >= LEAST_PSNR
    assert report.psnr > report.psnr_model
    assert report.coverage > 0.3
    assert report.status == "ok", report.warnings


def test_sample_photo(session, astronaut):
    stages = []
    (result,) = session.fit(astronaut, on_stage=stages.append)
    _check(result.report)
    assert stages == ["observe", "geometry", "appearance", "texture"]


@pytest.mark.parametrize("stem", ["00000", "00001", "00002", "00003", "00004"])
def test_research_photos(session, shared_data, stem):
    (result,) = session.fit(shared_data / "photos" / f"{stem}.png")
    _check(result.report)


def test_a_fit_is_the_same_twice(session, astronaut):
    """To the last bit: a rounding error, once in, may end a stage a step earlier."""
    first, second = (session.fit(astronaut)[0].export for _ in range(2))
    np.testing.assert_array_equal(first.mesh.vertices, second.mesh.vertices)
    np.testing.assert_array_equal(first.texture, second.texture)


def test_landmarks_from_a_file_take_the_place_of_the_detector(shared_data, tmp_path):
    shutil.copy(shared_data / "photos" / "00002.npy", tmp_path / "00002.npy")
    config = dataclasses.replace(PRESETS["fast"], texture_size=128, landmarks=tmp_path)
    session = FitSession(config)
    (result,) = session.fit(shared_data / "photos" / "00002.png")
    assert result.report.backends.detector == "landmark file"
    assert result.report.landmark_nme <= 2.0 * LARGEST_NME
    with pytest.raises(InputError, match="no landmark file 00003.npy"):
        session.fit(shared_data / "photos" / "00003.png")


def test_a_given_focal_length_is_kept(astronaut):
    config = dataclasses.replace(PRESETS["fast"], texture_size=128, focal=900.0)
    (result,) = FitSession(config).fit(astronaut)
    assert result.scene.camera.focal.tolist() == [[900.0, 900.0]]


def test_a_stronger_prior_gives_a_more_average_head(astronaut):
    norms = []
    for weight in (1.0, 20.0):
        config = dataclasses.replace(PRESETS["fast"], texture_size=128)
        weights = dataclasses.replace(config.weights, identity=weight)
        (result,) = FitSession(dataclasses.replace(config, weights=weights)).fit(astronaut)
        norms.append(float(result.scene.flame.shape.norm()))
    assert norms[1] < 0.7 * norms[0]


def test_a_batch_gives_what_its_photos_give_one_by_one(astronaut, shared_data):
    config = dataclasses.replace(PRESETS["fast"], texture_size=128)
    session = FitSession(config)
    photos = [astronaut, shared_data / "photos" / "00002.png"]
    faces = [session.observe(photo)[0] for photo in photos]
    together = session.fit_faces(faces)
    for face, result in zip(faces, together, strict=True):
        (alone,) = session.fit_faces([face])
        apart = np.abs(result.export.mesh.vertices - alone.export.mesh.vertices)
        assert apart.max() < 5e-4
        assert result.report.photo == alone.report.photo
        assert abs(result.report.landmark_nme - alone.report.landmark_nme) < 1e-3


@pytest.fixture(scope="module")
def fast():
    return dataclasses.replace(PRESETS["fast"], texture_size=128)


def test_shading_bends_the_shape_only_where_asked(fast, astronaut):
    moving = dataclasses.replace(fast, weights=TermWeights())
    bent = dataclasses.replace(moving, shape_from_shading="always")
    plain, shaded = (FitSession(config).fit(astronaut)[0] for config in (moving, bent))
    apart = np.abs(plain.export.mesh.neutral_vertices - shaded.export.mesh.neutral_vertices)
    assert apart.max() > 1e-3


def test_an_identity_prior_draws_the_shape_and_belongs_to_one_model(fast, astronaut, tmp_path):
    session = FitSession(fast)
    count, digest = session.tools.model.shape_count, session.assets.sha256
    mean = np.zeros(count)
    mean[0] = 3.0
    prior = IdentityPrior(mean, 1e-4 * np.eye(count), 9, digest)
    write_identity_prior(prior, tmp_path / "prior.npz")
    given = dataclasses.replace(fast, identity_prior=tmp_path / "prior.npz")
    (result,) = FitSession(given).fit(astronaut)
    assert np.allclose(result.export.params.shape, mean, atol=0.05)
    write_identity_prior(dataclasses.replace(prior, model_sha256="0"), tmp_path / "prior.npz")
    with pytest.raises(InputError, match="belongs to another head model"):
        FitSession(given)


def test_deviation_is_drawn_where_asked_and_a_dark_photo_is_doubtful(fast, astronaut, tmp_path):
    dark = (load_image(astronaut).srgb * 0.12).astype(np.uint8)
    path = save_png(tmp_path / "dark.png", dark)
    config = dataclasses.replace(fast, overlay_uncertainty=True)
    (result,) = FitSession(config).fit(path)
    overlay = result.export.overlay
    assert overlay.deviation_mm is not None
    on_head = overlay.deviation_mm[overlay.coverage > 0.99]
    # The face is known better than the neck and the back of the head.
    assert 0.0 < np.quantile(on_head, 0.1) < 0.5 * np.quantile(on_head, 0.99)
    assert "the face is very dark" in result.report.warnings
