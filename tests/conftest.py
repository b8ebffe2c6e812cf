"""Options and fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

# As `flame_fit.cli.main` sets them, and as early: before torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")

import numpy as np  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
# Each worker of pytest-xdist has a core of its own; more threads would only disturb each other.
if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)
DTYPES = {"float32": torch.float32, "float64": torch.float64}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--device", default="cpu", help="Device for the tests that take one.")
    parser.addoption(
        "--dtype", default="float32", choices=sorted(DTYPES), help="Dtype for tests that take one."
    )


@pytest.fixture(scope="session")
def device(pytestconfig: pytest.Config) -> torch.device:
    return torch.device(pytestconfig.getoption("--device"))


@pytest.fixture(scope="session")
def dtype(pytestconfig: pytest.Config) -> torch.dtype:
    return DTYPES[pytestconfig.getoption("--dtype")]


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of research data beside the checkout; it is never part of the repository."""
    shared = Path(os.environ.get("FLAME_FIT_SHARED", ROOT.parent / "shared"))
    if not (shared / "data").is_dir():
        pytest.skip(f"needs the research data in {shared / 'data'} (FLAME_FIT_SHARED)")
    return shared / "data"


@pytest.fixture(scope="session")
def shared_specs() -> Path:
    """The folder of key lists and reference outputs of the published networks."""
    shared = Path(os.environ.get("FLAME_FIT_SHARED", ROOT.parent / "shared"))
    if not (shared / "specs").is_dir():
        pytest.skip(f"needs the reference outputs in {shared / 'specs'} (FLAME_FIT_SHARED)")
    return shared / "specs"


@pytest.fixture(scope="session")
def astronaut() -> Path:
    """The sample photo of the repository."""
    return ROOT / "data" / "astronaut.png"


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
