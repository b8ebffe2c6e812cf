"""A texture space from finished fits: read, screen, estimate, measure, write."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from flame_fit import __version__
from flame_fit.asset_files import write_atomically
from flame_fit.errors import InputError
from flame_fit.flame import FlameAssets
from flame_fit.head_models import load_head_model
from flame_fit.head_models.npz_bytes import npz_bytes
from flame_fit.image_files import encode_png
from flame_fit.pipeline.space_fits import FitLimits
from flame_fit.pipeline.space_gather import (
    JOURNAL_FILE,
    GatheredMaps,
    GatherPlace,
    colour_reasons,
    gather_maps,
)
from flame_fit.pipeline.space_page import space_page
from flame_fit.pipeline.space_report import (
    ComponentRecord,
    LeftOut,
    SpaceReport,
    space_report_json,
)
from flame_fit.texture import TexelGeometry, build_texel_geometry
from flame_fit.texture.spaces import (
    COLOURS,
    ChosenMaps,
    JudgedSpace,
    PrincipalAxes,
    SpaceMaps,
    SpaceProgress,
    SpaceSettings,
    StepFolder,
    chequered,
    estimate_space,
    judge_space,
    principal_axes,
    principal_model,
    seen_share,
    space_maps,
)
from flame_fit.texture.texel_geometry import chart_of

WORK_SUFFIX = ".work"
STEPS_FOLDER = "steps"
# Raised whenever the same maps give another space, so that half-finished work is begun anew.
METHOD_VERSION = 1


@dataclass(frozen=True)
class SpacePlan:
    """What a texture space is made from and how.

    Attributes:
        fits: Folder of finished fits; all below it count.
        out: The `.npz` file to write; report and picture lie beside it.
        model: Head model that the fits were made with, a name or a path.
        size: Texels along each side.
        settings: How the space is estimated.
        limits: Which fits are good enough.
        held_out: Share of the fits that the space is only measured on.
        keep_work: Whether the files in between stay, for a later call with the same fits.
    """

    fits: Path
    out: Path
    model: str
    size: int
    settings: SpaceSettings
    limits: FitLimits = FitLimits()
    held_out: float = 0.1
    keep_work: bool = False

    @property
    def work(self) -> Path:
        """Folder of the files in between, which a call that was interrupted leaves behind."""
        return self.out.with_name(self.out.name + WORK_SUFFIX)


def build_texture_space(plan: SpacePlan, *, progress: SpaceProgress) -> SpaceReport:
    """Make a texture space from finished fits; a call that was interrupted goes on.

    Args:
        plan: From what and how.
        progress: Shows how far the work is.

    Returns:
        The report as written beside the space.

    Raises:
        InputError: There are too few usable fits, or a file cannot be written.
        AssetError: The head model cannot be read or has no chart.
    """
    started = time.perf_counter()
    assets = load_head_model(plan.model)
    texels = build_texel_geometry(assets, plan.size)
    gathered = _gather(plan, assets, texels, progress)
    division = _divide(gathered, plan)
    journal = hashlib.sha256((plan.work / JOURNAL_FILE).read_bytes()).hexdigest()
    _begin(plan, "estimate", [asdict(plan.settings), journal, asdict(division)])
    steps = StepFolder(plan.work / STEPS_FOLDER)
    used = ChosenMaps(gathered.maps, division.used)
    found = estimate_space(
        used,
        ChosenMaps(gathered.some, division.used),
        settings=plan.settings,
        steps=steps,
        progress=progress,
    )
    axes = steps.once("axes", PrincipalAxes, lambda: principal_axes(found.model.parts()))
    model = principal_model(found.model, axes, name="final")
    judged = judge_space(
        used,
        ChosenMaps(gathered.maps, division.held_out),
        found,
        model,
        visible=chequered(texels),
        prior=plan.settings.colour,
        progress=progress,
    )
    report = SpaceReport(
        model=assets.name,
        model_sha256=assets.sha256,
        size=plan.size,
        noise=found.codes.summary().noise,
        colours=judged.colours,
        records=_records(judged, axes, texel_count=len(texels.texel)),
        used=_names(gathered, division.used),
        held_out=_names(gathered, division.held_out),
        left_out=_left_out(gathered, division),
        seconds=time.perf_counter() - started,
        version=__version__,
        settings=plan.settings,
    )
    seen = texels.to_map(seen_share(used, model)[:, None])[..., 0].numpy()
    _write(plan, assets, _FoundSpace(space_maps(model, texels), seen), report)
    if not plan.keep_work:
        shutil.rmtree(plan.work, ignore_errors=True)
    return report


def _gather(
    plan: SpacePlan, assets: FlameAssets, texels: TexelGeometry, progress: SpaceProgress
) -> GatheredMaps:
    _begin(plan, "gather", [assets.sha256, plan.size, asdict(plan.limits)])
    place = GatherPlace(plan.fits, plan.work, assets, texels, plan.limits)
    return gather_maps(place, progress=progress)


@dataclass(frozen=True, eq=False)
class _FoundSpace:
    """What is written: the space, and in which share of the maps each texel was seen."""

    maps: SpaceMaps
    seen: Float[np.ndarray, "U U"]


def _begin(plan: SpacePlan, part: str, wanted: list) -> None:
    """Drop what lies in the work folder of a part that was begun otherwise."""
    path = plan.work / f"{part}.json"
    text = json.dumps([METHOD_VERSION, wanted], sort_keys=True)
    try:
        same = path.read_text(encoding="utf-8") == text
    except OSError:
        same = False
    if not same:
        doomed = plan.work if part == "gather" else plan.work / STEPS_FOLDER
        shutil.rmtree(doomed, ignore_errors=True)
        write_atomically(path, text.encode())


@dataclass(frozen=True)
class _Division:
    """Rows of the gathered maps by what they are for; the last field has a text for every row."""

    used: tuple[int, ...]
    held_out: tuple[int, ...]
    off_colour: tuple[str, ...]


def _divide(gathered: GatheredMaps, plan: SpacePlan) -> _Division:
    """Return which maps the space is made from and which it is measured on.

    The photos' digests decide, so that more fits do not change what was chosen by much.

    Raises:
        InputError: Too few are left.
    """
    usable = gathered.usable
    reasons = colour_reasons(gathered, plan.limits) if usable else ()
    rows = [row for row, reason in enumerate(reasons) if not reason]
    rows.sort(key=lambda row: (usable[row].photo_sha256, usable[row].face))
    count = round(plan.held_out * len(rows))
    used, held_out = sorted(rows[count:]), sorted(rows[:count])
    least = plan.settings.components + 1
    if len(used) < least:
        first = next((fit for fit in gathered.looked_at if fit.reason), None)
        why = f" (the first: {first.folder}: {first.reason})" if first else ""
        raise InputError(
            f"{plan.fits}: {len(used)} of {len(gathered.looked_at)} fits can be used{why}; "
            f"{plan.settings.components} components need {least}: give fewer --components or "
            "more fits"
        )
    return _Division(tuple(used), tuple(held_out), reasons)


def _names(gathered: GatheredMaps, rows: Sequence[int]) -> tuple[str, ...]:
    usable = gathered.usable
    return tuple(usable[row].folder for row in rows)


def _left_out(gathered: GatheredMaps, division: _Division) -> tuple[LeftOut, ...]:
    by_report = [LeftOut(fit.folder, fit.reason) for fit in gathered.looked_at if fit.reason]
    by_colour = [
        LeftOut(fit.folder, reason)
        for fit, reason in zip(gathered.usable, division.off_colour, strict=True)
        if reason
    ]
    return (*by_report, *by_colour)


def _records(
    judged: JudgedSpace, axes: PrincipalAxes, *, texel_count: int
) -> tuple[ComponentRecord, ...]:
    deviations = (axes.variance / (COLOURS * texel_count)).sqrt().tolist()
    columns = zip(
        [0.0, *deviations],
        judged.used.explained().tolist(),
        judged.used.root_mean_square().tolist(),
        judged.new.shown.root_mean_square().tolist(),
        judged.new.hidden.root_mean_square().tolist(),
        strict=True,
    )
    return tuple(ComponentRecord(number, *values) for number, values in enumerate(columns))


def _write(plan: SpacePlan, assets: FlameAssets, found: _FoundSpace, report: SpaceReport) -> None:
    """Write the space, its picture and its report; the space comes last."""
    chart = chart_of(assets)
    explained = np.array([record.explained for record in report.records], np.float32)
    arrays = {
        "mean": found.maps.mean,
        "tex_dir": found.maps.components,
        "explained_variance": np.diff(explained),
        "vt": chart.uv.cpu().numpy(),
        "ft": chart.faces.cpu().numpy().astype(np.int32),
    }
    picture = space_page(found.maps, found.seen, np.diff(explained), assets)
    write_atomically(plan.out.with_suffix(".png"), encode_png(picture))
    write_atomically(plan.out.with_suffix(".json"), space_report_json(report).encode())
    write_atomically(plan.out, npz_bytes(arrays))
