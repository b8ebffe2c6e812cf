"""Several photos of one head: colours matched, the best detail of each, no seams."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch.nn import functional

from flame_fit.appearance import linear_to_srgb
from flame_fit.errors import InputError
from flame_fit.texture import complete
from flame_fit.texture.from_photo import texels_of_photo
from flame_fit.texture.merge import merge_texels
from flame_fit.texture.merge_colour import YUV_FROM_RGB, SeenAlbedo, match_colours
from tests.texture.conftest import TEXTURE_SIZE, build_albedo, build_shot

COUNT = 6000


def skin(seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    tone = 0.5 + 0.08 * torch.randn(COUNT, 1, generator=generator)
    return (tone * torch.tensor([1.0, 0.8, 0.7])).clamp(0.05, 0.95) + 0.01 * torch.randn(
        COUNT, 3, generator=generator
    )


def seen(srgb: torch.Tensor, rows: slice) -> SeenAlbedo:
    confidence = torch.zeros(len(srgb))
    confidence[rows] = 1.0
    return SeenAlbedo(srgb, confidence, torch.ones(len(srgb)))


def tinted(srgb: torch.Tensor, scale: float, shift: tuple[float, float, float]) -> torch.Tensor:
    matrix = torch.tensor(YUV_FROM_RGB)
    yuv = srgb @ matrix.T * torch.tensor([scale, 1.0, 1.0]) + torch.tensor(shift)
    return yuv @ torch.linalg.inv(matrix).T


def matched(photos: list[SeenAlbedo]) -> list[torch.Tensor]:
    return [
        match.apply(photo.srgb) for match, photo in zip(match_colours(photos), photos, strict=True)
    ]


def test_brightness_contrast_and_tint_are_matched_along_a_chain():
    """The first and the last photo share nothing; the middle one ties them together."""
    truth = skin()
    photos = [
        seen(tinted(truth, 1.1, (-0.04, 0.01, 0.0)), slice(0, 2500)),
        seen(truth, slice(1500, 4500)),
        seen(tinted(truth, 0.9, (0.06, 0.0, -0.02)), slice(3500, 6000)),
    ]
    first, middle, last = matched(photos)
    assert float((first - middle).abs().max()) < 0.004
    assert float((last - middle).abs().max()) < 0.004
    worth = torch.tensor([2500.0, 3000.0, 2500.0]) / 8000.0
    before = sum(
        share * photo.srgb[photo.confidence > 0].mean(dim=0)
        for share, photo in zip(worth, photos, strict=True)
    )
    assert float((middle.mean(dim=0) - before).abs().max()) < 0.01, "the mean look is kept"


def test_what_only_one_photo_has_changes_no_colours():
    truth = skin()
    shadowed = tinted(truth, 1.0, (0.03, 0.0, 0.0))
    shadowed[:1200] = 0.05
    photos = [seen(truth, slice(0, COUNT)), seen(shadowed, slice(0, COUNT))]
    one, other = matched(photos)
    assert float((one - other)[1200:].abs().max()) < 0.004


def test_a_photo_that_shares_nothing_keeps_its_colours():
    truth = skin()
    photos = [
        seen(truth, slice(0, 3000)),
        seen(tinted(truth, 1.0, (0.05, 0.0, 0.0)), slice(0, 3000)),
        seen(0.5 * truth, slice(3000, 6000)),
    ]
    matches = match_colours(photos)
    assert [match.compared for match in matches] == [1, 1, 0]
    assert torch.allclose(matches[2].apply(photos[2].srgb), photos[2].srgb, atol=2e-3)
    assert float((matches[0].shift - matches[1].shift)[0]) == pytest.approx(0.05, abs=2e-3)


@pytest.fixture(scope="module")
def photos(ball, layout, rasterizer) -> list[SeenAlbedo]:
    """The ball from three sides, the second one darker and warmer."""
    found = []
    for yaw, tint in ((-45.0, (1.0, 1.0, 1.0)), (0.0, (0.8, 0.75, 0.7)), (45.0, (1.0, 1.0, 1.0))):
        shot = build_shot(ball, yaw)
        known = texels_of_photo(
            shot.view, shot.vertices, ball, shot.lighting, layout=layout, rasterizer=rasterizer
        )
        count = len(layout.texels.texel)
        srgb, confidence = torch.full((count, 3), 0.4), torch.zeros(count)
        srgb[known.baked.row] = linear_to_srgb(known.albedo * torch.tensor(tint))
        confidence[known.baked.row] = known.baked.confidence
        found.append(SeenAlbedo(srgb, confidence, torch.ones(count)))
    return found


@pytest.fixture(scope="module")
def merged(photos, ball, layout):
    return merge_texels(photos, ball, layout=layout)


def error_of(albedo, row, layout):
    """Relative error of albedo without one common colour, on each texel."""
    truth = layout.texels.from_map(build_albedo(TEXTURE_SIZE))[row]
    ratio = (albedo / truth).log()
    return ratio - ratio.median(dim=0).values


def test_three_photos_show_more_than_one_and_in_one_look(merged, photos, layout):
    known = merged.seen
    assert float(known.baked.confidence.sum()) > 1.3 * max(
        float(photo.confidence.sum()) for photo in photos
    )
    sure = known.baked.confidence > 0.9
    error = error_of(known.albedo[sure], known.baked.row[sure], layout)
    assert float(error.abs().mean()) < 0.02
    assert float(torch.quantile(error.abs().amax(dim=1), 0.99)) < 0.12
    assert torch.allclose(merged.share.sum(dim=0)[known.baked.row], torch.tensor(1.0), atol=1e-5)


def test_nowhere_is_an_edge_between_photos(merged, layout):
    """Neighbouring texels differ by little more than those of the truth do."""
    known = merged.seen
    whole = torch.full((len(layout.texels.texel), 3), torch.nan)
    sure = known.baked.confidence > 0.5
    whole[known.baked.row[sure]] = error_of(known.albedo[sure], known.baked.row[sure], layout)
    image = layout.texels.to_map(whole, fill=torch.nan)
    step = image.diff(dim=1).abs().amax(dim=2)
    step = step[step.isfinite()]
    assert float(torch.quantile(step, 0.995)) < 0.05


def test_detail_comes_from_the_sharp_photo(photos, ball, layout):
    """Two photos from the same side, one blurred: the sharp one gives the detail."""
    sharp = photos[1]
    image = layout.texels.to_map(sharp.srgb).permute(2, 0, 1)[None]
    blurred = functional.avg_pool2d(image, 9, 1, 4)[0].permute(1, 2, 0)
    soft = dataclasses.replace(sharp, srgb=layout.texels.from_map(blurred))
    found = merge_texels([soft, sharp], ball, layout=layout)
    assert float(found.sharpness[0]) < 0.7 < float(found.sharpness[1])
    row = found.seen.baked.row
    assert float(found.share[1, row].mean()) > 0.9
    apart = linear_to_srgb(found.seen.albedo) - sharp.srgb[row]
    inside = found.seen.baked.confidence > 0.9
    assert float(apart[inside].abs().mean()) < 0.01


def test_what_the_others_do_not_see_in_one_photo_is_left_out(photos, ball, layout):
    """A shadow across one of three photos of the same side."""
    clean = photos[1]
    row = layout.texels.texel // TEXTURE_SIZE
    dark = (row > 120) & (row < 140)
    shadowed = dataclasses.replace(
        clean, srgb=torch.where(dark[:, None], 0.4 * clean.srgb, clean.srgb)
    )
    found = merge_texels([clean, shadowed, clean], ball, layout=layout)
    known = found.seen.baked.row
    inside = (found.seen.baked.confidence > 0.9) & dark[known]
    assert float(found.share[1, known][inside].mean()) < 0.1


def test_merged_texels_are_completed_like_those_of_a_photo(merged, ball, layout, prior):
    maps = complete(merged.seen, prior, ball, layout=layout)
    assert bool((maps.albedo[maps.mask] > 0).all())
    sure = (maps.confidence > 0.9) & maps.mask
    error = (maps.albedo / build_albedo(TEXTURE_SIZE))[sure].log()
    assert float((error - error.median(dim=0).values).abs().mean()) < 0.02


def test_one_photo_cannot_be_merged(photos, ball, layout):
    with pytest.raises(InputError, match="1 photos were given; give at least 2"):
        merge_texels(photos[:1], ball, layout=layout)
