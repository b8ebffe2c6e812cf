"""Accuracy of presets and baselines, and of the fit without each of its terms, on known heads."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import multiprocessing
import statistics
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from flame_fit.config import PRESETS, FitConfig, TermWeights
from flame_fit.errors import FlameFitError, UsageError
from flame_fit.flame import FlameModel
from flame_fit.pipeline import FitSession
from flame_fit.pipeline.assemble import ObservedFace
from flame_fit.scene import SceneParams
from scripts.benchmarking.tables import Table, number, percent
from scripts.benchmarking.truth import CaseErrors, removed_share

PRIORS = ("identity", "expression", "jaw", "neck", "eyes", "distance", "focal", "light", "texture")
"""Terms that hold the head near what is usual; all others are evidence."""
SHAPE_PRIORS = ("identity", "expression")
ALWAYS = "landmarks"
"""Without this nothing tells where the head is."""
LANDMARKS = (ALWAYS, "lids", "lips", "irises", "contour")
"""Points seen in the photo."""
SOURCES = ("uv", "parser")
"""Options that say what is asked about a face beside the landmarks."""
PINNED = 1e6
"""Weight of a prior that leaves its coefficients at 0."""
TEXTURE_SIZE = 64
"""The written texture is not measured here."""


class Case(Protocol):
    """A photo of a head that is known."""

    @property
    def group(self) -> str:
        """Name of the set that it belongs to."""
        ...

    def write_photo(self, folder: Path) -> Path:
        """Write the photo and return its path."""
        ...

    def errors(self, fitted: SceneParams, model: FlameModel) -> CaseErrors:
        """Return how far a fit is from the truth."""
        ...


@dataclass(frozen=True)
class Variant:
    """One way to fit.

    Attributes:
        name: In the table.
        config: The configuration.
    """

    name: str
    config: FitConfig


@dataclass(frozen=True)
class Outcome:
    """What one variant made of one case; no errors where the fit failed."""

    variant: str
    group: str
    errors: CaseErrors | None


def presets_and_baselines(presets: Sequence[str] = tuple(PRESETS)) -> tuple[Variant, ...]:
    """Return the two baselines and the presets."""
    standard = PRESETS["standard"]
    weights = standard.weights
    pinned = dataclasses.replace(weights, **dict.fromkeys(SHAPE_PRIORS, PINNED))
    return (
        Variant("template only", _standard(_without(pinned, _evidence()))),
        Variant("landmarks only", _standard(_without(weights, _evidence()))),
        *(Variant(name, _shrunk(PRESETS[name])) for name in presets),
    )


def ablations(preset: str = "standard") -> tuple[Variant, ...]:
    """Return a preset, and the same without each term and each source that may be left out."""
    config = PRESETS[preset]
    variants = [Variant(preset, _shrunk(config))]
    for name in term_names():
        if getattr(config.weights, name) == 0:
            # The term is off in this preset: what would it do?
            weights = _weights(config.weights, {name: 1.0})
            variants.append(Variant(f"with {name}", _shrunk(config, weights)))
            continue
        with contextlib.suppress(UsageError):
            weights = _weights(config.weights, {name: 0.0})
            variants.append(Variant(f"without {name}", _shrunk(config, weights)))
    for name in SOURCES:
        if getattr(config, name) != "none":
            without = dataclasses.replace(config, **{name: "none"})
            variants.append(Variant(f"without --{name}", _shrunk(without)))
    return tuple(variants)


def term_names() -> tuple[str, ...]:
    """Return the terms of the fit."""
    return tuple(field.name for field in dataclasses.fields(TermWeights))


def measure(
    variants: Sequence[Variant],
    cases: Sequence[Case],
    *,
    workers: int,
    on_fit: Callable[[], None] = lambda: None,
) -> list[Outcome]:
    """Fit every case in every way; several processes, each with one thread.

    Args:
        variants: Ways to fit.
        cases: Photos with their truth.
        workers: Processes; with 1 everything runs in this one.
        on_fit: Called after each fit.
    """
    with tempfile.TemporaryDirectory() as folder:
        jobs = [_Job(case, tuple(variants), folder) for case in cases]
        found = _one_by_one(jobs, on_fit) if workers == 1 else _side_by_side(jobs, workers, on_fit)
    return [outcome for outcomes in found for outcome in outcomes]


def _one_by_one(jobs: Sequence[_Job], on_fit: Callable[[], None]) -> list[list[Outcome]]:
    found = []
    for job in jobs:
        found.append(job.run())
        on_fit()
    return found


def _side_by_side(
    jobs: Sequence[_Job], workers: int, on_fit: Callable[[], None]
) -> list[list[Outcome]]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_one_thread) as pool:
        futures = [pool.submit(job.run) for job in jobs]
        try:
            for future in as_completed(futures):
                future.result()
                on_fit()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        return [future.result() for future in futures]


@dataclass(frozen=True)
class _Job:
    """One photo, fitted in every way."""

    case: Case
    variants: tuple[Variant, ...]
    folder: str

    def run(self) -> list[Outcome]:
        photo = self.case.write_photo(Path(self.folder))
        try:
            # All variants find faces in the same way.
            face = _session(self.variants[0].config).observe(photo)[0]
        except FlameFitError:
            face = None
        photo.unlink()
        return [
            Outcome(variant.name, self.case.group, self._errors(variant, face))
            for variant in self.variants
        ]

    def _errors(self, variant: Variant, face: ObservedFace | None) -> CaseErrors | None:
        if face is None:
            return None
        session = _session(variant.config)
        try:
            result = session.fit_faces([_as_asked(face, variant.config)])[0]
        except FlameFitError:
            return None
        return self.case.errors(result.scene, session.tools.model)


def _as_asked(face: ObservedFace, config: FitConfig) -> ObservedFace:
    """Return a face without what a configuration does not ask about it."""
    evidence = face.evidence
    if config.uv == "none":
        evidence = dataclasses.replace(evidence, dense=None)
    if config.parser == "none":
        evidence = dataclasses.replace(evidence, parsing=None)
    return dataclasses.replace(face, evidence=evidence)


@lru_cache(maxsize=32)
def _session(config: FitConfig) -> FitSession:
    return FitSession(config)


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def accuracy_tables(outcomes: Sequence[Outcome], *, title: str) -> list[Table]:
    """Return a table for each set of cases, a row for each variant in the order they came."""
    groups = list(dict.fromkeys(outcome.group for outcome in outcomes))
    return [_table([each for each in outcomes if each.group == group], title) for group in groups]


def _table(outcomes: Sequence[Outcome], title: str) -> Table:
    names = list(dict.fromkeys(outcome.variant for outcome in outcomes))
    first = _mean_geometry([each for each in outcomes if each.variant == names[0]])
    rows = []
    for name in names:
        own = [each for each in outcomes if each.variant == name]
        rows.append((name, *_cells([each.errors for each in own if each.errors], first, len(own))))
    count = sum(outcome.variant == names[0] for outcome in outcomes)
    return Table(
        f"{title}: {outcomes[0].group}, {count} photos",
        (
            "",
            "error removed",
            f"vs {names[0]}",
            "geometry mm",
            "template mm",
            "posed mm",
            "pose deg",
            "view deg",
            "landmarks px",
            "light",
            "failed",
        ),
        tuple(rows),
        "Geometry: median distance of the true face without expression from the fitted one, "
        "after a similarity alignment, mean over the photos; error removed: its share of the mean "
        "head's own error; posed: the same with the expression of the photo; "
        "pose, view and landmarks: middle of the photos; light: relative error of the shading up "
        "to exposure.",
    )


def _cells(errors: list[CaseErrors], first: float, count: int) -> tuple[str, ...]:
    geometry = _mean([each.geometry_mm for each in errors])
    return (
        percent(removed_share(errors)),
        f"{geometry - first:+.3f} mm" if math.isfinite(geometry - first) else "-",
        number(geometry, 3),
        number(_mean([each.template_mm for each in errors]), 3),
        number(_mean([each.posed_mm for each in errors]), 3),
        number(_middle([each.pose_degrees for each in errors])),
        number(_middle([each.view_degrees for each in errors])),
        number(_middle([each.landmark_pixels for each in errors])),
        number(_middle([each.light for each in errors])),
        str(count - len(errors)),
    )


def _mean_geometry(outcomes: Sequence[Outcome]) -> float:
    return _mean([each.errors.geometry_mm for each in outcomes if each.errors])


def _mean(values: list[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return statistics.fmean(known) if known else math.nan


def _middle(values: list[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return statistics.median(known) if known else math.nan


def _evidence() -> tuple[str, ...]:
    """Return the terms that baselines do without."""
    return tuple(name for name in term_names() if name not in (*PRIORS, *LANDMARKS))


def _without(weights: TermWeights, names: Sequence[str]) -> TermWeights:
    return _weights(weights, dict.fromkeys(names, 0.0))


def _weights(weights: TermWeights, changed: dict[str, float]) -> TermWeights:
    return dataclasses.replace(weights, **changed)


def _standard(weights: TermWeights) -> FitConfig:
    return _shrunk(PRESETS["standard"], weights)


def _shrunk(config: FitConfig, weights: TermWeights | None = None) -> FitConfig:
    return dataclasses.replace(
        config, texture_size=TEXTURE_SIZE, device="cpu", weights=weights or config.weights
    )
