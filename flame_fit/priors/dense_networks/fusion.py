"""The blocks the decoder is made of: they join a coarse and a fine feature map.

Names of members are those of the published checkpoints.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

_REDUCTION = 4


def resized(
    values: Float[Tensor, "b c h w"], like: Float[Tensor, "b d H W"]
) -> Float[Tensor, "b c H W"]:
    """Feature maps at the size of others, bilinear, pixel centres at halves."""
    return interpolate(values, size=like.shape[-2:], mode="bilinear", align_corners=False)


class ConvolutionBlock(nn.Module):
    """Convolution without bias, batch normalisation, ReLU; the size stays."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, values: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        """Filtered feature maps."""
        return torch.relu(self.bn(self.conv(values)))


class SeparableBlock(nn.Module):
    """A 3 x 3 filter for each channel, then a mix of channels, normalisation and ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.pointwise = nn.Conv2d(channels, channels, 1, bias=False)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, values: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Filtered feature maps."""
        return torch.relu(self.bn(self.pointwise(self.depthwise(values))))


class AttentionRefinement(nn.Module):
    """Weighs channels by what the whole image shows.

    Its batch normalisation sees one value per image and channel, so training needs batches of two
    images or more.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attention = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, channels, 1),
            nn.BatchNorm2d(channels),
            nn.Sigmoid(),
        )

    def forward(self, values: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Weighted feature maps."""
        return values * self.attention(values)


class FeatureFusion(nn.Module):
    """Joins two maps of one size and weighs the channels of the result by the whole image."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = ConvolutionBlock(inputs, outputs, 1)
        self.fc1 = nn.Conv2d(outputs, outputs // _REDUCTION, 1)
        self.fc2 = nn.Conv2d(outputs // _REDUCTION, outputs, 1)

    def forward(
        self, first: Float[Tensor, "b c h w"], second: Float[Tensor, "b d h w"]
    ) -> Float[Tensor, "b e h w"]:
        """Joined feature maps."""
        joined = self.conv(torch.cat([first, second], dim=1))
        mean = joined.mean(dim=(-2, -1), keepdim=True)
        return joined * torch.sigmoid(self.fc2(torch.relu(self.fc1(mean))))


class CoarseToFine(nn.Module):
    """Brings a coarse map to the size of a fine one and fuses both."""

    def __init__(self, coarse: int, fine: int, outputs: int) -> None:
        super().__init__()
        self.coarse_conv = ConvolutionBlock(coarse, outputs, 3)
        self.fine_conv = ConvolutionBlock(fine, outputs, 3)
        self.fusion = FeatureFusion(2 * outputs, outputs)
        self.refine = nn.Sequential(SeparableBlock(outputs), SeparableBlock(outputs))

    def forward(
        self, coarse: Float[Tensor, "b c h w"], fine: Float[Tensor, "b d H W"]
    ) -> Float[Tensor, "b e H W"]:
        """Fused feature maps at the fine size."""
        upper = resized(self.coarse_conv(coarse), fine)
        return self.refine(self.fusion(upper, self.fine_conv(fine)))
