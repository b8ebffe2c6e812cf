"""A whole texture from the part that a photo shows.

Every texel is `prior * exp(tone + detail)`, less what of the tone is more likely light. What the
photo shows keeps its own detail. What it does not show takes that of its mirror image where only
that is seen, none elsewhere; a network that knows the chart corrects both.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from flame_fit.flame import FlameAssets
from flame_fit.texture.delight import ALBEDO_HIGH, ALBEDO_LOW, DelitTexels
from flame_fit.texture.dilate import dilated
from flame_fit.texture.eyes import EyeSight, complete_eyes
from flame_fit.texture.inpaint import TexelFill, inpaint, mirror_trust, without_network
from flame_fit.texture.layout import TextureLayout
from flame_fit.texture.residual_light import residual_light
from flame_fit.texture.skin_likeness import face_colour
from flame_fit.texture.surface_values import interpolate_vertices
from flame_fit.texture.texel_geometry import TexelGeometry
from flame_fit.texture.tone import PhotoEvidence, photo_evidence


@dataclass(frozen=True, eq=False)
class TextureMaps:
    """A texture and how much of it was seen; row 0 is v = 1.

    Attributes:
        albedo: Linear albedo without light, complete.
        confidence: How well the photo shows each texel, 0 where it was filled in.
        mask: Texels that show the surface.
        likeness: How much what the photo shows there looks like this face's skin, 1 where it is
            not judged; low where hair or cloth lay behind the skin weight and was not printed.
        residual: Light of the photo that is not in its smooth light, as a factor: albedo, smooth
            light and this together are the photo. 1 where nothing is left over; dilated.
    """

    albedo: Float[Tensor, "U U 3"]
    confidence: Float[Tensor, "U U"]
    mask: Bool[Tensor, "U U"]
    likeness: Float[Tensor, "U U"]
    residual: Float[Tensor, "U U 3"]


def complete(
    seen: DelitTexels,
    prior_albedo: Float[Tensor, "P P 3"],
    assets: FlameAssets,
    *,
    layout: TextureLayout,
    tone_is_skin: bool = False,
) -> TextureMaps:
    """Fill in what the photo does not show.

    Args:
        seen: Visible texels without light.
        prior_albedo: Linear albedo of a whole head at any size, such as a decoded texture space.
        assets: Model of the head.
        layout: Preparation of this model at the wanted size.
        tone_is_skin: Whether no light is left in the tone, as where the texels of several photos
            were averaged.

    Returns:
        Maps of the texels' size; texels without a surface are black.
    """
    texels = layout.texels
    told = photo_evidence(seen, prior_albedo, assets, layout=layout)
    row, own, confidence = told.row, told.own, told.confidence
    known = _known(told, texels)
    if layout.inpainter is None:
        fill = without_network(texels)
    else:
        fill = inpaint(told, known, prior_albedo, assets, inpainter=layout.inpainter, texels=texels)
    trust = confidence.new_zeros(len(texels.texel))
    trust[row] = confidence
    # The tone is not needed again; at 4096 texels a copy of it takes 190 MB.
    whole = told.tone.add_(told.prior)
    whole.index_add_(0, row, told.detail * confidence[:, None])
    whole += _filled_in(trust, known, fill, texels)
    del known, fill
    light = torch.zeros_like(told.field) if tone_is_skin else residual_light(told.field, assets)
    residual = interpolate_vertices(light, texels.corners, texels.surface.barycentrics)
    whole -= residual
    sights = _eye_sights(told.prior, own, trust, row, layout)
    for eye, sight in zip(
        layout.eyes,
        complete_eyes(layout.eyes, sights, face_colour(own, confidence)),
        strict=True,
    ):
        whole[eye.row], trust[eye.row] = sight.own, sight.trust
    return TextureMaps(
        albedo=texels.to_map(whole.exp_().clamp_(ALBEDO_LOW, ALBEDO_HIGH)),
        confidence=texels.to_map(trust[:, None])[..., 0],
        mask=texels.covered(),
        likeness=_scattered(told.likeness, row, texels, fill=1.0),
        residual=dilated(residual.exp_(), texels),
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


def _known(told: PhotoEvidence, texels: TexelGeometry) -> Float[Tensor, "4 U U"]:
    """Return the seen detail times confidence, then confidence, 0 where nothing is seen."""
    flat = told.detail.new_zeros(4, texels.size * texels.size)
    trust = told.confidence[:, None]
    rows = torch.cat([told.detail * trust, trust], dim=1)
    flat.index_copy_(1, texels.texel.index_select(0, told.row), rows.T.contiguous())
    return flat.unflatten(1, (texels.size, texels.size))


def _filled_in(
    trust: Float[Tensor, " N"],
    known: Float[Tensor, "4 U U"],
    fill: TexelFill,
    texels: TexelGeometry,
) -> Float[Tensor, "N 3"]:
    """Return what texels gain that are not surely seen: the network's change, mirrored detail.

    It takes the place of the change.
    """
    unseen = 1.0 - trust
    missing = ((unseen > 0.0) & (texels.mirror_uv[:, 0] >= 0)).nonzero()[:, 0]
    image = functional.grid_sample(
        known[None],
        texels.mirror_grid.index_select(0, missing).to(known.dtype)[None, :, None],
        mode="bilinear",
        padding_mode="zeros",
        align_corners=False,
    )[0, :, :, 0]
    share = (unseen * fill.mirror_share[:, 0]).index_select(0, missing) * mirror_trust(image[3])
    change = fill.change.mul_(unseen[:, None])
    return change.index_add_(0, missing, (share * image[:3]).T)
