"""Training of the published dense networks; `sessions` runs one out of these settings."""

from flame_fit.training.settings import ParsingTraining, UvTraining
from flame_fit.training.settings_files import read_settings, settings_text, write_settings

__all__ = [
    "ParsingTraining",
    "UvTraining",
    "read_settings",
    "settings_text",
    "write_settings",
]
