"""Solvers: they know vectors and costs, and nothing of faces."""

from flame_fit.optim.adam import AdamSettings, descend
from flame_fit.optim.levenberg_marquardt import (
    LeastSquaresProblem,
    LevenbergMarquardtSettings,
    NormalEquations,
    Solution,
    Status,
    minimise,
)

__all__ = [
    "AdamSettings",
    "LeastSquaresProblem",
    "LevenbergMarquardtSettings",
    "NormalEquations",
    "Solution",
    "Status",
    "descend",
    "minimise",
]
