"""The steps between photo and texture, each by itself."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from flame_fit.appearance import shade
from flame_fit.texture import (
    BakedTexels,
    bake,
    delight,
    dilate,
    smooth_field,
    surface_operator,
)
from flame_fit.texture.bake import feather
from flame_fit.texture.dilate import dilated


@pytest.fixture(scope="module")
def baked(frontal, ball, layout, rasterizer) -> BakedTexels:
    return bake(frontal.view, frontal.vertices, ball, texels=layout.texels, rasterizer=rasterizer)


def test_albedo_times_shading_is_the_photo(baked, frontal):
    seen = delight(baked, frontal.lighting)
    shading = shade(baked.normals[None], frontal.lighting[None])[0]
    kept = (seen.albedo > 0.01) & (seen.albedo < 0.99) & (seen.baked.confidence[:, None] > 0.1)
    assert torch.allclose((seen.albedo * shading)[kept], baked.colour[kept], atol=1e-5)


def test_texels_in_the_dark_are_not_trusted(baked):
    light = torch.zeros(9, 3)
    light[0] = 1.0
    light[3] = 0.86
    seen = delight(baked, light)
    shading = shade(baked.normals[None], light[None])[0].mean(dim=1)
    assert float(seen.baked.confidence[shading < 0.1 * shading.mean()].max()) == 0.0
    assert bool((seen.albedo <= 1.0).all())


def test_clipped_pixels_are_trusted_less(frontal, ball, layout, rasterizer, baked):
    photo = torch.where(frontal.view.weight[..., None] > 0.5, 1.0, frontal.view.linear)
    view = dataclasses.replace(frontal.view, linear=photo)
    white = bake(view, frontal.vertices, ball, texels=layout.texels, rasterizer=rasterizer)
    assert float(white.confidence.max()) < 0.8 * float(baked.confidence.max())


def test_person_weight_is_for_parts_that_are_not_skin(frontal, ball, layout, rasterizer):
    eyeball = (ball.v_template[:, 0] > 0.0)[None]
    regions = dataclasses.replace(ball.regions, names=("left_eyeball",), masks=eyeball)
    assets = dataclasses.replace(ball, regions=regions)
    nowhere = torch.zeros_like(frontal.view.weight)
    view = dataclasses.replace(frontal.view, weight=nowhere, person_weight=frontal.view.weight)
    baked = bake(view, frontal.vertices, assets, texels=layout.texels, rasterizer=rasterizer)
    face = layout.texels.surface.face_index[baked.row]
    side = ball.v_template[ball.faces[face]][..., 0].mean(dim=1)
    assert float(baked.confidence[side < -0.01].max()) == 0.0
    assert float(baked.confidence[side > 0.01].max()) > 0.9


def test_specks_vanish_and_surfaces_stay(layout):
    texels = layout.texels
    row = torch.arange(len(texels.texel))
    assert torch.allclose(feather(torch.ones(len(row)), row, texels), torch.ones(len(row)))
    speck = torch.zeros(len(row))
    speck[len(row) // 2] = 1.0
    assert float(feather(speck, row, texels).max()) == 0.0


def test_dilation_keeps_covered_texels_and_fills_the_gutter(layout):
    texels = layout.texels
    image = texels.to_map(torch.rand(len(texels.texel), 3))
    filled = dilate(image, texels)
    covered = texels.covered()
    assert torch.equal(filled[covered], image[covered])
    rows = covered.any(dim=1).nonzero()[:, 0]
    first, column = int(rows[0]), texels.size // 2
    assert torch.equal(filled[first - 4 : first, column], image[first, column].expand(4, 3))
    assert torch.allclose(filled[0, 0], image[covered].mean(dim=0), atol=1e-5)


def test_rows_are_laid_out_as_dilation_would(layout):
    texels = layout.texels
    rows = torch.rand(len(texels.texel), 2)
    assert torch.equal(dilated(rows, texels), dilate(texels.to_map(rows, fill=-1.0), texels))


def test_the_gutter_is_at_least_eight_texels_at_1024(layout):
    texels = layout.texels
    filled = dilate(texels.to_map(torch.rand(len(texels.texel), 3)), texels)
    mean = filled[0, 0]
    top = int(texels.covered().any(dim=1).nonzero()[0, 0])
    wanted = 8 * texels.size // 1024
    assert not bool((filled[top - wanted : top, texels.size // 2] == mean).all(dim=1).any())


def test_a_field_keeps_its_data_and_stays_in_their_range(ball):
    operator = surface_operator(ball.v_template, ball.faces)
    known = (ball.v_template[:, 2] > 0.02).float()
    truth = ball.v_template[:, :1] * 10.0
    field = smooth_field(truth, known, torch.zeros_like(truth), operator=operator, length=0.002)
    inside = ball.v_template[:, 2] > 0.03
    assert torch.allclose(field[inside], truth[inside], atol=0.02)
    data = truth[known > 0]
    assert float(field.max()) <= float(data.max()) + 1e-4
    assert float(field.min()) >= float(data.min()) - 1e-4


def test_a_constant_is_carried_everywhere(ball):
    operator = surface_operator(ball.v_template, ball.faces)
    known = (ball.v_template[:, 2] > 0.06).float()
    value = torch.full((len(known), 2), 0.7)
    field = smooth_field(value, known, value, operator=operator, length=0.01)
    assert torch.allclose(field, value, atol=1e-4)


def test_without_data_a_field_rests(ball):
    operator = surface_operator(ball.v_template, ball.faces)
    rest = torch.full((len(ball.v_template), 1), 0.3)
    nothing = torch.zeros(len(rest))
    field = smooth_field(rest + 5.0, nothing, rest, operator=operator, length=0.01)
    assert torch.allclose(field, rest, atol=1e-4)
