"""Dense networks with made-up weights, and their files."""

from pathlib import Path

import pytest
import torch

from flame_fit.priors.dense_networks import DenseNetwork
from tests.priors.dense_networks.weights import (
    SHALLOW_B,
    SHALLOW_L,
    frozen_state,
    lightning_checkpoint,
    network_with_weights,
    trained_state,
)


@pytest.fixture(scope="session")
def uv_network() -> DenseNetwork:
    return network_with_weights("uv", variant=SHALLOW_B)


@pytest.fixture(scope="session")
def parsing_network() -> DenseNetwork:
    return network_with_weights("parsing", variant=SHALLOW_B)


@pytest.fixture(scope="session")
def old_parsing_network() -> DenseNetwork:
    """The first generation: ViT-L and 11 classes."""
    return network_with_weights("parsing", variant=SHALLOW_L, classes=11)


@pytest.fixture(scope="session")
def uv_decoder(tmp_path_factory, uv_network) -> Path:
    """`decoder.ckpt` of the UV network as the published script writes it."""
    path = tmp_path_factory.mktemp("uv") / "decoder.ckpt"
    torch.save(lightning_checkpoint(trained_state(uv_network)), path)
    return path


@pytest.fixture(scope="session")
def parsing_decoder(tmp_path_factory, parsing_network) -> Path:
    path = tmp_path_factory.mktemp("parsing") / "decoder.ckpt"
    torch.save(lightning_checkpoint(trained_state(parsing_network)), path)
    return path


@pytest.fixture(scope="session")
def dinov3_file(tmp_path_factory, uv_network) -> Path:
    """Meta's file for the networks of width 768."""
    path = tmp_path_factory.mktemp("dinov3") / "dinov3_vitb16_pretrain_lvd1689m-00000000.pth"
    torch.save(frozen_state(uv_network), path)
    return path
