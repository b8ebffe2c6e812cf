"""Packages that only training needs."""

from __future__ import annotations

import importlib
import warnings
from types import ModuleType
from typing import Any, TypeAlias

from flame_fit.errors import UsageError

Foreign: TypeAlias = Any
"""An object of a package that may not be installed, so that its type cannot be named."""


def training_package(name: str) -> ModuleType:
    """Import a package of the extra `train`.

    Raises:
        UsageError: It is not installed.
    """
    try:
        # What packages say to each other about old names does not concern a user.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(name)
    except ImportError as error:
        raise UsageError(
            f"training needs {name}, which cannot be imported ({error}); run "
            "pip install 'flame-fit[train]'"
        ) from None
