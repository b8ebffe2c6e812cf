"""The texture that a texture space thinks most likely, given the part of it that is known."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.appearance import TextureSpace, linear_to_srgb, srgb_to_linear
from flame_fit.errors import InputError
from flame_fit.texture.spaces.codes import MapCodes, estimate_codes
from flame_fit.texture.spaces.colour import ColourPrior
from flame_fit.texture.spaces.linear_model import LinearModel
from flame_fit.texture.spaces.maps import MapBatch, MapsInMemory
from flame_fit.texture.texel_geometry import TexelGeometry

POSTERIOR_ROUNDS = 4
POSTERIOR_BLOCK = 8192
# Standard deviation of sRGB of what a texture space does not show of a face.
FACE_NOISE = 0.03


@dataclass(frozen=True, eq=False)
class SeenMap:
    """A map of which only a part is known.

    Attributes:
        values: Of every texel; those without confidence do not matter.
        confidence: How well each texel is known, 0..1.
    """

    values: Float[Tensor, "U U C"]
    confidence: Float[Tensor, "U U"]


@dataclass(frozen=True, eq=False)
class SpaceCompletion:
    """A whole texture that a texture space thinks most likely.

    Attributes:
        albedo: Linear albedo; black where the chart has no surface.
        code: Its code in the space.
        log_factor: Logarithm of the colour factor of the seen map, which the albedo has too.
    """

    albedo: Float[Tensor, "U U 3"]
    code: Float[Tensor, " K"]
    log_factor: Float[Tensor, " 3"]


def complete_by_space(
    seen: SeenMap,
    space: TextureSpace,
    texels: TexelGeometry,
    *,
    noise: float = FACE_NOISE,
    colour: ColourPrior | None = None,
) -> SpaceCompletion:
    """Return the texture of a space that is most likely, given the texels that were seen.

    Args:
        seen: Linear albedo and how well it is known.
        space: A texture space on the chart, at the texels' size.
        texels: The chart.
        noise: Standard deviation of sRGB of what the space does not show.
        colour: Prior of a colour factor that the seen map may have; none by default.

    Raises:
        InputError: The space has another size.
    """
    if space.mean.shape[0] != texels.size:
        raise InputError(
            f"the texture space has {space.mean.shape[0]} texels a side, the chart {texels.size}; "
            "resize one of them"
        )
    prior = ColourPrior.off() if colour is None else colour
    basis = (space.basis * space.scale).flatten(2)
    rows = texels.from_map(basis).reshape(len(texels.texel), *space.basis.shape[2:])
    model = LinearModel(texels.from_map(space.mean), rows, noise)
    srgb = linear_to_srgb(texels.from_map(seen.values).clamp_min(0.0))
    batch = MapBatch(srgb[None], texels.from_map(seen.confidence[..., None])[None, :, 0])
    codes = MapCodes.unknown(1, model.component_count, like=srgb)
    for number in range(POSTERIOR_ROUNDS):
        codes = estimate_codes(
            MapsInMemory(batch),
            slice(0, 1),
            model.part,
            before=codes,
            prior=prior,
            block=POSTERIOR_BLOCK,
            robust=number > 0,
        )
    told = model.mean + model.basis @ codes.code[0].to(model.basis)
    albedo = srgb_to_linear(told) * torch.exp(codes.log_factor[0]).to(told)
    return SpaceCompletion(texels.to_map(albedo), codes.code[0], codes.log_factor[0])
