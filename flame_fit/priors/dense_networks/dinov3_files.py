"""DINOv3's weights from Meta's own files and from Hugging Face folders."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from flame_fit.errors import AssetError
from flame_fit.priors.dense_networks.dinov3 import VARIANTS, DinoV3, VitSize
from flame_fit.priors.dense_networks.hugging_face import (
    CLASS_TOKEN,
    CONFIG_NAME,
    WEIGHTS_NAME,
    meta_weights,
)
from flame_fit.priors.dense_networks.key_report import require_fitting
from flame_fit.priors.dense_networks.weight_files import read_weights

# Norms for small crops in training that some files hold beside the one used here.
_UNUSED = ("local_cls_norm.", "cls_norm.")
_GATED = "mlp.w1."
_BLOCKS = "blocks."
# Meta's largest has 40; a file that announces thousands would take minutes to refuse.
_MOST_BLOCKS = 40


@dataclass(frozen=True, eq=False)
class DinoV3Weights:
    """The weights of one DINOv3 under Meta's names.

    Attributes:
        path: Where they came from.
        size: Of the transformer.
        tensors: By name, as in `DinoV3.state_dict()`.
    """

    path: Path
    size: VitSize
    tensors: Mapping[str, Tensor]


def read_dinov3(path: Path) -> DinoV3Weights:
    """Read DINOv3 with patches of 16 pixels and a plain MLP (ViT-S, ViT-B, ViT-L).

    Args:
        path: Meta's `.pth`, or a Hugging Face folder (`config.json`, `model.safetensors`) or its
            safetensors file. Meta's rotation periods are taken from its file. Hugging Face's lack
            them; they get Meta's, with which the published decoders were trained.

    Raises:
        WrongWeightsError: Some weight is missing, unexpected or of another shape.
        AssetError: Missing, damaged, or another model.
    """
    if path.is_dir():
        path = path / WEIGHTS_NAME
        if not path.is_file():
            raise AssetError(
                f"{path.parent} holds no {WEIGHTS_NAME}; give Meta's .pth file or a Hugging Face"
                " folder of DINOv3"
            )
    tensors = read_weights(path)
    if CLASS_TOKEN in tensors:
        tensors = meta_weights(tensors, path.with_name(CONFIG_NAME))
    tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith(_UNUSED)}
    return checked_dinov3(path, tensors)


def checked_dinov3(path: Path, tensors: Mapping[str, Tensor]) -> DinoV3Weights:
    """Weights under Meta's names, checked to be complete.

    Args:
        path: Where they came from, for messages.
        tensors: By name.

    Raises:
        WrongWeightsError: Some weight is missing, unexpected or of another shape.
        AssetError: It is another model.
    """
    size = _size(path, tensors)
    with torch.device("meta"):
        expected = {name: value.shape for name, value in DinoV3(size).state_dict().items()}
    require_fitting(path, f"DINOv3 {size.label}", expected, tensors)
    return DinoV3Weights(path, size, tensors)


def _size(path: Path, tensors: Mapping[str, Tensor]) -> VitSize:
    if any(_GATED in name for name in tensors):
        raise AssetError(
            f"{path} is a DINOv3 with a gated MLP (S+, H+ or 7B); give one of {', '.join(VARIANTS)}"
        )
    token, periods = tensors.get("cls_token"), tensors.get("rope_embed.periods")
    if token is None or periods is None or token.ndim != 3 or periods.ndim != 1:  # noqa: PLR2004
        raise AssetError(
            f"{path} is no DINOv3 (it lacks cls_token or rope_embed.periods); give Meta's .pth file"
            " or a Hugging Face folder of DINOv3"
        )
    width, head = token.shape[-1], 4 * len(periods)
    if head == 0 or width == 0 or width % head:
        raise AssetError(
            f"{path} has tokens of {width} channels and heads of {head}, which do not divide; give"
            f" one of {', '.join(VARIANTS)}"
        )
    depth = len({name.split(".")[1] for name in tensors if name.startswith(_BLOCKS)})
    if depth > _MOST_BLOCKS:
        raise AssetError(
            f"{path} has {depth} blocks, more than any DINOv3; give one of {', '.join(VARIANTS)}"
        )
    return VitSize(width=width, depth=depth, heads=width // head)
