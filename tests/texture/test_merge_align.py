"""Photos whose texels lie a little off are moved onto each other."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch.nn import functional

from flame_fit.texture.merge_align import align_photos
from flame_fit.texture.merge_colour import SeenAlbedo
from tests.texture.conftest import TEXTURE_SIZE

SHIFT = (4.0, -2.0)


@pytest.fixture(scope="module")
def spotted(layout) -> SeenAlbedo:
    """Skin with spots at chance, seen in the middle of the map."""
    generator = torch.Generator().manual_seed(3)
    noise = torch.randn(1, 1, TEXTURE_SIZE // 4, TEXTURE_SIZE // 4, generator=generator)
    smooth = functional.interpolate(noise, size=(TEXTURE_SIZE,) * 2, mode="bicubic")
    image = (0.5 + 0.05 * smooth[0, 0])[..., None].expand(-1, -1, 3)
    return SeenAlbedo(
        layout.texels.from_map(image),
        seen_between(layout, 0.2, 0.8),
        torch.ones(len(layout.texels.texel)),
        worth=2.0,
    )


def seen_between(layout, low: float, high: float) -> torch.Tensor:
    column = (layout.texels.texel % TEXTURE_SIZE + 0.5) / TEXTURE_SIZE
    return ((column > low) & (column < high)).float()


def moved(photo: SeenAlbedo, layout, share: float = 1.0) -> SeenAlbedo:
    """The photo with everything that share of `SHIFT` texels to the right and down."""
    image = layout.texels.to_map(photo.srgb, fill=0.5)
    step = tuple(round(share * value) for value in (SHIFT[1], SHIFT[0]))
    return dataclasses.replace(
        photo, srgb=layout.texels.from_map(image.roll(step, dims=(0, 1))), worth=1.0
    )


def difference(first: SeenAlbedo, second: SeenAlbedo) -> float:
    both = (first.confidence > 0.9) & (second.confidence > 0.9)
    return float((first.srgb - second.srgb)[both].abs().mean())


def test_shifted_photos_meet_half_way(spotted, ball, layout):
    shifted = moved(spotted, layout)
    first, second = align_photos([spotted, shifted], ball, layout=layout)
    before = difference(shifted, spotted)
    assert difference(first, second) < 0.25 * before
    half = moved(spotted, layout, 0.5)
    assert max(difference(first, half), difference(second, half)) < 0.3 * before


def test_three_photos_meet_where_most_of_them_have_it(spotted, ball, layout):
    """The best photo alone is off: the others move a third of the way, it moves two thirds."""
    shifted = dataclasses.replace(moved(spotted, layout), worth=3.0)
    aligned = align_photos([shifted, spotted, spotted], ball, layout=layout)
    third = moved(spotted, layout, 1.0 / 3.0)
    before = difference(shifted, spotted)
    assert max(difference(each, third) for each in aligned) < 0.4 * before
    assert difference(shifted, third) > 0.6 * before


def test_what_only_one_photo_shows_stays_but_for_where_it_meets_the_other(spotted, ball, layout):
    """The shift is known left of the middle and ends a little to its right."""
    left = dataclasses.replace(spotted, confidence=seen_between(layout, 0.2, 0.5))
    shifted = moved(spotted, layout)
    first, second = align_photos([left, shifted], ball, layout=layout)
    assert difference(first, second) < 0.4 * difference(left, shifted)
    far = dataclasses.replace(shifted, confidence=seen_between(layout, 0.65, 0.8))
    assert difference(second, far) < 0.25 * difference(spotted, far)


def test_photos_that_share_nothing_stay(spotted, ball, layout):
    left = dataclasses.replace(spotted, confidence=seen_between(layout, 0.1, 0.4))
    right = dataclasses.replace(moved(spotted, layout), confidence=seen_between(layout, 0.6, 0.9))
    assert torch.equal(align_photos([left, right], ball, layout=layout)[1].srgb, right.srgb)


def test_nothing_comes_in_from_outside_the_chart(spotted, ball, layout):
    shifted = dataclasses.replace(
        moved(spotted, layout), confidence=torch.ones_like(spotted.confidence)
    )
    aligned = align_photos([spotted, shifted], ball, layout=layout)[1]
    known = aligned.confidence > 0.0
    assert float(known.float().mean()) > 0.9
    assert float(aligned.srgb[known].min()) > 0.2, "the gutter is black"
    assert float(aligned.confidence.max()) <= 1.0
