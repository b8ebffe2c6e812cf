"""Seconds of this project's fits beside those of the seed's schedule, in one run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from flame_fit.appearance import TextureSpace, load_texture_space
from flame_fit.errors import UsageError
from flame_fit.flame import FlameModel, load_assets
from flame_fit.image_files import save_png
from flame_fit.render import make_rasterizer, render_shape
from scripts.benchmarking.seed_photo import PreparedFace, prepare_photo
from scripts.benchmarking.seed_schedule import (
    IMAGE_SIDE,
    SeedFit,
    SeedParams,
    SeedSettings,
    SeedTools,
    fit_seed,
    render_seed,
)
from scripts.benchmarking.tables import Spread, Table, number, ratio
from scripts.benchmarking.timing import TimingRequest, time_in_own_process

OWN_RASTERISER = "warp"
OTHER_RASTERISERS = ("pytorch3d", "nvdiffrast")
PRESETS = ("standard", "fast")
MILLISECONDS = 1000.0
PICTURE_GAMMA = 1.0 / 2.2


@dataclass(frozen=True)
class SeedPlan:
    """How much of the schedule is run.

    Attributes:
        passes: Passes of each stage on this project's rasteriser; None for all.
        slow_passes: Passes of each stage on the others; None for all.
        repeats: Fits of each preset.
        device: For everything.
        pictures: Folder for a picture of the seed's fit, none without.
    """

    passes: int | None = None
    slow_passes: int | None = 3
    repeats: int = 5
    device: str = "cpu"
    pictures: Path | None = None


@dataclass(frozen=True)
class PresetSeconds:
    """Seconds of one preset, from reading the photo to the finished texture."""

    preset: str
    seconds: Spread


@dataclass(frozen=True)
class ScheduleSeconds:
    """Seconds of the schedule with one rasteriser.

    Attributes:
        rasteriser: Its name.
        rigid_pass: Middle duration of a pass of the first stage.
        full_pass: The same for the second.
        passes_run: Of both stages.
        passes: Of the whole schedule.
        total: Seconds of the whole schedule: measured if all passes ran, else extrapolated.
        missing: Why it did not run, empty if it did.
    """

    rasteriser: str
    rigid_pass: float = float("nan")
    full_pass: float = float("nan")
    passes_run: int = 0
    passes: int = 0
    total: float = float("nan")
    missing: str = ""

    @property
    def extrapolated(self) -> bool:
        """Whether the total is more than what was run."""
        return self.passes_run < self.passes


@dataclass(frozen=True)
class SeedComparison:
    """Both sides of the comparison."""

    presets: tuple[PresetSeconds, ...]
    schedules: tuple[ScheduleSeconds, ...]


def compare_with_seed(
    photo: Path, plan: SeedPlan, *, on_step: Callable[[str], None]
) -> SeedComparison:
    """Time presets and the seed's schedule on one photo.

    Args:
        photo: With one face.
        plan: How much is run.
        on_step: Called with what is done next.
    """
    presets = []
    for preset in PRESETS:
        on_step(f"preset {preset}")
        request = TimingRequest(preset, (str(photo),), plan.repeats, plan.device)
        presets.append(PresetSeconds(preset, time_in_own_process(request).spread("total")))
    on_step("the seed's schedule on warp")
    face = prepare_photo(photo)
    bench = SeedBench.load(plan.device)
    fit, own = bench.time_schedule(face, OWN_RASTERISER, passes=plan.passes)
    if plan.pictures is not None:
        tools = bench.tools(OWN_RASTERISER)
        save_png(plan.pictures / f"seed_{photo.stem}.png", seed_picture(face, fit, tools))
    schedules = [own]
    for name in OTHER_RASTERISERS:
        on_step(f"the seed's schedule on {name}")
        try:
            _, timed = bench.time_schedule(
                face, name, passes=plan.slow_passes, start=fit.params if plan.slow_passes else None
            )
        except UsageError as error:
            timed = ScheduleSeconds(name, missing=str(error))
        schedules.append(timed)
    return SeedComparison(tuple(presets), tuple(schedules))


@dataclass(frozen=True, eq=False)
class SeedBench:
    """Models for the schedule, loaded once."""

    model: FlameModel
    space: TextureSpace
    settings: SeedSettings
    device: torch.device

    @staticmethod
    def load(device: str = "cpu") -> SeedBench:
        """Load OpenHead and its texture space."""
        place, settings, assets = torch.device(device), SeedSettings(), load_assets()
        model = FlameModel(
            assets,
            shape_count=min(settings.shape_count, assets.shape_basis.shape[-1]),
            expression_count=min(settings.expression_count, assets.expression_basis.shape[-1]),
            device=place,
        )
        return SeedBench(model, load_texture_space().to(device=place), settings, place)

    def tools(self, rasteriser: str) -> SeedTools:
        """Return what the passes run on.

        Raises:
            UsageError: The rasteriser is not installed or cannot run on the device.
        """
        rasterizer = make_rasterizer(rasteriser, self.device)
        return SeedTools.of(self.model, self.space, rasterizer, settings=self.settings)

    def time_schedule(
        self,
        face: PreparedFace,
        rasteriser: str,
        *,
        passes: int | None = None,
        start: SeedParams | None = None,
    ) -> tuple[SeedFit, ScheduleSeconds]:
        """Run the schedule, or a number of passes of each stage after one that does not count.

        Args:
            face: The prepared photo.
            rasteriser: Its name.
            passes: Of each stage; all of them if None.
            start: Where to begin; the few passes of a slow rasteriser begin at a finished fit, so
                that the head is as large in them as in most of the schedule.
        """
        settings, run = self.settings, self.settings
        if passes is not None:
            run = dataclasses.replace(
                run,
                rigid_passes=min(passes + 1, run.rigid_passes),
                full_passes=min(passes + 1, run.full_passes),
            )
        photo = face.seed.to(self.device)
        fit = fit_seed(photo, self.tools(rasteriser), settings=run, start=start)
        total = sum(fit.rigid_seconds) + sum(fit.full_seconds)
        rigid = Spread.of(fit.rigid_seconds[1:]).median
        full = Spread.of(fit.full_seconds[1:]).median
        if passes is not None:
            total = rigid * settings.rigid_passes + full * settings.full_passes
        return fit, ScheduleSeconds(
            rasteriser=rasteriser,
            rigid_pass=rigid,
            full_pass=full,
            passes_run=len(fit.rigid_seconds) + len(fit.full_seconds),
            passes=settings.rigid_passes + settings.full_passes,
            total=total,
        )


def seed_picture(face: PreparedFace, fit: SeedFit, tools: SeedTools) -> np.ndarray:
    """Return photo, skin mask with landmarks, fit over the photo and shape side by side."""
    picture = render_seed(fit.params, tools, side=IMAGE_SIDE)
    drawn = (picture.image[0].clamp(0.0, 1.0) * 255.0).cpu().numpy()
    share = picture.coverage[0, ..., None].cpu().numpy()
    over = (drawn * share + face.srgb * (1.0 - share)).round().astype(np.uint8)
    masked = (face.seed.mask[0].numpy() * face.srgb).astype(np.uint8)
    half = 0.5 * IMAGE_SIDE
    for x, y in ((face.seed.landmarks[0].numpy() + 1.0) * half).round().astype(int).tolist():
        cv2.circle(masked, (x, y), 1, (0, 255, 0), -1)
    shape = render_shape(
        tools.model.mesh(fit.params.flame()),
        fit.params.view(IMAGE_SIDE),
        image_size=(IMAGE_SIDE, IMAGE_SIDE),
        rasterizer=tools.rasterizer,
    )
    clay = (shape.image[0].clamp(0.0, 1.0) ** PICTURE_GAMMA * 255.0).cpu().numpy()
    return np.concatenate([face.srgb, masked, over, clay.astype(np.uint8)], axis=1)


def seed_table(comparison: SeedComparison) -> Table:
    """Return the comparison, ratios first."""
    of_preset = {each.preset: each.seconds.median for each in comparison.presets}
    rows = [
        (f"flame_fit, {each.preset}", *_ratios(each.seconds.median, of_preset), *_blank(each))
        for each in comparison.presets
    ]
    rows += [_schedule_row(each, of_preset) for each in comparison.schedules]
    return Table(
        "Beside the seed's schedule (200 rigid and 800 full Adam passes at 224 px)",
        ("", "x standard", "x fast", "seconds", "rigid pass ms", "full pass ms", "passes run"),
        tuple(rows),
        _note(comparison.schedules),
    )


def _ratios(seconds: float, of_preset: dict[str, float]) -> tuple[str, str, str]:
    return (
        ratio(seconds / of_preset["standard"]),
        ratio(seconds / of_preset["fast"]),
        number(seconds),
    )


def _blank(each: PresetSeconds) -> tuple[str, str, str]:
    return "-", "-", f"{number(each.seconds.minimum)} to {number(each.seconds.maximum)} s"


def _schedule_row(each: ScheduleSeconds, of_preset: dict[str, float]) -> tuple[str, ...]:
    name = f"seed's schedule, {each.rasteriser}"
    if each.missing:
        return (name, "not run", *("-",) * 5)
    run = f"{each.passes_run} of {each.passes:,}"
    return (
        f"{name} (extrapolated)" if each.extrapolated else name,
        *_ratios(each.total, of_preset),
        number(MILLISECONDS * each.rigid_pass, 1),
        number(MILLISECONDS * each.full_pass, 1),
        run,
    )


def _note(schedules: Sequence[ScheduleSeconds]) -> str:
    lines = [
        "Middle of several fits of one photo; those of flame_fit find face and landmarks, skin and "
        "texture too, the seed's schedule is given its landmarks and mask. It runs on this "
        "project's head model and renderer; only the rasteriser is exchanged."
    ]
    if any(each.extrapolated and not each.missing for each in schedules):
        lines.append("Extrapolated: the middle duration of the passes that ran, times 200 and 800.")
    lines += [f"{each.rasteriser}: {each.missing}." for each in schedules if each.missing]
    return " ".join(lines)
