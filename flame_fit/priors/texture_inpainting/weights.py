"""The file of an inpainting network: weights in half precision and the chart that they are for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from flame_fit.asset_files import asset_folders, write_atomically
from flame_fit.errors import AssetError
from flame_fit.flame import UvChart
from flame_fit.priors.texture_inpainting.network import InpaintingNetwork

FILE_PATTERN = "texture_inpainting*.safetensors"
SHIPPED_FILE = "texture_inpainting.safetensors"
_CHART, _SIZE = "chart", "size"
_SIZES = range(32, 512 + 1, 8)
# Chart coordinates are told apart to this many steps; files keep them in single precision.
_STEPS = 1 << 16


def chart_key(chart: UvChart) -> str:
    """Return a digest of a chart; charts that differ in a triangle or a coordinate differ in it."""
    digest = hashlib.sha256()
    digest.update((chart.uv.double() * _STEPS).round().to(torch.int32).cpu().numpy().tobytes())
    digest.update(chart.faces.to(torch.int32).cpu().numpy().tobytes())
    return digest.hexdigest()


def write_inpainting_network(path: Path, network: InpaintingNetwork, chart: UvChart) -> None:
    """Write a trained network.

    Args:
        path: A .safetensors file; in an asset folder it is found if it is called
            `texture_inpainting*.safetensors`.
        network: As it was trained.
        chart: What it was trained on.
    """
    state = {name: value.half().contiguous() for name, value in network.state_dict().items()}
    metadata = {_CHART: chart_key(chart), _SIZE: str(network.size), "licence": "MIT"}
    write_atomically(path, save(state, metadata))


def find_inpainting_network(chart: UvChart) -> InpaintingNetwork | None:
    """Return the network of the first file in the asset folders that is for a chart.

    Args:
        chart: Of the head model.

    Returns:
        The network in evaluation mode, or None if no file is for this chart.

    Raises:
        AssetError: A file is damaged.
    """
    key = chart_key(chart)
    for path in _files():
        if _read_chart(path) == key:
            return load_inpainting_network(path)
    return None


@lru_cache(maxsize=4)
def load_inpainting_network(path: Path) -> InpaintingNetwork:
    """Return the network of a file in evaluation mode, read once per process.

    Raises:
        AssetError: The file is damaged or something else.
    """
    try:
        with safe_open(path, framework="pt") as file:
            state = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118
            size = int((file.metadata() or {})[_SIZE])
        if size not in _SIZES:
            raise ValueError(f"size {size}")
        network = InpaintingNetwork(size)
        network.load_state_dict(state)
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
        raise _damaged(path, error) from None
    return network.eval().requires_grad_(requires_grad=False)


def _files() -> Iterator[Path]:
    for folder in asset_folders():
        yield from sorted(folder.glob(FILE_PATTERN))


@lru_cache(maxsize=16)
def _read_chart(path: Path) -> str:
    try:
        with safe_open(path, framework="pt") as file:
            return (file.metadata() or {})[_CHART]
    except (OSError, KeyError, SafetensorError) as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> AssetError:
    reason = str(error).splitlines()[0][:80] if str(error) else type(error).__name__
    return AssetError(f"{path} is no inpainting network ({reason}); train it again or take it away")
