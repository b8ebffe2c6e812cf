"""The convolutional branch of the encoder: VGG19 with batch normalisation, down to stride 8."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

# Output channels of each convolution, "M" a 2 x 2 max-pooling: torchvision's vgg19_bn up to and
# with its fourth pooling, which makes 40 layers.
_PLAN = (64, 64, "M", 128, 128, "M", 256, 256, 256, 256, "M", 512, 512, 512, 512, "M")


@dataclass(frozen=True, eq=False)
class ConvolutionFeatures:
    """What VGG19 sees at four scales; heights and widths are those of the image, divided.

    Attributes:
        stride1: At the image's own size.
        stride2: At half of it.
        stride4: At a quarter.
        stride8: At an eighth.
    """

    stride1: Float[Tensor, "b 64 h1 w1"]
    stride2: Float[Tensor, "b 128 h2 w2"]
    stride4: Float[Tensor, "b 256 h4 w4"]
    stride8: Float[Tensor, "b 512 h8 w8"]


class Vgg19(nn.Module):
    """The layers that torchvision calls `vgg19_bn(...).features[:40]`, under the same numbers.

    The last, a pooling, is part of the list because published checkpoints count it; nothing uses
    its output, so it is not run.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        channels = 3
        for step in _PLAN:
            if isinstance(step, str):
                self.layers.append(nn.MaxPool2d(2, 2))
                continue
            self.layers.append(nn.Conv2d(channels, step, 3, padding=1))
            self.layers.append(nn.BatchNorm2d(step))
            self.layers.append(nn.ReLU(inplace=True))
            channels = step

    def forward(self, images: Float[Tensor, "b 3 H W"]) -> ConvolutionFeatures:
        """The tensors that enter the four poolings.

        Args:
            images: Normalised by ImageNet's mean and deviation; at least 8 pixels a side.
        """
        features, values = [], images
        for layer in self.layers:
            if isinstance(layer, nn.MaxPool2d):
                features.append(values)
            if len(features) == 4:  # noqa: PLR2004 - the fourth pooling is the last layer
                break
            values = layer(values)
        return ConvolutionFeatures(*features)
