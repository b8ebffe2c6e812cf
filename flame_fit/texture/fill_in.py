"""Ways to fill in what a photo does not show: the other side, a texture space, a blended template.

Each is a function of maps. `complete` does not use them; they are for other pipelines, and for
finding out which of them helps.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

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


def mirrored(seen: SeenMap, texels: TexelGeometry) -> SeenMap:
    """Return the map of the other side of the head, as far as its mirror image is known.

    Texels whose surface has no mirror image are unknown. An even value does not change: known
    values are averaged by their confidence.

    Args:
        seen: A map at the texels' size.
        texels: The chart.
    """
    layers = torch.cat(
        (seen.values * seen.confidence[..., None], seen.confidence[..., None]), dim=2
    )
    uv = texels.mirror_uv.to(layers)
    grid = torch.stack((2.0 * uv[:, 0] - 1.0, 1.0 - 2.0 * uv[:, 1]), dim=1)
    found = functional.grid_sample(
        layers.permute(2, 0, 1)[None],
        grid[None, :, None],
        mode="bilinear",
        padding_mode="zeros",
        align_corners=False,
    )[0, :, :, 0].T
    confidence = torch.where(uv[:, 0] >= 0, found[:, -1], 0.0)
    values = found[:, :-1] / confidence[:, None].clamp_min(1e-6)
    values = torch.where(confidence[:, None] > 0, values, torch.zeros_like(values))
    return SeenMap(texels.to_map(values), texels.to_map(confidence[:, None])[..., 0])


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


def blend_pyramids(
    front: Float[Tensor, "U U C"],
    back: Float[Tensor, "U U C"],
    weight: Float[Tensor, "U U"],
    *,
    levels: int = 5,
) -> Float[Tensor, "U U C"]:
    """Return one map laid over another so that no edge is seen, coarse things blended widest.

    Laplacian pyramids of both are mixed level by level with the weight at that level (Burt and
    Adelson, "A multiresolution spline", 1983).

    Args:
        front: Shown where the weight is 1.
        back: Shown where it is 0.
        weight: 0..1.
        levels: Halvings of the size.
    """
    pyramids = [_laplacian(image.permute(2, 0, 1)[None], levels) for image in (front, back)]
    shares = _gaussian(weight[None, None], levels)
    mixed = [
        share * over + (1.0 - share) * under
        for share, over, under in zip(shares, *pyramids, strict=True)
    ]
    whole = mixed[-1]
    for level in reversed(mixed[:-1]):
        whole = level + _enlarged(whole, level)
    return whole[0].permute(1, 2, 0)


def _gaussian(image: Float[Tensor, "1 C h w"], levels: int) -> list[Tensor]:
    pyramid = [image]
    for _ in range(levels):
        size = [(side + 1) // 2 for side in pyramid[-1].shape[-2:]]
        pyramid.append(
            functional.interpolate(
                pyramid[-1], size=size, mode="bilinear", align_corners=False, antialias=True
            )
        )
    return pyramid


def _laplacian(image: Float[Tensor, "1 C h w"], levels: int) -> list[Tensor]:
    means = _gaussian(image, levels)
    details = [
        fine - _enlarged(coarse, fine) for fine, coarse in zip(means[:-1], means[1:], strict=True)
    ]
    return [*details, means[-1]]


def _enlarged(image: Float[Tensor, "1 C h w"], like: Float[Tensor, "1 C H W"]) -> Tensor:
    size = [int(side) for side in like.shape[-2:]]
    return functional.interpolate(image, size=size, mode="bilinear", align_corners=False)
