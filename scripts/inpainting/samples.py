"""What a fit knows of a texture, and what is true: a random person in a view of another.

Light is estimated from what the view shows; the rest is the code that textures photos.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Float16
from torch import Tensor
from torch.nn.functional import avg_pool2d

from flame_fit.appearance import linear_to_srgb, solve_lighting, srgb_to_linear
from flame_fit.texture import BakedTexels, DelitTexels, delight
from flame_fit.texture.inpainter import ChartGrid
from flame_fit.texture.inpainting_training import sample_columns
from flame_fit.texture.tone import photo_evidence
from scripts.inpainting.people import Studio, random_texture
from scripts.inpainting.views import LEAST_SEEN, View

SET_OFFSET = 4_000_000
"""Apart from the random numbers of the views."""
CHUNK, LEAST_COVERED = 50, 0.25
CODE_NOISE = 0.05
"""Standard deviation of sRGB of what the texture space does not show of a person."""
CODE_ERROR, CODE_SHARE = 0.25, (0.75, 1.05)
"""Standard deviation of a code's error, and what fits find of its length."""


def make_sample(studio: Studio, view: View, number: int) -> Float16[Tensor, "N 14"] | None:
    """Return a sample, or None where too little is seen; deterministic by number.

    Its columns are those of `sample_columns`.

    Args:
        studio: What all samples share.
        view: Of any head.
        number: Of the sample.
    """
    generator = np.random.default_rng((SET_OFFSET, number))
    true = studio.layout.texels.from_map(random_texture(studio, generator))
    confidence = view.confidence * _without_strokes(studio.points, generator)
    row = (confidence > 0.0).nonzero()[:, 0]
    if float((confidence > 0.5).sum()) < LEAST_SEEN * len(confidence):  # noqa: PLR2004
        return None
    colour = (view.ratio * true)[row].clamp_max(1.0)
    baked = BakedTexels(row, colour, confidence[row], view.normals[row])
    prior, delit = _appearance(studio, true, baked, generator)
    told = photo_evidence(delit, prior, studio.model.assets, layout=studio.layout)
    sure = told.confidence > 0.5  # noqa: PLR2004
    if float(sure.sum()) < LEAST_SEEN * len(confidence):
        return None
    log_true = true.log()
    exposure = (told.own - log_true[told.row])[sure].median(dim=0).values
    return sample_columns(told, log_true + exposure, torch.ones(len(true)))


def _without_strokes(
    points: Float[Tensor, "N 3"], generator: np.random.Generator
) -> Float[Tensor, " N"]:
    """Return 0 where strokes of a random brush go over the head, 1 elsewhere."""
    left = torch.ones(len(points))
    for _ in range(generator.poisson(1.5)):
        radius = generator.uniform(0.004, 0.02)
        place = points[int(generator.integers(len(points)))]
        for _ in range(int(generator.integers(1, 5))):
            step = torch.from_numpy(generator.normal(0.0, 0.02, 3)).float()
            along = ((points - place) @ step / step.square().sum()).clamp(0.0, 1.0)
            distance = (points - place - along[:, None] * step).norm(dim=1)
            left = left * (distance > radius)
            place = place + step
    return left


def _appearance(
    studio: Studio,
    true: Float[Tensor, "N 3"],
    seen: BakedTexels,
    generator: np.random.Generator,
) -> tuple[Float[Tensor, "U U 3"], DelitTexels]:
    """Return a prior as good as those of fits, and the texels without the light that goes with it.

    Fits find codes from a part of the head; theirs lie a little off and nearer to the mean.
    """
    texels = studio.layout.texels
    basis = studio.basis.flatten(0, 1)
    gap = (linear_to_srgb(true) - studio.mean).flatten()
    normal = basis.T @ basis / CODE_NOISE**2 + torch.eye(basis.shape[1])
    code = torch.linalg.solve(normal, basis.T @ gap / CODE_NOISE**2)
    wrong = torch.from_numpy(generator.normal(0.0, CODE_ERROR, len(code))).float()
    code = float(generator.uniform(*CODE_SHARE)) * code + wrong
    srgb = (studio.mean + studio.basis @ code).clamp(0.0, 1.0)
    prior = srgb_to_linear(srgb).clamp_min(0.002)
    light = solve_lighting(
        prior[seen.row], seen.colour, seen.normals, seen.confidence, robust_passes=2
    )
    return texels.to_map(prior), delight(seen, light)


def pooled(
    samples: Float16[Tensor, "n N 14"], fine: ChartGrid, coarse: ChartGrid
) -> Float16[Tensor, "n M 14"]:
    """Return samples on a coarser chart: known detail and its trust as sums, the rest as means."""
    side = fine.texels.size
    factor = side // coarse.texels.size
    share = avg_pool2d(fine.texels.covered().float()[None], factor).clamp_min(LEAST_COVERED)
    made = []
    for rows in samples.split(CHUNK):
        maps = torch.zeros(len(rows), side * side, samples.shape[2])
        maps[:, fine.texels.texel] = rows.float()
        means = avg_pool2d(maps.unflatten(1, (side, side)).permute(0, 3, 1, 2), factor)
        whole = torch.cat((means[:, :4], means[:, 4:] / share), dim=1)
        made.append(whole.flatten(2)[..., coarse.texels.texel].transpose(1, 2).half())
    return torch.cat(made)
