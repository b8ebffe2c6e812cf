"""Textures from one layout to another: identity, known patterns, seams, filtering, gradients."""

from __future__ import annotations

import math

import pytest
import torch

from flame_fit.errors import InputError
from flame_fit.flame import UvChart
from flame_fit.geometry import SurfacePoints
from flame_fit.texture.layout_transfer import (
    CarriedPoints,
    LayoutTransfer,
    at_size,
    layout_transfer,
    texel_mixture,
)

SQUARE_FACES = torch.tensor([[0, 1, 2], [0, 2, 3]])


def square(low: float = 0.0, high: float = 1.0) -> UvChart:
    """Two triangles over a square of the chart."""
    corners = torch.tensor([[low, low], [high, low], [high, high], [low, high]])
    return UvChart(uv=corners, faces=SQUARE_FACES)


def same_point(points: SurfacePoints) -> CarriedPoints:
    return CarriedPoints(points, torch.ones(len(points.face_index), dtype=torch.bool))


def waves(size: int, frequency: float = 2.0) -> torch.Tensor:
    """A smooth map of three colours as a function of u and v at the texels' centres."""
    middle = (torch.arange(size) + 0.5) / size
    u, v = middle[None, :].expand(size, -1), 1 - middle[:, None].expand(-1, size)
    return wave_values(torch.stack((u, v), -1), frequency)


def wave_values(uv: torch.Tensor, frequency: float = 2.0) -> torch.Tensor:
    u, v = (2 * math.pi * frequency * uv).unbind(-1)
    return 0.5 + 0.4 * torch.stack((u.sin(), (u + v).cos(), v.sin()), dim=-1)


def centres(size: int) -> torch.Tensor:
    middle = (torch.arange(size) + 0.5) / size
    return torch.stack((middle[None, :].expand(size, -1), 1 - middle[:, None].expand(-1, size)), -1)


def carried(transfer: LayoutTransfer, image: torch.Tensor, **options) -> torch.Tensor:
    return texel_mixture(transfer, len(image)).carry(image[None], **options)[0]


def test_the_same_layout_gives_the_same_texture() -> None:
    image = torch.rand(32, 32, 3, generator=torch.Generator().manual_seed(0))
    transfer = layout_transfer(square(), square(), same_point, size=32)
    assert bool(transfer.valid_map().all())
    torch.testing.assert_close(carried(transfer, image), image, atol=2e-5, rtol=0)


def test_a_mirrored_and_turned_layout_shows_the_known_pattern() -> None:
    chart = square()
    # u and v change places and v is turned over.
    turned = UvChart(uv=torch.stack((1 - chart.uv[:, 1], chart.uv[:, 0]), -1), faces=chart.faces)
    result = carried(layout_transfer(chart, turned, same_point, size=64), waves(128))
    place = centres(64)
    wanted = wave_values(torch.stack((1 - place[..., 1], place[..., 0]), -1))
    torch.testing.assert_close(result, wanted, atol=0.012, rtol=0)


def test_round_trips_change_smooth_textures_little() -> None:
    """Half as large and back: what is left of the change is the blur of two resamplings."""
    small = square(0.25, 0.75)
    there = layout_transfer(small, square(), same_point, size=128)
    back = layout_transfer(square(), small, same_point, size=128)
    image = waves(128)
    returned = carried(back, carried(there, image))
    assert float((returned - image).abs().mean()) < 0.005
    assert not bool(there.valid_map()[:20].any())


