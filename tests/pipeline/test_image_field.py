"""Images are read between pixels as they should, with exact slopes."""

from __future__ import annotations

import torch

from flame_fit.pipeline.image_field import read_field

FLOAT = torch.float64


def test_pixel_centres_give_the_pixels():
    image = torch.randn(2, 5, 7, 3, generator=torch.Generator().manual_seed(0), dtype=FLOAT)
    row, column = torch.meshgrid(torch.arange(5), torch.arange(7), indexing="ij")
    pixels = torch.stack([column, row], dim=-1).reshape(1, -1, 2).expand(2, -1, -1) + 0.5
    found = read_field(image, pixels.to(FLOAT))
    assert torch.allclose(found.values, image.reshape(2, -1, 3))


def test_a_plane_is_read_exactly_with_its_slope():
    row, column = torch.meshgrid(torch.arange(6.0), torch.arange(8.0), indexing="ij")
    image = (2.0 * (column + 0.5) - 3.0 * (row + 0.5) + 1.0)[None, ..., None].to(FLOAT)
    pixels = torch.tensor([[[2.3, 4.1], [6.9, 1.2], [0.6, 0.7]]], dtype=FLOAT)
    found = read_field(image, pixels)
    expected = 2.0 * pixels[..., :1] - 3.0 * pixels[..., 1:] + 1.0
    assert torch.allclose(found.values, expected)
    assert torch.allclose(
        found.gradient, torch.tensor([[2.0, -3.0]], dtype=FLOAT).expand(1, 3, 1, 2)
    )


def test_slopes_equal_finite_differences_and_end_at_the_border():
    image = torch.randn(1, 6, 6, 2, generator=torch.Generator().manual_seed(1), dtype=FLOAT)
    pixels = 1.0 + 4.0 * torch.rand(1, 40, 2, generator=torch.Generator().manual_seed(2)).to(FLOAT)
    found = read_field(image, pixels)
    for axis in range(2):
        step = torch.zeros(2, dtype=FLOAT)
        step[axis] = 1e-7
        ahead, behind = read_field(image, pixels + step), read_field(image, pixels - step)
        slope = (ahead.values - behind.values) / 2e-7
        assert torch.allclose(slope, found.gradient[..., axis], atol=1e-5)
    outside = read_field(image, torch.tensor([[[-3.0, 2.5], [20.0, 2.5]]], dtype=FLOAT))
    assert torch.allclose(outside.values[0], image[0, 2, [0, 5]])
    assert torch.equal(outside.gradient[..., 0], torch.zeros(1, 2, 2, dtype=FLOAT))
