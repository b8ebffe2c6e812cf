"""Textures, spaces and decoders on another head: known answers, a real one there and back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from flame_fit.appearance import TextureSpace, load_texture_space, srgb_to_linear
from flame_fit.errors import AssetError
from flame_fit.flame import UvChart, load_assets
from flame_fit.head_models.layout_heads import mesh_layout, model_layout
from flame_fit.head_models.layout_textures import (
    DecodedAlbedo,
    convert_texture_space,
    decode_onto,
    head_mixture,
    inner_faces,
)
from flame_fit.head_models.layouts import HeadLayout, HeadPart
from flame_fit.priors.texture_decoder import (
    FaceCropTemplate,
    GeneratorLayout,
    TextureGenerator,
)

SIZE = 64


@pytest.fixture(scope="module")
def reference() -> HeadLayout:
    return model_layout(load_assets())


@pytest.fixture(scope="module")
def mirrored(reference: HeadLayout) -> HeadLayout:
    """OpenHead's skin with its chart turned over from left to right."""
    skin = np.flatnonzero(reference.part == HeadPart.SKIN)
    turned = reference.chart.uv * torch.tensor((-1.0, 1.0)) + torch.tensor((1.0, 0.0))
    return replace(
        reference,
        name="mirrored",
        faces=reference.faces[skin],
        chart=UvChart(turned, reference.chart.faces[torch.from_numpy(skin)]),
        part=np.zeros(len(skin), dtype=int),
    )


@pytest.fixture(scope="module")
def space() -> TextureSpace:
    small = load_texture_space(component_count=2)
    return replace(small, scale=torch.tensor((1.0, 3.0)))


def test_a_space_is_drawn_on_the_other_chart(
    reference: HeadLayout, mirrored: HeadLayout, space: TextureSpace
) -> None:
    made = convert_texture_space(space, reference, mirrored, size=256)
    assert made.space.mean.shape == (256, 256, 3) and made.space.basis.shape[-1] == 2
    assert made.space.scale.tolist() == [1.0, 1.0]
    assert made.space.chart is mirrored.chart
    valid = made.valid
    assert 0.7 < float(valid.float().mean()) < 0.9
    wanted = head_mixture(reference, reference, source_size=512, size=256).carry(space.mean[None])
    error = (made.space.mean - wanted[0].flip(1)).abs()[valid]
    assert float(error.mean()) < 0.002
    component = 3.0 * space.basis[..., 1].reshape(256, 2, 256, 2, 3).mean((1, 3)).flip(1)
    assert float((made.space.basis[..., 1] - component).abs()[valid].mean()) < 0.002


def test_eyes_and_mouth_are_the_targets_own(
    reference: HeadLayout, mirrored: HeadLayout, space: TextureSpace
) -> None:
    backdrop = torch.zeros(32, 32, 3)
    backdrop[..., 2] = 1.0
    green = TextureSpace(torch.zeros(SIZE, SIZE, 3), torch.ones(SIZE, SIZE, 3, 1), torch.ones(1))
    green.mean[..., 1] = 1.0
    made = convert_texture_space(green, mirrored, reference, size=SIZE, backdrop=backdrop)
    mixture = head_mixture(mirrored, reference, source_size=SIZE, size=SIZE)
    transfer = mixture.transfer
    inner = inner_faces(reference)[transfer.face_index] & ~transfer.valid
    flat = made.space.mean.reshape(-1, 3)
    blue, skin = flat[transfer.texel[inner]], flat[transfer.texel[transfer.valid]]
    torch.testing.assert_close(blue, torch.tensor((0.0, 0.0, 1.0)).expand_as(blue))
    torch.testing.assert_close(skin, torch.tensor((0.0, 1.0, 0.0)).expand_as(skin))
    component = made.space.basis.reshape(-1, 3)
    assert not bool(component[transfer.texel[inner]].any())
    without = convert_texture_space(green, mirrored, reference, size=SIZE)
    torch.testing.assert_close(without.space.mean[..., 1], torch.ones(SIZE, SIZE))


def test_heads_that_do_not_meet_are_refused(reference: HeadLayout, mirrored: HeadLayout) -> None:
    away = replace(mirrored, laid=mirrored.laid + 1.0)
    with pytest.raises(AssetError, match="no texel of mirrored comes to lie on open_head"):
        head_mixture(reference, away, source_size=8, size=SIZE)


@pytest.fixture(scope="module")
def generator() -> TextureGenerator:
    torch.manual_seed(0)
    return TextureGenerator(GeneratorLayout(32, 6, 256, 8, 2)).requires_grad_(requires_grad=False)


def test_a_decoder_decodes_onto_another_head(
    reference: HeadLayout, mirrored: HeadLayout, generator: TextureGenerator
) -> None:
    backdrop = torch.full((16, 16, 3), 0.5)
    decode = decode_onto(generator, mirrored, reference, size=SIZE, backdrop=backdrop)
    latents = torch.randn(2, 8, 6, generator=torch.Generator().manual_seed(1), requires_grad=True)
    albedo = decode.to("cpu")(latents)
    assert albedo.shape == (2, SIZE, SIZE, 3)
    pictures = srgb_to_linear(generator(latents))
    mixture = head_mixture(mirrored, reference, source_size=32, size=SIZE)
    shown = torch.full((1, SIZE, SIZE, 3), float(srgb_to_linear(torch.tensor(0.5))))
    expected = mixture.carry(pictures, backdrop=shown, backdrop_faces=inner_faces(reference))
    torch.testing.assert_close(albedo, expected)
    (slope,) = torch.autograd.grad(albedo.square().mean(), latents)
    assert bool((slope.abs().amax(dim=2) > 0).all())


def test_a_decoder_of_the_heads_own_layout_needs_no_carrying(generator: TextureGenerator) -> None:
    latents = torch.randn(1, 8, 6, generator=torch.Generator().manual_seed(1))
    expected = srgb_to_linear(generator(latents))
    assert torch.equal(DecodedAlbedo(generator)(latents), expected)
    template = FaceCropTemplate(torch.full((52, 52, 3), 0.5))
    placed = DecodedAlbedo(generator, template=template)(latents)
    assert placed.shape == expected.shape
    assert not torch.allclose(placed, expected, atol=1e-2)


def test_a_hifi3dpp_texture_goes_to_open_head_and_back(
    shared_data: Path, asset_folder: Path, reference: HeadLayout
) -> None:
    """The published criterion: at most 0.02 where both have the texel; measured 0.005 at 1024."""
    folder = shared_data / "hifi3dpp"
    texture = load_texture_space(folder / "tex_uv.png")
    head = mesh_layout(folder / "mesh_head.obj", picture=srgb_to_linear(texture.mean))
    there = convert_texture_space(texture, head, reference, size=256)
    back = convert_texture_space(there.space, reference, head, size=256)
    mixture = head_mixture(reference, head, source_size=256, size=256)
    kept = mixture.carry(there.valid[None, ..., None].float())[0, ..., 0] > 0.999
    both = kept & back.valid
    first = texture.mean.reshape(256, 4, 256, 4, 3).mean((1, 3))
    error = (back.space.mean - first).abs()[both]
    assert float(both.float().mean()) > 0.7
    assert float(error.mean()) < 0.012
