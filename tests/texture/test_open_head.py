"""The embedded head, photographed and textured again."""

from __future__ import annotations

import math

import pytest
import torch

from flame_fit.flame import load_assets
from flame_fit.geometry import Camera, axis_angle_to_matrix
from flame_fit.texture import (
    PhotoView,
    dilate,
    face_region,
    texture_layout,
)
from flame_fit.texture.surface_values import interpolate_vertices
from flame_fit.texture.texel_geometry import INNER_REGIONS
from tests.texture.textures import texture_from_photo

SIZE = 512
PHOTO = 512
BLUE_IRIS = (0.12, 0.25, 0.45)
SCLERA = (0.6, 0.57, 0.55)
MOUTH = (0.3, 0.1, 0.1)


@pytest.fixture(scope="module")
def head():
    return load_assets("open_head")


@pytest.fixture(scope="module")
def head_layout(head):
    return texture_layout(head, SIZE)


def _painted(head, head_layout, skin: torch.Tensor) -> torch.Tensor:
    colour = skin.expand(len(head_layout.texels.texel), 3).clone()
    face = head_layout.texels.surface.face_index
    parts = {"eyeball": SCLERA, "iris": BLUE_IRIS}
    for part, value in parts.items():
        for side in ("left", "right"):
            colour[face_region(head, f"{side}_{part}")[face]] = torch.tensor(value)
    colour[face_region(head, "mouth_interior", "teeth")[face]] = torch.tensor(MOUTH)
    return dilate(head_layout.texels.to_map(colour), head_layout.texels)


@pytest.fixture(scope="module")
def truth(head, head_layout) -> torch.Tensor:
    texels = head_layout.texels
    position = interpolate_vertices(head.v_template, texels.corners, texels.surface.barycentrics)
    side, height = position[:, :1].abs(), position[:, 1:2]
    pattern = 1.0 + 0.1 * torch.sin(250.0 * side) * torch.sin(250.0 * height)
    return _painted(head, head_layout, pattern * torch.tensor([0.45, 0.31, 0.24]))


@pytest.fixture(scope="module")
def head_prior(head, head_layout) -> torch.Tensor:
    return _painted(head, head_layout, torch.tensor([0.40, 0.30, 0.22]))


@pytest.fixture(scope="module", params=[0.0, 30.0])
def textured(request, head, head_layout, truth, head_prior, frontal, rasterizer, photograph):
    turn = axis_angle_to_matrix(torch.tensor([[0.0, math.radians(request.param), 0.0]]))[0]
    centred = head.v_template - head.v_template.mean(dim=0)
    vertices = centred @ turn.T + torch.tensor([0.0, 0.0, -0.7])
    camera = Camera(torch.full((1, 2), 1050.0), torch.full((1, 2), PHOTO / 2))
    image = photograph(truth, vertices, head, camera, frontal.lighting, PHOTO)
    view = PhotoView(image[..., :3].contiguous(), image[..., 3].contiguous(), camera)
    maps = texture_from_photo(
        view,
        vertices,
        head,
        frontal.lighting,
        head_prior,
        layout=head_layout,
        rasterizer=rasterizer,
    )
    again = photograph(maps.albedo, vertices, head, camera, frontal.lighting, PHOTO)
    return maps, view, again


def test_seen_albedo_is_recovered(textured, truth):
    maps, _, _ = textured
    seen = maps.confidence > 0.5
    assert float(seen.float().mean()) > 0.15
    assert float((maps.albedo - truth)[seen].abs().mean()) < 0.01


def test_the_whole_head_has_the_tone_of_the_face(textured, truth, head, head_layout):
    """Eyes and mouth are left out: where they are hidden they are shaded on purpose."""
    maps, _, _ = textured
    texels = head_layout.texels
    inner = face_region(head, *INNER_REGIONS)[texels.surface.face_index]
    outside = texels.to_map(1.0 - inner.float()[:, None])[..., 0] > 0.5
    error = (maps.albedo - truth)[maps.mask & outside].abs()
    assert float(error.mean()) < 0.03
    assert float(torch.quantile(error.mean(dim=1), 0.99)) < 0.12


def test_the_photo_comes_back(textured):
    _, view, again = textured
    skin = view.weight > 0.99
    error = ((again[..., :3] - view.linear)[skin] ** 2).mean()
    assert float(-10.0 * torch.log10(error)) > 38.0


def test_irises_are_whole(textured, truth, head, head_layout):
    """Behind the lids the iris goes on, in the colour of its seen part."""
    maps, _, _ = textured
    iris = face_region(head, "left_iris", "right_iris")
    rows = iris[head_layout.texels.surface.face_index]
    error = head_layout.texels.from_map(maps.albedo - truth)[rows].abs()
    hidden = head_layout.texels.from_map(maps.confidence[..., None])[rows, 0] < 0.01
    assert int(hidden.sum()) > 50
    assert float(error[hidden].mean()) < 0.06


def test_nothing_of_the_lids_is_printed_on_the_eyes(textured, head, head_layout):
    """Sclera is nearly grey and lids are red, so redness betrays them."""
    maps, _, _ = textured
    ball = face_region(head, "left_eyeball", "right_eyeball")
    rows = ball[head_layout.texels.surface.face_index]
    colour = head_layout.texels.from_map(maps.albedo)[rows]
    assert float((colour[:, 0] - colour[:, 2]).max()) < 0.14
