"""The parts of the benchmark: each measures something and returns tables and numbers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from scripts.benchmarking import foreign_truth, merging, speed, texture
from scripts.benchmarking.accuracy import (
    Case,
    Variant,
    ablations,
    accuracy_tables,
    measure,
    presets_and_baselines,
)
from scripts.benchmarking.options import Options
from scripts.benchmarking.parity import compare_devices, parity_table
from scripts.benchmarking.record import Environment, Part
from scripts.benchmarking.seed_accuracy import measure_seed_heads, seed_heads_table
from scripts.benchmarking.seed_comparison import SeedPlan, compare_with_seed, seed_table
from scripts.benchmarking.synthetic_fits import SyntheticFits
from scripts.benchmarking.tables import Table
from scripts.benchmarking.texture_people import LIGHTS, Person, TurningPerson
from scripts.benchmarking.texture_space import measure_space, space_table
from scripts.benchmarking.truth import SyntheticCase

FIRST_GROUP = "plain"
SCALING_PRESET = "standard"
BATCH_PRESET = "fast"
SCALING_REPEATS = 3


class Steps(Protocol):
    """Shows how far a part is."""

    def expect(self, total: int) -> None:
        """Say how many steps there will be."""
        ...

    def step(self, name: str) -> None:
        """Say what comes next."""
        ...


@dataclass(frozen=True)
class Measured:
    """What a part found."""

    tables: tuple[Table, ...]
    values: object


def run_part(name: str, options: Options, steps: Steps) -> Part:
    """Measure one part.

    Args:
        name: One of `options.PARTS`.
        options: What is measured.
        steps: Shows progress.
    """
    environment, begun = Environment.here(), time.perf_counter()
    measured = _PARTS[name](options, steps)
    return Part.finished(
        name, measured.tables, measured.values, begun=begun, environment=environment
    )


def _accuracy(options: Options, steps: Steps) -> Measured:
    return _fits(presets_and_baselines(), options, steps, title="Accuracy")


def _ablation(options: Options, steps: Steps) -> Measured:
    title = "Standard without each of its terms"
    return _fits(ablations(), options, steps, title=title, count=options.ablation_heads)


def _fits(
    variants: Sequence[Variant],
    options: Options,
    steps: Steps,
    *,
    title: str,
    count: int | None = None,
) -> Measured:
    cases = _cases(options, count)
    steps.expect(len(cases))
    outcomes = measure(
        variants, cases, workers=options.workers, on_fit=lambda: steps.step(title.lower())
    )
    found = accuracy_tables(outcomes, title=title)
    measured = {outcome.group for outcome in outcomes}
    found += [_left_out(group, options) for group in options.groups if group not in measured]
    return Measured(tuple(found), outcomes)


def _left_out(group: str, options: Options) -> Table:
    """Return an empty table that says why."""
    note = f"Its data is not in {options.shared / 'data'}; give --shared."
    return Table(f"{group}: left out", ("",), (), note)


def _cases(options: Options, count: int | None) -> list[Case]:
    """Return the known heads, sets one after the other; at most `count` of each, if given."""
    cases: list[Case] = []
    for group in options.groups:
        if group == foreign_truth.GROUP:
            cases += foreign_truth.foreign_cases(options.shared)
            continue
        wanted = options.heads if group == FIRST_GROUP else options.more_heads
        wanted = wanted if count is None else min(count, wanted)
        numbers = range(options.first, options.first + wanted)
        cases += [SyntheticCase(group, number) for number in numbers]
    return cases


def _seed(options: Options, steps: Steps) -> Measured:
    plan = SeedPlan(
        passes=options.passes,
        slow_passes=None if options.full else SeedPlan.slow_passes,
        repeats=options.repeats,
        device=options.device,
        pictures=options.pictures,
    )
    comparison = compare_with_seed(options.photos[0], plan, on_step=steps.step)
    heads = measure_seed_heads(
        range(options.first, options.first + options.seed_heads), plan, on_step=steps.step
    )
    tables = [seed_table(comparison)]
    if heads:
        tables.append(seed_heads_table(heads))
    return Measured(tuple(tables), (comparison, heads))


def _speed(options: Options, steps: Steps) -> Measured:
    presets = speed.time_presets(
        options.photos, repeats=options.repeats, device=options.device, on_step=steps.step
    )
    cold = speed.time_cold_starts(options.photos[0], repeats=3, on_step=steps.step)
    tables, values = [speed.preset_table(presets), speed.cold_table(cold)], [presets, cold]
    if options.device != "cpu":
        steps.step(f"cpu against {options.device}")
        differences = compare_devices(options.photos, options.device)
        tables.append(parity_table(differences, options.device))
        values.append(differences)
    return Measured(tuple(tables), values)


def _scaling(options: Options, steps: Steps) -> Measured:
    photo, repeats, preset = options.photos[0], SCALING_REPEATS, SCALING_PRESET
    sides = speed.time_image_sides(
        photo, sides=options.sides, preset=preset, repeats=repeats, on_step=steps.step
    )
    coefficients = speed.time_coefficients(
        photo, counts=options.coefficients, preset=preset, repeats=repeats, on_step=steps.step
    )
    batches = speed.time_batches(
        photo, counts=options.photo_counts, preset=BATCH_PRESET, on_step=steps.step
    )
    one_go = speed.time_in_one_go(
        photo,
        counts=options.photo_counts,
        preset=BATCH_PRESET,
        device=options.device,
        on_step=steps.step,
    )
    tables = (
        speed.scaling_table(
            sides,
            title=f"Time and memory against image size, preset {preset}",
            first="side px",
            note="One photo scaled to several widths.",
        ),
        speed.scaling_table(
            coefficients,
            title=f"Time and memory against coefficients, preset {preset}",
            first="identity",
            note="Expression coefficients grow along, as many for each of the identity as in the "
            "whole model.",
        ),
        speed.scaling_table(
            one_go,
            title=f"Faces fitted in one go, preset {BATCH_PRESET}, {options.device}",
            first="faces",
            note="Seconds of one photo out of so many that are solved side by side in one process.",
        ),
        speed.batch_table(batches, BATCH_PRESET),
    )
    return Measured(tables, (sides, coefficients, one_go, batches))


def _texture(options: Options, steps: Steps) -> Measured:
    loaded = texture.TextureTools.load(options.texture_size)
    people = [Person(light, index) for light in LIGHTS for index in range(options.texture_people)]
    steps.expect(len(people) + 1)
    outcomes = []
    for person in people:
        outcomes += texture.measure_person(person, loaded)
        steps.step(person.name)
    photos = texture.photos_of_one_person(options.shared)
    if photos:
        outcomes += texture.measure_photos(photos, loaded)
    steps.step("photos")
    groups = list(dict.fromkeys(outcome.group for outcome in outcomes))
    tables = [texture.texture_table(outcomes, group) for group in groups]
    if not photos:
        tables.append(_left_out("photos of one person", options))
    return Measured(tuple(tables), outcomes)


def _merging(options: Options, steps: Steps) -> Measured:
    session = merging.merging_session(options.texture_size)
    people = [
        TurningPerson(light, index) for light in LIGHTS for index in range(options.merge_people)
    ]
    steps.expect(len(people))
    outcomes: list[merging.MergeOutcome] = []
    for person in people:
        outcomes += merging.measure_person(person, session)
        steps.step(person.name)
    return Measured(tuple(merging.merge_table(outcomes, light) for light in LIGHTS), outcomes)


def _texture_space(options: Options, steps: Steps) -> Measured:
    plan = SyntheticFits(
        count=options.texture_fits,
        size=options.texture_texels,
        components=options.texture_components,
    )
    found = measure_space(plan, on_step=steps.step)
    return Measured((space_table(found),), found)


_PARTS: dict[str, Callable[[Options, Steps], Measured]] = {
    "accuracy": _accuracy,
    "ablation": _ablation,
    "seed": _seed,
    "speed": _speed,
    "scaling": _scaling,
    "texture": _texture,
    "merging": _merging,
    "texture_space": _texture_space,
}
