"""Hair and cloth that a skin weight let through, found by their colour.

The face itself is not judged: beards, make-up and moles belong to it. The forehead, the underside
of the chin and everything behind the face border on hair and clothes, and a texel there that looks
unlike the face is more likely one of those.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from flame_fit.flame import FlameAssets
from flame_fit.geometry import face_normals
from flame_fit.texture.delight import DelitTexels
from flame_fit.texture.texel_geometry import INNER_REGIONS, TexelGeometry, face_region

HAIRY_REGIONS = ("scalp", "left_ear", "right_ear")
# Distances in log albedo from the face's median at which a texel counts half.
HUE_LIMIT = 0.3
BRIGHT_LIMIT = 0.55
DARK_LIMIT = 1.1  # A neck may lie in the chin's shadow,
DARK_LIMIT_HAIRY = 0.55  # but where hair grows, dark is hair.
# The forehead is mostly bare, so its hue is judged leniently; but a dark strand on it is a fringe.
FOREHEAD_LENIENCE = 1.8
DARK_LIMIT_FOREHEAD = 0.45
# Height of the unit normal below which a triangle under the lips faces the collar.
DOWNWARDS = -0.4
SHARPNESS = 4
MEDIAN_SAMPLES = 100_000


def face_colour(
    log_albedo: Float[Tensor, "M 3"], trust: Float[Tensor, " M"]
) -> Float[Tensor, " 3"] | None:
    """Return the median log albedo of well seen texels, None if there are none."""
    step = max(1, len(log_albedo) // MEDIAN_SAMPLES)
    known = log_albedo[::step][trust[::step] > 0.5]  # noqa: PLR2004 - more seen than not
    return known.median(dim=0).values if len(known) else None


def skin_likeness(
    seen: DelitTexels, assets: FlameAssets, texels: TexelGeometry
) -> Float[Tensor, " M"]:
    """Return 1 for every texel of the face, and less for texels around it that look unlike it.

    A model that does not mark the face is not judged.

    Args:
        seen: Visible texels without light.
        assets: Model of the head.
        texels: Texel geometry of the model's chart.
    """
    face_index = texels.surface.face_index.index_select(0, seen.baked.row)
    if assets.regions is None or "face" not in assets.regions.names:
        return torch.ones_like(seen.baked.confidence)
    hairy = face_region(assets, *HAIRY_REGIONS)
    forehead = face_region(assets, "forehead")
    judged = forehead | hairy | ~face_region(assets, "face", *INNER_REGIONS)
    judged = judged | _under_chin(assets)
    at_border = judged.index_select(0, face_index)
    result = torch.ones_like(seen.baked.confidence)
    median = face_colour(seen.albedo.log(), torch.where(at_border, 0.0, seen.baked.confidence))
    rows = at_border.nonzero()[:, 0]
    if median is None or len(rows) == 0:
        return result
    difference = seen.albedo[rows].log() - median
    brightness = difference.mean(dim=1)
    hue = (difference - brightness[:, None]).norm(dim=1)
    at = face_index[rows]
    lenience = torch.where(forehead[at], FOREHEAD_LENIENCE, 1.0)
    dark_limit = torch.where(hairy[at], DARK_LIMIT_HAIRY, DARK_LIMIT)
    dark_limit = torch.where(forehead[at], DARK_LIMIT_FOREHEAD, dark_limit)
    limit = torch.where(brightness > 0, BRIGHT_LIMIT * lenience, dark_limit)
    unlike = (hue / (HUE_LIMIT * lenience)) ** SHARPNESS + (brightness / limit) ** SHARPNESS
    result[rows] = 1.0 / (1.0 + unlike)
    return result


def _under_chin(assets: FlameAssets) -> Bool[Tensor, " F"]:
    """Return the triangles below the lips that face downwards, where a collar reaches."""
    lips = face_region(assets, "lips")
    if not bool(lips.any()):
        return lips
    corners = assets.v_template[assets.faces]
    below = corners[..., 1].amax(dim=1) < corners[lips][..., 1].min()
    normals = face_normals(assets.v_template[None], assets.faces)[0]
    return below & (normals[:, 1] < DOWNWARDS)
