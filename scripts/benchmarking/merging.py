"""Photos of one person merged into one head, beside what each photo gives alone."""

from __future__ import annotations

import math
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.appearance import srgb_to_linear
from flame_fit.config import FitConfig
from flame_fit.export import ExportScene, write_result
from flame_fit.export.merged import MergedHead
from flame_fit.pipeline import FitSession
from flame_fit.pipeline.merge_fits import MergePlan, merge_fits
from flame_fit.texture import TexelGeometry
from scripts.benchmarking.merging_measures import (
    COARSE,
    FINE,
    SkinQuality,
    TrueFace,
    skin_quality,
)
from scripts.benchmarking.tables import Table, number
from scripts.benchmarking.texture_measures import UNSEEN
from scripts.benchmarking.texture_people import Person
from scripts.benchmarking.truth import TruthTools, face_millimetres, neutral_head

FRONT, SIDE, MERGED = "front photo", "side photos", "merged"
WHITE = 255.0


@dataclass(frozen=True)
class MergeOutcome:
    """How good the head is that one photo or all of them gave.

    Attributes:
        person: Who.
        light: Of the photos.
        source: `FRONT`, `SIDE` or `MERGED`.
        seen: Share of the face that is seen.
        skin: Of the face.
        shape_mm: Median distance of the true neutral face after a similarity alignment.
    """

    person: str
    light: str
    source: str
    seen: float
    skin: SkinQuality
    shape_mm: float


@dataclass(frozen=True)
class Measure:
    """A row of the table.

    Attributes:
        name: What it shows.
        value: Of one outcome.
        digits: After the point.
        sign: 1 where more is better, -1 where less is, 0 where neither says it.
    """

    name: str
    value: Callable[[MergeOutcome], float]
    digits: int
    sign: int


MEASURES = (
    Measure("share of the face that is seen", lambda it: it.seen, 2, 1),
    Measure("albedo error, whole face", lambda it: it.skin.albedo, 4, -1),
    Measure("after one factor on each colour", lambda it: it.skin.albedo_toned, 4, -1),
    Measure("albedo error, hidden from the front", lambda it: it.skin.hidden, 4, -1),
    Measure("after the face's factors", lambda it: it.skin.hidden_toned, 4, -1),
    Measure("detail over that of the truth", lambda it: it.skin.detail, 2, 0),
    Measure("correlation of detail with the truth", lambda it: it.skin.correlation, 2, 1),
    Measure("shape error, mm", lambda it: it.shape_mm, 2, -1),
)


def merging_session(size: int) -> FitSession:
    """Return what fits the photos, with textures of `size` texels a side."""
    return FitSession(replace(FitConfig(), texture_size=size, device="cpu"))


def measure_person(person: Person, session: FitSession) -> list[MergeOutcome]:
    """Fit the photos of a person, merge the fits, and return how good all of these are."""
    with tempfile.TemporaryDirectory(prefix="flame_fit_") as name:
        fits = fit_photos(person, session, Path(name))
        merged = merge_fits(MergePlan(tuple(Path(name) / f"{at}" for at in range(len(fits)))))
    return judge(person, fits, merged, session)


def fit_photos(person: Person, session: FitSession, folder: Path) -> list[ExportScene]:
    """Fit the photos of a person, write each fit into a folder of its number, and return them."""
    fits = [session.fit(path)[0].export for path in person.write_photos(folder)]
    for at, fit in enumerate(fits):
        write_result(fit, folder / f"{at}")
    return fits


def judge(
    person: Person, fits: Sequence[ExportScene], merged: MergedHead, session: FitSession
) -> list[MergeOutcome]:
    """Return how good each head is.

    Args:
        person: Whose they are.
        fits: Of the photos, that of the front first.
        merged: Of all fits.
        session: What fitted the photos.
    """
    tools = session.tools
    truth = TrueFace.of(person.albedo(), tools.assets, tools.layout.texels)
    neutral = neutral_head(TruthTools.load().model, person.scene(0).flame.shape)
    hidden = truth.face & (_confidence(fits[0], truth.texels) < UNSEEN)
    sources = (FRONT, *(SIDE for _ in fits[1:]), MERGED)
    outcomes = []
    for source, found in zip(sources, (*fits, merged), strict=True):
        albedo = srgb_to_linear(torch.from_numpy(found.texture).float() / WHITE)
        head = neutral_head(tools.model, torch.from_numpy(found.params.shape)[None])
        outcomes.append(
            MergeOutcome(
                person=person.name,
                light=person.light,
                source=source,
                seen=float(_confidence(found, truth.texels)[truth.face].mean()),
                skin=skin_quality(truth.texels.from_map(albedo), truth, hidden=hidden),
                shape_mm=face_millimetres(head, neutral),
            )
        )
    return outcomes


def merge_table(outcomes: Sequence[MergeOutcome], light: str) -> Table:
    """Return the means over the people in one kind of light, a row for each measure."""
    own = [outcome for outcome in outcomes if outcome.light == light]
    people = len({outcome.person for outcome in own})
    sources = (FRONT, SIDE, MERGED)
    rows = tuple(
        (
            measure.name,
            *(number(_mean(own, source, measure), measure.digits) for source in sources),
            _better(own, measure),
        )
        for measure in MEASURES
    )
    note = (
        "Rendered heads with spots on the skin, each in a photo from the front and one from each "
        "side. Errors are mean absolute errors of linear albedo; detail is the band between "
        f"{FINE} and {COARSE} texels of the logarithm of brightness; shape is the median distance "
        "of the neutral face after alignment. The last column counts the people whose merged head "
        "is better than that of the front photo."
    )
    headings = ("", *sources, "better merged")
    return Table(f"Photos merged: {light}, {people} people", headings, rows, note)


def _better(outcomes: Sequence[MergeOutcome], measure: Measure) -> str:
    """Return for how many people merging was better than the front photo alone."""
    if measure.sign == 0:
        return ""
    by_source = [
        [measure.sign * measure.value(each) for each in outcomes if each.source == source]
        for source in (MERGED, FRONT)
    ]
    pairs = list(zip(*by_source, strict=True))
    return f"{sum(merged > front for merged, front in pairs)} of {len(pairs)}"


def _mean(outcomes: Sequence[MergeOutcome], source: str, measure: Measure) -> float:
    values = [measure.value(each) for each in outcomes if each.source == source]
    known = [value for value in values if math.isfinite(value)]
    return statistics.fmean(known) if known else math.nan


def _confidence(found: ExportScene | MergedHead, texels: TexelGeometry) -> Float[Tensor, " N"]:
    (image,) = (each.image for each in found.maps if each.name == "confidence")
    return texels.from_map(torch.from_numpy(image)[..., None].float() / WHITE)[:, 0]
