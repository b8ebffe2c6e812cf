"""ArcFace's backbone: its names and shapes, its formula, its files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional

from flame_fit.errors import AssetError
from flame_fit.priors.dense_networks.key_report import WrongWeightsError
from flame_fit.priors.face_likeness import (
    IdentityLayout,
    IdentityNetwork,
    load_identity_network,
)
from tests.priors.face_likeness.states import backbone_shapes, small_backbone


def faces(count: int = 2) -> torch.Tensor:
    return torch.rand(count, 112, 112, 3, generator=torch.Generator().manual_seed(4))


def written(tmp_path: Path, state: dict[str, torch.Tensor]) -> Path:
    path = tmp_path / "ms1mv3_arcface_r50_fp16_backbone.pth"
    torch.save(state, path)
    return path


def plain_forward(state: dict[str, torch.Tensor], images: torch.Tensor) -> torch.Tensor:
    """The network as its description says, without classes."""

    def norm(name: str, values: torch.Tensor) -> torch.Tensor:
        parts = [state[f"{name}.{part}"] for part in ("running_mean", "running_var")]
        return functional.batch_norm(
            values, *parts, state[f"{name}.weight"], state[f"{name}.bias"], eps=1e-5
        )

    values = (images.permute(0, 3, 1, 2) - 0.5) / 0.5
    values = functional.conv2d(values, state["conv1.weight"], padding=1)
    values = functional.prelu(norm("bn1", values), state["prelu.weight"])
    for unit in ("layer1.0", "layer2.0", "layer2.1", "layer3.0", "layer4.0"):
        stride, around = 1, values
        if f"{unit}.downsample.0.weight" in state:
            stride = 2
            around = functional.conv2d(values, state[f"{unit}.downsample.0.weight"], stride=2)
            around = norm(f"{unit}.downsample.1", around)
        inner = functional.conv2d(norm(f"{unit}.bn1", values), state[f"{unit}.conv1.weight"],
                                  padding=1)  # fmt: skip
        inner = functional.prelu(norm(f"{unit}.bn2", inner), state[f"{unit}.prelu.weight"])
        inner = functional.conv2d(inner, state[f"{unit}.conv2.weight"], stride=stride, padding=1)
        values = norm(f"{unit}.bn3", inner) + around
    values = norm("bn2", values).reshape(len(images), -1)
    return norm("features", functional.linear(values, state["fc.weight"], state["fc.bias"]))


def test_names_and_shapes_are_the_published_ones() -> None:
    with torch.device("meta"):
        network = IdentityNetwork(IdentityLayout())
    own = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert own == backbone_shapes()


def test_embeddings_are_those_of_the_formula(tmp_path: Path) -> None:
    state = small_backbone()
    network = load_identity_network(written(tmp_path, state))
    torch.testing.assert_close(network(faces()), plain_forward(state, faces()))
    assert not network.training
    assert not any(weight.requires_grad for weight in network.parameters())


def test_half_precision_and_files_without_counters_load(tmp_path: Path) -> None:
    state = small_backbone()
    bare = {
        f"module.{name}": value.half()
        for name, value in state.items()
        if not name.endswith("num_batches_tracked")
    }
    found = load_identity_network(written(tmp_path, bare))(faces())
    torch.testing.assert_close(found, plain_forward(state, faces()), atol=0.02, rtol=0.02)


def test_gradients_reach_the_picture(tmp_path: Path) -> None:
    picture = faces(1).requires_grad_()
    load_identity_network(written(tmp_path, small_backbone()))(picture).square().sum().backward()
    assert picture.grad is not None and float(picture.grad.abs().max()) > 0


def test_other_networks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match="is no face recognition network of ArcFace, .* backbone"):
        load_identity_network(written(tmp_path, {"conv1.weight": torch.zeros(4, 3, 3, 3)}))
    state = small_backbone()
    del state["layer2.1.bn3.bias"]
    with pytest.raises(WrongWeightsError, match="1 missing .*layer2.1.bn3.bias"):
        load_identity_network(written(tmp_path, state))
    with pytest.raises(AssetError, match="nothing.pth"):
        load_identity_network(tmp_path / "nothing.pth")
