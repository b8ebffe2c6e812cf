"""The benchmark's textures: people, measures, ways to make a texture, tables."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from flame_fit.appearance import decode, shade
from flame_fit.head_models import load_head_model
from flame_fit.texture import TextureMaps, build_texel_geometry
from scripts.benchmarking import options, parts
from scripts.benchmarking.texture import (
    FULL,
    TRUE_ALBEDO,
    TextureOutcome,
    TextureTools,
    measure_person,
    photos_of_one_person,
    texture_table,
    ways_to_texture,
)
from scripts.benchmarking.texture_measures import (
    AlbedoError,
    Likeness,
    SkinPixels,
    albedo_error,
    likeness,
)
from scripts.benchmarking.texture_people import Person
from scripts.benchmarking.truth import TruthTools

SIZE = 64


@pytest.fixture(scope="module")
def albedo():
    generator = torch.Generator().manual_seed(0)
    coarse = 0.2 + 0.5 * torch.rand(1, 3, 8, 8, generator=generator)
    wide = functional.interpolate(coarse, size=(SIZE, SIZE), mode="bilinear")
    return wide[0].permute(1, 2, 0)


@pytest.fixture(scope="module")
def pixels(albedo):
    """Points on a half ball whose photo shows the texture under a light from the side."""
    generator = torch.Generator().manual_seed(1)
    count = 3000
    uv = 0.1 + 0.8 * torch.rand(count, 2, generator=generator)
    normals = functional.normalize(torch.randn(count, 3, generator=generator), dim=1)
    normals[:, 2] = normals[:, 2].abs()
    lighting = torch.zeros(9, 3)
    lighting[0], lighting[3], lighting[2] = 0.6, 0.15, 0.1
    blank = SkinPixels(uv, torch.ones(count), normals, torch.zeros(count, 3), lighting)
    grid = torch.stack([2.0 * uv[:, 0] - 1.0, 1.0 - 2.0 * uv[:, 1]], dim=1)[None, :, None]
    image = albedo.permute(2, 0, 1)[None]
    colour = functional.grid_sample(image, grid, align_corners=False)[0, :, :, 0].T
    photo = colour * shade(normals[None], lighting[None])[0]
    assert 0.0 < float(photo.min()) < float(photo.max()) < 1.0
    return dataclasses.replace(blank, colour=photo)


def test_the_true_texture_shows_the_photo_again(albedo, pixels):
    assert min(dataclasses.astuple(likeness(albedo, pixels))) > 80.0


def test_brightness_and_tint_count_only_before_the_exposure(albedo, pixels):
    found = likeness(albedo * torch.tensor([0.8, 0.7, 0.6]), pixels)
    assert found.fitted < 30.0
    assert min(found.exposed, found.relit) > 80.0


def test_light_in_the_texture_shows_until_the_light_is_chosen_for_it(albedo, pixels):
    """The photo's fit has the light from the wrong side, as if the texture held its difference."""
    mirrored = pixels.lighting.clone()
    mirrored[3] *= -1.0
    found = likeness(albedo, dataclasses.replace(pixels, lighting=mirrored))
    assert max(found.fitted, found.exposed) < 25.0
    assert found.relit > 80.0


def test_psnr_is_that_of_srgb_values(albedo, pixels):
    lit = shade(pixels.normals[None], pixels.lighting[None])[0]
    white = dataclasses.replace(pixels, colour=torch.full_like(lit, 1.0))
    assert likeness(torch.zeros_like(albedo), white).fitted == pytest.approx(0.0, abs=1e-5)


@pytest.fixture(scope="module")
def head():
    return load_head_model("open_head")


@pytest.fixture(scope="module")
def texels(head):
    return build_texel_geometry(head, SIZE)


def _maps(albedo, confidence, texels):
    covered = texels.covered()
    whole = torch.ones_like(confidence)
    return TextureMaps(albedo, confidence, covered, whole, torch.ones_like(albedo))


