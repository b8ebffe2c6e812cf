"""Training a small texture generator on texture maps with unseen texels.

Each map has a code of its own that is learnt with the generator (Bojanowski and others, "Optimizing
the latent space of generative networks", ICML 2018): no second network judges, so some hundred maps
are enough and nothing has to be balanced. Codes lie on a sphere, as the generator's mapping sees
them, so a random direction is a random texture.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import avg_pool2d

from flame_fit.errors import InputError, UsageError
from flame_fit.priors.texture_decoder import GeneratorLayout, TextureGenerator

LEVELS = (1, 4, 16)
"""Texels over which maps are averaged before they are compared: detail, parts, colour of skin."""
LEAST_SEEN = 1e-3
"""Share of a square that must be seen for its mean to be compared."""
MOMENTS = (0.0, 0.99)
WARM_UP, COOL_DOWN = 0.02, 0.25
"""Shares of the steps over which the rates rise at the beginning and fall at the end."""
AVERAGE_VECTORS = 4096
SMALL = GeneratorLayout(
    side=256, latent=64, channel_base=16384, most_channels=128, mapping_layers=4
)


@dataclass(frozen=True)
class DecoderRecipe:
    """How a decoder is trained.

    Attributes:
        layout: Size of the generator.
        steps: Batches.
        batch: Maps in a batch.
        rate: Learning rate of the weights.
        code_rate: Learning rate of the codes.
    """

    layout: GeneratorLayout = field(default=SMALL)
    steps: int = 20_000
    batch: int = 8
    rate: float = 2e-3
    code_rate: float = 2e-2

    def __post_init__(self) -> None:
        """Refuse values that nothing can be trained with."""
        if self.steps < 1 or self.batch < 1 or not min(self.rate, self.code_rate) > 0.0:
            raise UsageError(
                f"{self.steps} steps of {self.batch} maps at rates {self.rate} and "
                f"{self.code_rate} train nothing; give values above 0"
            )


@dataclass(frozen=True, eq=False)
class TrainingMaps:
    """Maps to be learnt, on one chart.

    Attributes:
        srgb: Black 0 and white 1, of the generator's side.
        seen: How sure each texel is, 0 to 1.
    """

    srgb: Float[Tensor, "n U U 3"]
    seen: Float[Tensor, "n U U"]


@dataclass(frozen=True, eq=False)
class TrainedDecoder:
    """A generator and the codes of the maps it was trained on.

    Attributes:
        generator: In evaluation mode, on the maps' device.
        codes: Random vectors whose textures come nearest to the maps.
        mean_error: Mean absolute sRGB error on the seen texels of all maps.
    """

    generator: TextureGenerator
    codes: Float[Tensor, "n c"]
    mean_error: float


def _silent(number: int, loss: float) -> None:
    """Report nothing."""


def train_decoder(
    maps: TrainingMaps,
    recipe: DecoderRecipe,
    *,
    generator: torch.Generator,
    on_step: Callable[[int, float], None] = _silent,
) -> TrainedDecoder:
    """Train a texture generator.

    The first weights come from torch's global generator.

    Args:
        maps: The maps; what is not seen of one is learnt from the others.
        recipe: Size, length and rates.
        generator: Draws first codes and batches; on the CPU.
        on_step: Called after each step with its number, from 1, and the loss of its batch.

    Raises:
        InputError: Fewer than two maps, or maps of another size than the generator's.
    """
    count, side = len(maps.srgb), recipe.layout.side
    if count < 2 or maps.srgb.shape[1] != side:  # noqa: PLR2004 - one map has no variety
        raise InputError(
            f"{count} maps of {maps.srgb.shape[1]} texels were given; training needs 2 or more of "
            f"{side} texels"
        )
    decoder = TextureGenerator(recipe.layout).to(maps.srgb)
    first = torch.randn(count, recipe.layout.latent, generator=generator)
    codes = first.to(maps.srgb).requires_grad_()
    optimiser = torch.optim.Adam(
        [
            {"params": list(decoder.parameters()), "lr": recipe.rate},
            {"params": [codes], "lr": recipe.code_rate},
        ],
        betas=MOMENTS,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: _rate_share(step, recipe.steps)
    )
    for number in range(1, recipe.steps + 1):
        rows = torch.randint(count, (min(recipe.batch, count),), generator=generator)
        rows = rows.to(codes.device)
        made = decoder(decoder.latents(codes[rows]))
        loss = _difference(made, maps.srgb[rows], maps.seen[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        on_step(number, float(loss.detach()))
    with torch.no_grad():
        vectors = torch.randn(AVERAGE_VECTORS, recipe.layout.latent, generator=generator)
        decoder.mapping.w_avg.copy_(decoder.mapping(vectors.to(codes)).mean(dim=0))
    decoder = decoder.eval().requires_grad_(requires_grad=False)
    codes = codes.detach()
    return TrainedDecoder(decoder, codes, _mean_error(decoder, codes, maps, recipe.batch))


def _rate_share(step: int, steps: int) -> float:
    """Return the share of the learning rates at a step: a short rise, and a cosine at the end."""
    done = step / steps
    rise = min(1.0, (done + 1.0 / steps) / WARM_UP)
    left = min(1.0, max(0.0, 1.0 - done) / COOL_DOWN)
    return rise * (0.5 - 0.5 * math.cos(math.pi * left))


def _difference(
    made: Float[Tensor, "b U U 3"],
    wanted: Float[Tensor, "b U U 3"],
    seen: Float[Tensor, "b U U"],
) -> Float[Tensor, ""]:
    """Return the mean absolute difference of seen texels, at several resolutions."""
    weight = seen[:, None]
    gap = (made - wanted).movedim(-1, 1) * weight
    total = gap.new_zeros(())
    for level in LEVELS:
        if level > made.shape[1]:
            continue
        share = avg_pool2d(weight, level)
        # The mean of the differences is the difference of the means over the same texels.
        mean = avg_pool2d(gap, level) / share.clamp_min(LEAST_SEEN)
        known = share * (share > LEAST_SEEN)
        total = total + (mean.abs() * known).sum() / (3.0 * known.sum()).clamp_min(LEAST_SEEN)
    return total


def _mean_error(
    decoder: TextureGenerator, codes: Float[Tensor, "n c"], maps: TrainingMaps, batch: int
) -> float:
    error, weight = 0.0, 0.0
    rows: Int[Tensor, " b"]
    for rows in torch.arange(len(codes), device=codes.device).split(batch):
        with torch.no_grad():
            made = decoder(decoder.latents(codes[rows]))
        seen = maps.seen[rows]
        error += float(((made - maps.srgb[rows]).abs().mean(dim=-1) * seen).sum())
        weight += float(seen.sum())
    return error / max(weight, LEAST_SEEN)
