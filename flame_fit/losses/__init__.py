"""Residuals and their robust weights: pure, short, unweighted."""

from flame_fit.losses.photometric import peak_signal_to_noise
from flame_fit.losses.priors import GaussianPrior, prior_residual
from flame_fit.losses.reprojection import landmark_error, reprojection_residual
from flame_fit.losses.robust import geman_mcclure_cost, geman_mcclure_weight

__all__ = [
    "GaussianPrior",
    "geman_mcclure_cost",
    "geman_mcclure_weight",
    "landmark_error",
    "peak_signal_to_noise",
    "prior_residual",
    "reprojection_residual",
]
