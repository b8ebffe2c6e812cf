"""DINOv3 as Hugging Face names and stores it, brought to Meta's names."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from flame_fit.errors import AssetError
from flame_fit.priors.dense_networks.dinov3 import (
    NORM_EPSILON,
    PATCH,
    ROTATION_BASE,
    STORAGE_TOKENS,
    VARIANTS,
    rotation_periods,
)
from flame_fit.untrusted import read_file

CONFIG_NAME = "config.json"
WEIGHTS_NAME = "model.safetensors"
CLASS_TOKEN = "embeddings.cls_token"
"""A name that only Hugging Face's files have."""

_MAXIMUM_CONFIG_BYTES = 2**20
# Version 5 of transformers puts `model.` before the layers in memory, files may have either.
_LAYER = re.compile(r"(?:model\.)?layer\.(\d+)\.(.+)", re.ASCII)
_OUTER = {
    CLASS_TOKEN: "cls_token",
    "embeddings.register_tokens": "storage_tokens",
    "embeddings.patch_embeddings.weight": "patch_embed.proj.weight",
    "embeddings.patch_embeddings.bias": "patch_embed.proj.bias",
}
_MASK = "embeddings.mask_token"
_TOKEN_AXES = 3
_INNER = {
    "attention.o_proj.weight": "attn.proj.weight",
    "attention.o_proj.bias": "attn.proj.bias",
    "layer_scale1.lambda1": "ls1.gamma",
    "layer_scale2.lambda1": "ls2.gamma",
    "mlp.up_proj.weight": "mlp.fc1.weight",
    "mlp.up_proj.bias": "mlp.fc1.bias",
    "mlp.down_proj.weight": "mlp.fc2.weight",
    "mlp.down_proj.bias": "mlp.fc2.bias",
    "norm1.weight": "norm1.weight",
    "norm1.bias": "norm1.bias",
    "norm2.weight": "norm2.weight",
    "norm2.bias": "norm2.bias",
}
_SPLIT_WEIGHTS = ("attention.q_proj.weight", "attention.k_proj.weight", "attention.v_proj.weight")
_SPLIT_BIASES = ("attention.q_proj.bias", "attention.v_proj.bias")


def meta_weights(tensors: Mapping[str, Tensor], config: Path) -> dict[str, Tensor]:
    """The weights under Meta's names; those of names unknown here keep theirs.

    Hugging Face computes the rotation periods anew; here they are Meta's.

    Args:
        tensors: By Hugging Face's names.
        config: The `config.json` beside them.

    Raises:
        AssetError: The configuration is missing, damaged, or of a model that is built otherwise.
    """
    heads = _checked_heads(config)
    layers: dict[str, dict[str, Tensor]] = {}
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        layer = _LAYER.fullmatch(name)
        if layer:
            layers.setdefault(layer[1], {})[layer[2]] = tensor
        else:
            found[_OUTER.get(name, name)] = tensor
    if _MASK in found and found[_MASK].ndim == _TOKEN_AXES:
        found["mask_token"] = found.pop(_MASK).flatten(0, 1)
    width = tensors[CLASS_TOKEN].shape[-1] if tensors[CLASS_TOKEN].ndim else 0
    if width % (4 * heads):
        raise AssetError(
            f"{config} has {heads} heads for {width} channels, which do not divide; download the"
            " folder again"
        )
    found["rope_embed.periods"] = rotation_periods(width // heads // 4)
    for number, parts in layers.items():
        for name, tensor in _meta_layer(parts).items():
            found[f"blocks.{number}.{name}"] = tensor
    return found


def _meta_layer(parts: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """One layer; what is incomplete or unknown keeps its name and is reported later."""
    weights = [parts[name] for name in _SPLIT_WEIGHTS if name in parts]
    if len(weights) != len(_SPLIT_WEIGHTS) or not _same_shapes(weights):
        return {_INNER.get(name, name): tensor for name, tensor in parts.items()}
    width = len(weights[0])
    zero = torch.zeros(width)
    # Without biases of queries and values they are zero, as in Meta's released files.
    query, value = (parts.get(name, zero) for name in _SPLIT_BIASES)
    joined = {
        "attn.qkv.weight": torch.cat(weights),
        "attn.qkv.bias": torch.cat([query, zero, value]),
        "attn.qkv.bias_mask": torch.tensor([1.0, 0.0, 1.0]).repeat_interleave(width),
    }
    split = (*_SPLIT_WEIGHTS, *_SPLIT_BIASES)
    others = {_INNER.get(name, name): each for name, each in parts.items() if name not in split}
    return joined | others


def _same_shapes(tensors: list[Tensor]) -> bool:
    return len({tensor.shape for tensor in tensors}) == 1 and tensors[0].ndim > 0


def _checked_heads(path: Path) -> int:
    """The number of attention heads, after a check of all that shapes cannot tell."""
    data = read_file(path, maximum_bytes=_MAXIMUM_CONFIG_BYTES)
    try:
        config = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise AssetError(f"{path} is not readable JSON; download the folder again") from error
    if not isinstance(config, dict):
        raise AssetError(f"{path} is no model configuration; download the folder again")
    fixed = {
        "patch_size": PATCH,
        "num_register_tokens": STORAGE_TOKENS,
        "layer_norm_eps": NORM_EPSILON,
        "rope_theta": ROTATION_BASE,
        "hidden_act": "gelu",
        "use_gated_mlp": False,
        "key_bias": False,
    }
    for name, value in fixed.items():
        if config.get(name, value) != value:
            raise AssetError(
                f"{path} has {name} {str(config[name])[:20]!a}, expected {value!r}; give one of"
                f" {', '.join(VARIANTS)}"
            )
    heads = config.get("num_attention_heads")
    if not isinstance(heads, int) or isinstance(heads, bool) or heads <= 0:
        raise AssetError(f"{path} does not tell how many heads there are; download it again")
    return heads
