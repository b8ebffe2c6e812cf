"""A small gated network that guesses what no photo shows of a texture.

It sees a whole chart at a low resolution as logarithms of albedo, told apart into prior, tone and
detail, and answers what to add where nothing is seen: a correction of the tone, and how much of
the mirrored detail to take. Gated convolutions (Yu and others, "Free-form image inpainting with
gated convolution", ICCV 2019), with one gate for all channels of a layer.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import elu, interpolate

KNOWN, COLOURS = 4, 3
_PLACE = 8
_WIDTHS = (24, 48, 64, 96)
"""Channels at the full size, a half, a quarter and an eighth."""
_MIDDLE = (-0.33, -0.91, -1.25)
"""Around which the prior is laid, as the shipped weights expect it."""
_INPUTS = 2 * KNOWN + 2 * COLOURS + 1


@dataclass(frozen=True, eq=False)
class ChartLayers:
    """What is known of textures, as maps of one size; logarithms of linear albedo.

    Attributes:
        known: Detail times confidence, then confidence.
        mirrored: The same from the other side of the head.
        prior: What a texture space says.
        tone: Smooth ratio of photo over prior, continued where nothing is seen.
        covered: Texels that show the surface, 1 or 0.
    """

    known: Float[Tensor, "b 4 S S"]
    mirrored: Float[Tensor, "b 4 S S"]
    prior: Float[Tensor, "b 3 S S"]
    tone: Float[Tensor, "b 3 S S"]
    covered: Float[Tensor, "S S"]


@dataclass(frozen=True, eq=False)
class Fill:
    """What to add to prior and tone where nothing is seen.

    Attributes:
        change: Logarithm of a factor on the albedo.
        mirror_share: How much of the mirrored detail to add to it, 0..1.
    """

    change: Float[Tensor, "b 3 S S"]
    mirror_share: Float[Tensor, "b 1 S S"]


class InpaintingNetwork(nn.Module):
    """An encoder and a decoder with shortcuts; it knows its chart by a learnt map of places.

    Args:
        size: Texels along each side, a multiple of 8.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        fine, half, quarter, eighth = _WIDTHS
        self.size = size
        self.place = nn.Parameter(0.1 * torch.randn(_PLACE, size // 2, size // 2))
        self.first = _Gated(_INPUTS + _PLACE, fine)
        self.to_half = _Gated(fine, half, stride=2)
        self.at_half = _Gated(half, half)
        self.to_quarter = _Gated(half, quarter, stride=2)
        self.at_quarter = _Gated(quarter, quarter)
        self.to_eighth = _Gated(quarter, eighth, stride=2)
        self.at_eighth = nn.Sequential(_Gated(eighth, eighth, dilation=2), _Gated(eighth, eighth))
        self.up_quarter = nn.Conv2d(eighth, quarter, 1)
        self.back_quarter = _Gated(quarter, quarter)
        self.up_half = nn.Conv2d(quarter, half, 1)
        self.back_half = _Gated(half, half)
        self.up_fine = nn.Conv2d(half, fine, 1)
        self.back_fine = _Gated(fine, fine)
        self.out = nn.Conv2d(fine, COLOURS + 1, 3, padding=1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # pyright: ignore[reportArgumentType]

    def forward(self, layers: ChartLayers) -> Fill:
        """Return what to add to maps of the network's size."""
        batch = len(layers.known)
        place = interpolate(
            self.place[None], scale_factor=2.0, mode="bilinear", align_corners=False
        )
        inputs = (
            layers.known,
            layers.mirrored,
            self._centred(layers),
            layers.tone,
            layers.covered.expand(batch, 1, -1, -1),
            place.expand(batch, -1, -1, -1),
        )
        fine = self.first(torch.cat(inputs, dim=1))
        half = self.at_half(self.to_half(fine))
        quarter = self.at_quarter(self.to_quarter(half))
        eighth = self.at_eighth(self.to_eighth(quarter))
        back = self.back_quarter(quarter + self.up_quarter(_doubled(eighth)))
        back = self.back_half(half + self.up_half(_doubled(back)))
        back = self.back_fine(fine + self.up_fine(_doubled(back)))
        out = self.out(back).float()
        return Fill(out[:, :COLOURS], out[:, COLOURS:].sigmoid())

    def _centred(self, layers: ChartLayers) -> Float[Tensor, "b 3 S S"]:
        """Return the prior without the person's own brightness and tint: they tell nothing here."""
        number = layers.covered.sum().clamp_min(1.0)
        own = (layers.prior * layers.covered).sum((2, 3), keepdim=True) / number
        middle = own.new_tensor(_MIDDLE)[:, None, None]
        return (layers.prior - own + middle) * layers.covered


class _Gated(nn.Module):
    """A convolution whose answers are let through by a gate that depends on the place."""

    def __init__(self, before: int, after: int, *, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.after = after
        self.both = nn.Conv2d(
            before, after + 1, 3, stride=stride, padding=dilation, dilation=dilation
        )

    def forward(self, values: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        found = self.both(values)
        return elu(found[:, : self.after]) * found[:, self.after :].sigmoid()


def _doubled(values: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h2 w2"]:
    return interpolate(values, scale_factor=2.0, mode="bilinear", align_corners=False)
