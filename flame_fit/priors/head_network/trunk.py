"""The first stages of MediaPipe's face mesh network, as a torch module.

They were trained on faces of real people, which renders cannot replace; nothing else of the head
network has seen a photograph. Weights: Apache-2.0, Google, out of the `mediapipe` wheel.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, pad

CHANNELS = (16, 32, 64, 128, 128)
"""Of the stages, at a half, a quarter, an eighth, a sixteenth and a thirty-second of the size."""
_BLOCKS = 2
"""Blocks of each stage after the one that halves the size."""


@dataclass(frozen=True, eq=False)
class TrunkFeatures:
    """What the stages say, from fine to coarse.

    Attributes:
        quarter: At a quarter of the size.
        eighth: At an eighth.
        sixteenth: At a sixteenth.
        coarsest: At a thirty-second.
    """

    quarter: Float[Tensor, "b 32 h4 w4"]
    eighth: Float[Tensor, "b 64 h8 w8"]
    sixteenth: Float[Tensor, "b 128 h16 w16"]
    coarsest: Float[Tensor, "b 128 h32 w32"]


class FaceMeshTrunk(nn.Module):
    """Everything up to the coarsest stage but the regression of points."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, CHANNELS[0], 3, stride=2)
        self.stem_slope = nn.PReLU(CHANNELS[0])
        stages, before = [], CHANNELS[0]
        for number, channels in enumerate(CHANNELS):
            halves = [_Block(before, channels, stride=2)] if number else []
            stages.append(nn.Sequential(*halves, *(_Block(channels, channels) for _ in range(2))))
            before = channels
        self.stages = nn.ModuleList(stages)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> TrunkFeatures:
        """Return the features of sRGB images in 0..1 whose faces are about half as high."""
        values = self.stem_slope(self.stem(pad(images, (0, 1, 0, 1))))
        found = []
        for stage in self.stages:
            values = stage(values)
            found.append(values)
        return TrunkFeatures(*found[1:])


class _Block(nn.Module):
    """A depthwise and a pointwise convolution beside a shortcut."""

    def __init__(self, before: int, channels: int, *, stride: int = 1) -> None:
        super().__init__()
        self.stride, self.added = stride, channels - before
        # TensorFlow pads a halving convolution at its far edge only.
        self.depthwise = nn.Conv2d(
            before, before, 3, stride=stride, padding=1 if stride == 1 else 0, groups=before
        )
        self.pointwise = nn.Conv2d(before, channels, 1)
        self.slope = nn.PReLU(channels)

    def forward(self, values: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        moved = values if self.stride == 1 else pad(values, (0, 1, 0, 1))
        moved = self.pointwise(self.depthwise(moved))
        kept = values if self.stride == 1 else max_pool2d(values, 2)
        return self.slope(moved + pad(kept, (0, 0, 0, 0, 0, self.added)))
