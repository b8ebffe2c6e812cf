"""Checkpoints without DINOv3: what a training learned, to be shared and kept."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from flame_fit.asset_files import write_atomically
from flame_fit.errors import AssetError
from flame_fit.priors.dense_networks.checkpoints import read_checkpoint
from flame_fit.priors.dense_networks.network import NetworkLayout
from flame_fit.priors.dense_networks.weight_files import SAFETENSORS, STATE, with_tensors
from flame_fit.untrusted import open_torch

# The published script drops every name that holds this.
_FROZEN = "encoder.dinov3"


@dataclass(frozen=True)
class ExtractedCheckpoint:
    """What was written.

    Attributes:
        path: The new file.
        layout: What network it is of.
        weights: How many tensors of the network it holds.
        removed: How many of DINOv3 were left out.
        left_out: Entries of the bookkeeping that hold objects this program does not read.
    """

    path: Path
    layout: NetworkLayout
    weights: int
    removed: int
    left_out: tuple[str, ...]


def extract_decoder(checkpoint: Path, destination: Path) -> ExtractedCheckpoint:
    """Write a checkpoint without DINOv3's weights, whole or not at all.

    As the published script does, it keeps VGG19, the decoder and the training's bookkeeping
    (epoch, settings, optimizer and scheduler states), so that training can go on from it.

    Args:
        checkpoint: A full Lightning checkpoint, or a bare state dict.
        destination: The file to be; it may be the checkpoint itself.

    Raises:
        WrongWeightsError: Some weight is missing, unexpected or of another shape.
        AssetError: Missing, damaged, or another network.
        InputError: The destination cannot be written.
    """
    if checkpoint.suffix == SAFETENSORS:
        raise AssetError(f"{checkpoint} is not a checkpoint of a training; give a .ckpt file")
    layout = read_checkpoint(checkpoint).layout
    entries = open_torch(checkpoint)
    wrapped = STATE in entries.names
    state = entries.read(STATE) if wrapped else entries.read_all()
    if not isinstance(state, Mapping):
        raise AssetError(f"{checkpoint} holds no weights; give a checkpoint of a network")
    kept = {name: value for name, value in state.items() if _FROZEN not in name}
    content: dict[str, object] = {}
    left_out = []
    for name in entries.names if wrapped else (STATE,):
        if name == STATE:
            content[name] = kept
            continue
        try:
            content[name] = entries.read(name)
        except AssetError:
            left_out.append(name)
    buffer = io.BytesIO()
    torch.save(with_tensors(content), buffer)
    write_atomically(destination, buffer.getvalue())
    return ExtractedCheckpoint(
        path=destination,
        layout=layout,
        weights=len(kept),
        removed=len(state) - len(kept),
        left_out=tuple(left_out),
    )
