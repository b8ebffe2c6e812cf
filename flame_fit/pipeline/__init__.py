"""From a photo to a fitted head: stages, presets and what they give back."""

from flame_fit.pipeline.result import FitResult
from flame_fit.pipeline.session import FitSession

__all__ = ["FitResult", "FitSession"]
