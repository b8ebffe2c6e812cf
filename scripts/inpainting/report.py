"""How far completed textures are from the truth, by what fills them in."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Float16
from torch import Tensor

from flame_fit.flame import FlameAssets
from flame_fit.texture.inpaint import mirror_trust
from flame_fit.texture.inpainter import ChartGrid, Inpainter
from flame_fit.texture.inpainting_training import filled, maps_of, rows_of
from flame_fit.texture.texel_geometry import face_region

UNSEEN = 0.05
"""Confidence below which a texel counts as not seen."""


@torch.no_grad()
def report_on(samples: Float16[Tensor, "n N 14"], inpainter: Inpainter, assets: FlameAssets) -> str:
    """Return a table of mean absolute errors of linear albedo on unseen texels.

    Args:
        samples: Held-out ones, on the network's chart.
        inpainter: To be judged.
        assets: Model of the head.
    """
    grid = inpainter.grid
    places = _places(assets, grid)
    lines = [f"{'unseen texels':<24}" + "".join(f"{name:>9}" for name in places)]
    batch = samples.float()
    network = torch.cat([filled(inpainter.network, part, grid) for part in batch.split(8)])
    nothing = torch.zeros_like(network)
    ways = {
        "prior alone": -batch[..., 7:10],
        "tone": nothing,
        "tone, mirrored detail": _mirrored(batch, grid),
        "network": network,
    }
    for name, fill in ways.items():
        errors = [_error(batch, fill, inside) for inside in places.values()]
        lines.append(f"{name:<24}" + "".join(f"{error:>9.4f}" for error in errors))
    return "\n".join(lines)


def _error(
    batch: Float[Tensor, "b N 14"], fill: Float[Tensor, "b N 3"], inside: Bool[Tensor, " N"]
) -> float:
    base = batch[..., 4:7] + batch[..., 7:10]
    gap = ((base + fill).exp() - (base + batch[..., 10:13]).exp()).abs().mean(-1)
    weight = inside * (batch[..., 3] < UNSEEN)
    return float((gap * weight).sum() / weight.sum().clamp_min(1.0))


def _mirrored(batch: Float[Tensor, "b N 14"], grid: ChartGrid) -> Float[Tensor, "b N 3"]:
    found = rows_of(grid.mirrored(maps_of(batch[..., :4], grid)), grid)
    return found[..., :3] * mirror_trust(found[..., 3:])


def _places(assets: FlameAssets, grid: ChartGrid) -> dict[str, Bool[Tensor, " N"]]:
    face_index = grid.texels.surface.face_index
    found = {"all": grid.outer}
    for name in ("face", "neck", "scalp"):
        found[name] = face_region(assets, name)[face_index] & grid.outer
    found["ears"] = face_region(assets, "left_ear", "right_ear")[face_index]
    return found
