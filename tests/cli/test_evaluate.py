"""`flame-fit evaluate`: tables, files, one-line errors and exit codes."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import cv2
import numpy as np
import pytest

from flame_fit import cli, head_models
from flame_fit.errors import AssetError
from flame_fit.flame import FlameAssets
from flame_fit.testing import tiny_assets
from tests.evaluate.shapes import head, head_landmarks, noise, turned
from tests.evaluate.test_fits_report import write_report


@pytest.fixture(autouse=True)
def log_as_before():
    """The command sets up the log of the whole process; undo it after each test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(capture=False)


def small_model(name: str) -> FlameAssets:
    if name != "open_head":
        raise AssetError(f"head model '{name}' was not found; install one")
    return tiny_assets()


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two scans in millimetres, and predictions of two methods, one of them noisy."""
    monkeypatch.chdir(tmp_path)
    # Which head model marks the landmarks is another test's; a small one is there at once.
    monkeypatch.setattr(head_models, "load_head_model", small_model)
    monkeypatch.setenv("COLUMNS", "200")
    vertices, faces = head()
    for folder in ("good", "poor", "scans"):
        (tmp_path / folder).mkdir()
    for k, name in enumerate(("anna", "ben")):
        wrong = 0.002 * noise(3 * len(vertices), seed=k).reshape(-1, 3)
        for folder, found in (("good", vertices), ("poor", vertices + wrong)):
            np.savez(f"{folder}/{name}.npz", vertices=found.numpy(), faces=faces.numpy())
            np.savetxt(f"{folder}/{name}.txt", head_landmarks().numpy())
        np.savez(f"scans/{name}.npz", vertices=turned(vertices, scale=1000.0).numpy())
        np.savetxt(f"scans/{name}.txt", turned(head_landmarks(), scale=1000.0).numpy())
    return tmp_path


def evaluate(*arguments: str) -> int:
    return cli.main(["evaluate", *arguments])


def only_line(text: str) -> str:
    (line,) = text.splitlines()
    return line


def test_folders_are_measured_against_scans(work: Path, capsys: pytest.CaptureFixture) -> None:
    code = evaluate("geometry", "good", "poor", "--truth", "scans", "--out", "ev", "--limit", "5")
    shown = capsys.readouterr().out
    assert code == 0
    for word in ("good/anna.npz", "poor/ben.npz", "scans/ben.npz", "scans in mm", "from landmarks"):
        assert word in shown
    content = json.loads(Path("ev/evaluation.json").read_text())
    good, poor = content["sets"]
    assert (content["protocol"], content["metrical"]) == ("now", False)
    assert good["median_mm"] < 1e-3 < 0.2 < poor["median_mm"]
    assert len(poor["pairs"]) == 2 and good["curve"]["mm"][-1] == 5.0
    assert cv2.imread("ev/curve.png").shape[2] == 3


def test_one_broken_file_does_not_stop_the_others(
    work: Path, capsys: pytest.CaptureFixture
) -> None:
    Path("good/ben.npz").write_bytes(b"no zip")
    np.savez("good/carl.npz", vertices=np.eye(3))
    code = evaluate("geometry", "good", "--truth", "scans", "--out", "ev")
    printed = capsys.readouterr()
    assert code == 1
    lines = printed.err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("flame-fit: good/ben.npz")
    assert lines[1].startswith("flame-fit: good/carl.npz: no scan is called 'carl'")
    (good,) = json.loads(Path("ev/evaluation.json").read_text())["sets"]
    assert [each["path"] for each in good["failures"]] == ["good/ben.npz", "good/carl.npz"]
    assert [each["prediction"] for each in good["pairs"]] == ["good/anna.npz"]
    assert "failed" in printed.out


def test_nothing_to_measure_writes_no_curve(work: Path, capsys: pytest.CaptureFixture) -> None:
    Path("good/ben.npz").write_bytes(b"no zip")
    Path("ev").mkdir()
    Path("ev/curve.png").touch()
    assert evaluate("geometry", "good/ben.npz", "--truth", "scans", "--out", "ev") == 1
    assert Path("ev/evaluation.json").exists() and not Path("ev/curve.png").exists()
    assert "good/ben.npz" in only_line(capsys.readouterr().err)


def test_whole_surfaces_show_the_way_back(work: Path, capsys: pytest.CaptureFixture) -> None:
    given = ["good/anna.npz", "--truth", "poor/anna.npz", "--out", "ev"]
    assert evaluate("geometry", *given, "--protocol", "surface", "--metrical") == 0
    assert "back" in capsys.readouterr().out
    content = json.loads(Path("ev/evaluation.json").read_text())
    assert (content["protocol"], content["metrical"]) == ("surface", True)
    assert content["sets"][0]["pairs"][0]["back_median_mm"] > 0.1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "evaluate what? nothing was given; give geometry or fits"),
        (("geometrie",), "evaluate what? got 'geometrie'"),
        (("geometry",), "no meshes to measure; see flame-fit evaluate geometry --help"),
        (("geometry", "good"), "no scans; name them after --truth"),
        (("geometry", "good", "--truth", "scans", "--limit", "0"), "--limit is 0.0"),
        (("geometry", "good", "--truth", "scans", "--limit", "inf"), "--limit is inf"),
        (("geometry", "good", "--truth", "scans", "--unit", "inch"), "--unit"),
        (("geometry", "good", "--truths", "scans"), "--truths"),
        (("fits",), "no folder given"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    work: Path, capsys: pytest.CaptureFixture, arguments: tuple[str, ...], message: str
) -> None:
    assert evaluate(*arguments) == 2
    assert message in only_line(capsys.readouterr().err)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("geometry", "none", "--truth", "scans"), "none: no such file or folder"),
        (("geometry", "good", "--truth", "none"), "none: no such file or folder"),
        (
            ("geometry", "good", "--truth", "scans", "--model", "none"),
            "model 'none' was not found",
        ),
        (("fits", "good"), "good: holds no report.json"),
    ],
)
def test_missing_inputs_are_one_line_and_exit_code_1(
    work: Path, capsys: pytest.CaptureFixture, arguments: tuple[str, ...], message: str
) -> None:
    assert evaluate(*arguments) == 1
    assert message in only_line(capsys.readouterr().err)


def test_help_is_printed(capsys: pytest.CaptureFixture) -> None:
    assert evaluate("--help") == 0
    assert "Sum up the reports" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        evaluate("geometry", "--help")
    assert "--truth-landmarks" in capsys.readouterr().out


def test_fits_are_summed_up(work: Path, capsys: pytest.CaptureFixture) -> None:
    write_report(work / "out" / "a")
    write_report(work / "out" / "b", status="doubtful", psnr=None, photo="/photos/b.jpg")
    assert evaluate("fits", "out", "--out", "ev") == 0
    shown = capsys.readouterr().out
    for word in ("a.jpg", "b.jpg", "doubtful", "median", "0.0100", "38.0", "1 ok, 1 doubtful"):
        assert word in shown
    assert json.loads(Path("ev/evaluation.json").read_text())["count"] == 2


def test_a_broken_report_is_named_and_the_others_are_counted(
    work: Path, capsys: pytest.CaptureFixture
) -> None:
    write_report(work / "out" / "a")
    write_report(work / "out" / "b").write_text("{")
    assert evaluate("fits", "out", "--out", "ev") == 1
    assert "out/b/report.json is no JSON" in only_line(capsys.readouterr().err)
    content = json.loads(Path("ev/evaluation.json").read_text())
    assert content["count"] == 1 and len(content["failures"]) == 1
