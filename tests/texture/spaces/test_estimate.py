"""A known space is found again: exactly without noise, with texels missing or foreign."""

from __future__ import annotations

import pytest
import torch

from flame_fit.texture.spaces import ColourPrior, MapsInMemory, principal_axes, principal_model
from flame_fit.texture.spaces.measures import known_map_errors, new_map_errors
from flame_fit.texture.spaces.rows import whitened
from tests.texture.spaces.known_maps import (
    COMPONENTS,
    MAPS,
    TEXELS,
    angles_between,
    basis_of,
    estimate,
    known_maps,
)

OFF = ColourPrior.off()


@pytest.mark.parametrize("unseen", [0.0, 0.5])
def test_without_noise_the_space_is_exact(tmp_path, unseen):
    known = known_maps(unseen=unseen)
    space = estimate(known, tmp_path, colour=OFF)
    assert float(angles_between(basis_of(space), known.basis).max()) < 1e-3
    # Mean and codes fit together: the space goes through every map.
    mean = torch.cat([part.mean for part in space.model.parts()])
    columns = basis_of(space).reshape(3 * TEXELS, COMPONENTS)
    off = (known.mean + known.basis @ known.codes[0] - mean).reshape(-1)
    rest = off - columns @ torch.linalg.lstsq(columns, off[:, None]).solution[:, 0]
    assert float(rest.abs().max()) < 1e-6


def test_the_codes_of_the_space_have_unit_variance(tmp_path):
    space = estimate(known_maps(unseen=0.3), tmp_path, colour=OFF)
    codes = whitened(next(space.codes.chunks()), space.codes.summary()).code
    assert torch.allclose(codes.mean(dim=0), torch.zeros(COMPONENTS).double(), atol=1e-9)
    second = codes.T @ codes / MAPS
    assert torch.allclose(second, torch.eye(COMPONENTS).double(), atol=1e-4)


def test_noise_is_told_from_components(tmp_path):
    known = known_maps(unseen=0.3, noise=0.01, maps=100)
    space = estimate(known, tmp_path, colour=OFF, robust=False)
    assert space.codes.summary().noise == pytest.approx(0.01, rel=0.06)
    assert float(angles_between(basis_of(space), known.basis).max()) < 5.0


def test_what_is_not_seen_has_no_influence(tmp_path):
    known = known_maps(unseen=0.5, noise=0.01)
    other = torch.where(known.batch.confidence[..., None] > 0, known.batch.srgb, 0.02)
    first = estimate(known, tmp_path / "a", colour=OFF)
    second = estimate(known.with_(srgb=other), tmp_path / "b", colour=OFF)
    assert torch.equal(basis_of(first), basis_of(second))


def test_foreign_texels_hardly_bend_the_space(tmp_path):
    known = known_maps(unseen=0.3, noise=0.005, maps=100)
    chance = torch.rand(100, TEXELS, generator=torch.Generator().manual_seed(1))
    dirty = known.with_(srgb=torch.where(chance[..., None] < 0.03, 0.05, known.batch.srgb))
    robust = estimate(dirty, tmp_path / "a", colour=OFF)
    plain = estimate(dirty, tmp_path / "b", colour=OFF, robust=False)
    assert float(angles_between(basis_of(robust), known.basis).max()) < 4.0
    assert float(angles_between(basis_of(plain), known.basis).max()) > 15.0


def test_exposure_and_white_balance_do_not_become_components(tmp_path):
    known = known_maps(unseen=0.3, noise=0.005, brightness=0.1, tint=0.05, maps=100)
    prior = ColourPrior(0.1, 0.05)
    space = estimate(known, tmp_path / "a", colour=prior)
    assert float(angles_between(basis_of(space), known.basis).max()) < 10.0
    codes = torch.cat(
        [whitened(chunk, space.codes.summary()).log_factor for chunk in space.codes.chunks()]
    )
    truth = known.log_factors - known.log_factors.mean(dim=0)
    assert float((codes - truth).std()) < 0.02 < float(truth.std())
    without = estimate(known, tmp_path / "b", colour=OFF)
    assert float(angles_between(basis_of(without), known.basis).max()) > 20.0


