"""The transformer branch of the encoder: Meta's DINOv3 with the member names of its own files.

It is written out here rather than taken from `transformers`: checkpoints name its weights as Meta
does, the files' rounded rotation periods must be used as they are, and a dozen packages stay away.
The tests compare both.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import gelu, linear, scaled_dot_product_attention

PATCH = 16
"""Pixels on a side of what becomes one token."""
STORAGE_TOKENS = 4
NORM_EPSILON = 1e-5
ROTATION_BASE = 100.0
MLP_RATIO = 4


@dataclass(frozen=True)
class VitSize:
    """How large a vision transformer is.

    Attributes:
        width: Channels of a token.
        depth: Blocks.
        heads: Attention heads; `width / heads` must be a multiple of four.
    """

    width: int
    depth: int
    heads: int

    @property
    def label(self) -> str:
        """The published name, or the sizes."""
        names = {size: name for name, size in VARIANTS.items()}
        return names.get(self, f"of width {self.width}, depth {self.depth}, {self.heads} heads")

    @property
    def periods(self) -> int:
        """How many rotation periods each axis of the image has."""
        return self.width // self.heads // 4


VARIANTS: dict[str, VitSize] = {
    "vits16": VitSize(width=384, depth=12, heads=6),
    "vitb16": VitSize(width=768, depth=12, heads=12),
    "vitl16": VitSize(width=1024, depth=24, heads=16),
}
"""The published sizes with patches of 16 pixels and a plain MLP."""


def rotation_periods(count: int) -> Float[Tensor, "count"]:
    """Periods of the rotary embedding, from 1 towards 100, as Meta's files hold them.

    They were computed in bf16 and are stored so; exact ones give features that differ by 2e-3.
    """
    exact = ROTATION_BASE ** (torch.arange(count, dtype=torch.float32) / count)
    return exact.bfloat16().float()


class _PatchEmbedding(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, PATCH, stride=PATCH)


class _RotaryEmbedding(nn.Module):
    periods: Tensor

    def __init__(self, count: int) -> None:
        super().__init__()
        self.register_buffer("periods", rotation_periods(count))

    def forward(self, height: int, width: int) -> Float[Tensor, "2 n d"]:
        """Cosine and sine by token (rows first) and channel of a head."""
        periods = self.periods.float()
        rows, columns = (
            (torch.arange(count, device=periods.device, dtype=periods.dtype) + 0.5) / count * 2 - 1
            for count in (height, width)
        )
        places = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), dim=-1).reshape(-1, 2)
        angles = 2 * math.pi * places[:, :, None] / periods
        angles = angles.flatten(1).repeat(1, 2)
        return torch.stack([angles.cos(), angles.sin()])


class _Linear(nn.Module):
    """A linear map that begins as zero: random weights nobody will use take seconds to draw."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, values: Float[Tensor, "*b c"]) -> Float[Tensor, "*b d"]:
        """Mapped values."""
        return linear(values, self.weight, self.bias)


class _QueryKeyValue(nn.Module):
    """The linear map to queries, keys and values; Meta's files switch off the bias of the keys."""

    bias_mask: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3 * width, width))
        self.bias = nn.Parameter(torch.zeros(3 * width))
        self.register_buffer("bias_mask", torch.tensor([1.0, 0.0, 1.0]).repeat_interleave(width))

    def forward(self, tokens: Float[Tensor, "b t c"]) -> Float[Tensor, "b t d"]:
        """Queries, keys and values, one after the other."""
        return linear(tokens, self.weight, self.bias * self.bias_mask)


