"""Summing up the reports of many fits."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from flame_fit.errors import FlameFitError, InputError
from flame_fit.evaluate import Failure, find_reports, fits_json, read_fit, summarise_fits
from flame_fit.export import report_to_json
from tests.export.scenes import make_scene


def write_report(folder: Path, **changes: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "status": "ok",
        "photo": "/photos/a.jpg",
        "seconds": {"total": 1.5, "observe": 0.5, "geometry": 1.0},
        "landmark_nme": 0.01,
        "psnr_model": 22.0,
        "psnr": 38.0,
        "coverage": 0.6,
        "warnings": [],
    }
    (folder / "report.json").write_text(json.dumps(content | changes))
    return folder / "report.json"


def test_the_report_of_a_fit_is_read(tmp_path: Path) -> None:
    report = make_scene().report
    path = tmp_path / "report.json"
    path.write_text(report_to_json(report))
    found = read_fit(path)
    assert (found.folder, found.photo, found.status) == (
        tmp_path,
        Path(report.photo).name,
        report.status,
    )
    expected = (report.landmark_nme, report.psnr_model, report.psnr, report.coverage)
    assert found.values == (*expected, report.seconds.total)
    assert found.warnings == report.warnings


def test_fits_are_summed_up(tmp_path: Path) -> None:
    for k, (nme, psnr) in enumerate(((0.01, 38.0), (0.03, None), (0.02, 40.0))):
        write_report(
            tmp_path / "deep" / str(k),
            landmark_nme=nme,
            psnr=psnr,
            status="doubtful" if k else "ok",
            seconds={"total": 1.0 + k, "observe": 0.1 * k},
        )
    reports = find_reports([tmp_path, tmp_path / "deep"])
    assert len(reports) == 3
    failure = Failure(Path("x/report.json"), "x is broken")
    summary = summarise_fits([read_fit(path) for path in reports], [failure])
    by_name = {column.name: column for column in summary.columns}
    nme, psnr = by_name["landmark_nme"], by_name["psnr"]
    assert (nme.least, nme.median, nme.most) == (0.01, 0.02, 0.03)
    # A picture without a likeness does not count.
    assert (psnr.least, psnr.median, psnr.most) == (38.0, 39.0, 40.0)
    assert [(each.status, each.count) for each in summary.statuses] == [("doubtful", 2), ("ok", 1)]
    assert {each.name: each.median for each in summary.seconds} == {
        "total": 2.0,
        "observe": pytest.approx(0.1),
    }
    content = json.loads(fits_json(summary, version="1.2"))
    assert content["count"] == 3
    assert content["statuses"] == {"doubtful": 2, "ok": 1}
    assert content["summary"]["seconds"] == {"least": 1.0, "median": 2.0, "most": 3.0}
    assert content["fits"][1]["psnr"] is None
    assert content["fits"][0]["landmark_nme"] == 0.01
    assert content["failures"] == [{"path": "x/report.json", "error": "x is broken"}]


def test_no_fit_has_no_numbers() -> None:
    summary = summarise_fits([], [])
    assert all(math.isnan(column.median) for column in summary.columns)
    assert json.loads(fits_json(summary, version="1"))["summary"]["psnr"]["median"] is None


@pytest.mark.parametrize(
    "changes",
    [{"seconds": 3}, {"seconds": {}}, {"psnr": "high"}, {"landmark_nme": True}, {"warnings": None}],
)
def test_a_file_that_is_no_report_is_named(tmp_path: Path, changes: dict) -> None:
    path = write_report(tmp_path, **changes)
    with pytest.raises(InputError, match=r"report\.json is no report of flame-fit"):
        read_fit(path)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    for content in ("", "{", "[" * 100_000, "7"):
        path.write_text(content)
        with pytest.raises(FlameFitError, match=r"report\.json is no"):
            read_fit(path)
    with pytest.raises(InputError, match=r"none: holds no report\.json"):
        find_reports([tmp_path / "none"])
