"""How true the skin of a face is: its colours, and its detail."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from flame_fit.flame import FlameAssets
from flame_fit.texture import TexelGeometry, face_region
from flame_fit.texture.layout_transfer import at_size
from flame_fit.texture.texel_geometry import INNER_REGIONS
from scripts.benchmarking.texture_measures import DARKEST

FINE, COARSE = 3, 9
"""Widths of the band of detail, texels."""


@dataclass(frozen=True)
class SkinQuality:
    """How near the skin of a face comes to the true one.

    Errors are mean absolute errors of the linear albedo; NaN where there is nothing to compare.

    Attributes:
        albedo: Of the whole face.
        albedo_toned: The same after one factor on each colour.
        hidden: Where the front photo does not show the face.
        hidden_toned: The same after the factors of the whole face.
        detail: Root mean square of the detail over that of the truth.
        correlation: Of the detail with that of the truth.
    """

    albedo: float
    albedo_toned: float
    hidden: float
    hidden_toned: float
    detail: float
    correlation: float


@dataclass(frozen=True, eq=False)
class TrueFace:
    """The skin of a true face, on the covered texels of a chart.

    Attributes:
        albedo: Linear albedo.
        face: Which texels are skin of the face.
        inside: Those of them that are far enough from its borders to judge detail.
        texels: The chart.
    """

    albedo: Float[Tensor, "N 3"]
    face: Bool[Tensor, " N"]
    inside: Bool[Tensor, " N"]
    texels: TexelGeometry

    @staticmethod
    def of(albedo: Float[Tensor, "P P 3"], assets: FlameAssets, texels: TexelGeometry) -> TrueFace:
        """Return the face of a true texture.

        Args:
            albedo: Linear, on the chart at any size.
            assets: Model of the head.
            texels: Of its chart, at the size of the textures that are judged.
        """
        region = face_region(assets, "face") & ~face_region(assets, *INNER_REGIONS)
        face = region[texels.surface.face_index]
        image = texels.to_map(face[:, None].float())[..., 0].numpy()
        kernel = np.ones((COARSE, COARSE), np.uint8)
        inner = torch.from_numpy(cv2.erode(image, kernel, borderValue=0.0))
        inside = texels.from_map(inner[..., None])[:, 0] > 0.0
        return TrueFace(texels.from_map(at_size(albedo, texels.size)), face, inside, texels)


def skin_quality(
    found: Float[Tensor, "N 3"], truth: TrueFace, *, hidden: Bool[Tensor, " N"]
) -> SkinQuality:
    """Compare an albedo with the true one.

    Args:
        found: Linear albedo on the covered texels.
        truth: The true face.
        hidden: Texels of it that the front photo does not show.
    """
    true, face = truth.albedo, truth.face
    ratio = true[face].clamp_min(DARKEST).log() - found[face].clamp_min(DARKEST).log()
    toned = found * ratio.median(dim=0).values.exp()
    bands = torch.stack([detail_band(each, truth)[truth.inside] for each in (found, true)])
    power = bands.square().mean(dim=1).sqrt()
    return SkinQuality(
        albedo=_error(found, true, face),
        albedo_toned=_error(toned, true, face),
        hidden=_error(found, true, hidden),
        hidden_toned=_error(toned, true, hidden),
        detail=float(power[0] / power[1]),
        correlation=float(torch.corrcoef(bands)[0, 1]),
    )


def detail_band(albedo: Float[Tensor, "N 3"], truth: TrueFace) -> Float[Tensor, " N"]:
    """Return by what the mean of `FINE` texels of log brightness differs from that of `COARSE`.

    Args:
        albedo: Linear albedo on the covered texels; only the face's are looked at.
        truth: What the face is.
    """
    bright = albedo.mean(dim=1).clamp_min(DARKEST).log() * truth.face
    layers = truth.texels.to_map(torch.stack([bright, truth.face.to(bright)], dim=1)).numpy()
    means = []
    for width in (FINE, COARSE):
        blurred = cv2.blur(layers, (width, width))
        means.append(blurred[..., 0] / np.maximum(blurred[..., 1], 1.0 / COARSE**2))
    return truth.texels.from_map(torch.from_numpy(means[0] - means[1])[..., None])[:, 0]


def _error(
    found: Float[Tensor, "N 3"], true: Float[Tensor, "N 3"], rows: Bool[Tensor, " N"]
) -> float:
    return float((found - true)[rows].abs().mean()) if bool(rows.any()) else math.nan
