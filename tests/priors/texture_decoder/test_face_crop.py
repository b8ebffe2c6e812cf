"""Pictures of faces alone put into a whole texture."""

from __future__ import annotations

import torch

from flame_fit.priors.texture_decoder import FaceCropTemplate, place_face_crop

SIDE, WHOLE = 128, 208
TOP, LEFT = 23, 40
"""Rows 187 and columns 317 of 1664 at an eighth of the size."""


def picture(seed: int = 0) -> torch.Tensor:
    random = torch.rand(1, SIDE, SIDE, 3, generator=torch.Generator().manual_seed(seed))
    return 0.3 + 0.4 * random


def template(**masks: torch.Tensor) -> FaceCropTemplate:
    texture = torch.rand(WHOLE, WHOLE, 3, generator=torch.Generator().manual_seed(9))
    return FaceCropTemplate(0.6 + 0.1 * texture, **masks)


def test_the_middle_of_the_picture_is_kept_at_its_place() -> None:
    face = picture()
    whole = place_face_crop(face, template(), size=WHOLE)
    assert whole.shape == (1, WHOLE, WHOLE, 3)
    inner = whole[0, TOP + 40 : TOP + 90, LEFT + 40 : LEFT + 90]
    torch.testing.assert_close(inner, face[0, 40:90, 40:90], atol=1e-5, rtol=0)
    assert place_face_crop(face, template(), size=64).shape == (1, 64, 64, 3)


def test_the_surroundings_take_its_colours() -> None:
    """Outside, the template has the mean of the picture and two thirds of its spread."""
    dark = picture() * torch.tensor((0.5, 0.4, 0.3))
    whole = place_face_crop(dark, template(), size=WHOLE)[0]
    outside = whole[: TOP - 2].reshape(-1, 3)
    wanted = dark[0, 20:-20, 20:-20].reshape(-1, 3)
    torch.testing.assert_close(outside.mean(0), wanted.mean(0), atol=0.01, rtol=0)
    luma = torch.tensor((0.299, 0.587, 0.114))
    assert abs(float((outside @ luma).std() / (wanted @ luma).std()) - 2.0 / 3.0) < 0.04


def test_masks_are_followed() -> None:
    blend = torch.zeros(WHOLE, WHOLE)
    blend[:, : WHOLE // 2] = 1.0
    hair = torch.zeros(WHOLE, WHOLE)
    hair[:60] = 1.0
    given = template(blend=blend, hair=hair)
    face = picture()
    whole = place_face_crop(face, given, size=WHOLE)[0]
    torch.testing.assert_close(whole[:50], given.texture[:50], atol=1e-5, rtol=0)
    torch.testing.assert_close(
        whole[90:120, LEFT + 8 : 90], face[0, 90 - TOP : 120 - TOP, 8 : 90 - LEFT],
        atol=1e-5, rtol=0,
    )  # fmt: skip
    right = whole[90:120, 130:150]
    assert (
        float((right - face[0, 90 - TOP : 120 - TOP, 130 - LEFT : 150 - LEFT]).abs().max()) > 0.05
    )


def test_gradients_reach_the_picture() -> None:
    face = picture().requires_grad_()
    place_face_crop(face, template(), size=WHOLE)[0, 100, 100].sum().backward()
    assert face.grad is not None and float(face.grad.abs().max()) > 0.5
