"""What the seed's schedule makes of heads that are known, beside this project's fit."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from flame_fit.config import PRESETS
from flame_fit.image_files import save_png
from flame_fit.pipeline import FitSession
from scripts.benchmarking.seed_comparison import (
    OWN_RASTERISER,
    SeedBench,
    SeedPlan,
    seed_picture,
)
from scripts.benchmarking.seed_photo import prepare_photo
from scripts.benchmarking.tables import Table, number
from scripts.benchmarking.truth import SyntheticCase, face_millimetres, neutral_head

PRESET = "standard"


@dataclass(frozen=True)
class SeedHead:
    """One known head, fitted by both.

    Attributes:
        index: Of the picture in the plain set.
        template_mm: Median error of the mean head, millimetres.
        own_mm: The same of the standard preset.
        seed_mm: The same of the seed's schedule.
        own_seconds: Duration of the standard preset.
        seed_seconds: Duration of the passes that were run.
    """

    index: int
    template_mm: float
    own_mm: float
    seed_mm: float
    own_seconds: float
    seed_seconds: float


def measure_seed_heads(
    indices: Sequence[int], plan: SeedPlan, *, on_step: Callable[[str], None]
) -> tuple[SeedHead, ...]:
    """Fit plain heads with the standard preset and with the seed's schedule.

    Args:
        indices: Of the pictures.
        plan: How many passes are run.
        on_step: Called with what is done next.
    """
    if not indices:
        return ()
    session, bench = FitSession(PRESETS[PRESET]), SeedBench.load(plan.device)
    with tempfile.TemporaryDirectory() as folder:
        heads = []
        for index in indices:
            on_step(f"known head {index}")
            case = SyntheticCase("plain", index)
            photo = case.write_photo(Path(folder))
            heads.append(_fit_both(case, photo, session, bench, plan))
    return tuple(heads)


def _fit_both(
    case: SyntheticCase, photo: Path, session: FitSession, bench: SeedBench, plan: SeedPlan
) -> SeedHead:
    begun = time.perf_counter()
    scene = session.fit(photo)[0].scene
    own_seconds = time.perf_counter() - begun
    face = prepare_photo(photo)
    fit, seconds = bench.time_schedule(face, OWN_RASTERISER, passes=plan.passes)
    if plan.pictures is not None:
        picture = seed_picture(face, fit, bench.tools(OWN_RASTERISER))
        save_png(plan.pictures / f"seed_{photo.stem}.png", picture)
    truth = case.neutral()
    fitted = neutral_head(session.tools.model, scene.flame.shape)
    return SeedHead(
        index=case.index,
        template_mm=face_millimetres(bench.model.assets.v_template.cpu(), truth),
        own_mm=face_millimetres(fitted.cpu(), truth),
        seed_mm=face_millimetres(neutral_head(bench.model, fit.params.shape).cpu(), truth),
        own_seconds=own_seconds,
        seed_seconds=seconds.total,
    )


def seed_heads_table(heads: Sequence[SeedHead]) -> Table:
    """Return the errors of both, a row for each head."""
    rows = tuple(
        (
            str(head.index),
            number(head.template_mm),
            number(head.own_mm),
            number(head.seed_mm),
            number(head.own_seconds),
            number(head.seed_seconds),
        )
        for head in heads
    )
    return Table(
        "Geometry on known heads (plain set), beside the seed's schedule",
        ("picture", "template mm", f"{PRESET} mm", "seed mm", f"{PRESET} s", "seed s"),
        rows,
        "Median distance of the true neutral face from the fitted one after a similarity "
        "alignment.",
    )
