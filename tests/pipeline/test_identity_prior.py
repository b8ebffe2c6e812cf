"""Empirical Bayes: a known population is found again, and nothing is narrowed without evidence."""

from __future__ import annotations

import numpy as np
import pytest

from flame_fit.errors import InputError
from flame_fit.export import ExportParams, ExportUncertainty
from flame_fit.pipeline.identity_prior import (
    IdentityPrior,
    Likelihood,
    calibrate,
    likelihood_of,
    read_identity_prior,
    write_identity_prior,
)

SIZE = 4
MODEL = "0" * 64


def population():
    root = np.diag([1.5, 0.3, 1.0, 0.6])
    root[1, 0] = 0.2
    return np.array([0.5, -0.4, 0.0, 0.2]), root @ root.T


def seen(count, noise=0.3, seed=0):
    """What photos with independent noise say of people of the population."""
    generator = np.random.default_rng(seed)
    mean, covariance = population()
    people = generator.multivariate_normal(mean, covariance, size=count)
    readings = people + noise * generator.standard_normal(people.shape)
    precision = np.eye(SIZE) / noise**2
    return [Likelihood(precision, precision @ reading) for reading in readings]


def params_with(shape, covariance):
    zeros = np.zeros(3)
    return ExportParams(
        shape=shape,
        expression=np.zeros(2),
        head_rotation=zeros,
        translation=zeros,
        neck=zeros,
        jaw=zeros,
        eyes=np.zeros(6),
        focal=np.ones(2),
        principal_point=np.ones(2),
        image_size=np.array([8, 8]),
        lighting=np.zeros((9, 3)),
        texture_code=np.zeros(2),
        projection="perspective",
        model_name="tiny",
        model_sha256=MODEL,
        uncertainty=None
        if covariance is None
        else ExportUncertainty(
            shape=np.sqrt(np.diagonal(covariance)),
            expression=np.zeros(2),
            head_rotation=zeros,
            translation=zeros,
            vertices_mm=np.zeros(5),
            shape_covariance=covariance,
        ),
    )


def test_a_known_population_is_found_again():
    mean, covariance = population()
    found = calibrate(seen(3000), model_sha256=MODEL)
    assert np.allclose(found.mean, mean, atol=0.08)
    assert np.allclose(found.covariance, covariance, atol=0.15)
    assert found.count == 3000


def test_photos_that_say_nothing_leave_the_unit_gaussian():
    nothing = [Likelihood(np.zeros((SIZE, SIZE)), np.zeros(SIZE))] * 10
    found = calibrate(nothing, model_sha256=MODEL)
    assert np.allclose(found.mean, 0.0)
    assert np.allclose(found.covariance, np.eye(SIZE))


def test_few_photos_narrow_less_than_many():
    few, many = (calibrate(seen(count), model_sha256=MODEL) for count in (4, 400))
    assert np.linalg.det(many.covariance) < np.linalg.det(few.covariance)


def test_the_prior_of_a_fit_is_taken_out_of_its_posterior():
    generator = np.random.default_rng(3)
    rows = generator.standard_normal((6, SIZE))
    likelihood = Likelihood(rows.T @ rows, rows.T @ generator.standard_normal(6))
    mean, covariance = population()
    for prior in (None, IdentityPrior(mean, covariance, 9, MODEL)):
        before = np.eye(SIZE) if prior is None else np.linalg.inv(covariance)
        centre = np.zeros(SIZE) if prior is None else mean
        posterior = np.linalg.inv(likelihood.precision + before)
        shape = posterior @ (likelihood.information + before @ centre)
        found = likelihood_of(params_with(shape, posterior), prior)
        assert np.allclose(found.precision, likelihood.precision)
        assert np.allclose(found.information, likelihood.information)


def test_too_few_fits_and_fits_without_uncertainty_are_refused():
    with pytest.raises(InputError, match="1 fits tell no prior"):
        calibrate(seen(1), model_sha256=MODEL)
    with pytest.raises(InputError, match="no uncertainty; fit the photo again"):
        likelihood_of(params_with(np.zeros(SIZE), None), None)


def test_file_round_trip_and_damaged_files(tmp_path):
    prior = calibrate(seen(20), model_sha256=MODEL)
    path = tmp_path / "prior.npz"
    write_identity_prior(prior, path)
    again = read_identity_prior(path)
    assert np.array_equal(again.mean, prior.mean)
    assert np.array_equal(again.covariance, prior.covariance)
    assert (again.count, again.model_sha256) == (prior.count, MODEL)
    np.savez(tmp_path / "other.npz", mean=prior.mean)
    with pytest.raises(InputError, match="lacks covariance"):
        read_identity_prior(tmp_path / "other.npz")
    bad = IdentityPrior(prior.mean, -prior.covariance, 20, MODEL)
    write_identity_prior(bad, path)
    with pytest.raises(InputError, match="not positive definite"):
        read_identity_prior(path)


def test_gaussian_is_unit_beyond_what_was_learned():
    import torch

    prior = calibrate(seen(20), model_sha256=MODEL)
    gaussian = prior.gaussian(SIZE + 2, like=torch.zeros(1, dtype=torch.float64))
    covariance = torch.linalg.inv(gaussian.whitening.T @ gaussian.whitening).numpy()
    assert np.allclose(covariance[:SIZE, :SIZE], prior.covariance)
    assert np.allclose(covariance[SIZE:, SIZE:], np.eye(2))
    assert np.allclose(covariance[SIZE:, :SIZE], 0.0)
