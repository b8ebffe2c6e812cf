"""Samples for an inpainting network out of finished textures: what is known of them is hidden.

Strokes of a brush are taken away, and what another photo does not show; what the maps themselves
do not show is never asked for (Wang and others, "Image inpainting via generative multi-column
convolutional neural networks", NeurIPS 2018, train on strokes too).
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Float16
from torch import Tensor

from flame_fit.appearance import TextureSpace, srgb_to_linear
from flame_fit.flame import FlameAssets
from flame_fit.texture.bake import BakedTexels
from flame_fit.texture.decoder_training import TrainingMaps
from flame_fit.texture.delight import ALBEDO_LOW, DelitTexels
from flame_fit.texture.fill_in import SeenMap, complete_by_space
from flame_fit.texture.inpainting_training import sample_columns
from flame_fit.texture.layout import TextureLayout
from flame_fit.texture.layout_transfer import at_size
from flame_fit.texture.spaces.colour import ColourPrior
from flame_fit.texture.surface_values import interpolate_vertices
from flame_fit.texture.tone import photo_evidence

MOST_STROKES, MOST_BENDS = 4, 4
BRUSH = (0.004, 0.02)
"""Radii of brushes, as shares of a metre: heads are that large in every model."""
STEP = 0.02
"""Standard deviation of the length of a stroke's parts along each axis, metres."""
HIDES_LIKE_ANOTHER = 0.5
"""Share of samples in which also what another map does not show is hidden."""
LEAST_LEFT = 0.02
"""Share of the chart that must be left to be learnt from."""
EXPOSURE = ColourPrior(0.1, 0.06)
_KNOWN = 0.5


def hidden_samples(
    maps: TrainingMaps,
    space: TextureSpace,
    assets: FlameAssets,
    *,
    layout: TextureLayout,
    variants: int,
    generator: torch.Generator,
) -> Float16[Tensor, "n N 14"]:
    """Return samples of maps of which something was hidden, each map several times.

    Args:
        maps: Textures of the layout's size.
        space: Texture space on the model's chart, the prior.
        assets: Model of the head.
        layout: Preparation of this model at the size of the network.
        variants: Samples of each map; those with too little left are skipped.
        generator: Draws what is hidden.
    """
    texels = layout.texels
    small = _at_size(space, texels.size)
    points = interpolate_vertices(assets.v_template, texels.corners, texels.surface.barycentrics)
    albedo = srgb_to_linear(maps.srgb).clamp_min(ALBEDO_LOW)
    made = []
    for number in range(len(maps.srgb)):
        known = texels.from_map(maps.seen[number, ..., None])[:, 0]
        for _ in range(variants):
            left = known * unpainted(points, generator)
            if float(torch.rand((), generator=generator)) < HIDES_LIKE_ANOTHER:
                other = int(torch.randint(len(maps.srgb), (), generator=generator))
                left = left * texels.from_map(maps.seen[other, ..., None])[:, 0]
            if float((left > _KNOWN).sum()) < LEAST_LEFT * len(left):
                continue
            made.append(_sample(albedo[number], left, known, small, assets, layout=layout))
    empty = torch.zeros(0, len(texels.texel), 14, dtype=torch.float16)
    return torch.stack(made) if made else empty


def unpainted(points: Float[Tensor, "N 3"], generator: torch.Generator) -> Float[Tensor, " N"]:
    """Return 0 where strokes of a random brush go over a head, 1 elsewhere.

    Args:
        points: On the head, metres.
        generator: Draws number, places, bends and widths of the strokes.
    """

    def drawn(below: int) -> int:
        return int(torch.randint(below, (), generator=generator))

    left = torch.ones_like(points[:, 0])
    for _ in range(drawn(MOST_STROKES + 1)):
        share = float(torch.rand((), generator=generator))
        radius = BRUSH[0] + share * (BRUSH[1] - BRUSH[0])
        place = points[drawn(len(points))]
        for _ in range(1 + drawn(MOST_BENDS)):
            step = STEP * torch.randn(3, generator=generator).to(points)
            along = (points - place) @ step / step.square().sum().clamp_min(1e-12)
            nearest = place + along.clamp(0.0, 1.0)[:, None] * step
            left = left * ((points - nearest).norm(dim=1) > radius)
            place = place + step
    return left


def _at_size(space: TextureSpace, size: int) -> TextureSpace:
    side, count = space.mean.shape[0], space.basis.shape[-1]
    basis = at_size(space.basis.reshape(side, side, -1), size).reshape(size, size, 3, count)
    return TextureSpace(at_size(space.mean, size), basis, space.scale)


def _sample(
    albedo: Float[Tensor, "U U 3"],
    left: Float[Tensor, " N"],
    known: Float[Tensor, " N"],
    space: TextureSpace,
    assets: FlameAssets,
    *,
    layout: TextureLayout,
) -> Float16[Tensor, "N 14"]:
    texels = layout.texels
    rest = texels.to_map(left[:, None])[..., 0]
    likeliest = complete_by_space(SeenMap(albedo, rest), space, texels, colour=EXPOSURE)
    row = (left > 0.0).nonzero()[:, 0]
    rows = texels.from_map(albedo)
    normals = torch.zeros_like(rows[row])
    seen = DelitTexels(BakedTexels(row, rows[row], left[row], normals), rows[row])
    prior = likeliest.albedo.to(albedo).clamp_min(ALBEDO_LOW)
    told = photo_evidence(seen, prior, assets, layout=layout)
    return sample_columns(told, rows.log(), known)
