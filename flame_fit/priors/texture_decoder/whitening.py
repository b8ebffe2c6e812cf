"""Latents of unit variance: `latent = white * deviation + mean`, number by number."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.errors import AssetError, UsageError
from flame_fit.priors.texture_decoder.generator import TextureGenerator
from flame_fit.untrusted import read_torch

SAMPLES, SEED = 100_000, 123
"""What FFHQ-UV measures its latents with."""
CHUNK = 5_000


@dataclass(frozen=True, eq=False)
class Whitening:
    """Mean and standard deviation of a generator's latents.

    Attributes:
        mean: Of each number.
        deviation: Of each number.
    """

    mean: Float[Tensor, " n"]
    deviation: Float[Tensor, " n"]

    def white(self, latents: Float[Tensor, "*b n"]) -> Float[Tensor, "*b n"]:
        """Return latents at unit variance."""
        return (latents - self.mean.to(latents)) / self.deviation.to(latents)

    def latents(self, white: Float[Tensor, "*b n"]) -> Float[Tensor, "*b n"]:
        """Return the latents of numbers at unit variance; differentiable."""
        return white * self.deviation.to(white) + self.mean.to(white)


def read_whitening(path: Path, *, latent: int) -> Whitening:
    """Read the `.pt` file that FFHQ-UV keeps beside a generator, with `w_avg` and `w_std`.

    Args:
        path: The file.
        latent: Numbers of a latent.

    Raises:
        AssetError: Missing, damaged, or without the two arrays.
    """
    content = read_torch(path)
    parts = []
    for name in ("w_avg", "w_std"):
        value = content.get(name) if isinstance(content, dict) else None
        if not isinstance(value, np.ndarray) or value.size != latent or value.dtype.kind != "f":
            raise AssetError(
                f"{path} has no '{name}' of {latent} numbers; remove it, it is measured anew then"
            )
        parts.append(torch.from_numpy(value.astype(np.float32).reshape(-1)))
    if not bool(torch.stack(parts).isfinite().all()) or not bool((parts[1] > 0).all()):
        raise AssetError(f"{path} has deviations that are not above 0; remove it")
    return Whitening(mean=parts[0], deviation=parts[1])


def measure_whitening(
    generator: TextureGenerator, *, samples: int = SAMPLES, seed: int = SEED
) -> Whitening:
    """Measure the latents of random vectors, the same ones that FFHQ-UV takes.

    Args:
        generator: Of which the mapping is used.
        samples: How many vectors; by default as many as FFHQ-UV.
        seed: Of the vectors.

    Raises:
        UsageError: Fewer than two vectors.
    """
    if samples < 2:  # noqa: PLR2004 - a deviation needs two
        raise UsageError(f"{samples} samples were asked for; a deviation needs 2 or more")
    # The published latents were measured with this old generator of random numbers.
    random = np.random.RandomState(seed)  # noqa: NPY002
    total = square = torch.zeros(generator.layout.latent, dtype=torch.float64)
    like = generator.mapping.w_avg
    for first in range(0, samples, CHUNK):
        count = min(CHUNK, samples - first)
        vectors = torch.from_numpy(random.randn(count, generator.layout.latent)).to(like)
        with torch.no_grad():
            latents = generator.mapping(vectors).double().cpu()
        total = total + latents.sum(dim=0)
        square = square + latents.square().sum(dim=0)
    mean = total / samples
    variance = (square / samples - mean**2).clamp_min(0.0)
    return Whitening(mean=mean.to(like), deviation=variance.sqrt().to(like))
