"""Robust kernels: how much an outlier may cost, and its weight in reweighted least squares."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor


def geman_mcclure_cost(squared: Float[Tensor, "*n"], *, scale: float = 3.0) -> Float[Tensor, "*n"]:
    """Return `c^2 s / (c^2 + s)`, which is `s` for small and at most `c^2` for large residuals.

    Args:
        squared: Squared residual norms `s`, in units of the noise.
        scale: `c`, the residual at which the cost is half of the quadratic one.

    Source: Geman and McClure 1987.
    """
    return squared * (scale**2 / (scale**2 + squared))


def geman_mcclure_weight(
    squared: Float[Tensor, "*n"], *, scale: float = 3.0
) -> Float[Tensor, "*n"]:
    """Return the derivative of `geman_mcclure_cost` by `squared`: the weight in IRLS."""
    return (scale**2 / (scale**2 + squared)) ** 2
