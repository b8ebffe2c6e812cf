"""A whole texture from the part that a photo shows.

Every texel is `prior * exp(smooth field + detail)`. The field is the low band of baked over prior:
solved on the mesh, it follows the photo where the photo is seen and runs on smoothly behind it, so
ears, scalp and neck take the face's tone. The detail is the rest of the baked texture: the texel's
own where it is seen, its mirror image's where only that is seen, none elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from flame_fit.flame import FlameAssets
from flame_fit.texture.delight import ALBEDO_HIGH, ALBEDO_LOW, DelitTexels
from flame_fit.texture.eyes import EyeSight, complete_eyes
from flame_fit.texture.layout import TextureLayout
from flame_fit.texture.mesh_field import smooth_field
from flame_fit.texture.skin_likeness import face_colour, skin_likeness
from flame_fit.texture.surface_values import (
    accumulate_vertices,
    interpolate_vertices,
    smoothstep,
)
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
# Log ratio at which the tone of a vertex counts half as an outlier of the skin.
TONE_OUTLIER = 0.5
# Log albedo that the unseen inside of the mouth loses to the shadow of the lips, which smooth light
# has not.
MOUTH_SHADOW = 0.7
# Texels that vote for the tone of the vertices; more do not change it.
TONE_VOTES = 120_000
# Bounds of the log ratio of baked over prior; white teeth over the mouth's dark prior reach 4.
LOG_RATIO_LIMIT = 5.0


@dataclass(frozen=True, eq=False)
class TextureMaps:
    """A texture and how much of it was seen; row 0 is v = 1.

    Attributes:
        albedo: Linear albedo without light, complete.
        confidence: How well the photo shows each texel, 0 where it was filled in.
        mask: Texels that show the surface.
        likeness: How much what the photo shows there looks like this face's skin, 1 where it is
            not judged; low where hair or cloth lay behind the skin weight and was not printed.
    """

    albedo: Float[Tensor, "U U 3"]
    confidence: Float[Tensor, "U U"]
    mask: Bool[Tensor, "U U"]
    likeness: Float[Tensor, "U U"]


def complete(
    seen: DelitTexels,
    prior_albedo: Float[Tensor, "P P 3"],
    assets: FlameAssets,
    *,
    layout: TextureLayout,
) -> TextureMaps:
    """Fill in what the photo does not show.

    Args:
        seen: Visible texels without light.
        prior_albedo: Linear albedo of a whole head at any size, such as a decoded texture space.
        assets: Model of the head.
        layout: Preparation of this model at the wanted size.

    Returns:
        Maps of the texels' size; texels without a surface are black.
    """
    texels = layout.texels
    base = texels.from_map(_resize(prior_albedo, texels.size)).clamp_min(ALBEDO_LOW).log()
    in_mouth = face_region(assets, *MOUTH_REGIONS)[texels.surface.face_index]
    base = base - MOUTH_SHADOW * in_mouth[:, None]
    row = seen.baked.row
    own = seen.albedo.log()
    ratio = (own - base.index_select(0, row)).clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)
    likeness = skin_likeness(seen, assets, texels)
    confidence = seen.baked.confidence * likeness
    centre = face_colour(ratio, confidence)
    centre = ratio.new_zeros(3) if centre is None else centre
    field = _tone_field(ratio, confidence, centre, seen, assets, layout=layout)
    tone = interpolate_vertices(field, texels.corners, texels.surface.barycentrics)
    detail = _detail(ratio - tone.index_select(0, row), confidence, seen, texels)
    whole = base + tone + detail
    trust = confidence.new_zeros(len(texels.texel))
    trust[row] = confidence
    sights = _eye_sights(base, own, trust, row, layout)
    for eye, sight in zip(
        layout.eyes,
        complete_eyes(layout.eyes, sights, face_colour(own, confidence)),
        strict=True,
    ):
        whole[eye.row], trust[eye.row] = sight.own, sight.trust
    return TextureMaps(
        albedo=texels.to_map(whole.exp().clamp(ALBEDO_LOW, ALBEDO_HIGH)),
        confidence=texels.to_map(trust[:, None])[..., 0],
        mask=texels.covered(),
        likeness=_scattered(likeness, row, texels, fill=1.0),
    )


def _scattered(
    values: Float[Tensor, " M"], row: Int[Tensor, " M"], texels: TexelGeometry, *, fill: float
) -> Float[Tensor, "U U"]:
    """Lay the values of some rows out as a map, `fill` elsewhere."""
    flat = values.new_full((texels.size * texels.size,), fill)
    flat[texels.texel[row]] = values
    return flat.reshape(texels.size, texels.size)


def _eye_sights(
    base: Float[Tensor, "N 3"],
    own: Float[Tensor, "M 3"],
    trust: Float[Tensor, " N"],
    row: Int[Tensor, " M"],
    layout: TextureLayout,
) -> tuple[EyeSight, ...]:
    """Return what the photo shows of each eyeball."""
    if not layout.eyes:
        return ()
    place = torch.full((len(base),), -1, dtype=torch.int64, device=base.device)
    place[row] = torch.arange(len(own), device=base.device)
    with_prior = torch.cat([own, own.new_zeros(1, 3)])
    sights = []
    for eye in layout.eyes:
        prior, at = base[eye.row], place[eye.row]
        colour = torch.where((at >= 0)[:, None], with_prior[at], prior)
        sights.append(EyeSight(prior, colour, trust[eye.row]))
    return tuple(sights)


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
    prior = torch.where(inner, INNER_PRIOR, 0.0)
    value = value * (weight / (weight + prior).clamp_min(1e-9))[:, None]
    rest = torch.where(inner[:, None], 0.0, centre)
    return smooth_field(value, weight + prior, rest, operator=layout.operator, length=TONE_LENGTH)


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


def _detail(
    detail: Float[Tensor, "M 3"],
    confidence: Float[Tensor, " M"],
    seen: DelitTexels,
    texels: TexelGeometry,
) -> Float[Tensor, "N 3"]:
    """Return every texel's detail: its own where it is seen, else its mirror image's, else none."""
    own = detail.new_zeros(len(texels.texel), 4)
    own[seen.baked.row] = torch.cat([detail * confidence[:, None], confidence[:, None]], dim=1)
    missing = ((own[:, 3] < 1.0) & (texels.mirror_uv[:, 0] >= 0)).nonzero()[:, 0]
    uv = texels.mirror_uv.index_select(0, missing).to(detail.dtype)
    grid = torch.stack([2.0 * uv[:, 0] - 1.0, 1.0 - 2.0 * uv[:, 1]], dim=1)
    layered = texels.to_map(own).permute(2, 0, 1).contiguous()[None]
    image = functional.grid_sample(
        layered, grid[None, :, None], mode="bilinear", padding_mode="zeros", align_corners=False
    )[0, :, :, 0].T
    # Only what is well seen is worth repeating on the other side; rims of hair are not.
    share = (1.0 - own[:, 3].index_select(0, missing)) * smoothstep(image[:, 3], 0.6, 1.0)
    return own[:, :3].index_add(0, missing, share[:, None] * image[:, :3])
