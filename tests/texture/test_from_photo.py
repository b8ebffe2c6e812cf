"""A photo of a known head gives its texture back."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from flame_fit.texture import TextureMaps, shade_texture
from flame_fit.texture.from_photo import complete_texture, texels_of_photo
from tests.texture.textures import texture_from_photo


@pytest.fixture(scope="module", params=["frontal", "turned"])
def shot(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def maps(shot, ball, layout, prior, rasterizer) -> TextureMaps:
    return texture_from_photo(
        shot.view, shot.vertices, ball, shot.lighting, prior, layout=layout, rasterizer=rasterizer
    )


def test_seen_albedo_is_recovered(maps, shot):
    seen = maps.confidence > 0.5
    assert float(seen.float().mean()) > 0.15
    assert float((maps.albedo - shot.albedo)[seen].abs().mean()) < 0.01


def test_unseen_albedo_has_the_tone_of_the_seen(maps, shot):
    unseen = maps.mask & (maps.confidence < 0.05)
    assert float((maps.albedo - shot.albedo)[unseen].abs().mean()) < 0.06
    background_green = maps.albedo[..., 1] > maps.albedo[..., 0]
    marker = shot.albedo[..., 1] > shot.albedo[..., 0]
    assert not bool((background_green & ~marker & maps.mask & unseen).any())


def test_shown_again_under_its_light_it_is_the_photo(maps, shot, ball, photograph):
    lit = maps.albedo * maps.residual
    image = photograph(lit, shot.vertices, ball, shot.view.camera, shot.lighting, 512)
    skin = shot.view.weight > 0.99
    error = ((image[..., :3] - shot.view.linear)[skin] ** 2).mean()
    assert float(-10.0 * torch.log10(error)) > 38.0


def test_the_marker_lands_on_the_forehead(maps):
    blue = maps.albedo[..., 2] > 1.5 * maps.albedo[..., 0]
    rows, columns = (blue & maps.mask).nonzero().float().mean(dim=0).div(256.0).tolist()
    assert rows == pytest.approx(1.0 - 0.72, abs=0.01)
    assert columns == pytest.approx(0.5, abs=0.01)


def test_no_edge_between_seen_and_filled(maps, shot, layout):
    """Between neighbours anywhere, the texture changes little more than the truth does."""
    away_from_marker = (shot.albedo[..., 0] > 0.2) & maps.mask
    worst = 0.0
    for axis in (0, 1):
        step = maps.albedo.diff(dim=axis).abs().amax(dim=2)
        both = away_from_marker & away_from_marker.roll(-1, dims=axis)
        both = both.narrow(axis, 0, both.shape[axis] - 1)
        worst = max(worst, float(torch.quantile(step[both], 0.999)))
    truth = shot.albedo.diff(dim=1).abs().amax(dim=2)[:, :100].max()
    assert worst < 2.0 * float(truth)


def test_what_only_the_mirror_side_shows_takes_its_detail(turned, ball, layout, prior, rasterizer):
    maps = texture_from_photo(
        turned.view,
        turned.vertices,
        ball,
        turned.lighting,
        prior,
        layout=layout,
        rasterizer=rasterizer,
    )
    trust = maps.confidence
    from_mirror = (trust < 0.01) & (trust.flip(1) > 0.99) & maps.mask
    assert int(from_mirror.sum()) > 2000
    error = maps.albedo - turned.albedo
    lopsided = maps.albedo[from_mirror] - maps.albedo.flip(1)[from_mirror]
    assert float(error[from_mirror].abs().mean()) < 0.03
    assert float(lopsided.std()) < 0.02


def test_foreign_pixels_are_not_printed(frontal, ball, layout, prior, rasterizer):
    """A hand before the face, excluded by the weight, leaves no colour behind.

    With the hand taken for skin the texels under it err by 0.75. What no photo shows takes the
    tone of what is near, which is a guess.
    """
    photo, weight = frontal.view.linear.clone(), frontal.view.weight.clone()
    photo[180:300, 150:230] = torch.tensor([0.0, 0.0, 1.0])
    weight[175:305, 145:235] = 0.0
    covered = dataclasses.replace(frontal.view, linear=photo, weight=weight)
    whole, maps = (
        texture_from_photo(
            view,
            frontal.vertices,
            ball,
            frontal.lighting,
            prior,
            layout=layout,
            rasterizer=rasterizer,
        )
        for view in (frontal.view, covered)
    )
    marker = frontal.albedo[..., 0] < 0.2
    shown = (whole.confidence > 0.0) & maps.mask & ~marker
    hidden = shown & (maps.confidence == 0.0)
    assert int(hidden.sum()) > 500
    error = (maps.albedo - frontal.albedo).abs()
    assert float(error[hidden].max()) < 0.05
    assert float(error[shown].max()) < 0.1
    assert float(error[maps.mask & ~marker].max()) < 0.25


def test_a_photo_without_skin_gives_the_prior(frontal, ball, layout, prior, rasterizer):
    view = dataclasses.replace(frontal.view, weight=torch.zeros_like(frontal.view.weight))
    maps = texture_from_photo(
        view, frontal.vertices, ball, frontal.lighting, prior, layout=layout, rasterizer=rasterizer
    )
    assert torch.allclose(maps.albedo[maps.mask], prior[maps.mask], atol=1e-4)
    assert float(maps.confidence.max()) == 0.0


def test_inputs_stay_as_they_were(frontal, ball, layout, prior, rasterizer):
    photo, weight, prior_before = frontal.view.linear.clone(), frontal.view.weight.clone(), prior
    prior_before = prior.clone()
    texture_from_photo(
        frontal.view,
        frontal.vertices,
        ball,
        frontal.lighting,
        prior,
        layout=layout,
        rasterizer=rasterizer,
    )
    assert torch.equal(photo, frontal.view.linear)
    assert torch.equal(weight, frontal.view.weight)
    assert torch.equal(prior, prior_before)


def test_shaded_texture_is_albedo_times_light_times_what_that_leaves(maps, shot, ball, layout):
    white = torch.zeros(9, 3)
    white[0] = 0.5
    lit = shade_texture(
        maps.albedo, shot.vertices, ball, white, residual=maps.residual, texels=layout.texels
    )
    whole = 0.5 * maps.albedo * maps.residual
    assert torch.allclose(lit[maps.mask], whole[maps.mask])


def test_light_goes_from_the_albedo_to_the_residual_and_nowhere_else(
    maps, shot, ball, layout, prior, rasterizer
):
    seen = texels_of_photo(
        shot.view, shot.vertices, ball, shot.lighting, layout=layout, rasterizer=rasterizer
    )
    whole = complete_texture(seen, prior, ball, layout=layout, tone_is_skin=True)
    assert torch.equal(whole.residual, torch.ones_like(whole.albedo))
    inside = maps.mask & (whole.albedo.amax(dim=2) < 0.9) & (maps.albedo.amin(dim=2) > 0.003)
    product = maps.albedo * maps.residual
    assert torch.allclose(product[inside], whole.albedo[inside], rtol=1e-4)
    assert float((maps.residual[inside] - 1.0).abs().max()) > 0.01
