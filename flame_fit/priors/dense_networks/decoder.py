"""The coarse-to-fine decoder: features of both branches to maps at the image's size."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from flame_fit.priors.dense_networks.fusion import (
    AttentionRefinement,
    CoarseToFine,
    ConvolutionBlock,
    FeatureFusion,
    resized,
)
from flame_fit.priors.dense_networks.vgg19 import ConvolutionFeatures

_DROPOUT = 0.1


@dataclass(frozen=True, eq=False)
class EncoderFeatures:
    """What both branches of the encoder see.

    Attributes:
        convolution: VGG19 at strides 1 to 8.
        patches: DINOv3's patch tokens as maps of stride 16.
    """

    convolution: ConvolutionFeatures
    patches: Float[Tensor, "b D h w"]


@dataclass(frozen=True, eq=False)
class DenseOutput:
    """What a dense network answers, before any activation.

    Attributes:
        final: The answer at the image's size.
        auxiliaries: The same from strides 8, 4 and 2, enlarged to that size, for losses at every
            depth; empty outside training.
    """

    final: Float[Tensor, "b O H W"]
    auxiliaries: tuple[Float[Tensor, "b O H W"], ...]


class Decoder(nn.Module):
    """Adds ever finer features of VGG19 to those of DINOv3; member names are the checkpoints'.

    Args:
        patch_channels: Channels of DINOv3's tokens.
        outputs: Channels of the answer.
    """

    def __init__(self, *, patch_channels: int, outputs: int) -> None:
        super().__init__()
        self.adapt_scale1 = ConvolutionBlock(64, 64, 1)
        self.adapt_scale2 = ConvolutionBlock(128, 128, 1)
        self.adapt_scale4 = ConvolutionBlock(256, 256, 1)
        self.adapt_scale8 = ConvolutionBlock(512, 256, 1)
        self.adapt_scale16 = ConvolutionBlock(patch_channels, 512, 1)
        self.arm16 = AttentionRefinement(512)
        self.ctf_16_8 = CoarseToFine(512, 256, 256)
        self.ctf_8_4 = CoarseToFine(256, 256, 256)
        self.ctf_4_2 = CoarseToFine(256, 128, 128)
        self.ctf_2_1 = CoarseToFine(128, 64, 64)
        self.ffm_8 = FeatureFusion(512, 256)
        self.ffm_4 = FeatureFusion(512, 256)
        self.ffm_2 = FeatureFusion(256, 128)
        self.ffm_1 = FeatureFusion(128, 64)
        self.aux_head_8 = nn.Conv2d(256, outputs, 1)
        self.aux_head_4 = nn.Conv2d(256, outputs, 1)
        self.aux_head_2 = nn.Conv2d(128, outputs, 1)
        self.final_conv = nn.Sequential(
            ConvolutionBlock(64, 64, 3), nn.Dropout2d(_DROPOUT), nn.Conv2d(64, outputs, 1)
        )

    def forward(self, features: EncoderFeatures) -> DenseOutput:
        """Maps at the size of the finest features.

        Every adapted fine map is used twice, inside the coarse-to-fine block and after it; the
        published networks are built so.
        """
        fine1 = self.adapt_scale1(features.convolution.stride1)
        fine2 = self.adapt_scale2(features.convolution.stride2)
        fine4 = self.adapt_scale4(features.convolution.stride4)
        fine8 = self.adapt_scale8(features.convolution.stride8)
        coarse = self.arm16(self.adapt_scale16(features.patches))
        level8 = self.ffm_8(self.ctf_16_8(coarse, fine8), fine8)
        level4 = self.ffm_4(self.ctf_8_4(level8, fine4), fine4)
        level2 = self.ffm_2(self.ctf_4_2(level4, fine2), fine2)
        level1 = self.ffm_1(self.ctf_2_1(level2, fine1), fine1)
        final = self.final_conv(level1)
        if not self.training:
            return DenseOutput(final, ())
        heads = (
            (self.aux_head_8, level8),
            (self.aux_head_4, level4),
            (self.aux_head_2, level2),
        )
        return DenseOutput(final, tuple(resized(head(level), final) for head, level in heads))
