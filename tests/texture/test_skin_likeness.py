"""Hair and cloth around the face are told from skin by their colour; the face is not judged."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from flame_fit.flame import Regions
from flame_fit.texture import BakedTexels, DelitTexels
from flame_fit.texture.skin_likeness import face_colour, skin_likeness

SKIN = (0.45, 0.32, 0.25)
DARK_SKIN = (0.12, 0.07, 0.05)


@pytest.fixture(scope="module")
def marked(ball):
    """Face in front, scalp on top, neck below."""
    position = ball.v_template
    scalp, neck = position[:, 1] > 0.06, position[:, 1] < -0.06
    face = ~scalp & ~neck & (position[:, 2] > 0.0)
    regions = Regions(("face", "scalp", "neck"), torch.stack([face, scalp, neck]))
    return dataclasses.replace(ball, regions=regions)


def _seen(layout, assets, skin, region: str, colour) -> tuple[DelitTexels, torch.Tensor]:
    rows = torch.arange(len(layout.texels.texel))
    mask = assets.regions.mask(region)[assets.faces].all(dim=1)[layout.texels.surface.face_index]
    albedo = torch.tensor(skin).repeat(len(rows), 1)
    albedo[mask] = torch.tensor(colour)
    normals = torch.zeros(len(rows), 3)
    baked = BakedTexels(rows, albedo, torch.ones(len(rows)), normals)
    return DelitTexels(baked, albedo), mask


@pytest.mark.parametrize("skin", [SKIN, DARK_SKIN])
@pytest.mark.parametrize(
    ("region", "colour"),
    [("scalp", (0.01, 0.008, 0.006)), ("neck", (0.8, 0.8, 0.8)), ("neck", (0.1, 0.4, 0.1))],
)
def test_hair_and_cloth_are_found(layout, marked, skin, region, colour):
    seen, foreign = _seen(layout, marked, skin, region, colour)
    likeness = skin_likeness(seen, marked, layout.texels)
    assert float(likeness[foreign].max()) < 0.2
    assert float(likeness[~foreign].min()) > 0.99


@pytest.mark.parametrize("skin", [SKIN, DARK_SKIN])
def test_bare_scalp_and_shaded_neck_stay(layout, marked, skin):
    for region, factor in (("scalp", 0.8), ("scalp", 1.25), ("neck", 0.5)):
        seen, mask = _seen(layout, marked, skin, region, [factor * part for part in skin])
        assert float(skin_likeness(seen, marked, layout.texels)[mask].min()) > 0.8


def test_a_beard_stays(layout, marked):
    seen, _ = _seen(layout, marked, SKIN, "face", SKIN)
    albedo = seen.albedo.clone()
    beard = marked.v_template[marked.faces][..., 1].amax(dim=1) < -0.03
    face = marked.regions.mask("face")[marked.faces].all(dim=1)
    rows = (beard & face)[layout.texels.surface.face_index]
    albedo[rows] = torch.tensor([0.02, 0.015, 0.01])
    likeness = skin_likeness(dataclasses.replace(seen, albedo=albedo), marked, layout.texels)
    assert float(likeness[rows].min()) == 1.0


def test_a_model_that_marks_no_face_is_not_judged(layout, ball):
    seen, mask = _seen(layout, ball, SKIN, "scalp", (0.0, 0.5, 0.0))
    assert bool(mask.any())
    assert float(skin_likeness(seen, ball, layout.texels).min()) == 1.0


def test_face_colour_is_the_median_of_what_is_trusted():
    values = torch.cat([torch.zeros(10, 3), torch.ones(30, 3)])
    trust = torch.cat([torch.ones(10), torch.zeros(30)])
    assert torch.equal(face_colour(values, trust), torch.zeros(3))
    assert face_colour(values, torch.zeros(40)) is None
