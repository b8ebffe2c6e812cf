"""The pieces that a texture space is made with: colours, stored maps, steps, packed matrices."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from flame_fit.appearance import linear_to_srgb, srgb_to_linear
from flame_fit.errors import AssetError
from flame_fit.testing import tiny_assets
from flame_fit.texture import build_texel_geometry
from flame_fit.texture.spaces import (
    ChosenMaps,
    ColourPrior,
    LinearModel,
    MapBatch,
    MapStore,
    StepFolder,
    StoredModel,
    chequered,
    colour_distance,
    log_ratio,
    space_maps,
    spread_texels,
)
from flame_fit.texture.spaces.colour import corrected
from flame_fit.texture.spaces.linear_model import packed, packed_products, unpacked
from flame_fit.texture.spaces.rows import fill_share


def batch_of(maps=3, texels=40, *, seed=0) -> MapBatch:
    generator = torch.Generator().manual_seed(seed)
    srgb = 0.2 + 0.6 * torch.rand(maps, texels, 3, generator=generator)
    return MapBatch(srgb, torch.rand(maps, texels, generator=generator))


def test_a_factor_of_linear_light_is_taken_out():
    batch = batch_of()
    factors = torch.tensor([[0.2, 0.1, -0.1], [-0.3, 0.0, 0.2], [0.0, 0.0, 0.0]])
    bright = linear_to_srgb(srgb_to_linear(batch.srgb) * torch.exp(factors)[:, None])
    found = corrected(MapBatch(bright, batch.confidence), factors)
    assert torch.allclose(found.srgb, batch.srgb, atol=1e-5)
    step = 1e-3
    later = corrected(MapBatch(bright, batch.confidence), factors - step)
    assert torch.allclose((later.srgb - found.srgb) / step, found.slope, atol=1e-3)


def test_the_prior_of_the_factor_is_a_covariance_of_brightness_and_tint():
    covariance = torch.linalg.inv(ColourPrior(0.1, 0.05).precision(like=torch.zeros(1).double()))
    brightness = torch.full((3,), 1.0 / 3.0).double()
    assert float(brightness @ covariance @ brightness) == pytest.approx(0.01)
    tint = torch.tensor([1.0, -1.0, 0.0]).double() / math.sqrt(2.0)
    assert float(tint @ covariance @ tint) == pytest.approx(0.0025)
    assert not ColourPrior.off().is_on


def test_the_log_ratio_is_that_of_common_texels():
    batch = batch_of(2, 200)
    factor = torch.tensor([0.3, 0.1, -0.2])
    mean = batch.srgb[0]
    bright = linear_to_srgb(srgb_to_linear(mean) * torch.exp(factor))
    unseen = torch.arange(200) < 90
    bright[unseen] = 0.9
    confidence = torch.where(unseen, 0.0, 1.0)
    found = log_ratio(MapBatch(torch.stack((bright, mean)), confidence.repeat(2, 1)), mean)
    assert torch.allclose(found, torch.stack((factor, torch.zeros(3))), atol=1e-4)
    nothing = log_ratio(MapBatch(bright[None], torch.zeros(1, 200)), mean)
    assert bool(nothing.isnan().all())


def test_dark_skin_is_no_outlier_and_coloured_light_is():
    """A pigment of any amount, a few photos under blue light, and one that shows nothing."""
    generator = torch.Generator().manual_seed(0)
    amount = torch.rand(60, 1, generator=generator) ** 4 * 2.0
    ratios = -amount * torch.tensor([0.6, 1.0, 1.3])
    ratios = ratios + 0.02 * torch.randn(60, 3, generator=generator)
    ratios[:3] += torch.tensor([-0.4, 0.0, 0.4])
    ratios[3] = torch.nan
    distance = colour_distance(ratios)
    assert bool((distance.tint[:3] > 6.0).all())
    assert float(distance.tint[4:].max()) < 6.0
    assert bool(distance.tint[3].isnan())
    assert float(distance.brightness[4:].max()) > 1.0


def test_packed_matrices_come_back():
    rows = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    products = rows[:, :, None] * rows[:, None]
    assert torch.equal(packed_products(rows), packed(products))
    assert torch.equal(unpacked(packed(products)), products)


def test_completed_colours_give_only_what_is_lacking():
    share = fill_share(
        torch.tensor([10.0, 3.0, 1.0, 0.0]), torch.tensor([0.0, 5.0, 4.0, 2.0]), wanted=3.0
    )
    assert share.tolist() == [0.0, 0.0, 0.5, 1.0]


def test_stored_maps_are_read_in_parts_and_cut_back(tmp_path):
    batch = batch_of(5, 30)
    store = MapStore(tmp_path / "maps.u16", 0, 30)
    with store.appending() as rows:
        for srgb, confidence in zip(batch.srgb, batch.confidence, strict=True):
            rows.append(srgb, confidence)
    store = MapStore(store.path, 5, 30)
    part = store.read(slice(1, 4), slice(10, 20))
    assert torch.allclose(part.srgb, batch.srgb[1:4, 10:20], atol=1e-5)
    assert torch.allclose(part.confidence, batch.confidence[1:4, 10:20], atol=1e-5)
    chosen = ChosenMaps(store, (0, 1, 4)).read(slice(1, 3), slice(0, 30))
    assert torch.allclose(chosen.srgb, batch.srgb[[1, 4]], atol=1e-5)
    with MapStore(store.path, 2, 30).appending() as rows:
        rows.append(batch.srgb[4], batch.confidence[4])
    assert store.path.stat().st_size == 3 * store.row_bytes
    again = MapStore(store.path, 3, 30).read(slice(2, 3), slice(0, 30))
    assert torch.allclose(again.srgb[0], batch.srgb[4], atol=1e-5)


def test_chosen_texels_are_different_and_in_order():
    chosen = spread_texels(100, wanted=30, seed=0)
    assert len(set(chosen.tolist())) == 30 and bool((chosen.diff() > 0).all())
    assert spread_texels(10, wanted=30, seed=0).tolist() == list(range(10))


@dataclass(frozen=True, eq=False)
class Something:
    values: Tensor
    number: float


def test_a_step_is_made_once(tmp_path):
    steps, made = StepFolder(tmp_path / "steps"), []

    def make() -> Something:
        made.append(1)
        return Something(torch.tensor([1.0, 2.0], dtype=torch.float64), 0.1)

    for _ in range(2):
        found = steps.once("a_1", Something, make)
    assert made == [1] and found.number == 0.1
    assert found.values.dtype == torch.float64 and found.values.tolist() == [1.0, 2.0]
    steps.save("b_1", found)
    steps.forget("a_")
    assert (steps.has("a_1"), steps.has("b_1")) == (False, True)
    (tmp_path / "steps" / "b_1.npz").write_bytes(b"damaged")
    with pytest.raises(AssetError):
        steps.load("b_1", Something)


def test_maps_are_laid_out_with_gutters(tmp_path):
    texels = build_texel_geometry(tiny_assets(), 32)
    count = len(texels.texel)
    mean = torch.rand(count, 3, generator=torch.Generator().manual_seed(0))
    steps = StepFolder(tmp_path)
    steps.save("m_00000", LinearModel(mean, mean[..., None] * 0.1, 0.01))
    maps = space_maps(StoredModel(steps, "m", count, count), texels)
    flat = torch.from_numpy(maps.mean.copy()).reshape(-1, 3)
    assert torch.allclose(flat[texels.texel].flip(1) / 255.0, mean, atol=1e-6)
    near = flat[texels.gutter_texel]
    assert torch.equal(near, flat[texels.texel[texels.gutter_source]])
    basis = torch.from_numpy(maps.components.copy()).reshape(-1, 3)[texels.texel]
    assert torch.allclose(basis.flip(1).float() / 255.0, 0.1 * mean, rtol=1e-3)


def test_a_half_of_the_chart_is_in_cells():
    texels = build_texel_geometry(tiny_assets(), 64)
    half = texels.to_map(chequered(texels).float()[:, None], fill=-1.0)[..., 0]
    whole = half[:4, :4]
    assert float(whole[whole >= 0].float().var(unbiased=False)) == 0.0
    assert 0.4 < float(half[half >= 0].mean()) < 0.6