def test_brightness_that_is_the_skins_own_stays_a_component(tmp_path):
    """Three times as much variance as the prior gives to light: two thirds are kept."""
    known = known_maps(brightness=0.173, maps=120)
    space = estimate(known, tmp_path, components=COMPONENTS + 1, colour=ColourPrior(0.1, 0.05))
    axes = principal_axes(space.model.parts())
    slope = (known.mean + 0.055) / 2.4
    columns = torch.linalg.qr(basis_of(space).reshape(3 * TEXELS, -1))[0]
    inside = columns.T @ slope.reshape(-1) / slope.norm()
    assert float(inside.norm()) > 0.98
    rotated = (basis_of(space) @ axes.rotation).reshape(3 * TEXELS, -1)
    told = torch.linalg.lstsq(rotated, slope.reshape(-1, 1)).solution[:, 0]
    deviation = 1.0 / float(told.norm())
    assert deviation == pytest.approx((0.173**2 - 0.1**2) ** 0.5, rel=0.25)


def test_principal_components_are_ordered_and_point_to_the_bright(tmp_path):
    known = known_maps(noise=0.005)
    space = estimate(known, tmp_path, colour=OFF)
    axes = principal_axes(space.model.parts())
    model = principal_model(space.model, axes, name="final")
    basis = torch.cat([part.basis for part in model.parts()]).reshape(3 * TEXELS, -1)
    gram = basis.T @ basis
    assert torch.allclose(gram, torch.diag(axes.variance), atol=1e-8)
    assert bool((axes.variance.diff() <= 0).all())
    assert bool((basis.sum(dim=0) >= 0).all())
    assert float(angles_between(basis[:, None], basis_of(space).reshape(-1, 1, 3)).max()) < 1e-4


def test_errors_fall_to_the_noise_on_known_and_on_new_maps(tmp_path):
    known = known_maps(unseen=0.3, noise=0.01, maps=140)
    made = known.with_(srgb=known.batch.srgb[:100], confidence=known.batch.confidence[:100])
    space = estimate(made, tmp_path, colour=OFF)
    model = principal_model(space.model, principal_axes(space.model.parts()), name="final")
    maps = MapsInMemory(known.batch)
    codes = next(space.codes.chunks())
    used = known_map_errors(maps, slice(0, 64), model, codes)
    explained = used.explained()
    assert float(explained[0]) == 0.0 and bool((explained.diff() > 0).all())
    assert float(used.root_mean_square()[-1]) == pytest.approx(0.01, rel=0.05)
    half = torch.arange(TEXELS) % 2 == 0
    new = new_map_errors(maps, slice(100, 140), model, half, prior=OFF)
    assert float(new.shown.root_mean_square()[-1]) == pytest.approx(0.01, rel=0.1)
    assert float(new.hidden.root_mean_square()[-1]) == pytest.approx(0.0105, rel=0.1)
    assert float(new.hidden.root_mean_square()[0]) > 0.03


class Stop(Exception):
    pass


class StopsAt:
    """Progress that interrupts the work at one of its steps."""

    def __init__(self, last):
        self.left = last

    def stage(self, name, total):
        pass

    def advance(self):
        self.left -= 1
        if self.left == 0:
            raise Stop


def test_interrupted_anywhere_the_result_is_the_same(tmp_path):
    known = known_maps(unseen=0.3, noise=0.01, brightness=0.1, tint=0.05)
    settings = {"tolerance": 1e-2, "coarse_rounds": 6}
    whole = basis_of(estimate(known, tmp_path / "whole", **settings))
    calls = 0
    for step in (2, 3, 5, 1, 7, 9, 11, 13):
        calls += 1
        try:
            found = estimate(known, tmp_path / "parts", progress=StopsAt(step), **settings)
        except Stop:
            continue
        break
    else:
        found = estimate(known, tmp_path / "parts", **settings)
    assert calls > 4
    assert torch.equal(basis_of(found), whole)


def test_damaged_or_absent_rounds_are_refused(tmp_path):
    with pytest.raises(ValueError, match="0 coarse rounds were asked for; give 1 or more"):
        estimate(known_maps(), tmp_path, coarse_rounds=0)
