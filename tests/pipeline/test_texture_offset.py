"""A free offset over the codes shows the photo, and leaves the codes where the photo is silent."""

from __future__ import annotations

import torch

from flame_fit.optim.adam import AdamSettings
from flame_fit.pipeline.texture_offset import LitPixels, offset_albedo

SIZE = 64


def pixels_of(albedo: torch.Tensor, part: float) -> LitPixels:
    """Two pixels a texel side in a part of the map, under a light that changes across it."""
    count = 2 * SIZE
    centre = (torch.arange(count) + 0.5) / count
    rows, columns = torch.meshgrid(centre, centre[: round(part * count)], indexing="ij")
    uv = torch.stack([columns.reshape(-1), 1.0 - rows.reshape(-1)], dim=1)
    shading = (0.6 + 0.4 * uv[:, :1]).expand(-1, 3)
    texel = (rows * SIZE).long() * SIZE + (columns * SIZE).long()
    colour = albedo.reshape(-1, 3)[texel.reshape(-1)] * shading
    ones = torch.ones(len(uv))
    return LitPixels(uv, 0.5 * ones, shading, colour, ones)


def checkers() -> torch.Tensor:
    squares = (torch.arange(SIZE)[:, None] // 8 + torch.arange(SIZE) // 8) % 2
    return torch.where(squares[..., None] > 0, torch.tensor([0.5, 0.4, 0.3]), torch.tensor(0.25))


def test_the_photo_is_shown_and_its_tone_runs_on():
    truth, codes = checkers(), torch.full((SIZE, SIZE, 3), 0.3)
    settings = AdamSettings(max_steps=120, learning_rate=0.25, final_learning_rate=0.05)
    found = offset_albedo(codes, pixels_of(truth, 0.5), settings=settings)
    inner = (slice(4, -4), slice(4, SIZE // 2 - 4))
    assert float((found - truth)[inner].abs().mean()) < 0.015
    far = found[:, -12:]
    assert float(far.std(dim=(0, 1)).max()) < 0.03, "no detail where nothing is seen"


def test_pixels_that_are_not_trusted_say_nothing():
    truth, codes = checkers(), torch.full((SIZE, SIZE, 3), 0.3)
    pixels = pixels_of(truth, 0.5)
    silent = LitPixels(
        pixels.uv, pixels.footprint, pixels.shading, pixels.colour, 0.0 * pixels.weight
    )
    assert torch.equal(offset_albedo(codes, silent), codes)