def test_albedo_errors_are_told_apart_by_what_was_seen(albedo, head, texels):
    trust = torch.zeros(SIZE, SIZE)
    trust[:, : SIZE // 2] = 1.0
    wrong = torch.where(trust[..., None] > 0.0, albedo, albedo + 0.1)
    found = albedo_error(_maps(wrong, trust, texels), albedo, head, texels=texels)
    assert found.seen == found.seen_toned == 0.0
    assert found.unseen == pytest.approx(0.1, rel=1e-5)
    assert found.unseen_toned == pytest.approx(0.1, rel=1e-5)
    tinted = albedo * torch.tensor([0.5, 0.8, 1.1])
    found = albedo_error(_maps(tinted, trust, texels), albedo, head, texels=texels)
    assert min(found.seen, found.unseen) > 0.05
    assert max(found.seen_toned, found.unseen_toned) < 1e-6


def test_without_seen_texels_there_is_no_error_of_them(albedo, head, texels):
    nothing = torch.zeros(SIZE, SIZE)
    found = albedo_error(_maps(albedo, nothing, texels), albedo, head, texels=texels)
    assert found.unseen == 0.0
    assert math.isnan(found.seen)
    assert math.isnan(found.unseen_toned)


def test_a_person_stays_the_same_in_another_light():
    person, tools = Person("lamps", 3), TruthTools.load()
    first, second = person.scene(0), person.scene(1)
    assert torch.equal(first.flame.shape, second.flame.shape)
    assert torch.equal(first.texture_code, second.texture_code)
    for name in ("expression", "head_rotation"):
        assert not torch.allclose(getattr(first.flame, name), getattr(second.flame, name))
    assert not torch.allclose(first.lighting, second.lighting)
    painted, plain = person.albedo(), decode(tools.space, first.texture_code)[0]
    assert torch.equal(painted, person.albedo())
    assert float((painted - plain.clamp(0.0, 1.0)).abs().mean()) > 0.005
    other = Person("lamps", 4).scene(0).flame.shape
    assert not torch.allclose(first.flame.shape, other)


def test_every_way_is_measured_and_light_left_in_shows():
    loaded = TextureTools.load(SIZE)
    outcomes = measure_person(Person("smooth", 0), loaded)
    ways = ways_to_texture(loaded.tools.layout)
    assert {outcome.variant for outcome in outcomes} == {*ways, TRUE_ALBEDO}
    alone = ways_to_texture(dataclasses.replace(loaded.tools.layout, inpainter=None))
    assert "without network" not in alone
    assert {outcome.pair for outcome in outcomes} == {
        ("smooth 0 0", "smooth 0 1"),
        ("smooth 0 1", "smooth 0 0"),
    }
    table = texture_table(outcomes, "smooth")
    rows = {row[0]: [float(cell) for cell in row[1:]] for row in table.rows}
    exposed = table.headings.index("exposed dB") - 1
    toned = table.headings.index("seen, toned") - 1
    assert rows[FULL][exposed] > rows["light left in"][exposed] + 1.0
    assert rows[FULL][toned] < rows["light left in"][toned]
    assert rows[TRUE_ALBEDO][exposed] > rows["codes alone"][exposed]
    assert rows[TRUE_ALBEDO][toned] == 0.0


def _outcome(group, decibels, error=None):
    shown = Likeness(decibels, decibels + 1.0, decibels + 2.0)
    return TextureOutcome(FULL, group, ("a", str(decibels)), shown, error)


def test_a_table_has_the_means_and_errors_only_where_they_are_known():
    known = [
        _outcome("smooth", 20.0, AlbedoError(0.1, 0.2, 0.05, 0.06)),
        _outcome("smooth", 30.0, AlbedoError(0.3, 0.4, 0.15, 0.16)),
    ]
    table = texture_table([*known, _outcome("photos", 40.0)], "smooth")
    assert table.rows == (
        (FULL, "25.00", "26.00", "27.00", "0.2000", "0.3000", "0.1000", "0.1100"),
    )
    assert "2 pairs" in table.title
    photos = texture_table([*known, _outcome("photos", 40.0)], "photos")
    assert photos.rows == ((FULL, "40.00", "41.00", "42.00"),)
    assert len(photos.headings) == 4


def test_photos_of_one_person_are_found(tmp_path):
    assert photos_of_one_person(tmp_path) == []
    folder = tmp_path / "data/multi_image"
    folder.mkdir(parents=True)
    for name in ("b.jpg", "a.PNG", "notes.txt"):
        (folder / name).touch()
    assert [path.name for path in photos_of_one_person(tmp_path)] == ["a.PNG", "b.jpg"]


def test_the_part_measures_people_and_says_what_is_left_out(tmp_path, monkeypatch):
    class Silent:
        def expect(self, total):
            assert total == 3

        def step(self, name):
            assert name

    monkeypatch.setattr(parts.texture.TextureTools, "load", lambda size: size)
    monkeypatch.setattr(
        parts.texture,
        "measure_person",
        lambda person, loaded: [_outcome(person.light, float(loaded), AlbedoError(*np.ones(4)))],
    )
    arguments = ["--only", "texture", "--texture-people", "1", "--texture-size", "32"]
    chosen = options.parse_options([*arguments, "--shared", str(tmp_path)], description="")
    part = parts.run_part("texture", chosen, Silent())
    titles = [table.title for table in part.tables]
    assert [title.split(":")[0] for title in titles[:2]] == ["Textures in another photo"] * 2
    assert part.tables[0].rows[0][1] == "32.00"
    assert titles[2] == "photos of one person: left out"
