"""Training a network that fills in what photos do not show.

Each sample is a texture of which something was hidden: what is left is told apart into prior, tone
and detail as in a fit, and the network learns what to add where nothing is left.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float16, Int
from torch import Tensor

from flame_fit.errors import InputError, UsageError
from flame_fit.priors.texture_inpainting import InpaintingNetwork
from flame_fit.texture.inpaint import chart_layers, mirror_trust
from flame_fit.texture.inpainter import ChartGrid
from flame_fit.texture.tone import PhotoEvidence

COLUMNS = 14
MOMENTS = (0.9, 0.99)
DECAY = 0.01
WARM_UP = 0.03
"""Share of the steps over which the rate rises; afterwards it falls as a cosine."""
SEEN_WEIGHT = 0.02
"""Of texels that are seen, beside 1 for those that are not."""
LOG_WEIGHT = 0.1
"""Of errors of the logarithm, beside those of the albedo over the person's mean."""
TINT = 0.1
"""Standard deviation of changes of the prior's logarithm that nothing else tells of."""


@dataclass(frozen=True)
class InpaintingRecipe:
    """How a network is trained.

    Attributes:
        steps: Batches.
        batch: Samples in a batch.
        rate: Highest learning rate.
    """

    steps: int = 6000
    batch: int = 8
    rate: float = 2e-3

    def __post_init__(self) -> None:
        """Refuse values that nothing can be trained with."""
        if self.steps < 1 or self.batch < 1 or not self.rate > 0.0:
            raise UsageError(
                f"{self.steps} steps of {self.batch} samples at rate {self.rate} train nothing; "
                "give values above 0"
            )


def _silent(number: int, loss: float) -> None:
    """Report nothing."""


def sample_columns(
    told: PhotoEvidence, log_true: Float[Tensor, "N 3"], weight: Float[Tensor, " N"]
) -> Float16[Tensor, "N 14"]:
    """Return a sample as it is kept, in half precision.

    Args:
        told: What is left of a texture.
        log_true: Logarithm of its true albedo, as bright as what is left.
        weight: How sure that is, 0..1.

    Returns:
        Detail times confidence, confidence, prior, tone, what to find beyond both, weight.
    """
    known = torch.zeros_like(told.prior[:, :1]).expand(-1, 4).clone()
    trust = told.confidence[:, None]
    known[told.row] = torch.cat((told.detail * trust, trust), dim=1)
    target = log_true - told.prior - told.tone
    columns = (known, told.prior, told.tone, target, weight[:, None])
    return torch.cat(columns, dim=1).half()


def train_inpainting(
    samples: Float16[Tensor, "n N 14"],
    grid: ChartGrid,
    recipe: InpaintingRecipe,
    *,
    generator: torch.Generator,
    start: InpaintingNetwork | None = None,
    half_precision: bool = False,
    on_step: Callable[[int, float], None] = _silent,
) -> InpaintingNetwork:
    """Train a network on samples of one chart, and on their mirror images.

    The first weights come from torch's global generator.

    Args:
        samples: From `sample_columns`, on any device.
        grid: The chart, on the device to train on.
        recipe: Length and rate.
        generator: Draws batches; on the CPU.
        start: Network to go on from, of the grid's size; a new one if None.
        half_precision: Convolve in bfloat16.
        on_step: Called after each step with its number, from 1, and the loss of its batch.

    Returns:
        The network in evaluation mode.

    Raises:
        InputError: No samples, or samples of another chart.
    """
    count = len(grid.texels.texel)
    if len(samples) == 0 or samples.shape[1] != count:
        raise InputError(
            f"{len(samples)} samples of {samples.shape[1]} texels were given; training needs some "
            f"of {count} texels"
        )
    device = grid.texels.texel.device
    network = InpaintingNetwork(grid.texels.size)
    if start is not None:
        network.load_state_dict(start.state_dict())
    network.to(device)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=recipe.rate, betas=MOMENTS, weight_decay=DECAY
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: _rate_share(step, recipe.steps)
    )
    swap = _mirror_rows(grid)
    for number in range(1, recipe.steps + 1):
        rows = torch.randint(len(samples), (recipe.batch,), generator=generator)
        turned = torch.rand(recipe.batch, generator=generator) < 0.5  # noqa: PLR2004
        batch = _turned(samples[rows].to(device).float(), turned.to(device), swap)
        tint = TINT * torch.randn(recipe.batch, 1, 3, generator=generator).to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=half_precision):
            loss = inpainting_loss(network, batch, grid, tint=tint)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        on_step(number, float(loss.detach()))
    return network.eval().requires_grad_(requires_grad=False)


