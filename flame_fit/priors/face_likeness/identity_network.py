"""The residual network of ArcFace: a picture of an aligned face to numbers that tell who it is.

Deng and others, "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", CVPR 2019, with
the "improved residual units" described there. Its weights are the user's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from flame_fit.errors import AssetError
from flame_fit.priors.dense_networks.key_report import COUNTER, require_fitting
from flame_fit.priors.dense_networks.weight_files import read_weights
from flame_fit.priors.face_likeness.aligned_face import ALIGNED_SIDE

STAGES = 4
FEATURE_SIDE = ALIGNED_SIDE // 2**STAGES
_LABEL = "face recognition network of ArcFace"
_FIRST, _LAST = "conv1.weight", "fc.weight"
_BLOCK = re.compile(r"layer([1-4])\.(0|[1-9]\d?)\.conv1\.weight", re.ASCII)


@dataclass(frozen=True)
class IdentityLayout:
    """The size of a network; by default that of `ms1mv3_arcface_r50`.

    Attributes:
        depths: Residual units of each stage; a stage halves the resolution.
        channels: Of the features of each stage.
        embedding: Numbers that come out.
    """

    depths: tuple[int, ...] = (3, 4, 14, 3)
    channels: tuple[int, ...] = (64, 128, 256, 512)
    embedding: int = 512


class ResidualUnit(nn.Module):
    """Two convolutions between three normalisations, beside a path around them."""

    def __init__(self, inputs: int, outputs: int, *, stride: int) -> None:
        """Draw random weights.

        Args:
            inputs: Channels that come in.
            outputs: Channels that go out.
            stride: By how much the resolution is divided.
        """
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.prelu = nn.PReLU(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            around = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)
            self.downsample = nn.Sequential(around, nn.BatchNorm2d(outputs))

    def forward(self, features: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o hh ww"]:
        """Return the unit's features."""
        inner = self.prelu(self.bn2(self.conv1(self.bn1(features))))
        return self.bn3(self.conv2(inner)) + self.downsample(features)


class IdentityNetwork(nn.Module):
    """Aligned faces to embeddings, whose cosine tells how much alike two faces are."""

    def __init__(self, layout: IdentityLayout) -> None:
        """Draw random weights.

        Args:
            layout: Its size.
        """
        super().__init__()
        first = layout.channels[0]
        self.conv1 = nn.Conv2d(3, first, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(first)
        self.prelu = nn.PReLU(first)
        inputs = first
        for number, (depth, outputs) in enumerate(
            zip(layout.depths, layout.channels, strict=True), start=1
        ):
            units = [ResidualUnit(inputs, outputs, stride=2)]
            units += [ResidualUnit(outputs, outputs, stride=1) for _ in range(depth - 1)]
            self.add_module(f"layer{number}", nn.Sequential(*units))
            inputs = outputs
        self.bn2 = nn.BatchNorm2d(inputs)
        self.fc = nn.Linear(inputs * FEATURE_SIDE**2, layout.embedding)
        self.features = nn.BatchNorm1d(layout.embedding)

    def forward(self, faces: Float[Tensor, "b 112 112 3"]) -> Float[Tensor, "b n"]:
        """Return the embeddings of faces; differentiable.

        Args:
            faces: sRGB, black 0 and white 1, as `aligned_faces` cuts them out.
        """
        values = self.prelu(self.bn1(self.conv1(2.0 * faces.movedim(-1, 1) - 1.0)))
        for number in range(1, STAGES + 1):
            values = self.get_submodule(f"layer{number}")(values)
        return self.features(self.fc(self.bn2(values).flatten(1)))


def load_identity_network(path: Path, *, device: torch.device | str = "cpu") -> IdentityNetwork:
    """Read the state dict of a backbone; its size is told by the shapes in it.

    Args:
        path: Such as InsightFace's `backbone.pth` of ArcFace, or the same weights as safetensors.
        device: Where it shall run.

    Returns:
        In evaluation mode; its weights take no gradients.

    Raises:
        WrongWeightsError: Some weight is missing, unexpected or of another shape.
        AssetError: Missing, damaged, or another network.
    """
    tensors = read_weights(path)
    layout = _layout(path, tensors)
    with torch.device("meta"):
        network = IdentityNetwork(layout)
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    require_fitting(path, _LABEL, expected, tensors)
    counts = {name: torch.zeros((), dtype=torch.int64) for name in expected
              if name.endswith(COUNTER)}  # fmt: skip
    network.load_state_dict(counts | tensors, assign=True)
    return network.eval().requires_grad_(requires_grad=False).to(device)


def _layout(path: Path, tensors: Mapping[str, Tensor]) -> IdentityLayout:
    """Return the size of the network that weights are of."""
    depths, channels = [0] * STAGES, [0] * STAGES
    for name, value in tensors.items():
        found = _BLOCK.fullmatch(name)
        if found:
            stage = int(found[1]) - 1
            depths[stage] = max(depths[stage], int(found[2]) + 1)
            channels[stage] = value.shape[0] if value.ndim else 0
    last = tensors.get(_LAST)
    if _FIRST not in tensors or last is None or not last.ndim or not min(*depths, *channels):
        raise AssetError(
            f"{path} is no {_LABEL}, which has weights '{_FIRST}', 'layer1.0.conv1.weight' and "
            f"'{_LAST}'; give the state dict of its backbone"
        )
    return IdentityLayout(tuple(depths), tuple(channels), last.shape[0])
