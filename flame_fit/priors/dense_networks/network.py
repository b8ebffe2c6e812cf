"""The two published dense networks: per-pixel UV coordinates, and face parsing."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from flame_fit.errors import UsageError
from flame_fit.priors.dense_networks.decoder import Decoder, DenseOutput, EncoderFeatures
from flame_fit.priors.dense_networks.dinov3 import VARIANTS, DinoV3, VitSize
from flame_fit.priors.dense_networks.vgg19 import Vgg19
from flame_fit.priors.face_labels import COARSE_FACE_LABELS, FACE_LABELS

NetworkKind = Literal["uv", "parsing"]

UV_OUTPUTS = 3
"""u and v from -1 to 1, and the logit of the mask."""
FROZEN_PREFIX = "encoder.dinov3."
"""Begins the names of all weights that are never trained."""

IMAGE_MEAN = (0.485, 0.456, 0.406)
"""Of ImageNet's sRGB values from 0 to 1, by colour."""
IMAGE_DEVIATION = (0.229, 0.224, 0.225)
"""Standard deviation of the same."""


@dataclass(frozen=True)
class NetworkLayout:
    """What tells one dense network from another.

    Attributes:
        kind: What it answers.
        transformer: Size of its DINOv3.
        outputs: Channels of the answer: 3 for UV, one per class for parsing.
    """

    kind: NetworkKind
    transformer: VitSize
    outputs: int

    @property
    def label(self) -> str:
        """In words, for messages."""
        what = "UV network" if self.kind == "uv" else f"parsing network of {self.outputs} classes"
        return f"{what} on DINOv3 {self.transformer.label}"


class Encoder(nn.Module):
    """Both branches: VGG19, which is trained along, and DINOv3, which is not."""

    def __init__(self, size: VitSize) -> None:
        super().__init__()
        self.cnn = Vgg19()
        self.dinov3 = DinoV3(size)

    def forward(self, images: Float[Tensor, "b 3 H W"]) -> EncoderFeatures:
        """Features of both branches, which see the same normalised images."""
        with torch.no_grad():
            patches = self.dinov3(images)
        return EncoderFeatures(convolution=self.cnn(images), patches=patches)


class DenseNetwork(nn.Module):
    """An encoder and a decoder, with the members and names of the published checkpoints.

    Weights are random where they are trained and mostly zero in DINOv3; `load_dense_network` fills
    them from files. Training needs batches of two images or more.

    Args:
        kind: `uv` answers u, v from -1 to 1 and a mask logit; `parsing` class logits.
        variant: Which DINOv3: a published size by name, or any other size.
        classes: For parsing, 19 (`FACE_LABELS`) or 11 (`COARSE_FACE_LABELS`); None is 19. None for
            UV.

    Raises:
        UsageError: The kind or variant does not exist, or the classes do not go with it.
    """

    def __init__(
        self,
        kind: str,
        *,
        variant: str | VitSize = "vitb16",
        classes: int | None = None,
    ) -> None:
        super().__init__()
        self.layout = network_layout(kind, variant=variant, classes=classes)
        self.encoder = Encoder(self.layout.transformer)
        self.decoder = Decoder(
            patch_channels=self.layout.transformer.width, outputs=self.layout.outputs
        )

    def forward(self, images: Float[Tensor, "b 3 H W"]) -> DenseOutput:
        """Answers at the images' size.

        Args:
            images: sRGB values from 0 to 1 less `IMAGE_MEAN`, over `IMAGE_DEVIATION`; at least 16
                pixels a side.
        """
        return self.decoder(self.encoder(images))


def network_layout(
    kind: str, *, variant: str | VitSize = "vitb16", classes: int | None = None
) -> NetworkLayout:
    """What the arguments of a `DenseNetwork` stand for.

    Raises:
        UsageError: The kind or variant does not exist, or the classes do not go with it.
    """
    size = variant if isinstance(variant, VitSize) else VARIANTS.get(variant)
    if size is None:
        raise UsageError(f"variant is {variant!r}; choose one of {', '.join(VARIANTS)}")
    if kind == "uv":
        if classes is not None:
            raise UsageError(f"classes is {classes!r}, but UV networks have none; leave it out")
        return NetworkLayout("uv", size, UV_OUTPUTS)
    if kind != "parsing":
        raise UsageError(f"kind is {kind!r}; choose uv or parsing")
    count = FACE_LABELS.count if classes is None else classes
    if count not in (FACE_LABELS.count, COARSE_FACE_LABELS.count):
        raise UsageError(
            f"classes is {classes!r}; choose {FACE_LABELS.count} or {COARSE_FACE_LABELS.count}"
        )
    return NetworkLayout("parsing", size, count)


def normalised_images(srgb: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b 3 H W"]:
    """Images as the networks expect them.

    Args:
        srgb: sRGB values from 0 to 1.
    """
    mean, deviation = (
        torch.tensor(values, dtype=srgb.dtype, device=srgb.device)[:, None, None]
        for values in (IMAGE_MEAN, IMAGE_DEVIATION)
    )
    return (srgb - mean) / deviation
