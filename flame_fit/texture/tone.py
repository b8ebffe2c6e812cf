"""What a photo says of a texture, told apart: prior, tone and detail.

Every texel is `prior * exp(tone + detail)`. The tone is the low band of baked over prior: solved on
the mesh, it follows the photo where the photo is seen and runs on smoothly behind it, so ears,
scalp and neck take the face's tone. The detail is the rest of what is baked.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from flame_fit.flame import FlameAssets
from flame_fit.texture.delight import ALBEDO_LOW, DelitTexels
from flame_fit.texture.layout import TextureLayout
from flame_fit.texture.mesh_field import smooth_field
from flame_fit.texture.skin_likeness import face_colour, skin_likeness
from flame_fit.texture.surface_values import accumulate_vertices, interpolate_vertices, smoothstep
from flame_fit.texture.texel_geometry import (
    INNER_REGIONS,
    MOUTH_REGIONS,
    TexelGeometry,
    face_region,
)

# Metres over which the tone of the photo is told apart from its detail.
TONE_LENGTH = 0.010
# Weight of the mirrored side's tone where a side is not seen itself. The light is never quite
# removed, so the two sides differ and a neighbour's tone fits better than the mirror image's.
MIRROR_TONE = 0.03
# Weight of the prior's own tone in parts that are not skin, so that skin tone does not run in.
INNER_PRIOR = 0.05
# Weight of the median tone elsewhere.
OUTER_PRIOR = 0.03
# Log ratio at which the tone of a vertex counts half as an outlier of the skin.
TONE_OUTLIER = 0.5
# Log albedo that the unseen inside of the mouth loses to the shadow of the lips, which smooth light
# has not.
MOUTH_SHADOW = 0.7
# Where the seen part ends: cells on which that is told, squares of so many cells around one with
# the shares that must be seen (of the larger one, so that a gap between the lips is no end), and
# the log albedo by which a cell may differ there.
BORDER_CELL_AT_1024 = 8
BORDERS = ((5, (0.6, 0.95)), (15, (0.6, 0.9)))
BORDER_DETAIL = 0.25
BORDER_LEAST = 0.02
STRANGE_REGIONS = (
    "left_eye_region",
    "right_eye_region",
    "left_eyelids",
    "right_eyelids",
    "lips",
    "nose",
    "brows",
    *INNER_REGIONS,
)
# Texels that vote for the tone of the vertices; more do not change it.
TONE_VOTES = 120_000
# Bounds of the log ratio of baked over prior; white teeth over the mouth's dark prior reach 4.
LOG_RATIO_LIMIT = 5.0


@dataclass(frozen=True, eq=False)
class PhotoEvidence:
    """Logarithms of albedo; N covered texels of the chart, M of them seen.

    Attributes:
        prior: What the texture space says.
        field: Smooth ratio of photo over prior, at the vertices.
        tone: The same at the texels.
        row: Seen texels.
        own: Albedo of the photo.
        detail: What is left of it beyond prior and tone.
        confidence: How well each is seen and how much it looks like this face's skin, 0..1.
        likeness: The latter alone.
    """

    prior: Float[Tensor, "N 3"]
    field: Float[Tensor, "V 3"]
    tone: Float[Tensor, "N 3"]
    row: Int[Tensor, " M"]
    own: Float[Tensor, "M 3"]
    detail: Float[Tensor, "M 3"]
    confidence: Float[Tensor, " M"]
    likeness: Float[Tensor, " M"]


def photo_evidence(
    seen: DelitTexels,
    prior_albedo: Float[Tensor, "P P 3"],
    assets: FlameAssets,
    *,
    layout: TextureLayout,
) -> PhotoEvidence:
    """Tell prior, tone and detail of a photo apart.

    Args:
        seen: Visible texels without light.
        prior_albedo: Linear albedo of a whole head at any size, such as a decoded texture space.
        assets: Model of the head.
        layout: Preparation of this model at the texels' size.
    """
    texels = layout.texels
    base = log_prior(prior_albedo, assets, texels)
    row = seen.baked.row
    own = seen.albedo.log()
    ratio = (own - base.index_select(0, row)).clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)
    likeness = skin_likeness(seen, assets, texels)
    confidence = seen.baked.confidence * likeness
    centre = face_colour(ratio, confidence)
    centre = ratio.new_zeros(3) if centre is None else centre
    field = _tone_field(ratio, confidence, centre, seen, assets, layout=layout)
    tone = interpolate_vertices(field, texels.corners, texels.surface.barycentrics)
    detail = ratio - tone.index_select(0, row)
    confidence = confidence * _border_trust(detail, confidence, row, assets, texels=texels)
    return PhotoEvidence(base, field, tone, row, own, detail, confidence, likeness)


def _border_trust(
    detail: Float[Tensor, "M 3"],
    confidence: Float[Tensor, " M"],
    row: Int[Tensor, " M"],
    assets: FlameAssets,
    *,
    texels: TexelGeometry,
) -> Float[Tensor, " M"]:
    """Return less for strange texels where the seen part ends: collars, hair and shadow under it.

    The lids, lips, nostrils and brows are strange by nature. A model that does not mark the face is
    not judged.
    """
    if assets.regions is None or "face" not in assets.regions.names:
        return torch.ones_like(confidence)
    side = max(1, BORDER_CELL_AT_1024 * texels.size // 1024)
    count = -(-texels.size // side)
    step = max(1, len(row) // TONE_VOTES)
    trust = confidence[::step, None]
    cells = detail.new_zeros(count * count, 4)
    here = texels.texel[row]
    cells.index_add_(
        0,
        _cell(here[::step], texels.size, side),
        torch.cat((detail[::step].abs() * trust, trust), dim=1),
    )
    covered = torch.bincount(
        _cell(texels.texel[::step], texels.size, side), minlength=count * count
    ).to(detail)[:, None]
    maps = torch.cat((cells, covered), dim=1).T.reshape(1, 5, count, count)
    least = BORDER_LEAST * side**2 / step
    mean = (maps[:, :3] / maps[:, 3:4].clamp_min(least)).amax(1, keepdim=True)
    strange = (mean / BORDER_DETAIL) ** 4
    for reach, (low, high) in BORDERS:
        around = functional.avg_pool2d(maps[:, 3:], reach, 1, reach // 2)
        share = around[:, :1] / around[:, 1:].clamp_min(1e-6)
        strange = strange * (1.0 - smoothstep(share, low, high))
    fine = functional.interpolate(1.0 / (1.0 + strange), size=side * count, mode="bilinear")
    found = fine[0, 0, : texels.size, : texels.size].reshape(-1).index_select(0, here)
    own = face_region(assets, *STRANGE_REGIONS)[texels.surface.face_index[row]]
    return torch.where(own, 1.0, found)


def _cell(texel: Int[Tensor, " n"], size: int, side: int) -> Int[Tensor, " n"]:
    """Return which cell of `side` texels a texel of a flattened map lies in."""
    line = torch.div(texel, size, rounding_mode="floor")
    across = torch.div(texel - line * size, side, rounding_mode="floor")
    return torch.div(line, side, rounding_mode="floor") * -(-size // side) + across


def log_prior(
    prior_albedo: Float[Tensor, "P P 3"], assets: FlameAssets, texels: TexelGeometry
) -> Float[Tensor, "N 3"]:
    """Return the logarithm of the prior albedo on the texels, darker inside the mouth."""
    base = texels.from_map(_resize(prior_albedo, texels.size)).clamp_(ALBEDO_LOW).log_()
    in_mouth = face_region(assets, *MOUTH_REGIONS)[texels.surface.face_index]
    return base.sub_(MOUTH_SHADOW * in_mouth[:, None])


def _resize(image: Float[Tensor, "P P 3"], size: int) -> Float[Tensor, "U U 3"]:
    if image.shape[0] == size:
        return image
    resized = functional.interpolate(
        image.permute(2, 0, 1)[None],
        size=(size, size),
        mode="bilinear",
        align_corners=False,
        antialias=image.shape[0] > size,
    )
    return resized[0].permute(1, 2, 0)


def _tone_field(
    ratio: Float[Tensor, "M 3"],
    confidence: Float[Tensor, " M"],
    centre: Float[Tensor, " 3"],
    seen: DelitTexels,
    assets: FlameAssets,
    *,
    layout: TextureLayout,
) -> Float[Tensor, "V 3"]:
    """Return the smooth log ratio of photo over prior on every vertex."""
    step = max(1, len(ratio) // TONE_VOTES)
    row = seen.baked.row[::step]
    texels = layout.texels
    trust = confidence[::step, None]
    votes = torch.cat([ratio[::step] * trust, trust], dim=1) * step
    count = assets.v_template.shape[0]
    total = accumulate_vertices(
        votes, texels.corners[row], texels.surface.barycentrics[row], vertex_count=count
    )
    value = total[:, :3] / total[:, 3:].clamp_min(1e-6)
    weight = (total[:, 3] / texels.vertex_texels.clamp_min(1.0)).clamp_max(1.0)
    inner = _inner_vertices(assets)
    sure = _eroded(weight, assets) / (1.0 + ((value - centre) ** 2).mean(dim=1) / TONE_OUTLIER**2)
    # What is no skin cannot be an outlier of the skin.
    weight = torch.where(inner, weight, sure)
    if assets.mirror_vertex is not None:
        image = assets.mirror_vertex
        other = MIRROR_TONE * weight[image] * (1.0 - weight)
        value = value * weight[:, None] + value[image] * other[:, None]
        weight = weight + other
        value = value / weight.clamp_min(1e-9)[:, None]
    # Far from what is seen the tone is the median one: what the light left at the edge of the seen
    # part does not run on.
    rest = torch.where(inner[:, None], 0.0, centre)
    prior = torch.where(inner, INNER_PRIOR, OUTER_PRIOR)[:, None]
    weight = weight[:, None]
    value = (value * weight + rest * prior) / (weight + prior).clamp_min(1e-9)
    weight = (weight + prior)[:, 0]
    return smooth_field(value, weight, rest, operator=layout.operator, length=TONE_LENGTH)


def _eroded(weight: Float[Tensor, " V"], assets: FlameAssets) -> Float[Tensor, " V"]:
    """Return the least weight in each vertex's triangles.

    Where the seen part ends, hair, cloth and shadow tint the last texels; they must not set the
    tone of all that lies behind.
    """
    faces = assets.faces.to(torch.int64)
    least = weight[faces].amin(dim=1)
    result = weight
    for corner in range(3):
        result = result.scatter_reduce(0, faces[:, corner], least, "amin")
    return result


def _inner_vertices(assets: FlameAssets) -> Bool[Tensor, " V"]:
    """Return the vertices of eyeballs and mouth."""
    inner = torch.zeros(assets.v_template.shape[0], dtype=torch.bool, device=assets.faces.device)
    inner[assets.faces[face_region(assets, *INNER_REGIONS)].reshape(-1)] = True
    return inner
