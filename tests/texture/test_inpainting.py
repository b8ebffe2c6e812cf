"""What a network says reaches exactly the texels that are not seen, and training finds a rule."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import nn

from flame_fit.appearance import TextureSpace
from flame_fit.errors import InputError, UsageError
from flame_fit.flame import load_assets
from flame_fit.priors.texture_inpainting import Fill
from flame_fit.texture import (
    BakedTexels,
    DelitTexels,
    bake,
    complete,
    delight,
    texture_layout,
)
from flame_fit.texture.decoder_training import TrainingMaps
from flame_fit.texture.inpainter import Inpainter, chart_grid, make_inpainter
from flame_fit.texture.inpainting_samples import hidden_samples, unpainted
from flame_fit.texture.inpainting_training import (
    InpaintingRecipe,
    filled,
    inpainting_loss,
    train_inpainting,
)
from flame_fit.texture.texel_geometry import build_texel_geometry
from flame_fit.texture.tone import photo_evidence

SIZE = 32


@pytest.fixture(scope="module")
def grid(ball):
    return chart_grid(ball, SIZE)


@pytest.fixture(scope="module")
def seen(turned, ball, layout, rasterizer):
    baked = bake(turned.view, turned.vertices, ball, texels=layout.texels, rasterizer=rasterizer)
    return delight(baked, turned.lighting)


class Constant(nn.Module):
    """Says the same everywhere."""

    def __init__(self, change: float, mirror_share: float) -> None:
        super().__init__()
        self.change, self.mirror_share, self.size = change, mirror_share, SIZE

    def forward(self, layers) -> Fill:
        change = torch.full_like(layers.prior, self.change)
        return Fill(change, torch.full_like(change[:, :1], self.mirror_share))


def completed(seen, prior, ball, layout, network):
    inpainter = None
    if network is not None:
        # A stand-in of the network's interface; the dataclass is checked by beartype.
        inpainter = object.__new__(Inpainter)
        object.__setattr__(inpainter, "network", network)
        object.__setattr__(inpainter, "grid", chart_grid(ball, SIZE))
    return complete(seen, prior, ball, layout=dataclasses.replace(layout, inpainter=inpainter))


def test_the_answer_goes_where_nothing_is_seen(seen, prior, ball, layout):
    plain = completed(seen, prior, ball, layout, None)
    neutral = completed(seen, prior, ball, layout, Constant(0.0, 1.0))
    assert torch.allclose(neutral.albedo, plain.albedo, atol=1e-5)
    changed = completed(seen, prior, ball, layout, Constant(-0.5, 1.0))
    ratio = (changed.albedo / plain.albedo)[plain.mask].log()
    unseen = 1.0 - plain.confidence[plain.mask]
    assert float((unseen == 1.0).float().mean()) > 0.3
    assert float((unseen < 0.01).float().mean()) > 0.2
    assert torch.allclose(ratio, (-0.5 * unseen)[:, None].expand_as(ratio), atol=1e-3)


def test_the_mirror_is_taken_as_far_as_the_network_says(seen, prior, ball, layout):
    alone = completed(seen, prior, ball, layout, Constant(0.0, 0.0))
    half = completed(seen, prior, ball, layout, Constant(0.0, 0.5))
    whole = completed(seen, prior, ball, layout, Constant(0.0, 1.0))
    middle = 0.5 * (alone.albedo[alone.mask].log() + whole.albedo[alone.mask].log())
    assert float((whole.albedo - alone.albedo).abs().max()) > 0.02
    assert torch.allclose(half.albedo[alone.mask].log(), middle, atol=1e-3)


def test_a_model_without_a_network_for_its_chart_has_none(ball):
    assert make_inpainter(ball) is None
    assert texture_layout(ball, SIZE).inpainter is None


def test_openhead_has_the_shipped_network():
    head = load_assets()
    inpainter = make_inpainter(head)
    assert inpainter is not None
    assert inpainter.grid.texels.size == inpainter.network.size


def test_the_other_side_is_the_flipped_map(grid):
    """The ball's chart is symmetric in u."""
    maps = torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    inner = grid.texels.covered().clone()
    inner[:2] = inner[-2:] = inner[:, :2] = inner[:, -2:] = False
    found = grid.mirrored(maps)
    assert torch.allclose(found[..., inner], maps.flip(3)[..., inner], atol=1e-4)


