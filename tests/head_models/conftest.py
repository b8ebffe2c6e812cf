"""An asset folder of one's own for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from flame_fit.asset_files import ASSETS_VARIABLE, user_asset_folder


@pytest.fixture
def asset_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's asset folder, empty; nothing is found elsewhere but the package."""
    for variable in ("XDG_DATA_HOME", "APPDATA", "HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path / "home"))
    monkeypatch.delenv(ASSETS_VARIABLE, raising=False)
    folder = user_asset_folder()
    assert tmp_path in folder.parents and not folder.exists()
    return folder


@pytest.fixture
def downloads(tmp_path: Path) -> Path:
    folder = tmp_path / "downloads"
    folder.mkdir()
    return folder
