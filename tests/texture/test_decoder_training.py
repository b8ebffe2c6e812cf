"""A small decoder learns maps, sees through holes, and is the same for the same seed."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from flame_fit.errors import InputError, UsageError
from flame_fit.priors.texture_decoder import GeneratorLayout
from flame_fit.texture.decoder_maps import find_texture_maps, read_texture_maps
from flame_fit.texture.decoder_training import DecoderRecipe, TrainingMaps, train_decoder

SIDE = 16
TINY = DecoderRecipe(GeneratorLayout(SIDE, 8, 16 * SIDE, 16, 2), steps=220, batch=6, rate=5e-3,
                     code_rate=5e-2)  # fmt: skip


def family(count: int = 6, hidden: float = 0.0) -> TrainingMaps:
    """Skin tones with a dark spot whose size differs; some texels hold nonsense and are unseen."""
    generator = torch.Generator().manual_seed(0)
    tone, radius = torch.rand(2, count, generator=generator)
    middle = (torch.arange(SIDE) + 0.5) / SIDE - 0.5
    distance = (middle[:, None] ** 2 + middle[None] ** 2).sqrt()
    spot = torch.sigmoid(20 * (0.15 + 0.2 * radius[:, None, None] - distance))
    colour = torch.tensor((0.9, 0.7, 0.6)) * (0.4 + 0.6 * tone[:, None, None, None])
    srgb = colour * (1 - 0.6 * spot[..., None])
    seen = (torch.rand(count, SIDE, SIDE, generator=generator) >= hidden).float()
    broken = torch.where(seen[..., None] > 0, srgb, torch.ones_like(srgb))
    return TrainingMaps(broken, seen)


def trained(maps: TrainingMaps, recipe: DecoderRecipe = TINY):
    torch.manual_seed(0)
    return train_decoder(maps, recipe, generator=torch.Generator().manual_seed(0))


def test_maps_are_learnt_and_holes_are_seen_through() -> None:
    truth = family().srgb
    losses: list[float] = []
    torch.manual_seed(0)
    done = train_decoder(
        family(hidden=0.3), TINY, generator=torch.Generator().manual_seed(0),
        on_step=lambda number, loss: losses.append(loss),
    )  # fmt: skip
    assert len(losses) == TINY.steps and np.mean(losses[-20:]) < 0.2 * losses[0]
    spread = float((truth - truth.mean(0)).abs().mean())
    made = done.generator(done.generator.latents(done.codes))
    assert float((made - truth).abs().mean()) < 0.4 * spread
    assert done.mean_error < 0.4 * spread
    assert not done.generator.training
    assert float(done.generator.mapping.w_avg.abs().max()) > 0


def test_the_same_seeds_give_the_same_decoder() -> None:
    short = DecoderRecipe(TINY.layout, steps=3, batch=2)
    first, again = trained(family(), short), trained(family(), short)
    assert torch.equal(first.codes, again.codes)
    for name, value in first.generator.state_dict().items():
        assert torch.equal(value, again.generator.state_dict()[name]), name


def test_what_cannot_be_trained_is_refused() -> None:
    one = family(1)
    with pytest.raises(InputError, match="1 maps of 16 texels were given; training needs 2"):
        trained(one)
    other = DecoderRecipe(GeneratorLayout(8, 4, 64, 8, 2))
    with pytest.raises(InputError, match="6 maps of 16 texels were given; .* of 8 texels"):
        trained(family(), other)
    with pytest.raises(UsageError, match="0 steps of 8 maps at rates .* train nothing"):
        DecoderRecipe(steps=0)


def test_maps_of_fits_and_pictures_are_found(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no texture maps; give a folder of finished fits"):
        find_texture_maps(tmp_path)
    for name in ("b.png", "a.JPG", "a_confidence.png", "notes.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in find_texture_maps(tmp_path)] == ["a.JPG", "b.png"]
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "texture.png").touch()
    assert find_texture_maps(tmp_path) == (tmp_path / "one" / "texture.png",)


def test_unseen_texels_do_not_reach_the_smaller_map(tmp_path: Path) -> None:
    pixels = np.full((32, 32, 3), 100, np.uint8)
    pixels[:, 1::2] = 255
    sure = np.full((32, 32), 255, np.uint8)
    sure[:, 1::2] = 0
    sure[:12] = 0
    cv2.imwrite(str(tmp_path / "texture.png"), pixels)
    cv2.imwrite(str(tmp_path / "texture_confidence.png"), sure)
    maps = read_texture_maps([tmp_path / "texture.png"], size=8)
    seen = maps.seen[0] > 0.01
    assert not bool(maps.seen[0, 0].any()) and bool(seen[4:].all())
    wanted = torch.full((8, 8, 3), 100 / 255)
    torch.testing.assert_close(maps.srgb[0][seen], wanted[seen], atol=2e-3, rtol=0)
    cv2.imwrite(str(tmp_path / "flat.png"), np.zeros((32, 40, 3), np.uint8))
    with pytest.raises(InputError, match=r"flat\.png is 40 x 32 pixels; a texture map is square"):
        read_texture_maps([tmp_path / "flat.png"], size=8)