def filled(
    network: InpaintingNetwork,
    batch: Float[Tensor, "b N 14"],
    grid: ChartGrid,
    *,
    tint: Float[Tensor, "b 1 3"] | None = None,
) -> Float[Tensor, "b N 3"]:
    """Return what a network adds to prior and tone, on every texel.

    Args:
        network: To be asked.
        batch: Columns of samples.
        grid: Their chart.
        tint: Added to the prior that the network sees.
    """
    prior = batch[..., 4:7] if tint is None else batch[..., 4:7] + tint
    known = maps_of(batch[..., :4], grid)
    layers = chart_layers(known, maps_of(prior, grid), maps_of(batch[..., 7:10], grid), grid=grid)
    fill = network(layers)
    mirrored = rows_of(layers.mirrored, grid)
    share = rows_of(fill.mirror_share, grid) * mirror_trust(mirrored[..., 3:])
    return rows_of(fill.change, grid) + share * mirrored[..., :3]


def inpainting_loss(
    network: InpaintingNetwork,
    batch: Float[Tensor, "b N 14"],
    grid: ChartGrid,
    *,
    tint: Float[Tensor, "b 1 3"] | None = None,
) -> Float[Tensor, ""]:
    """Return the mean error of unseen albedo over the mean albedo, beside that of its logarithm.

    Args:
        network: To be judged.
        batch: Columns of samples.
        grid: Their chart.
        tint: Added to the prior that the network sees.
    """
    found = filled(network, batch, grid, tint=tint)
    base, target = batch[..., 4:7] + batch[..., 7:10], batch[..., 10:13]
    unseen = 1.0 - batch[..., 3]
    weight = batch[..., 13] * grid.outer * (unseen + SEEN_WEIGHT * (1.0 - unseen))
    true = (base + target).exp()
    mean = (true * weight[..., None]).sum((1, 2)) / (3.0 * weight.sum(1)).clamp_min(1e-6)
    gap = ((base + found).exp() - true).abs() / mean.clamp_min(1e-3)[:, None, None]
    gap = gap + LOG_WEIGHT * (found - target).abs()
    return (gap * weight[..., None]).sum() / (3.0 * weight.sum()).clamp_min(1e-6)


def maps_of(rows: Float[Tensor, "b N C"], grid: ChartGrid) -> Float[Tensor, "b C S S"]:
    """Lay rows of samples out as maps, 0 where the chart has no surface."""
    size = grid.texels.size
    flat = rows.new_zeros(len(rows), size * size, rows.shape[2])
    flat[:, grid.texels.texel] = rows
    return flat.reshape(len(rows), size, size, -1).permute(0, 3, 1, 2)


def rows_of(maps: Float[Tensor, "b C S S"], grid: ChartGrid) -> Float[Tensor, "b N C"]:
    """Read the covered texels of maps."""
    return maps.flatten(2)[..., grid.texels.texel].transpose(1, 2)


def _mirror_rows(grid: ChartGrid) -> Int[Tensor, " N"]:
    """Return for each covered texel the one at its mirror point, -1 where there is none."""
    texels = grid.texels
    size = texels.size
    place = torch.full((size * size,), -1, dtype=torch.int64, device=texels.texel.device)
    place[texels.texel] = torch.arange(len(texels.texel), device=place.device)
    column = (texels.mirror_uv[:, 0] * size).floor().clamp(0, size - 1).to(torch.int64)
    line = ((1.0 - texels.mirror_uv[:, 1]) * size).floor().clamp(0, size - 1).to(torch.int64)
    return torch.where(texels.mirror_uv[:, 0] >= 0, place[line * size + column], -1)


def _turned(
    batch: Float[Tensor, "b N 14"], turned: Bool[Tensor, " b"], swap: Int[Tensor, " N"]
) -> Float[Tensor, "b N 14"]:
    """Return samples, some of them as their mirror images; texels without one count nothing."""
    other = batch[:, swap.clamp_min(0)] * (swap >= 0)[:, None]
    return torch.where(turned[:, None, None], other, batch)


def _rate_share(step: int, steps: int) -> float:
    done = step / steps
    rise = min(1.0, (done + 1.0 / steps) / WARM_UP)
    return rise * (0.02 + 0.98 * (0.5 + 0.5 * math.cos(math.pi * done)))
