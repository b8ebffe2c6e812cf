"""Fixtures of the export tests."""

import pytest

from flame_fit.export import ExportScene
from tests.export.scenes import make_scene


@pytest.fixture
def scene() -> ExportScene:
    return make_scene()
