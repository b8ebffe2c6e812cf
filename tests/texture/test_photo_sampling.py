"""Photos are read through a filter of the texel's size."""

from __future__ import annotations

import torch

from flame_fit.texture.photo_sampling import sample_photo


def _ramp(height: int, width: int) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return torch.stack([x, y, 2.0 * x + y], dim=2)


def test_a_ramp_is_read_in_place_at_every_footprint():
    image = _ramp(96, 128)
    pixels = torch.rand(500, 2) * torch.tensor([60.0, 40.0]) + 30.0
    for footprint in (0.5, 1.0, 2.7, 6.0):
        read = sample_photo(image, pixels, torch.full((500,), footprint))
        error = read[:, :2] - pixels
        assert float(error.abs().max()) < 0.08
        assert float(error.mean(dim=0).abs().max()) < 0.02


def test_the_first_pixel_has_its_centre_at_one_half():
    image = torch.zeros(8, 8, 1)
    image[2, 3] = 1.0
    read = sample_photo(image, torch.tensor([[3.5, 2.5]]), torch.ones(1))
    assert torch.allclose(read, torch.ones(1, 1), atol=1e-5)


def test_detail_finer_than_a_texel_becomes_its_mean():
    y, x = torch.meshgrid(torch.arange(256), torch.arange(256), indexing="ij")
    board = ((x + y) % 2).float()[..., None]
    pixels = torch.rand(400, 2) * 200.0 + 28.0
    coarse = sample_photo(board, pixels, torch.full((400,), 4.0))
    assert torch.allclose(coarse, torch.full_like(coarse, 0.5), atol=1e-4)
    assert float(sample_photo(board, pixels, torch.ones(400)).std()) > 0.1


def test_footprints_are_mixed_per_point():
    image = torch.zeros(64, 64, 1)
    image[32, 32] = 1.0
    centre = torch.tensor([[32.5, 32.5], [32.5, 32.5]])
    read = sample_photo(image, centre, torch.tensor([1.0, 4.0]))
    assert float(read[0]) > 0.99
    assert 0.0 < float(read[1]) < 0.2


def test_no_points_are_no_colours():
    assert sample_photo(_ramp(4, 4), torch.zeros(0, 2), torch.zeros(0)).shape == (0, 3)
