"""Hidden parts of an eyeball take the colours seen at the same distance from the pupil."""

from __future__ import annotations

import dataclasses

import torch

from flame_fit.flame import Regions
from flame_fit.texture.eyes import (
    LID_SHADOW,
    RING_COUNT,
    EyeSight,
    EyeTexels,
    complete_eyes,
    eye_texels,
    fill_eye,
    ring_colours,
)


def _eye() -> EyeTexels:
    ring = torch.linspace(0.0, RING_COUNT - 1.0, 4000)
    return EyeTexels(torch.arange(4000), ring, 20.0)


def _truth(eye: EyeTexels) -> torch.Tensor:
    iris = (eye.ring < 20.0).float()[:, None]
    return iris * torch.tensor([-2.0, -1.2, -0.8]) + (1.0 - iris) * torch.tensor([-0.4, -0.5, -0.5])


def test_rings_seen_in_part_are_filled_whole():
    eye = _eye()
    truth = _truth(eye)
    trust = (torch.arange(4000) % 3 == 0).float() * (eye.ring < 30.0)
    rings = ring_colours(torch.where(trust[:, None] > 0, truth, 5.0), trust, eye)
    filled = fill_eye(torch.zeros(4000, 3), rings, None, eye)
    inside = (eye.ring < 28.0) & ((eye.ring - 20.0).abs() > 1.5)
    assert float((filled - truth)[inside].abs().max()) < 0.01


def test_what_no_eye_shows_stays():
    eye = _eye()
    rings = ring_colours(_truth(eye), (eye.ring < 30.0).float(), eye)
    filled = fill_eye(torch.zeros(4000, 3), rings, rings, eye)
    assert float(filled[eye.ring > 31.5].abs().max()) == 0.0


def test_a_hidden_eye_takes_the_colours_of_the_other():
    eye = _eye()
    truth = _truth(eye)
    hidden = ring_colours(truth, torch.zeros(4000), eye)
    other = ring_colours(truth, torch.ones(4000), eye)
    filled = fill_eye(torch.zeros(4000, 3), hidden, other, eye)
    iris = eye.ring < 18.0
    assert float((filled - truth)[iris].abs().max()) < 0.1


def test_rings_are_centred_on_the_iris(ball, layout):
    direction = torch.nn.functional.normalize(ball.v_template, dim=1)
    pole = torch.tensor([0.6, 0.0, 0.8])
    masks = torch.stack([torch.ones(len(direction), dtype=torch.bool), direction @ pole > 0.9])
    assets = dataclasses.replace(ball, regions=Regions(("left_eyeball", "left_iris"), masks))
    (eye,) = eye_texels(assets, layout.texels)
    face = layout.texels.surface.face_index[eye.row]
    nearest = ball.v_template[ball.faces[face[eye.ring.argmin()]]].mean(dim=0)
    assert float(torch.nn.functional.cosine_similarity(nearest, pole, dim=0)) > 0.98


def test_a_model_without_irises_has_no_eyes(layout):
    assert layout.eyes == ()


def test_lid_is_not_taken_for_sclera():
    """Where the fitted opening is larger than the photo's, skin is seen on the eyeball."""
    eye = _eye()
    prior = _truth(eye)
    skin = torch.tensor([0.45, 0.31, 0.22]).log()
    own = torch.where((eye.ring > 26.0)[:, None], skin, prior)
    trust = (eye.ring < 34.0).float()
    (whole,) = complete_eyes((eye,), (EyeSight(prior, own, trust),), skin)
    lid = (eye.ring > 27.0) & (eye.ring < 34.0)
    assert float((whole.own - (prior - LID_SHADOW))[lid].abs().max()) < 0.05
    assert float(whole.trust[lid].max()) < 0.05
    seen = eye.ring < 25.0
    assert torch.equal(whole.own[seen], own[seen])
    assert float(whole.trust[seen].min()) == 1.0
