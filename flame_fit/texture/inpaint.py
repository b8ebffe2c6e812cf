"""The network's guess of what a photo does not show, carried to the texels of a texture."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from flame_fit.flame import FlameAssets
from flame_fit.priors.texture_inpainting import ChartLayers
from flame_fit.texture.inpainter import ChartGrid, Inpainter
from flame_fit.texture.surface_values import interpolate_vertices, smoothstep
from flame_fit.texture.texel_geometry import TexelGeometry
from flame_fit.texture.tone import PhotoEvidence, log_prior

MIRROR_TRUST = (0.6, 1.0)
"""Confidences between which mirrored detail is taken."""
LEAST_MIRROR_SHARE = 0.5
"""Share of it that is taken whatever the network says: it learnt on rendered people, who have more
on one side only than people have."""


@dataclass(frozen=True, eq=False)
class TexelFill:
    """What to add to prior and tone of texels that are not seen.

    Attributes:
        change: Logarithm of a factor on the albedo.
        mirror_share: How much of the mirrored detail to add to it, 0..1.
    """

    change: Float[Tensor, "N 3"]
    mirror_share: Float[Tensor, "N 1"]


def mirror_trust(confidence: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """Return how far detail seen this well is worth repeating on the other side.

    Only what is well seen is; rims of hair are not.
    """
    return smoothstep(confidence, *MIRROR_TRUST)


def without_network(texels: TexelGeometry) -> TexelFill:
    """Return the fill of a chart without a network: the mirrored detail and nothing else."""
    change = texels.surface.barycentrics.new_zeros(len(texels.texel), 3)
    return TexelFill(change, torch.ones_like(change[:, :1]))


@torch.no_grad()
def inpaint(
    told: PhotoEvidence,
    known: Float[Tensor, "4 U U"],
    prior_albedo: Float[Tensor, "P P 3"],
    assets: FlameAssets,
    *,
    inpainter: Inpainter,
    texels: TexelGeometry,
) -> TexelFill:
    """Ask the network what lies where nothing is seen.

    Its answer is carried over vertices, so it is smooth and closes over the seams of the chart.

    Args:
        told: What the photo says.
        known: Detail times confidence, then confidence, as maps of the texture's size.
        prior_albedo: Linear albedo of a whole head at any size.
        assets: Model of the head.
        inpainter: Network for the model's chart.
        texels: The chart at the texture's size.
    """
    grid = inpainter.grid
    small = grid.texels
    size = (small.size, small.size)
    tone = interpolate_vertices(told.field, small.corners, small.surface.barycentrics)
    prior = log_prior(prior_albedo, assets, small)
    layers = chart_layers(
        interpolate(known[None], size=size, mode="area"),
        _as_maps(prior, small),
        _as_maps(tone, small),
        grid=grid,
    )
    fill = inpainter.network(layers)
    answer = torch.cat((fill.change, fill.mirror_share), dim=1)[0].permute(1, 2, 0)
    at_vertices = grid.at_vertices(answer)
    rest = at_vertices.new_tensor([0.0, 0.0, 0.0, 1.0])
    at_vertices = torch.where(grid.inner_vertex[:, None], rest, at_vertices)
    rows = interpolate_vertices(at_vertices, texels.corners, texels.surface.barycentrics)
    share = LEAST_MIRROR_SHARE + (1.0 - LEAST_MIRROR_SHARE) * rows[:, 3:]
    return TexelFill(rows[:, :3], share)


def chart_layers(
    known: Float[Tensor, "b 4 S S"],
    prior: Float[Tensor, "b 3 S S"],
    tone: Float[Tensor, "b 3 S S"],
    *,
    grid: ChartGrid,
) -> ChartLayers:
    """Return what the network sees, at its own size."""
    covered = grid.texels.covered().to(known)
    return ChartLayers(known, grid.mirrored(known), prior, tone, covered)


def _as_maps(rows: Float[Tensor, "N C"], texels: TexelGeometry) -> Float[Tensor, "1 C S S"]:
    return texels.to_map(rows).permute(2, 0, 1)[None]