class _Attention(nn.Module):
    def __init__(self, size: VitSize) -> None:
        super().__init__()
        self.heads = size.heads
        self.qkv = _QueryKeyValue(size.width)
        self.proj = _Linear(size.width, size.width)

    def forward(
        self, tokens: Float[Tensor, "b t c"], rotation: Float[Tensor, "2 n d"]
    ) -> Float[Tensor, "b t c"]:
        """What each token takes from the others."""
        batch, count, width = tokens.shape
        split = self.qkv(tokens).reshape(batch, count, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        mixed = scaled_dot_product_attention(
            _rotated(query, rotation), _rotated(key, rotation), value
        )
        return self.proj(mixed.transpose(1, 2).reshape(batch, count, width))


def _rotated(
    values: Float[Tensor, "b heads t d"], rotation: Float[Tensor, "2 n d"]
) -> Float[Tensor, "b heads t d"]:
    """Patch tokens turned by their place in the image; the class and storage tokens stay."""
    extra = values.shape[-2] - rotation.shape[-2]
    patches = values[..., extra:, :].to(rotation.dtype)
    first, second = patches.chunk(2, dim=-1)
    turned = patches * rotation[0] + torch.cat([-second, first], dim=-1) * rotation[1]
    return torch.cat([values[..., :extra, :], turned.to(values.dtype)], dim=-2)


class _Mlp(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = _Linear(width, MLP_RATIO * width)
        self.fc2 = _Linear(MLP_RATIO * width, width)

    def forward(self, tokens: Float[Tensor, "b t c"]) -> Float[Tensor, "b t c"]:
        """Each token by itself."""
        return self.fc2(gelu(self.fc1(tokens)))


class _LayerScale(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(width))


class _Block(nn.Module):
    def __init__(self, size: VitSize) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(size.width, eps=NORM_EPSILON)
        self.attn = _Attention(size)
        self.ls1 = _LayerScale(size.width)
        self.norm2 = nn.LayerNorm(size.width, eps=NORM_EPSILON)
        self.mlp = _Mlp(size.width)
        self.ls2 = _LayerScale(size.width)

    def forward(
        self, tokens: Float[Tensor, "b t c"], rotation: Float[Tensor, "2 n d"]
    ) -> Float[Tensor, "b t c"]:
        """Tokens after attention and MLP."""
        tokens = tokens + self.ls1.gamma * self.attn(self.norm1(tokens), rotation)
        return tokens + self.ls2.gamma * self.mlp(self.norm2(tokens))


class DinoV3(nn.Module):
    """The vision transformer of DINOv3, for use and not for training.

    Its weights are meant to be loaded; until then most are zero, and its features say nothing. It
    behaves alike in training and evaluation mode: the random scaling of places that Meta trains
    with is left out.
    """

    def __init__(self, size: VitSize) -> None:
        super().__init__()
        self.size = size
        self.cls_token = nn.Parameter(torch.zeros(1, 1, size.width))
        self.storage_tokens = nn.Parameter(torch.zeros(1, STORAGE_TOKENS, size.width))
        # Stands for hidden patches in Meta's training; here only so that files fit.
        self.mask_token = nn.Parameter(torch.zeros(1, size.width))
        self.patch_embed = _PatchEmbedding(size.width)
        self.rope_embed = _RotaryEmbedding(size.periods)
        self.blocks = nn.ModuleList(_Block(size) for _ in range(size.depth))
        self.norm = nn.LayerNorm(size.width, eps=NORM_EPSILON)
        self.requires_grad_(requires_grad=False)

    def forward(self, images: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b D h w"]:
        """Features of each patch of 16 x 16 pixels after the last block and normalisation.

        Args:
            images: Normalised by ImageNet's mean and deviation; what is left over beyond a
                multiple of 16 pixels is not seen.
        """
        patches = self.patch_embed.proj(images)
        height, width = patches.shape[-2:]
        extra = torch.cat([self.cls_token, self.storage_tokens], dim=1)
        extra = extra.expand(len(images), -1, -1)
        tokens = torch.cat([extra, patches.flatten(2).transpose(1, 2)], dim=1)
        rotation = self.rope_embed(height, width)
        for block in self.blocks:
            tokens = block(tokens, rotation)
        kept = self.norm(tokens)[:, extra.shape[1] :]
        return kept.transpose(1, 2).unflatten(2, (height, width))
