"""The shipped file of the head network: compact weights, points, calibration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from jaxtyping import Int
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from flame_fit.asset_files import find_asset, write_atomically
from flame_fit.errors import AssetError
from flame_fit.geometry import SurfacePoints
from flame_fit.priors.head_network.network import HeadNetwork, Residual

DEFAULT_FILE = "head_network.safetensors"
MATRIX, INT8_LARGEST = 2, 127
_NETWORK = "network."
_SCALE = ".scale"
# Matrices with more entries than this are kept in eight bits, with a scale for each row.
_LARGE = 1 << 18
_FACE_INDEX, _BARYCENTRICS = "points.face_index", "points.barycentrics"
_MIRROR = "points.mirror"


@dataclass(frozen=True)
class Calibration:
    """By how much the network misjudges its own errors.

    Attributes:
        places: Factor on the standard deviations of places.
        depth: Factor on those of depths.
    """

    places: float = 1.0
    depth: float = 1.0


@dataclass(frozen=True, eq=False)
class TrainedHeadNetwork:
    """A head network ready to be asked.

    Attributes:
        network: A `HeadNetwork` in evaluation mode, normalisations folded into convolutions.
        points: Where on OpenHead its points lie.
        mirror: For each point the one on the other side.
        calibration: Of its deviations.
    """

    network: nn.Module
    points: SurfacePoints
    mirror: Int[Tensor, "N"]
    calibration: Calibration


def write_head_network(
    path: Path,
    network: nn.Module,
    points: SurfacePoints,
    *,
    mirror: Int[Tensor, "N"],
    calibration: Calibration,
) -> None:
    """Write the file of a trained network.

    Args:
        path: A .safetensors file.
        network: As it was trained.
        points: The points it tells of, on OpenHead.
        mirror: For each of them the one on the other side.
        calibration: Measured on pictures it has not seen.
    """
    tensors: dict[str, Tensor] = {}
    for key, value in network.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            tensors |= _stored(_NETWORK + key, value)
    tensors[_FACE_INDEX] = points.face_index.to(torch.int32)
    tensors[_BARYCENTRICS] = points.barycentrics.float()
    tensors[_MIRROR] = mirror.to(torch.int32)
    metadata = {
        "calibration": json.dumps([calibration.places, calibration.depth]),
        "licence": "MIT; the tensors network.trunk.* are MediaPipe's, Apache-2.0, Google",
    }
    data = save({key: value.contiguous() for key, value in tensors.items()}, metadata)
    write_atomically(path, data)


@lru_cache(maxsize=4)
def load_head_network(
    path: Path | None = None, *, device: torch.device | str = "cpu"
) -> TrainedHeadNetwork:
    """Return the network of a file, read once per process and device.

    Args:
        path: A file of `write_head_network`; the shipped one if None.
        device: Where it shall run.

    Raises:
        AssetError: It is missing, damaged, or something else.
    """
    path = path or find_asset(DEFAULT_FILE)
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            metadata = file.metadata() or {}
        places, depth = json.loads(metadata["calibration"])
        points = SurfacePoints(tensors[_FACE_INDEX].long(), tensors[_BARYCENTRICS].float())
        mirror = tensors[_MIRROR].long()
        network = HeadNetwork(len(points.face_index))
        state = {
            key.removeprefix(_NETWORK): _restored(key, value, tensors)
            for key, value in tensors.items()
            if key.startswith(_NETWORK) and not key.endswith(_SCALE)
        }
        missing, unexpected = network.load_state_dict(state, strict=False)
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
        reason = str(error).splitlines()[0][:80] if str(error) else type(error).__name__
        raise AssetError(f"{path} is no head network ({reason}); install flame_fit again") from None
    missing = [key for key in missing if not key.endswith("num_batches_tracked")]
    if missing or unexpected:
        raise AssetError(
            f"{path} is a head network of another version ({len(missing)} weights missing, "
            f"{len(unexpected)} unknown); install flame_fit again"
        )
    network = folded(network.eval()).requires_grad_(requires_grad=False).to(device)
    return TrainedHeadNetwork(network, points, mirror, Calibration(float(places), float(depth)))


def _stored(key: str, value: Tensor) -> dict[str, Tensor]:
    """Return a weight as the file holds it."""
    if not value.is_floating_point():
        return {key: value}
    if value.ndim != MATRIX or value.numel() <= _LARGE:
        return {key: value.half()}
    scale = value.abs().amax(1, keepdim=True).clamp_min(1e-12) / INT8_LARGEST
    return {key: (value / scale).round().to(torch.int8), key + _SCALE: scale.half()}


def _restored(key: str, value: Tensor, tensors: Mapping[str, Tensor]) -> Tensor:
    if value.dtype == torch.int8:
        return value.float() * tensors[key + _SCALE].float()
    return value.float() if value.is_floating_point() else value


def folded(network: HeadNetwork) -> HeadNetwork:
    """Return a network in evaluation mode without normalisations; its answers are the same."""
    for module in network.modules():
        if isinstance(module, Residual) and isinstance(module.norm, nn.BatchNorm2d):
            module.second = fuse_conv_bn_eval(module.second, module.norm)
            module.norm = nn.Identity()
        elif isinstance(module, nn.Sequential):
            for index in range(len(module) - 1):
                first, second = module[index], module[index + 1]
                if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                    module[index] = fuse_conv_bn_eval(first, second)
                    module[index + 1] = nn.Identity()
    return network
