"""What of a texture's tone is taken for light."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from flame_fit.texture.residual_light import (
    BRIGHTNESS_SHARE,
    LOPSIDED_BRIGHTNESS_SHARE,
    LOPSIDED_TINT_SHARE,
    residual_light,
)


@pytest.fixture(scope="module")
def tones(ball):
    """A symmetric and a lopsided function of the surface, both with median 0."""
    x, y, _ = ball.v_template.unbind(dim=1)
    even = x.abs() * 5.0
    return even - even.median(), 8.0 * x * (1.0 + y)


def test_brightness_of_the_whole_head_is_not_light(ball):
    field = torch.tensor([0.3, -0.2, 0.1]).expand(len(ball.v_template), 3)
    assert float(residual_light(field, ball).abs().max()) < 1e-6


def test_colour_alike_on_both_sides_is_skin(ball, tones):
    even, _ = tones
    field = even[:, None] * torch.tensor([1.0, -0.5, -0.5])
    assert float(residual_light(field, ball).abs().max()) < 1e-6


def test_shares_of_brightness_and_of_what_is_lopsided(ball, tones):
    even, lopsided = tones
    grey, tint = torch.ones(3), torch.tensor([1.0, -0.5, -0.5])
    for part, colour, share in (
        (even, grey, BRIGHTNESS_SHARE),
        (lopsided, grey, LOPSIDED_BRIGHTNESS_SHARE),
        (lopsided, tint, LOPSIDED_TINT_SHARE),
    ):
        field = part[:, None] * colour
        assert torch.allclose(residual_light(field, ball), share * field, atol=1e-5)


def test_without_a_mirror_all_is_alike_on_both_sides(ball, tones):
    _, lopsided = tones
    assets = dataclasses.replace(ball, mirror_vertex=None)
    found = residual_light(lopsided[:, None].expand(-1, 3), assets)
    assert torch.allclose(found[:, 0], BRIGHTNESS_SHARE * lopsided, atol=1e-5)


def test_eyes_have_none_and_do_not_count(ball, tones):
    even, _ = tones
    eye = ball.v_template[:, 1] > 0.06
    regions = dataclasses.replace(ball.regions, names=("left_eyeball",), masks=eye[None])
    assets = dataclasses.replace(ball, regions=regions)
    field = even[:, None].expand(-1, 3)
    found = residual_light(field, assets)
    assert float(found[eye].abs().max()) == 0.0
    white = torch.where(eye[:, None], 3.0, field)
    assert torch.equal(residual_light(white, assets), found)
