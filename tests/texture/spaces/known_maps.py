"""Maps drawn from a linear space that is known."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from flame_fit.appearance import linear_to_srgb, srgb_to_linear
from flame_fit.texture.spaces import (
    EstimatedSpace,
    MapBatch,
    MapsInMemory,
    SpaceSettings,
    StepFolder,
    estimate_space,
)

MAPS, TEXELS, COMPONENTS = 40, 200, 3


class Silent:
    def stage(self, name, total):
        pass

    def advance(self):
        pass


@dataclass(frozen=True, eq=False)
class KnownMaps:
    """The truth, and what is seen of it."""

    mean: Tensor
    basis: Tensor
    codes: Tensor
    log_factors: Tensor
    batch: MapBatch

    def with_(self, **changes) -> KnownMaps:
        return replace(self, batch=replace(self.batch, **changes))


def known_maps(*, unseen=0.0, noise=0.0, brightness=0.0, tint=0.0, maps=MAPS) -> KnownMaps:
    """Double precision; texels that are not seen are far off."""
    generator = torch.Generator().manual_seed(3)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    mean = 0.5 + 0.05 * normal(TEXELS, 3)
    basis = 0.04 * normal(TEXELS, 3, COMPONENTS) * torch.tensor([1.0, 0.7, 0.5]).double()
    codes = normal(maps, COMPONENTS)
    factors = tint * normal(maps, 3)
    factors = factors - factors.mean(dim=1, keepdim=True) + brightness * normal(maps, 1)
    srgb = mean + torch.einsum("tck,nk->ntc", basis, codes)
    srgb = linear_to_srgb(srgb_to_linear(srgb) * torch.exp(factors)[:, None])
    srgb = srgb + noise * normal(*srgb.shape)
    chance = torch.rand(maps, TEXELS, generator=generator, dtype=torch.float64)
    confidence = (chance >= unseen).double()
    srgb = torch.where(confidence[..., None] > 0, srgb, 0.95)
    return KnownMaps(mean, basis, codes, factors, MapBatch(srgb, confidence))


def estimate(known: KnownMaps, folder, *, progress=None, **changes) -> EstimatedSpace:
    """Estimate the space of known maps; every other texel is one of the few."""
    settings = {
        "components": COMPONENTS,
        "least_noise": 1e-6,
        "tolerance": 1e-3,
        "coarse_rounds": 12,
    }
    settings |= changes
    some = MapBatch(known.batch.srgb[:, ::2], known.batch.confidence[:, ::2])
    return estimate_space(
        MapsInMemory(known.batch),
        MapsInMemory(some),
        settings=SpaceSettings(**settings),
        steps=StepFolder(folder),
        progress=progress or Silent(),
    )


def basis_of(space: EstimatedSpace) -> Tensor:
    return torch.cat([part.basis for part in space.model.parts()])


def angles_between(first: Tensor, second: Tensor) -> Tensor:
    """Principal angles in degrees."""
    columns = [torch.linalg.qr(each.flatten(0, 1))[0] for each in (first, second)]
    cosines = torch.linalg.svdvals(columns[0].T @ columns[1]).clamp(-1.0, 1.0)
    return torch.rad2deg(torch.arccos(cosines))
