"""What many fits are together, from their `report.json` files."""

from __future__ import annotations

import json
import math
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flame_fit.errors import InputError
from flame_fit.evaluate.geometry_report import Failure
from flame_fit.evaluate.pairs import REPORT_FILE
from flame_fit.untrusted import read_file

MAXIMUM_REPORT_BYTES = 16 * 2**20
COLUMNS = ("landmark_nme", "psnr_model", "psnr", "coverage", "seconds")
"""Numbers of each fit; `seconds` is its total."""


@dataclass(frozen=True)
class FitRow:
    """One fit."""

    folder: Path
    photo: str
    """Name of its photo."""
    status: str
    values: tuple[float, ...]
    """In the order of `COLUMNS`; NaN where the report has null."""
    warnings: tuple[str, ...]
    seconds: tuple[StageSeconds, ...]


@dataclass(frozen=True)
class StageSeconds:
    """Time of one part of a fit, or the median over many fits."""

    name: str
    median: float


@dataclass(frozen=True)
class ColumnSummary:
    """One number over all fits that have it; NaN if none has."""

    name: str
    least: float
    median: float
    most: float


@dataclass(frozen=True)
class StatusCount:
    """How many fits ended in a way."""

    status: str
    count: int


@dataclass(frozen=True)
class FitsSummary:
    """Many fits."""

    rows: tuple[FitRow, ...]
    failures: tuple[Failure, ...]
    statuses: tuple[StatusCount, ...]
    columns: tuple[ColumnSummary, ...]
    seconds: tuple[StageSeconds, ...]


def find_reports(folders: Sequence[Path]) -> tuple[Path, ...]:
    """Return all `report.json` in folders and below them, each once, in order.

    Raises:
        InputError: A folder does not exist or holds no report.
    """
    found: dict[Path, Path] = {}
    for folder in folders:
        reports = sorted(folder.rglob(REPORT_FILE)) if folder.is_dir() else []
        if not reports:
            raise InputError(f"{folder}: holds no {REPORT_FILE}; give folders written by a fit")
        for report in reports:
            found.setdefault(report.resolve(), report)
    return tuple(found.values())


def read_fit(report: Path) -> FitRow:
    """Return the row of one `report.json`.

    Raises:
        InputError: It is no report of a fit.
        AssetError: It cannot be read.
    """
    try:
        content = json.loads(read_file(report, maximum_bytes=MAXIMUM_REPORT_BYTES))
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{report} is no JSON; fit the photo again") from error
    try:
        seconds = {name: _number(value) for name, value in content["seconds"].items()}
        numbers = [_number(content[name]) for name in COLUMNS[:-1]]
        return FitRow(
            folder=report.parent,
            photo=Path(str(content["photo"])).name,
            status=str(content["status"]),
            values=(*numbers, seconds["total"]),
            warnings=tuple(str(line) for line in content["warnings"]),
            seconds=tuple(StageSeconds(name, value) for name, value in seconds.items()),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        reason = " ".join(str(error).split())[:80]
        raise InputError(
            f"{report} is no report of flame-fit ({type(error).__name__}: {reason}); "
            "fit the photo again"
        ) from error


def summarise_fits(rows: Sequence[FitRow], failures: Sequence[Failure]) -> FitsSummary:
    """Return the fits with counts, smallest, middle and largest values."""
    counts = Counter(row.status for row in rows)
    by_stage: dict[str, list[float]] = {}
    for row in rows:
        for stage in row.seconds:
            by_stage.setdefault(stage.name, []).append(stage.median)
    return FitsSummary(
        rows=tuple(rows),
        failures=tuple(failures),
        statuses=tuple(StatusCount(status, count) for status, count in counts.most_common()),
        columns=tuple(
            _column(name, [row.values[k] for row in rows]) for k, name in enumerate(COLUMNS)
        ),
        seconds=tuple(
            StageSeconds(name, _column(name, values).median) for name, values in by_stage.items()
        ),
    )


def _column(name: str, values: Sequence[float]) -> ColumnSummary:
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return ColumnSummary(name, math.nan, math.nan, math.nan)
    return ColumnSummary(name, min(finite), statistics.median(finite), max(finite))


def _number(value: object) -> float:
    """Return a JSON number; null stands for one that was not finite."""
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r} is no number")
    return float(value)
