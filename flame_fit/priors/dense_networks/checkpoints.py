"""Checkpoints of dense networks, of every generation and with or without DINOv3 inside."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from flame_fit.errors import AssetError
from flame_fit.priors.dense_networks.dinov3 import VARIANTS, VitSize
from flame_fit.priors.dense_networks.dinov3_files import (
    DinoV3Weights,
    checked_dinov3,
    read_dinov3,
)
from flame_fit.priors.dense_networks.key_report import COUNTER, require_fitting
from flame_fit.priors.dense_networks.network import (
    FROZEN_PREFIX,
    UV_OUTPUTS,
    DenseNetwork,
    NetworkKind,
    NetworkLayout,
    network_layout,
)
from flame_fit.priors.dense_networks.weight_files import read_weights
from flame_fit.priors.face_labels import COARSE_FACE_LABELS, FACE_LABELS

VGG_NAME = "vgg19_bn-c79401a0.pth"
"""What torchvision calls its file of VGG19 with batch normalisation."""

_BY_PATCHES = "decoder.adapt_scale16.conv.weight"
_BY_OUTPUTS = "decoder.final_conv.2.weight"
_BRANCH = "encoder.cnn.layers."
_VGG = "features."
# The first convolution and normalisation of torchvision's list.
_VGG_FIRST, _VGG_NORM = "features.0.weight", "features.1.running_mean"
_VGG_LAYERS = 40
_DEPTH_OUTPUTS = 2


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The weights of one dense network, checked to be complete.

    Attributes:
        path: Where they came from.
        layout: What network they are of.
        trained: VGG19's and the decoder's weights, by the network's names.
        frozen: DINOv3's own, None where the file leaves them out.
    """

    path: Path
    layout: NetworkLayout
    trained: Mapping[str, Tensor]
    frozen: DinoV3Weights | None


def read_checkpoint(path: Path, *, kind: NetworkKind | None = None) -> Checkpoint:
    """Read `decoder.ckpt` or a full checkpoint of FaceUV or FaceParsing, old or new.

    The DINOv3 it needs and the number of classes are told by the shapes in it.

    Args:
        path: A Lightning checkpoint, a bare state dict, or safetensors.
        kind: What the network must answer; None for any.

    Raises:
        WrongWeightsError: Some weight is missing, unexpected or of another shape.
        AssetError: Missing, damaged, or another network.
    """
    tensors = read_weights(path)
    frozen = {
        name.removeprefix(FROZEN_PREFIX): tensor
        for name, tensor in tensors.items()
        if name.startswith(FROZEN_PREFIX)
    }
    trained = {
        name: tensor for name, tensor in tensors.items() if not name.startswith(FROZEN_PREFIX)
    }
    inside = checked_dinov3(path, frozen) if frozen else None
    layout = _layout(path, trained, inside)
    if kind is not None and layout.kind != kind:
        raise AssetError(f"{path} is a {layout.label}; give a checkpoint for {kind}")
    require_fitting(path, layout.label, _trained_shapes(layout), trained)
    return Checkpoint(path, layout, trained, inside)


def load_dense_network(
    checkpoint: Path,
    *,
    dinov3: Path | None = None,
    kind: NetworkKind | None = None,
    device: torch.device | str = "cpu",
) -> DenseNetwork:
    """A network with the weights of its files, in evaluation mode.

    Args:
        checkpoint: See `read_checkpoint`.
        dinov3: See `read_dinov3`; None where the checkpoint holds DINOv3 itself.
        kind: What the network must answer; None for any.
        device: Where it shall run.

    Raises:
        WrongWeightsError: Some weight is missing, unexpected or of another shape.
        AssetError: A file is missing, damaged, or does not go with the other.
    """
    weights = read_checkpoint(checkpoint, kind=kind)
    frozen = weights.frozen if dinov3 is None else read_dinov3(dinov3)
    width = weights.layout.transformer.width
    if frozen is None:
        raise AssetError(
            f"{checkpoint} leaves out DINOv3; give the file of"
            f" {weights.layout.transformer.label} too"
        )
    if frozen.size.width != width:
        raise AssetError(
            f"{frozen.path} is DINOv3 {frozen.size.label}, but {checkpoint} needs"
            f" {weights.layout.transformer.label}; give that one"
        )
    network = _on_meta(NetworkLayout(weights.layout.kind, frozen.size, weights.layout.outputs))
    _assign(network, weights.trained, frozen)
    return network.eval().to(device)


def new_dense_network(
    kind: str,
    *,
    dinov3: Path,
    vgg19: Path | None = None,
    classes: int | None = None,
) -> DenseNetwork:
    """A network to be trained, in training mode on the CPU.

    Its decoder is random, drawn from torch's global generator.

    Args:
        kind: What it shall answer.
        dinov3: See `read_dinov3`; its size makes the variant.
        vgg19: torchvision's `vgg19_bn` file to start the convolutions from; None for random ones.
        classes: See `DenseNetwork`.

    Raises:
        UsageError: The number of classes does not go with the kind.
        WrongWeightsError: Some weight is missing, unexpected or of another shape.
        AssetError: A file is missing, damaged, or another network.
    """
    network_layout(kind, classes=classes)
    frozen = read_dinov3(dinov3)
    branch = {} if vgg19 is None else read_vgg19(vgg19)
    network = DenseNetwork(kind, variant=frozen.size, classes=classes)
    _assign(network, network.state_dict() | branch, frozen)
    return network.train()


