"""How different two pictures look, by what VGG16 makes of them: LPIPS.

Zhang and others, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR
2018. Both files of weights are the user's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from flame_fit.errors import AssetError
from flame_fit.priors.dense_networks.key_report import require_fitting
from flame_fit.priors.dense_networks.weight_files import read_weights

CONVOLUTIONS = (2, 2, 3, 3, 3)
"""Of VGG16 before each of its poolings; LPIPS looks at what comes out of the last one of each."""
# Means and deviations of pictures from -1 to 1 by which LPIPS brings them to VGG's scale.
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
SMALLEST_LENGTH = 1e-10
_LABEL, _WEIGHTS_LABEL = "VGG16", "set of LPIPS weights for VGG16"
_FEATURES = re.compile(r"features\.(\d{1,2})\.(?:weight|bias)", re.ASCII)
_WEIGHT = re.compile(r"lin\d\.model\.1\.weight", re.ASCII)


class PerceptualNetwork(nn.Module):
    """VGG16's convolutions and the weight of each of their channels."""

    def __init__(self, channels: tuple[int, ...]) -> None:
        """Draw random weights.

        Args:
            channels: Of the features before each pooling, VGG16's are 64, 128, 256, 512, 512.
        """
        super().__init__()
        layers: list[nn.Module] = []
        inputs, taps = 3, []
        for outputs, count in zip(channels, CONVOLUTIONS, strict=True):
            for _ in range(count):
                layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
                inputs = outputs
            taps.append(len(layers) - 1)
            layers.append(nn.MaxPool2d(2))
        # The last pooling feeds nothing that is looked at.
        self.features = nn.ModuleList(layers[:-1])
        self.weights = nn.ParameterList([torch.zeros(1, size, 1, 1) for size in channels])
        self._taps = tuple(taps)

    def forward(
        self, first: Float[Tensor, "b H W 3"], second: Float[Tensor, "b H W 3"]
    ) -> Float[Tensor, " b"]:
        """Return the distances of pictures, 0 for the same ones; differentiable.

        Args:
            first: sRGB, black 0 and white 1, at least 16 pixels a side.
            second: The same of the others.
        """
        count = len(first)
        values = self._scaled(torch.cat([first, second]))
        total = first.new_zeros(count)
        looks = iter(self.weights)
        for number, layer in enumerate(self.features):
            values = layer(values)
            if number in self._taps:
                length = values.square().sum(dim=1, keepdim=True).clamp_min(1e-20).sqrt()
                unit = values / (length + SMALLEST_LENGTH)
                squared = (unit[:count] - unit[count:]).square() * next(looks)
                total = total + squared.sum(dim=1).mean(dim=(1, 2))
        return total

    def _scaled(self, images: Float[Tensor, "b H W 3"]) -> Float[Tensor, "b 3 H W"]:
        shift, scale = images.new_tensor(SHIFT), images.new_tensor(SCALE)
        return ((2.0 * images - 1.0 - shift) / scale).movedim(-1, 1)


def load_perceptual_network(
    vgg16: Path, weights: Path, *, device: torch.device | str = "cpu"
) -> PerceptualNetwork:
    """Read VGG16 and the weights that LPIPS gives its channels.

    Args:
        vgg16: torchvision's `vgg16-397923af.pth`, or the same weights as safetensors; its
            classifier is not used.
        weights: The `vgg.pth` of LPIPS 0.1.
        device: Where it shall run.

    Returns:
        In evaluation mode; its weights take no gradients.

    Raises:
        WrongWeightsError: Some weight is missing, unexpected or of another shape.
        AssetError: Missing, damaged, or another network.
    """
    tensors = read_weights(vgg16)
    found = {name: value for name, value in tensors.items() if _FEATURES.fullmatch(name)}
    looks = read_weights(weights)
    with torch.device("meta"):
        network = PerceptualNetwork(_channels(vgg16, found))
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    expected = {name: shape for name, shape in shapes.items() if name.startswith("features.")}
    require_fitting(vgg16, _LABEL, expected, found)
    names = {f"lin{number}.model.1.weight": f"weights.{number}" for number in range(5)}
    if not any(_WEIGHT.fullmatch(name) for name in looks):
        raise AssetError(
            f"{weights} is no {_WEIGHTS_LABEL}, which has 'lin0.model.1.weight'; give the vgg.pth "
            "of LPIPS 0.1"
        )
    wanted = {name: shapes[own] for name, own in names.items()}
    require_fitting(weights, _WEIGHTS_LABEL, wanted, looks)
    renamed = {names[name]: value for name, value in looks.items()}
    network.load_state_dict(found | renamed, assign=True)
    return network.eval().requires_grad_(requires_grad=False).to(device)


def _channels(path: Path, features: Mapping[str, Tensor]) -> tuple[int, ...]:
    """Return the channels before each pooling, as the first convolution after it has them."""
    channels, number = [], 0
    for count in CONVOLUTIONS:
        weight = features.get(f"features.{number}.weight")
        if weight is None or not weight.ndim:
            raise AssetError(
                f"{path} is no {_LABEL} of torchvision, which has 'features.{number}.weight'"
                "; give vgg16-397923af.pth"
            )
        channels.append(weight.shape[0])
        number += 2 * count + 1
    return tuple(channels)
