"""Gaussian priors as residuals: the whitened distance from a mean."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class GaussianPrior:
    """A Gaussian by its mean and the inverse square root of its covariance.

    Attributes:
        mean: The mean.
        whitening: `W` with `W^T W` the inverse covariance, so that `W (x - mean)` is standard.
    """

    mean: Float[Tensor, " n"]
    whitening: Float[Tensor, "n n"]

    @staticmethod
    def diagonal(mean: Float[Tensor, " n"], deviation: Float[Tensor, " n"]) -> GaussianPrior:
        """Return the prior with independent coordinates of these standard deviations."""
        return GaussianPrior(mean, torch.diag(1.0 / deviation))

    @staticmethod
    def from_covariance(
        mean: Float[Tensor, " n"], covariance: Float[Tensor, "n n"]
    ) -> GaussianPrior:
        """Return the prior of a full covariance, which must be positive definite."""
        factor = torch.linalg.cholesky(covariance)
        identity = torch.eye(len(mean), dtype=mean.dtype, device=mean.device)
        return GaussianPrior(mean, torch.linalg.solve_triangular(factor, identity, upper=False))


def prior_residual(value: Float[Tensor, "*b n"], prior: GaussianPrior) -> Float[Tensor, "*b n"]:
    """Return `W (value - mean)`; half its squared norm is the negative log density."""
    return (value - prior.mean) @ prior.whitening.T