def read_vgg19(path: Path) -> dict[str, Tensor]:
    """The weights of torchvision's VGG19 with batch normalisation, by a dense network's names.

    Args:
        path: `vgg19_bn-c79401a0.pth`, or the same weights as safetensors.

    Raises:
        WrongWeightsError: Some weight is missing, unexpected or of another shape.
        AssetError: Missing, damaged, or another network.
    """
    tensors = read_weights(path)
    if _VGG_FIRST not in tensors:
        raise AssetError(f"{path} is no VGG19 of torchvision; give {VGG_NAME}")
    if _VGG_NORM not in tensors:
        raise AssetError(f"{path} is a VGG without batch normalisation; give {VGG_NAME}")
    found = {}
    for name, tensor in tensors.items():
        number, _, rest = name.removeprefix(_VGG).partition(".")
        if name.startswith(_VGG) and number.isdecimal() and int(number) < _VGG_LAYERS:
            found[f"{_BRANCH}{number}.{rest}"] = tensor
    shapes = _trained_shapes(network_layout("uv"))
    expected = {name: shape for name, shape in shapes.items() if name.startswith(_BRANCH)}
    require_fitting(path, "VGG19 with batch normalisation", expected, found)
    return found


def _layout(
    path: Path, trained: Mapping[str, Tensor], inside: DinoV3Weights | None
) -> NetworkLayout:
    """What network the shapes of a checkpoint belong to."""
    patches, outputs = trained.get(_BY_PATCHES), trained.get(_BY_OUTPUTS)
    if patches is None or outputs is None or patches.ndim != 4 or outputs.ndim != 4:  # noqa: PLR2004
        raise AssetError(
            f"{path} is {_other_kind(trained)}; give a decoder.ckpt or a full checkpoint"
        )
    width, count = patches.shape[1], len(outputs)
    by_width = {size.width: size for size in VARIANTS.values()}
    size = inside.size if inside is not None else by_width.get(width)
    if size is None or size.width != width:
        raise AssetError(
            f"{path} decodes features of {width} channels, expected those of one of"
            f" {', '.join(f'{name} ({each.width})' for name, each in VARIANTS.items())}"
        )
    if count == UV_OUTPUTS:
        return NetworkLayout("uv", size, count)
    if count in (FACE_LABELS.count, COARSE_FACE_LABELS.count):
        return NetworkLayout("parsing", size, count)
    if count == _DEPTH_OUTPUTS:
        raise AssetError(f"{path} is a checkpoint of FaceDepth; give one of FaceUV or FaceParsing")
    raise AssetError(
        f"{path} has {count} outputs, expected {UV_OUTPUTS} (UV), {COARSE_FACE_LABELS.count} or"
        f" {FACE_LABELS.count} (parsing); give a checkpoint of FaceUV or FaceParsing"
    )


def _other_kind(tensors: Mapping[str, Tensor]) -> str:
    if "rope_embed.periods" in tensors or "embeddings.cls_token" in tensors:
        return "a file of DINOv3 alone"
    if _VGG_FIRST in tensors:
        return "a file of VGG alone"
    return "no checkpoint of FaceUV or FaceParsing"


def _on_meta(layout: NetworkLayout) -> DenseNetwork:
    """The network without memory for its weights."""
    with torch.device("meta"):
        return DenseNetwork(
            layout.kind,
            variant=layout.transformer,
            classes=layout.outputs if layout.kind == "parsing" else None,
        )


def _trained_shapes(layout: NetworkLayout) -> dict[str, tuple[int, ...]]:
    # The transformer does not matter here, so a small one stands for it.
    width = layout.transformer.width
    small = VitSize(width=width, depth=1, heads=layout.transformer.heads)
    state = _on_meta(NetworkLayout(layout.kind, small, layout.outputs)).state_dict()
    return {
        name: tuple(value.shape)
        for name, value in state.items()
        if not name.startswith(FROZEN_PREFIX)
    }


def _assign(network: DenseNetwork, trained: Mapping[str, Tensor], frozen: DinoV3Weights) -> None:
    state = {name: tensor for name, tensor in trained.items() if not name.startswith(FROZEN_PREFIX)}
    state |= {f"{FROZEN_PREFIX}{name}": tensor for name, tensor in frozen.tensors.items()}
    for name, place in network.state_dict().items():
        if name.endswith(COUNTER):
            state.setdefault(name, torch.tensor(0))
        state[name] = state[name].to(place.dtype)
    network.load_state_dict(state, assign=True)