def test_values_at_vertices_close_over_the_seam(ball, grid):
    """A map that is the height of the surface is read as the height of every vertex."""
    texels = build_texel_geometry(ball, SIZE)
    corners = ball.v_template[texels.corners.long()][..., 1]
    height = (corners * texels.surface.barycentrics).sum(dim=1, keepdim=True)
    found = grid.at_vertices(texels.to_map(height))[:, 0]
    inside = ball.v_template[:, 1].abs() < 0.08
    assert float((found - ball.v_template[:, 1]).abs()[inside].max()) < 0.005
    step = texels.to_map((texels.texel % SIZE >= SIZE // 2).float()[:, None])
    seam = ball.v_template[:, 2] < -0.02
    seam &= ball.v_template[:, 0].abs() < 1e-5
    assert torch.allclose(grid.at_vertices(step)[seam & inside], torch.tensor(0.5), atol=0.02)


def rule(grid, count: int = 12) -> torch.Tensor:
    """Samples whose hidden half is redder than their tone, as much as the seen half is."""
    generator = torch.Generator().manual_seed(0)
    number = len(grid.texels.texel)
    columns = torch.zeros(count, number, 14)
    redder = 0.6 * torch.rand(count, 1, generator=generator) - 0.3
    left = (grid.texels.texel % SIZE < SIZE // 2).float()
    columns[..., 3] = left
    columns[..., 0] = redder * left
    columns[..., 4:7] = -1.0
    columns[..., 10] = redder
    columns[..., 13] = 1.0
    return columns.half()


def test_training_finds_a_rule(grid):
    """What is seen on one side is so on the other: the mirror tells, or the place."""
    samples = rule(grid)
    torch.manual_seed(0)
    losses: list[float] = []
    network = train_inpainting(
        samples,
        grid,
        InpaintingRecipe(steps=80, batch=4, rate=5e-3),
        generator=torch.Generator().manual_seed(0),
        on_step=lambda number, loss: losses.append(loss),
    )
    assert len(losses) == 80 and not network.training
    with torch.no_grad():
        nothing = float(inpainting_loss(_silent(grid), samples.float(), grid))
        assert float(inpainting_loss(network, samples.float(), grid)) < 0.4 * nothing
        found = filled(network, samples.float(), grid)
    hidden = samples[..., 3] == 0
    pair = torch.stack((found[..., 0][hidden], samples[..., 10].float()[hidden]))
    assert float(torch.corrcoef(pair)[0, 1]) > 0.9


def _silent(grid):
    from flame_fit.priors.texture_inpainting import InpaintingNetwork

    network = InpaintingNetwork(grid.texels.size)
    nn.init.constant_(network.out.bias, -20.0)
    with torch.no_grad():
        network.out.bias[:3] = 0.0
    return network.eval()


def test_what_is_not_known_is_not_asked_for(grid):
    samples = rule(grid).float()
    samples[..., 13] = samples[..., 3]
    nonsense = samples.clone()
    nonsense[..., 10:13] = torch.where(samples[..., 3:4] > 0, samples[..., 10:13], 5.0)
    network = _silent(grid)
    with torch.no_grad():
        assert torch.equal(
            inpainting_loss(network, samples, grid), inpainting_loss(network, nonsense, grid)
        )


def test_what_cannot_be_trained_is_refused(grid):
    generator = torch.Generator()
    with pytest.raises(InputError, match="0 samples of .* were given; training needs some"):
        train_inpainting(rule(grid)[:0], grid, InpaintingRecipe(), generator=generator)
    with pytest.raises(InputError, match="12 samples of 5 texels were given; .* of"):
        train_inpainting(rule(grid)[:, :5], grid, InpaintingRecipe(), generator=generator)
    with pytest.raises(UsageError, match="0 steps of 8 samples at rate .* train nothing"):
        InpaintingRecipe(steps=0)


def test_strokes_take_some_of_a_head_away():
    points = 0.1 * torch.randn(2000, 3, generator=torch.Generator().manual_seed(0))
    shares = [
        float(unpainted(points, torch.Generator().manual_seed(seed)).mean()) for seed in range(30)
    ]
    assert max(shares) == 1.0 and 0.3 < min(shares) < 0.99
    one = unpainted(points, torch.Generator().manual_seed(3))
    assert torch.equal(one, unpainted(points, torch.Generator().manual_seed(3)))
    assert set(one.unique().tolist()) <= {0.0, 1.0}


def test_samples_hide_only_what_is_known(ball, grid):
    layout = texture_layout(ball, SIZE)
    generator = torch.Generator().manual_seed(0)
    srgb = 0.3 + 0.4 * torch.rand(3, 1, 1, 3, generator=generator).expand(-1, SIZE, SIZE, -1)
    seen = torch.ones(3, SIZE, SIZE)
    seen[:, :, : SIZE // 4] = 0.0
    space = TextureSpace(
        torch.full((SIZE, SIZE, 3), 0.5), 0.1 * torch.ones(SIZE, SIZE, 3, 1), torch.ones(1)
    )
    samples = hidden_samples(
        TrainingMaps(srgb, seen), space, ball, layout=layout, variants=2, generator=generator
    ).float()
    known = layout.texels.from_map(seen[0, ..., None])[:, 0]
    assert samples.shape == (6, len(known), 14)
    assert torch.equal(samples[..., 13], known.expand(6, -1))
    assert bool((samples[..., 3] <= known).all())
    assert float(samples[..., 3].mean()) < float(known.mean())
    whole = (samples[..., 4:7] + samples[..., 7:10] + samples[..., 10:13]).exp()
    inside = known > 0
    truth = torch.stack([layout.texels.from_map(each) for each in srgb]).repeat_interleave(2, 0)
    linear = ((truth + 0.055) / 1.055) ** 2.4
    assert torch.allclose(whole[:, inside], linear[:, inside], rtol=0.02)
    nothing = TrainingMaps(srgb, 0.0 * seen)
    made = hidden_samples(nothing, space, ball, layout=layout, variants=1, generator=generator)
    assert made.shape == (0, len(known), 14)


def test_strange_texels_where_the_seen_part_ends_count_little(ball, layout, prior):
    """A dark strip at the end of what is seen goes, the same strip in its midst stays."""
    everywhere = torch.ones(1, len(ball.v_template), dtype=torch.bool)
    regions = dataclasses.replace(ball.regions, names=("face",), masks=everywhere)
    marked = dataclasses.replace(ball, regions=regions)
    texels = layout.texels
    u = (texels.texel % texels.size + 0.5) / texels.size
    row = (u < 0.6).nonzero()[:, 0]
    albedo = texels.from_map(prior)[row].clone()
    at_end, inside = u[row] > 0.58, (u[row] - 0.3).abs() < 0.01
    albedo[at_end | inside] *= 0.3
    baked = BakedTexels(row, albedo, torch.ones(len(row)), torch.zeros_like(albedo))
    seen = DelitTexels(baked, albedo)
    judged = photo_evidence(seen, prior, marked, layout=layout).confidence
    assert float(judged[at_end].median()) < 0.3
    assert float(judged[inside].min()) > 0.99
    assert bool((photo_evidence(seen, prior, ball, layout=layout).confidence == 1.0).all())


def test_far_from_what_is_seen_the_tone_is_the_median_one(ball, layout, prior):
    """Light that was left at the end of the seen part does not run on over the whole head."""
    texels = layout.texels
    u = (texels.texel % texels.size + 0.5) / texels.size
    row = ((u - 0.5).abs() < 0.15).nonzero()[:, 0]
    albedo = texels.from_map(prior)[row] * torch.where(u[row] > 0.62, 1.3, 1.0)[:, None]
    baked = BakedTexels(row, albedo, torch.ones(len(row)), torch.zeros_like(albedo))
    tone = photo_evidence(DelitTexels(baked, albedo), prior, ball, layout=layout).tone
    assert float(tone[(u - 0.66).abs() < 0.01].mean()) > 0.06
    assert float(tone[u > 0.9].abs().mean()) < 0.05
