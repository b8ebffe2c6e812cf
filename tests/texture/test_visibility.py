"""The depth buffer says what the camera sees."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from flame_fit.errors import InputError
from flame_fit.render import rasterize
from flame_fit.texture import bake
from flame_fit.texture.visibility import depth_view


def _confidence(shot, ball, layout, rasterizer) -> torch.Tensor:
    baked = bake(shot.view, shot.vertices, ball, texels=layout.texels, rasterizer=rasterizer)
    confidence = torch.zeros(len(layout.texels.texel))
    confidence[baked.row] = baked.confidence
    return confidence


def _faces_in_the_image(shot, ball, rasterizer) -> torch.Tensor:
    fragments = rasterize(
        shot.vertices[None], ball.faces, shot.view.camera, (512, 512), rasterizer=rasterizer
    )
    hit = torch.zeros(len(ball.faces), dtype=torch.bool)
    hit[fragments.face_index[fragments.face_index >= 0].long()] = True
    return hit


def test_what_faces_the_camera_is_seen(frontal, ball, layout, rasterizer):
    confidence = _confidence(frontal, ball, layout, rasterizer)
    front = ball.v_template[ball.faces[layout.texels.surface.face_index]].mean(dim=1)
    cheek = (front[:, 2] > 0.07) & (front[:, 0].abs() > 0.035)
    assert float(confidence[cheek].min()) > 0.95


@pytest.mark.parametrize("name", ["frontal", "turned"])
def test_what_no_pixel_shows_has_no_confidence(name, ball, layout, rasterizer, request):
    shot = request.getfixturevalue(name)
    confidence = _confidence(shot, ball, layout, rasterizer)
    hit = _faces_in_the_image(shot, ball, rasterizer)
    hidden = ~hit[layout.texels.surface.face_index]
    assert float(confidence[hidden].max()) < 0.02


def test_the_nose_hides_the_far_cheek(turned, ball, layout, rasterizer):
    confidence = _confidence(turned, ball, layout, rasterizer)
    centre = ball.v_template[ball.faces[layout.texels.surface.face_index]].mean(dim=1)
    level = centre[:, 1].abs() < 0.01
    behind_the_nose = level & (centre[:, 0] > 0.015) & (centre[:, 0] < 0.05) & (centre[:, 2] > 0)
    near_cheek = level & (centre[:, 0] < -0.025) & (centre[:, 0] > -0.05) & (centre[:, 2] > 0)
    assert float(confidence[behind_the_nose].max()) == 0.0
    assert float(confidence[near_cheek].min()) > 0.9


def test_a_head_outside_the_photo_is_refused(frontal, ball, rasterizer):
    aside = frontal.vertices + torch.tensor([5.0, 0.0, 0.0])
    with pytest.raises(InputError, match="outside the 512 x 512 photo"):
        depth_view(
            aside,
            ball.faces,
            frontal.view.camera,
            (512, 512),
            inner_faces=torch.zeros(len(ball.faces), dtype=torch.bool),
            rasterizer=rasterizer,
        )


def test_a_head_partly_outside_the_photo_is_seen_inside_it(frontal, ball, layout, rasterizer):
    aside = frontal.vertices + torch.tensor([0.15, 0.0, 0.0])
    everywhere = torch.ones_like(frontal.view.weight)
    view = dataclasses.replace(frontal.view, weight=everywhere)
    baked = bake(view, aside, ball, texels=layout.texels, rasterizer=rasterizer)
    assert bool(baked.colour.isfinite().all())
    centre = ball.v_template[ball.faces[layout.texels.surface.face_index[baked.row]]].mean(dim=1)
    assert float(centre[baked.confidence > 0.5, 0].max()) == pytest.approx(-0.01, abs=0.015)
