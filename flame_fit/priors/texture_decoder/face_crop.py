"""FFHQ-UV's generator of faces alone: its picture put into the middle of a whole texture."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, pad

CANVAS, TOP, LEFT, SIDE = 1664, 187, 317, 1024
"""Texels of the whole texture and of the picture in it, as FFHQ-UV has them."""
CONTRAST = 1.5
"""By how much the template is flatter than the picture whose colours it takes."""
MASK_BLUR, HAIR_BLUR = 49, 23
"""Texels of the canvas over which masks are averaged."""
FADE = 0.12
"""Share of the picture's side over which it fades into the template where no mask is given."""
# Rec. 601 luma and colour differences.
YUV_OF_RGB = (
    (0.299, 0.587, 0.114),
    (-0.14714119, -0.28886916, 0.43601035),
    (0.61497538, -0.51496512, -0.10001026),
)


@dataclass(frozen=True, eq=False)
class FaceCropTemplate:
    """What surrounds the picture, sRGB and in HiFi3D++'s layout, of any size.

    Attributes:
        texture: A whole texture, such as FFHQ-UV's `template_base_uv.png`.
        blend: Where the picture is used, 0 to 1; None for all of it but its rim.
        hair: Where the template is shown unchanged, 0 to 1; None for nowhere.
    """

    texture: Float[Tensor, "T T 3"]
    blend: Float[Tensor, "M M"] | None = None
    hair: Float[Tensor, "N N"] | None = None


def place_face_crop(
    pictures: Float[Tensor, "b s s 3"], template: FaceCropTemplate, *, size: int
) -> Float[Tensor, "b U U 3"]:
    """Return whole textures; differentiable in the pictures.

    The template takes the mean and spread of each picture's colours in YUV, as in FFHQ-UV's fit.

    Args:
        pictures: Faces, sRGB.
        template: What surrounds them.
        size: Texels along each side of the result.
    """
    side = pictures.shape[1]
    whole = round(side * CANVAS / SIDE)
    top, left = round(side * TOP / SIDE), round(side * LEFT / SIDE)
    around = (left, whole - left - side, top, whole - top - side)
    placed = pad(pictures.movedim(-1, 1), around)
    inside = pad(torch.ones_like(pictures[:1, :, :, :1]).movedim(-1, 1), around)
    texture = _at_size(template.texture.movedim(-1, 0)[None].to(pictures), whole)
    share = (
        _faded(inside, side)
        if template.blend is None
        else _blurred(
            inside * _at_size(template.blend[None, None].to(pictures), whole),
            _odd(MASK_BLUR, whole),
        )
    )
    valid = (share > 0.5).to(pictures)  # noqa: PLR2004
    matched = _matched(texture, placed, valid)
    result = placed * share + matched * (1.0 - share)
    if template.hair is not None:
        width = _odd(HAIR_BLUR, whole)
        hair = _blurred(_at_size(template.hair[None, None].to(pictures), whole), width)
        hair = _blurred((hair >= 1.0 - 1e-4).to(pictures), width)
        result = texture * hair + result * (1.0 - hair)
    return _at_size(result, size).movedim(1, -1)


def _matched(
    texture: Float[Tensor, "1 3 h w"],
    pictures: Float[Tensor, "b 3 h w"],
    valid: Float[Tensor, "1 1 h w"],
) -> Float[Tensor, "b 3 h w"]:
    """Return the template with the colour statistics of pictures over the valid texels."""
    yuv = texture.new_tensor(YUV_OF_RGB)
    own, wanted = (torch.einsum("kc,bchw->bkhw", yuv, each) for each in (texture, pictures))
    mean, spread = _statistics(own, valid)
    wanted_mean, wanted_spread = _statistics(wanted, valid)
    match = (own - mean) / spread.clamp_min(1e-6) / CONTRAST * wanted_spread + wanted_mean
    rgb = torch.einsum("ck,bkhw->bchw", torch.linalg.inv(yuv), match)
    return rgb.clamp(0.0, 1.0)


def _statistics(
    values: Float[Tensor, "b 3 h w"], valid: Float[Tensor, "1 1 h w"]
) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation over the valid texels."""
    count = valid.sum().clamp_min(1.0)
    mean = (values * valid).sum(dim=(2, 3), keepdim=True) / count
    square = ((values - mean) ** 2 * valid).sum(dim=(2, 3), keepdim=True) / count
    return mean, (square + 1e-12).sqrt()


def _faded(inside: Float[Tensor, "1 1 h w"], side: int) -> Float[Tensor, "1 1 h w"]:
    """Return 1 in the middle of the picture, falling to 0 at its rim."""
    width = 2 * (round(FADE * side) // 2) + 1
    eroded = 1.0 - torch.nn.functional.max_pool2d(1.0 - inside, width, 1, width // 2)
    return _blurred(eroded, width)


def _blurred(mask: Float[Tensor, "1 1 h w"], width: int) -> Float[Tensor, "1 1 h w"]:
    return avg_pool2d(mask, width, 1, width // 2, count_include_pad=False)


def _odd(width: int, whole: int) -> int:
    """Return an odd width in texels of a canvas of another size than the published one."""
    return 2 * (max(1, round(width * whole / CANVAS)) // 2) + 1


def _at_size(images: Float[Tensor, "b c h w"], size: int) -> Float[Tensor, "b c size size"]:
    if images.shape[-1] == size:
        return images
    return interpolate(
        images, size=(size, size), mode="bilinear", align_corners=False, antialias=True
    )
