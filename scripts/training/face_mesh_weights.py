"""Weights of MediaPipe's face mesh network for the torch module of its first stages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from flame_fit.priors.head_network.trunk import FaceMeshTrunk


def face_mesh_trunk(path: Path) -> FaceMeshTrunk:
    """Return the trunk with the weights of `face_landmark.tflite`.

    Args:
        path: The 468-point model out of the mediapipe wheel.
    """
    trunk = FaceMeshTrunk()
    values = _constants(path)
    state = {key: next(values) for key in _order(trunk)}
    trunk.load_state_dict(state)
    return trunk.eval().requires_grad_(requires_grad=False)


def _order(trunk: FaceMeshTrunk) -> list[str]:
    """Return the names of the weights in the order in which the network uses them."""
    return [name for name, _ in trunk.named_parameters()]


def _constants(path: Path) -> Iterator[Tensor]:
    """Yield weights and biases, operation by operation."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), experimental_preserve_all_tensors=True)
    interpreter.allocate_tensors()
    (given,) = interpreter.get_input_details()
    interpreter.set_tensor(given["index"], np.zeros(given["shape"], np.float32))
    interpreter.invoke()
    # Weights are stored in half precision; what widens them names where they are.
    stored: dict[int, int] = {}
    for operation in interpreter._get_ops_details():
        kind, used = operation["op_name"], list(operation["inputs"])
        if kind == "DEQUANTIZE":
            stored[int(operation["outputs"][0])] = int(used[0])
        used = [stored.get(int(index), int(index)) for index in used]
        if kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            weight = interpreter.get_tensor(used[1])
            order = (0, 3, 1, 2) if kind == "CONV_2D" else (3, 0, 1, 2)
            yield _tensor(weight.transpose(order))
            yield _tensor(interpreter.get_tensor(used[2]))
        elif kind == "PRELU":
            yield _tensor(interpreter.get_tensor(used[1]).reshape(-1))


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
