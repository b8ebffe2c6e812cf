"""Files of named tensors, whoever wrote them: torch checkpoints and safetensors."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from flame_fit.errors import AssetError
from flame_fit.untrusted import open_torch
from flame_fit.untrusted.file_bytes import MAXIMUM_BYTES, check_file

SAFETENSORS = ".safetensors"
STATE = "state_dict"
# Wrappers of a network put these before every name.
_PREFIXES = ("model.", "module.", "network.", "_orig_mod.")
_NUMBERS = "fiubc"


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by name; numbers with fractions as float32.

    Of a training's checkpoint only the network is read, whatever else it holds. A prefix that
    wrappers put before every name is taken away.

    Args:
        path: What `torch.save` wrote of a state dict or of a Lightning checkpoint, or safetensors.

    Raises:
        AssetError: Missing, damaged, too large, or anything else than named tensors.
    """
    if path.suffix == SAFETENSORS:
        return _unwrapped(_read_safetensors(path))
    entries = open_torch(path)
    values = entries.read(STATE) if STATE in entries.names else entries.read_all()
    if not isinstance(values, dict) or not values:
        raise AssetError(f"{path} holds no weights; give a checkpoint of a network")
    return _unwrapped(
        {_name(path, key): _tensor(path, key, value) for key, value in values.items()}
    )


def with_tensors(value: object) -> object:
    """Plain data as this project's reader gives it, with tensors in place of arrays."""
    if isinstance(value, np.ndarray):
        # A contiguous copy of a number without axes would get one.
        return torch.from_numpy(np.ascontiguousarray(value).reshape(value.shape))
    if isinstance(value, dict):
        return {name: with_tensors(part) for name, part in value.items()}
    if isinstance(value, list):
        return [with_tensors(part) for part in value]
    if isinstance(value, tuple):
        return tuple(with_tensors(part) for part in value)
    return value


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError  # noqa: PLC0415
    from safetensors.torch import load_file  # noqa: PLC0415

    check_file(path, maximum_bytes=MAXIMUM_BYTES)
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:80]
        raise AssetError(
            f"{path} is not a readable safetensors file ({reason}); download it again"
        ) from error
    return {name: _as_float32(path, name, tensor) for name, tensor in tensors.items()}


def _name(path: Path, key: object) -> str:
    if isinstance(key, str):
        return key
    raise AssetError(f"{path} holds weights without names; give a checkpoint of a network")


def _tensor(path: Path, key: object, value: object) -> Tensor:
    if isinstance(value, np.ndarray) and value.dtype.kind in _NUMBERS:
        return _as_float32(path, key, torch.from_numpy(value))
    raise _no_weights(path, key)


def _as_float32(path: Path, key: object, tensor: Tensor) -> Tensor:
    if tensor.is_complex():
        raise _no_weights(path, key)
    return tensor.float() if tensor.is_floating_point() else tensor


def _no_weights(path: Path, key: object) -> AssetError:
    return AssetError(
        f"{path} holds {ascii(str(key)[:60])}, which is no tensor of weights; give a checkpoint of"
        " a network"
    )


def _unwrapped(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    names = list(tensors)
    while prefix := next(
        (each for each in _PREFIXES if all(name.startswith(each) for name in names)), None
    ):
        names = [name.removeprefix(prefix) for name in names]
    return dict(zip(names, tensors.values(), strict=True))
