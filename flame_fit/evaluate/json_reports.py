"""What an evaluation found, as the text of `evaluation.json`."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from flame_fit.evaluate.fits_report import COLUMNS, FitRow, FitsSummary
from flame_fit.evaluate.geometry_report import Failure, GeometrySet, PairResult

DIGITS = 6
Json = dict[str, object]


def geometry_json(
    sets: Sequence[GeometrySet], *, protocol: str, metrical: bool, version: str
) -> str:
    """Return every pair and the pooled statistics of each set, in millimetres."""
    content = {
        "kind": "geometry",
        "protocol": protocol,
        "metrical": metrical,
        "version": version,
        "sets": [_set(each) for each in sets],
    }
    return _text(content)


def fits_json(summary: FitsSummary, *, version: str) -> str:
    """Return every fit and what they are together."""
    content = {
        "kind": "fits",
        "version": version,
        "count": len(summary.rows),
        "statuses": {each.status: each.count for each in summary.statuses},
        "summary": {
            each.name: {"least": each.least, "median": each.median, "most": each.most}
            for each in summary.columns
        },
        "seconds": {each.name: each.median for each in summary.seconds},
        "fits": [_fit(row) for row in summary.rows],
        "failures": _failures(summary.failures),
    }
    return _text(content)


def _set(each: GeometrySet) -> Json:
    curve = each.curve
    return {
        "name": each.name,
        "points": sum(len(result.distances) for result in each.results),
        "median_mm": each.median,
        "mean_mm": each.mean,
        "std_mm": each.std,
        "pairs": [_pair(result) for result in each.results],
        "failures": _failures(each.failures),
        "curve": None
        if curve is None
        else {"mm": _list(curve.thresholds), "share": _list(curve.shares)},
    }


def _pair(result: PairResult) -> Json:
    return {
        "prediction": str(result.prediction),
        "truth": str(result.truth),
        "start": result.start,
        "truth_unit": result.unit,
        "scale": result.scale,
        "points": len(result.distances),
        "median_mm": result.median,
        "mean_mm": result.mean,
        "std_mm": result.std,
        "back_median_mm": result.back_median,
    }


def _fit(row: FitRow) -> Json:
    values = dict(zip(COLUMNS, row.values, strict=True))
    return {"folder": str(row.folder), "photo": row.photo, "status": row.status, **values}


def _failures(failures: Sequence[Failure]) -> list[Json]:
    return [{"path": str(each.path), "error": each.reason} for each in failures]


def _list(values: Float[Tensor, "n"]) -> list[float]:
    return [float(value) for value in values]


def _text(content: Json) -> str:
    return json.dumps(_rounded(content), indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def _rounded(value: object) -> object:
    """Round numbers to what they are worth; those that are not finite become null."""
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    if isinstance(value, float):
        return round(value, DIGITS) if math.isfinite(value) else None
    return value
