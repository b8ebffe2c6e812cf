"""Texture lookup."""

import pytest
import torch

from flame_fit.render import (
    ScreenVertices,
    build_mipmaps,
    sample_texture,
    sample_texture_at,
    texels_per_pixel,
)


def uv_texture(size: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """A texture that holds its own chart coordinates at the texel centres."""
    centre = (torch.arange(size, dtype=dtype) + 0.5) / size
    u = centre[None, :].expand(size, size)
    v = 1.0 - centre[:, None].expand(size, size)
    return torch.stack((u, v), dim=-1)[None]


def random_uv(count: int, low: float, high: float) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(count, 2, generator=generator, dtype=torch.float64) * (high - low) + low


def first_image(uv: torch.Tensor) -> torch.Tensor:
    return torch.zeros(len(uv), dtype=torch.long)


def test_a_gradient_samples_its_own_coordinates():
    uv = random_uv(500, 0.5 / 16, 1 - 0.5 / 16)
    values = sample_texture_at(uv_texture(16), uv, first_image(uv))
    torch.testing.assert_close(values, uv, rtol=0, atol=1e-12)


@pytest.mark.parametrize("footprint", [1.0, 1.5, 2.0, 3.3, 8.0])
def test_a_gradient_samples_its_own_coordinates_on_every_level(footprint):
    uv = random_uv(500, 0.3, 0.7)
    size = torch.full((len(uv),), footprint, dtype=torch.float64)
    values = sample_texture_at(uv_texture(64), uv, first_image(uv), footprint=size)
    torch.testing.assert_close(values, uv, rtol=0, atol=1e-12)


def test_v_points_up_and_u_to_the_right():
    texture = torch.zeros(1, 4, 4, 1)
    texture[0, 0, 3] = 1.0
    corner = torch.tensor([[[[0.999, 0.999], [0.001, 0.999], [0.999, 0.001]]]])
    assert sample_texture(texture, corner).reshape(-1).tolist() == [1.0, 0.0, 0.0]


def test_lookups_outside_take_the_border():
    uv = torch.tensor([[[[-3.0, 0.5], [4.0, 0.5], [0.5, -1.0], [0.5, 9.0]]]], dtype=torch.float64)
    values = sample_texture(uv_texture(8), uv)[0, 0]
    low, high = 0.5 / 8, 1 - 0.5 / 8
    expected = torch.tensor([[low, 0.5], [high, 0.5], [0.5, low], [0.5, high]]).double()
    torch.testing.assert_close(values, expected, rtol=0, atol=1e-12)


def test_minified_texture_is_averaged():
    board = (torch.arange(32)[:, None] + torch.arange(32)[None]) % 2
    texture = board.double()[None, ..., None]
    uv = random_uv(200, 0.1, 0.9)
    size = torch.full((len(uv),), 4.0, dtype=torch.float64)
    smooth = sample_texture_at(texture, uv, first_image(uv), footprint=size)
    torch.testing.assert_close(smooth, torch.full_like(smooth, 0.5))
    sharp = sample_texture_at(texture, uv, first_image(uv), footprint=size / 8)
    assert sharp.std() > 0.15


def test_levels_blend_in_between():
    generator = torch.Generator().manual_seed(1)
    texture = torch.rand(1, 16, 16, 3, generator=generator, dtype=torch.float64)
    uv = random_uv(100, 0.0, 1.0)
    zero = first_image(uv)
    half = torch.full((len(uv),), 2.0**0.25, dtype=torch.float64)
    values = sample_texture_at(texture, uv, zero, footprint=half)
    fine, coarse = (sample_texture_at(level, uv, zero) for level in build_mipmaps(texture, 2))
    torch.testing.assert_close(values, 0.75 * fine + 0.25 * coarse)


def test_mixed_footprints_equal_their_parts():
    texture, uv = uv_texture(64).square(), random_uv(300, 0.0, 1.0)
    generator = torch.Generator().manual_seed(2)
    size = 2.0 ** (torch.rand(300, generator=generator, dtype=torch.float64) * 9 - 2)
    values = sample_texture_at(texture, uv, first_image(uv), footprint=size)
    for k in range(0, 300, 37):
        one = slice(k, k + 1)
        alone = sample_texture_at(texture, uv[one], first_image(uv[one]), footprint=size[one])
        torch.testing.assert_close(values[one], alone)


def test_mipmaps_keep_the_mean_and_halve_the_size():
    texture = torch.rand(2, 32, 32, 3)
    levels = build_mipmaps(texture, 20)
    assert [level.shape[1] for level in levels] == [32, 16, 8, 4, 2, 1]
    torch.testing.assert_close(levels[-1][:, 0, 0], texture.mean((1, 2)))


def test_a_single_texel_is_a_constant():
    texture = torch.tensor([[[[0.2, 0.4]]]])
    values = sample_texture(texture, torch.rand(2, 3, 4, 2), footprint=torch.full((2, 3, 4), 9.0))
    assert torch.equal(values, texture.expand(2, 3, 4, 2))


@pytest.mark.parametrize("footprint", [None, 1.7])
def test_gradients_equal_finite_differences(footprint):
    generator = torch.Generator().manual_seed(4)
    texture = torch.rand(2, 8, 8, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    uv = random_uv(12, 0.1, 0.9).reshape(2, 2, 3, 2).requires_grad_()
    size = None if footprint is None else torch.full((2, 2, 3), footprint, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda map_, points: sample_texture(map_, points, footprint=size), (texture, uv)
    )


def test_each_image_reads_its_own_map():
    textures = torch.rand(3, 8, 8, 3)
    uv = torch.rand(3, 5, 4, 2)
    together = sample_texture(textures, uv, footprint=torch.full((3, 5, 4), 2.5))
    for k in range(3):
        rows = slice(k, k + 1)
        one = sample_texture(textures[rows], uv[rows], footprint=torch.full((1, 5, 4), 2.5))
        torch.testing.assert_close(one[0], together[k])


def test_footprint_is_the_ratio_of_texels_to_pixels():
    # Two pixels for each of 64 texels along x, half a pixel for each along y.
    pixels = torch.tensor([[[0.0, 0.0], [128.0, 0.0], [0.0, 32.0]]])
    screen = ScreenVertices(pixels, torch.ones(1, 3), perspective=False)
    faces, uv = torch.tensor([[0, 1, 2]]), torch.tensor([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
    torch.testing.assert_close(texels_per_pixel(screen, faces, uv, faces, 64), torch.ones(1, 1))
    torch.testing.assert_close(
        texels_per_pixel(screen, faces, uv, faces, 256), 4 * torch.ones(1, 1)
    )
