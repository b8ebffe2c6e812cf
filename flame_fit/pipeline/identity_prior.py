"""Who is likely: the prior of identity, learned from finished fits (empirical Bayes)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.asset_files import write_atomically
from flame_fit.errors import InputError
from flame_fit.export import ExportParams
from flame_fit.losses import GaussianPrior
from flame_fit.untrusted import read_npz

# The unit Gaussian counts as this many people for each coefficient, so that a handful of fits
# narrows nothing that they have not seen.
PRIOR_PEOPLE = 1.0
ITERATIONS = 200
TOLERANCE = 1e-4
FEWEST_FITS = 2
KEYS = ("mean", "covariance", "count", "model_sha256")


@dataclass(frozen=True)
class IdentityPrior:
    """A Gaussian of identity coefficients.

    Attributes:
        mean: Its mean.
        covariance: Its covariance.
        count: From how many fits it was learned.
        model_sha256: Of the head model whose coefficients these are.
    """

    mean: Float[np.ndarray, " S"]
    covariance: Float[np.ndarray, "S S"]
    count: int
    model_sha256: str

    def resized(self, count: int) -> IdentityPrior:
        """Return the prior of the first `count` coefficients; unit where it has fewer."""
        known = min(count, len(self.mean))
        mean, covariance = np.zeros(count), np.eye(count)
        mean[:known] = self.mean[:known]
        covariance[:known, :known] = self.covariance[:known, :known]
        return IdentityPrior(mean, covariance, self.count, self.model_sha256)

    def gaussian(self, count: int, *, like: Tensor) -> GaussianPrior:
        """Return the prior of the first `count` coefficients as the fit takes it."""
        resized = self.resized(count)
        prior = GaussianPrior.from_covariance(
            torch.from_numpy(resized.mean), torch.from_numpy(resized.covariance)
        )
        return GaussianPrior(prior.mean.to(like), prior.whitening.to(like))


@dataclass(frozen=True)
class Likelihood:
    """What one photo says of the identity, without any prior: a Gaussian up to a factor.

    Attributes:
        precision: Inverse covariance; positive semi-definite.
        information: Precision times the most likely coefficients.
    """

    precision: Float[np.ndarray, "S S"]
    information: Float[np.ndarray, " S"]


def likelihood_of(params: ExportParams, prior: IdentityPrior | None) -> Likelihood:
    """Return what a fit's photo says, by taking the prior it was made with out of its posterior.

    Args:
        params: A fit with its uncertainty.
        prior: The prior it was made with; the unit Gaussian if None.

    Raises:
        InputError: If the fit has no uncertainty.
    """
    if params.uncertainty is None:
        raise InputError("the fit has no uncertainty; fit the photo again with this version")
    count = len(params.shape)
    prior_mean, prior_precision = np.zeros(count), np.eye(count)
    if prior is not None:
        used = prior.resized(count)
        prior_mean, prior_precision = used.mean, np.linalg.inv(used.covariance)
    posterior = np.linalg.inv(params.uncertainty.shape_covariance.astype(np.float64))
    values, vectors = np.linalg.eigh(posterior - prior_precision)
    precision = (vectors * np.maximum(values, 0.0)) @ vectors.T
    information = posterior @ params.shape - prior_precision @ prior_mean
    return Likelihood(precision, information)


def calibrate(likelihoods: Sequence[Likelihood], *, model_sha256: str) -> IdentityPrior:
    """Return the Gaussian under which the photos are most likely.

    Expectation maximisation of the linear Gaussian model (Dempster, Laird and Rubin 1977), with a
    conjugate prior about the unit Gaussian that is worth `PRIOR_PEOPLE` people a coefficient.

    Args:
        likelihoods: What each photo says; all of the same number of coefficients.
        model_sha256: Of the head model.

    Raises:
        InputError: If there are too few of them.
    """
    if len(likelihoods) < FEWEST_FITS:
        raise InputError(
            f"{len(likelihoods)} fits tell no prior; give at least {FEWEST_FITS}, better hundreds"
        )
    size = len(likelihoods[0].information)
    mean, covariance = np.zeros(size), np.eye(size)
    strength = PRIOR_PEOPLE * size
    for _ in range(ITERATIONS):
        before = covariance
        precision = np.linalg.inv(covariance)
        scatter, total = np.zeros((size, size)), np.zeros(size)
        spreads, centres = [], []
        for each in likelihoods:
            spread = np.linalg.inv(precision + each.precision)
            spreads.append(spread)
            centres.append(spread @ (each.information + precision @ mean))
            total += centres[-1]
        mean = total / (len(likelihoods) + strength)
        for spread, centre in zip(spreads, centres, strict=True):
            scatter += spread + np.outer(centre - mean, centre - mean)
        scatter += strength * (np.eye(size) + np.outer(mean, mean))
        covariance = scatter / (len(likelihoods) + strength)
        if np.abs(covariance - before).max() < TOLERANCE:
            break
    return IdentityPrior(mean, covariance, len(likelihoods), model_sha256)


def write_identity_prior(prior: IdentityPrior, path: Path) -> None:
    """Write a prior as a plain `.npz`.

    Raises:
        InputError: If nothing can be written there.
    """
    buffer = io.BytesIO()
    np.savez(
        buffer,
        allow_pickle=False,
        mean=prior.mean,
        covariance=prior.covariance,
        count=np.asarray(prior.count),
        model_sha256=np.asarray(prior.model_sha256),
    )
    write_atomically(path, buffer.getvalue())


def read_identity_prior(path: Path) -> IdentityPrior:
    """Read a prior that `write_identity_prior` has written.

    Raises:
        AssetError: If the file is missing or damaged.
        InputError: If it is no prior.
    """
    values = read_npz(path)
    missing = [key for key in KEYS if key not in values]
    if missing:
        raise InputError(f"{path}: lacks {missing[0]}; give a file of `flame-fit prior calibrate`")
    mean, covariance = values["mean"], values["covariance"]
    square = mean.ndim == 1 and covariance.shape == (len(mean), len(mean))
    if not square or not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise InputError(
            f"{path}: mean {mean.shape} and covariance {covariance.shape} are no prior"
        )
    if np.linalg.eigvalsh(covariance.astype(np.float64)).min() <= 0:
        raise InputError(f"{path}: its covariance is not positive definite; calibrate it again")
    return IdentityPrior(
        mean.astype(np.float64),
        covariance.astype(np.float64),
        int(values["count"]),
        str(values["model_sha256"]),
    )
