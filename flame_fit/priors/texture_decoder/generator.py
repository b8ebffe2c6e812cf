"""StyleGAN2's generator: a latent for each layer to a square picture."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from flame_fit.errors import UsageError
from flame_fit.priors.texture_decoder.layers import (
    SMALLEST,
    Dense,
    StyledConvolution,
    ToColours,
    doubled,
    low_pass_filter,
)

FIRST_SIDE = 4
MAPPING_RATE = 0.01
COLOURS = 3


@dataclass(frozen=True)
class GeneratorLayout:
    """The size of a generator; by default that of FFHQ-UV's.

    Attributes:
        side: Pixels along each side of the picture, a power of two from 8.
        latent: Numbers of a latent.
        channel_base: Channels times pixels along a side, until `most_channels`.
        most_channels: Channels at most.
        mapping_layers: Layers between a random vector and a latent.
    """

    side: int = 1024
    latent: int = 512
    channel_base: int = 32768
    most_channels: int = 512
    mapping_layers: int = 8

    def __post_init__(self) -> None:
        """Refuse sizes that cannot be built."""
        if self.side < 2 * FIRST_SIDE or self.side & (self.side - 1):
            raise UsageError(f"a generator's side is {self.side}; give a power of two from 8")
        counts = (self.latent, self.channel_base // self.side, self.most_channels)
        if min(counts) < 1 or self.mapping_layers < 1:
            raise UsageError(
                f"{self} leaves a layer of a generator without numbers; raise the small ones"
            )

    @property
    def sides(self) -> tuple[int, ...]:
        """Pixels along a side of each block's features."""
        return tuple(FIRST_SIDE * 2**k for k in range((self.side // FIRST_SIDE).bit_length()))

    @property
    def latent_count(self) -> int:
        """Latents of a picture, one for each convolution and for the last colours."""
        return 2 * len(self.sides)

    def channels(self, side: int) -> int:
        """Return the channels of features with a side."""
        return min(self.channel_base // side, self.most_channels)


class Mapping(nn.Module):
    """Random vectors to latents."""

    w_avg: Tensor

    def __init__(self, layout: GeneratorLayout) -> None:
        """Draw random weights."""
        super().__init__()
        self.layer_count = layout.mapping_layers
        for number in range(layout.mapping_layers):
            layer = Dense(layout.latent, layout.latent, rate=MAPPING_RATE, active=True)
            self.add_module(f"fc{number}", layer)
        self.register_buffer("w_avg", torch.zeros(layout.latent))

    def forward(self, vectors: Float[Tensor, "b n"]) -> Float[Tensor, "b n"]:
        """Return the latents of vectors, whose length does not matter."""
        values = vectors * (vectors.square().mean(dim=1, keepdim=True) + SMALLEST).rsqrt()
        for number in range(self.layer_count):
            values = self.get_submodule(f"fc{number}")(values)
        return values


class Block(nn.Module):
    """Two convolutions at one resolution, the first of which doubles it; one in the first block."""

    resample_filter: Tensor

    def __init__(self, layout: GeneratorLayout, side: int) -> None:
        """Draw random weights.

        Args:
            layout: Of the generator.
            side: Pixels along a side of the features.
        """
        super().__init__()
        outputs, latent = layout.channels(side), layout.latent
        self.register_buffer("resample_filter", low_pass_filter())
        if side == FIRST_SIDE:
            self.const = nn.Parameter(torch.randn(outputs, side, side))
        else:
            inputs = layout.channels(side // 2)
            self.conv0 = StyledConvolution(inputs, outputs, latent=latent, side=side, up=True)
        self.conv1 = StyledConvolution(outputs, outputs, latent=latent, side=side, up=False)
        self.torgb = ToColours(outputs, latent=latent, colours=COLOURS)


class Synthesis(nn.Module):
    """Latents to pictures."""

    def __init__(self, layout: GeneratorLayout) -> None:
        """Draw random weights."""
        super().__init__()
        for side in layout.sides:
            self.add_module(f"b{side}", Block(layout, side))

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks from the smallest resolution to the largest."""
        return tuple(child for child in self.children() if isinstance(child, Block))

    def forward(self, latents: Float[Tensor, "b L n"]) -> Float[Tensor, "b 3 s s"]:
        """Return the pictures of latents, one latent for each layer."""
        first = self.blocks[0]
        features = first.const.expand(len(latents), *first.const.shape)
        features = first.conv1(features, latents[:, 0])
        # Colours share a latent with the first convolution of the next block.
        picture = first.torgb(features, latents[:, 1])
        for number, block in enumerate(self.blocks[1:]):
            features = block.conv0(features, latents[:, 2 * number + 1])
            features = block.conv1(features, latents[:, 2 * number + 2])
            colours = block.torgb(features, latents[:, 2 * number + 3])
            picture = doubled(picture, block.resample_filter) + colours
        return picture


class TextureGenerator(nn.Module):
    """A decoder of textures: StyleGAN2's generator, weights named as by NVIDIA's PyTorch version.

    The noise is the constant one of the weights, so that the same latents give the same picture.
    """

    def __init__(self, layout: GeneratorLayout) -> None:
        """Draw random weights from torch's global generator."""
        super().__init__()
        self.layout = layout
        self.synthesis = Synthesis(layout)
        self.mapping = Mapping(layout)

    def forward(self, latents: Float[Tensor, "b L n"]) -> Float[Tensor, "b s s 3"]:
        """Return sRGB textures, black 0 and white 1, not clamped; row 0 is v = 1.

        Args:
            latents: `layout.latent_count` latents for each texture (the space W+).

        Raises:
            UsageError: Another number or size of latents.
        """
        expected = (self.layout.latent_count, self.layout.latent)
        if tuple(latents.shape[1:]) != expected:
            raise UsageError(
                f"latents are {latents.shape[1]} x {latents.shape[2]}, the generator takes "
                f"{expected[0]} x {expected[1]}; give one for each layer"
            )
        return 0.5 * (self.synthesis(latents).movedim(1, -1) + 1.0)

    def latents(self, vectors: Float[Tensor, "b n"]) -> Float[Tensor, "b L n"]:
        """Return the latents of random vectors, the same one for every layer."""
        return self.mapping(vectors)[:, None].expand(-1, self.layout.latent_count, -1)
