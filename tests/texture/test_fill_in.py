"""What is not seen, as a texture space has it."""

from __future__ import annotations

import pytest
import torch

from flame_fit.appearance import TextureSpace, decode
from flame_fit.errors import InputError
from flame_fit.texture.fill_in import SeenMap, complete_by_space
from flame_fit.texture.spaces import ColourPrior

SIZE = 64


@pytest.fixture(scope="module")
def texels(ball):
    from flame_fit.texture import build_texel_geometry

    return build_texel_geometry(ball, SIZE)


def known_space() -> TextureSpace:
    generator = torch.Generator().manual_seed(0)
    return TextureSpace(
        mean=torch.full((SIZE, SIZE, 3), 0.5),
        basis=0.05 * torch.randn(SIZE, SIZE, 3, 4, generator=generator),
        scale=torch.tensor([1.0, 0.8, 0.6, 0.4]),
    )


def test_a_space_tells_what_is_hidden(texels):
    space, code = known_space(), torch.tensor([[1.0, -0.7, 0.4, 1.5]])
    albedo = decode(space, code)[0]
    confidence = torch.zeros(SIZE, SIZE)
    confidence[:, SIZE // 2 :] = 1.0
    factor = torch.tensor([0.1, 0.05, 0.0])
    photographed = torch.where(confidence[..., None] > 0, albedo * torch.exp(factor), 0.9)
    photographed[40:44, 40:60] = 0.0
    found = complete_by_space(
        SeenMap(photographed, confidence), space, texels, colour=ColourPrior(0.1, 0.05)
    )
    assert torch.allclose(found.code.float(), code[0], atol=0.05)
    assert torch.allclose(found.log_factor.float(), factor, atol=0.02)
    hidden = texels.covered() & (confidence == 0)
    off = found.albedo[hidden] - (albedo * torch.exp(factor))[hidden]
    assert float(off.abs().mean()) < 0.005


def test_nothing_seen_is_the_mean(texels):
    space = known_space()
    seen = SeenMap(torch.rand(SIZE, SIZE, 3), torch.zeros(SIZE, SIZE))
    found = complete_by_space(seen, space, texels)
    assert float(found.code.abs().max()) < 1e-6
    covered = texels.covered()
    expected = decode(space, torch.zeros(1, 4))[0][covered]
    assert torch.allclose(found.albedo[covered], expected, atol=1e-5)


def test_a_space_of_another_size_is_refused(texels):
    small = TextureSpace(torch.zeros(8, 8, 3), torch.zeros(8, 8, 3, 1), torch.ones(1))
    seen = SeenMap(torch.zeros(SIZE, SIZE, 3), torch.zeros(SIZE, SIZE))
    with pytest.raises(InputError, match="has 8 texels a side, the chart 64; resize one of them"):
        complete_by_space(seen, small, texels)
