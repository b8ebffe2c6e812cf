"""The benchmark's merged heads: people who turn, measures with known answers, the table."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch.nn import functional

from flame_fit.geometry.rotations import axis_angle_to_matrix, yaw_pitch_roll
from flame_fit.head_models import load_head_model
from flame_fit.texture import build_texel_geometry
from scripts.benchmarking import options, parts
from scripts.benchmarking.merging import FRONT, MEASURES, MERGED, SIDE, MergeOutcome, merge_table
from scripts.benchmarking.merging_measures import (
    SkinQuality,
    TrueFace,
    detail_band,
    skin_quality,
)
from scripts.benchmarking.texture_people import VIEWS_DEGREES, Person, TurningPerson

SIZE = 128


@pytest.fixture(scope="module")
def truth() -> TrueFace:
    """Spotted skin on OpenHead's chart."""
    head = load_head_model("open_head")
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(1, 3, SIZE // 4, SIZE // 4, generator=generator)
    smooth = functional.interpolate(noise, size=(SIZE, SIZE), mode="bicubic")[0]
    albedo = (0.4 * torch.exp(0.2 * smooth)).clamp(0.05, 0.9).permute(1, 2, 0)
    return TrueFace.of(albedo, head, build_texel_geometry(head, SIZE))


@pytest.fixture(scope="module")
def hidden(truth) -> torch.Tensor:
    """The right half of the face's texels."""
    return truth.face & (truth.texels.texel % SIZE >= SIZE // 2)


def blurred(truth: TrueFace, width: int) -> torch.Tensor:
    image = truth.texels.to_map(truth.albedo, fill=0.4).permute(2, 0, 1)[None]
    mean = functional.avg_pool2d(image, width, 1, width // 2, count_include_pad=False)
    return truth.texels.from_map(mean[0].permute(1, 2, 0))


def test_the_true_skin_has_no_error_and_all_detail(truth, hidden):
    found = skin_quality(truth.albedo, truth, hidden=hidden)
    assert (found.albedo, found.albedo_toned, found.hidden, found.hidden_toned) == (0, 0, 0, 0)
    assert found.detail == 1.0
    assert found.correlation == pytest.approx(1.0, abs=1e-6)


def test_blurred_skin_has_less_detail_in_the_same_places(truth, hidden):
    qualities = [skin_quality(blurred(truth, width), truth, hidden=hidden) for width in (3, 9)]
    assert 1.0 > qualities[0].detail > qualities[1].detail > 0.0
    assert qualities[0].correlation > 0.9
    assert qualities[0].correlation > qualities[1].correlation
    assert 0.0 < qualities[0].albedo < qualities[1].albedo


def test_skin_that_lies_elsewhere_has_its_detail_but_no_correlation(truth, hidden):
    image = truth.texels.to_map(truth.albedo, fill=0.4)
    rolled = truth.texels.from_map(image.roll((7, 7), dims=(0, 1)))
    found = skin_quality(rolled, truth, hidden=hidden)
    assert found.detail == pytest.approx(1.0, abs=0.2)
    assert abs(found.correlation) < 0.3


def test_one_factor_on_each_colour_counts_only_before_it(truth, hidden):
    factors = torch.tensor([0.5, 0.8, 1.1])
    found = skin_quality(truth.albedo * factors, truth, hidden=hidden)
    expected = (truth.albedo * (1.0 - factors)).abs()
    assert found.albedo == pytest.approx(float(expected[truth.face].mean()), rel=1e-5)
    assert found.hidden == pytest.approx(float(expected[hidden].mean()), rel=1e-5)
    assert max(found.albedo_toned, found.hidden_toned) < 1e-6
    assert found.detail == pytest.approx(1.0, abs=0.1)


def test_only_the_hidden_part_counts_as_hidden(truth, hidden):
    few = hidden & (truth.texels.texel % SIZE >= SIZE * 5 // 8)
    wrong = torch.where(few[:, None], truth.albedo + 0.1, truth.albedo)
    found = skin_quality(wrong, truth, hidden=few)
    assert found.hidden == pytest.approx(0.1, rel=1e-5)
    assert found.hidden_toned == pytest.approx(0.1, rel=1e-5)
    assert found.albedo == pytest.approx(0.1 * float(few.sum() / truth.face.sum()), rel=1e-4)
    nothing = skin_quality(wrong, truth, hidden=torch.zeros_like(few))
    assert math.isnan(nothing.hidden)


def test_what_surrounds_the_face_does_not_count(truth, hidden):
    other = torch.where(truth.face[:, None], truth.albedo, 0.9)
    assert skin_quality(other, truth, hidden=hidden) == skin_quality(
        truth.albedo, truth, hidden=hidden
    )
    assert bool((truth.face | ~truth.inside).all())
    assert 0 < int(truth.inside.sum()) < int(truth.face.sum())
    even = detail_band(torch.full_like(truth.albedo, 0.3), truth)
    assert float(even[truth.face].abs().max()) < 1e-5


def test_a_person_turns_and_stays_the_same():
    person = TurningPerson("smooth", 2)
    scenes = [person.scene(number) for number in range(person.photos)]
    for scene, view in zip(scenes, VIEWS_DEGREES, strict=True):
        yaw = yaw_pitch_roll(axis_angle_to_matrix(scene.flame.head_rotation)).yaw
        assert math.degrees(float(yaw)) == pytest.approx(view, abs=5.0)
        assert torch.equal(scene.flame.shape, scenes[0].flame.shape)
        assert torch.equal(scene.texture_code, scenes[0].texture_code)
    assert not torch.allclose(scenes[0].flame.expression, scenes[1].flame.expression)
    assert not torch.allclose(scenes[1].lighting, scenes[2].lighting)
    spots = (person.albedo() - Person("smooth", 2).albedo()).abs()
    assert float(spots.max()) > 0.05, "more spots than on others"


def _outcome(source: str, value: float, *, person: str = "a", light: str = "smooth"):
    skin = SkinQuality(value, value, value, value, value, value)
    return MergeOutcome(person, light, source, value, skin, value)


def test_the_table_has_means_and_counts_who_gains():
    outcomes = [
        *(_outcome(FRONT, 0.4), _outcome(SIDE, 0.1), _outcome(SIDE, 0.3), _outcome(MERGED, 0.2)),
        *(_outcome(each, 0.6, person="b") for each in (FRONT, SIDE, MERGED)),
        _outcome(FRONT, 9.0, light="lamps"),
    ]
    outcomes[3] = dataclasses.replace(
        outcomes[3], skin=dataclasses.replace(outcomes[3].skin, hidden=math.nan)
    )
    table = merge_table(outcomes, "smooth")
    rows = {row[0]: row[1:] for row in table.rows}
    assert "2 people" in table.title
    assert [row[0] for row in table.rows] == [measure.name for measure in MEASURES]
    assert rows["share of the face that is seen"] == ("0.50", "0.33", "0.40", "0 of 2")
    assert rows["shape error, mm"] == ("0.50", "0.33", "0.40", "1 of 2")
    assert rows["albedo error, hidden from the front"] == ("0.5000", "0.3333", "0.6000", "0 of 2")
    assert rows["detail over that of the truth"][-1] == ""


def test_the_part_is_listed_and_measures_people_of_both_lights(monkeypatch):
    class Silent:
        def expect(self, total):
            assert total == 2

        def step(self, name):
            assert name

    monkeypatch.setattr(parts.merging, "merging_session", lambda size: size)
    monkeypatch.setattr(
        parts.merging,
        "measure_person",
        lambda person, size: [
            _outcome(source, float(size), light=person.light) for source in (FRONT, MERGED)
        ],
    )
    assert "merging" in options.PARTS
    arguments = ["--only", "merging", "--merge-people", "1", "--texture-size", "32"]
    part = parts.run_part("merging", options.parse_options(arguments, description=""), Silent())
    assert [table.title.split(": ")[1] for table in part.tables] == [
        "smooth, 1 people",
        "lamps, 1 people",
    ]
    assert part.tables[0].rows[0][1:] == ("32.00", "-", "32.00", "0 of 1")
