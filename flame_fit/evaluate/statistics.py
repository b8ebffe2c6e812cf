"""Statistics of errors, and what share of them lies below a limit."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.errors import InputError

CURVE_STEPS = 200


@dataclass(frozen=True, eq=False)
class ErrorCurve:
    """The share of errors that are at most as large as each threshold."""

    thresholds: Float[Tensor, "T"]
    shares: Float[Tensor, "T"]


def middle_value(values: Float[Tensor, "n"]) -> float:
    """Return the median: the middle value, or the mean of the two in the middle."""
    ordered = values.sort().values
    middle = len(ordered) // 2
    return float((ordered[middle] + ordered[(len(ordered) - 1) // 2]) / 2.0)


def error_curve(
    errors: Float[Tensor, "n"], *, limit: float, steps: int = CURVE_STEPS
) -> ErrorCurve:
    """Return the cumulative curve of errors at evenly spaced thresholds from 0 to `limit`.

    Raises:
        InputError: There is no error, or the limit is not positive.
    """
    if len(errors) == 0:
        raise InputError("there are no errors to draw a curve of")
    if not 0.0 < limit < math.inf:
        raise InputError(f"the curve's limit is {limit}; expected a positive length")
    thresholds = torch.linspace(0.0, limit, steps + 1, dtype=torch.float64, device=errors.device)
    ordered = errors.detach().double().sort().values
    below = torch.searchsorted(ordered, thresholds, right=True)
    return ErrorCurve(thresholds=thresholds, shares=below.double() / len(ordered))
