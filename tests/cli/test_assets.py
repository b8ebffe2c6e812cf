"""`flame-fit assets`: what it prints, writes and returns."""

from pathlib import Path

import pytest
from rich.console import Console

from flame_fit.asset_files import ASSETS_VARIABLE, user_asset_folder
from flame_fit.cli import assets
from flame_fit.cli.main import main
from flame_fit.errors import UsageError
from tests.head_models import companion_files as files


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("XDG_DATA_HOME", "APPDATA", "HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path / "home"))
    monkeypatch.delenv(ASSETS_VARIABLE, raising=False)
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def download(tmp_path: Path) -> Path:
    path = tmp_path / "FLAME_masks.pkl"
    path.write_bytes(files.masks_pkl())
    return path


def test_install_says_what_and_under_which_terms(
    download: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "song.mp3"
    other.write_bytes(b"ID3")
    assert main(["assets", "install", str(download)]) == 0
    out = capsys.readouterr().out
    assert "FLAME_masks.pkl: installed flame_masks (FLAME vertex masks)" in out
    assert "licence: " in out
    assert main(["assets", "install", str(download), str(other)]) == 1
    printed = capsys.readouterr()
    assert "is installed already: flame_masks" in printed.out
    assert "left out song.mp3: song.mp3 is no head model" in printed.err
    assert main(["assets", "install", str(tmp_path / "no.zip")]) == 1
    assert "no.zip does not exist; check the path" in capsys.readouterr().err


def test_a_folder_with_other_files_is_fine(
    download: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(30):
        (download.parent / f"{number}.txt").write_text("x")
    assert main(["assets", "install", str(download.parent)]) == 0
    errors = capsys.readouterr().err
    assert "left out 10 more files" in errors and errors.count("left out") == 21


def test_list_is_a_table(download: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["assets", "install", str(download)])
    capsys.readouterr()
    assert main(["assets", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"in {user_asset_folder()}:"
    assert lines[1].split() == ["name", "kind", "for", "licence", "size", "sha256"]
    rows = {line.split()[0]: line for line in lines if line}
    assert {"flame_masks", "open_head", "open_head_texture"} <= set(rows)
    assert "CC0 1.0" in rows["open_head"] and "--model" in rows["open_head"]
    assert lines[2].startswith("flame_masks")
    assert main(["assets", "list", "--licences"]) == 0
    assert "cite: Li, Bolkart, Black" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["remove"], "action 'remove' is unknown; give one of: install, list, embed, export"),
        (["install"], "nothing to install; give files, folders or zip archives"),
        (["list", "--all"], "see flame-fit assets list --help"),
    ],
)
def test_wrong_usage(arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        assets.run(arguments, errors=Console())


def test_help_names_the_actions(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["assets", "--help"]) == 0
    out = capsys.readouterr().out
    for action in assets.ACTIONS:
        assert f"\n  {action} " in out
    assert main(["assets"]) == 2