def test_minified_textures_are_averaged() -> None:
    """A chessboard finer than the texels becomes grey and no moire."""
    board = (torch.arange(256)[:, None] + torch.arange(256)[None]) % 2
    image = board[..., None].expand(-1, -1, 3).float()
    result = carried(layout_transfer(square(), square(), same_point, size=50), image)
    assert float((result - 0.5).abs().max()) < 0.02
    stripes = (torch.arange(256)[:, None] // 2 % 2)[..., None].expand(-1, 256, 3).float()
    # Three times as many texels in one direction only.
    flat = UvChart(uv=square().uv * torch.tensor((0.125, 1.0)), faces=SQUARE_FACES)
    result = carried(layout_transfer(square(), flat, same_point, size=64), stripes)
    assert float((result - 0.5).abs().max()) < 0.02


def test_the_mean_survives() -> None:
    image = torch.rand(96, 96, 3, generator=torch.Generator().manual_seed(1))
    half = carried(layout_transfer(square(), square(), same_point, size=48), image)
    wanted = image.reshape(48, 2, 48, 2, 3).mean((1, 3))
    torch.testing.assert_close(half, wanted, atol=1e-4, rtol=0)
    third = carried(layout_transfer(square(), square(), same_point, size=32), image)
    wanted = image.reshape(32, 3, 32, 3, 3).mean((1, 3))
    assert float((third - wanted).abs().mean()) < 0.06
    torch.testing.assert_close(third.mean((0, 1)), image.mean((0, 1)), atol=1e-3, rtol=0)


def test_colours_beside_islands_do_not_bleed_in() -> None:
    image = torch.zeros(64, 64, 3)
    image[..., 1] = 1.0
    image[16:48, 16:48] = torch.tensor((0.2, 0.4, 0.6))
    transfer = layout_transfer(square(), square(0.25, 0.75), same_point, size=100)
    result = carried(transfer, image)
    wanted = torch.tensor((0.2, 0.4, 0.6)).expand_as(result)
    torch.testing.assert_close(result, wanted, atol=1e-6, rtol=0)


def test_seams_are_padded_with_the_colours_of_their_islands() -> None:
    transfer = layout_transfer(square(0.25, 0.75), square(), same_point, size=64)
    image = torch.zeros(64, 64, 3)
    image[:, :32, 0], image[:, 32:, 2] = 1.0, 1.0
    result = carried(transfer, image)
    torch.testing.assert_close(result[40, 15], torch.tensor((1.0, 0.0, 0.0)), atol=0.01, rtol=0)
    torch.testing.assert_close(result[40, 49], torch.tensor((0.0, 0.0, 1.0)), atol=0.01, rtol=0)
    assert float(result[0, 0, 0]) > 0.9 and float(result[0, 63, 2]) > 0.9


def half_known(points: SurfacePoints) -> CarriedPoints:
    """Only the first triangle has a counterpart."""
    return CarriedPoints(points, points.face_index == 0)


def test_texels_without_a_place_show_the_backdrop_or_what_is_around() -> None:
    transfer = layout_transfer(square(), square(), half_known, size=32)
    image = torch.full((32, 32, 3), 0.25)
    backdrop = torch.full((1, 32, 32, 3), 0.75)
    shown = carried(transfer, image, backdrop=backdrop)
    assert float(shown[2, 2, 0]) == 0.75 and float(shown[29, 29, 0]) == 0.25
    torch.testing.assert_close(carried(transfer, image), image, atol=1e-6, rtol=0)
    faces = torch.tensor([True, False])
    kept = carried(transfer, image, backdrop=backdrop, backdrop_faces=faces)
    torch.testing.assert_close(kept, image, atol=1e-6, rtol=0)
    other = carried(transfer, image, backdrop=backdrop, backdrop_faces=~faces)
    torch.testing.assert_close(other, shown)


def test_specks_of_places_are_left_out() -> None:
    def lonely(points: SurfacePoints) -> CarriedPoints:
        valid = points.face_index == 0
        valid[5:7] = True
        return CarriedPoints(points, valid)

    transfer = layout_transfer(square(), square(), lonely, size=256)
    assert not bool(transfer.valid_map()[0, :10].any())
    assert bool(transfer.valid_map()[250, 250])


def test_seams_of_the_source_do_not_smear() -> None:
    """Two triangles far apart in the source: no texel mixes what lies between them."""
    uv = torch.tensor([[0.0, 0.0], [0.3, 0.0], [0.3, 0.3], [0.7, 0.7], [1.0, 1.0], [0.7, 1.0]])
    apart = UvChart(uv=uv, faces=torch.tensor([[0, 1, 2], [3, 4, 5]]))
    image = torch.zeros(64, 64, 3)
    image[32:, :32, 0], image[:32, 32:, 2] = 1.0, 1.0
    result = carried(layout_transfer(square(), apart, same_point, size=64), image)
    pure = (result[..., 0] - 1).abs().minimum((result[..., 2] - 1).abs())
    assert float(pure.max()) < 1e-5


def test_gradients_reach_the_maps_and_batches_are_carried_alike() -> None:
    mixture = texel_mixture(layout_transfer(square(), square(), half_known, size=24), 16).to("cpu")
    maps = torch.rand(3, 16, 16, 5, dtype=torch.float64, requires_grad=True)
    both = mixture.carry(maps)
    assert both.shape == (3, 24, 24, 5)
    torch.testing.assert_close(both[1], mixture.carry(maps[1:2])[0])
    first = maps[:1, :, :, :1].detach().requires_grad_()
    weights = torch.rand(1, 24, 24, 1, dtype=torch.float64)
    (slope,) = torch.autograd.grad((weights * mixture.carry(first)).sum(), first)
    change = torch.rand_like(first)
    step = (weights * mixture.carry(change)).sum()
    torch.testing.assert_close((slope * change).sum(), step)


def test_maps_of_another_size_are_refused() -> None:
    mixture = texel_mixture(layout_transfer(square(), square(), same_point, size=8), 16)
    with pytest.raises(InputError, match="maps are 8 x 8 texels, the mixture is for 16 x 16"):
        mixture.carry(torch.zeros(1, 8, 8, 3))


def test_maps_are_resized_with_averaging() -> None:
    image = torch.rand(16, 16, 3)
    assert at_size(image, 16) is image
    assert at_size(image, 4).shape == (4, 4, 3)
    torch.testing.assert_close(at_size(torch.full((16, 16, 3), 0.3), 5), torch.full((5, 5, 3), 0.3))
