"""LPIPS over VGG16: its names and shapes, its formula, its files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional

from flame_fit.errors import AssetError
from flame_fit.priors.dense_networks.key_report import WrongWeightsError
from flame_fit.priors.face_likeness import PerceptualNetwork, load_perceptual_network
from tests.priors.face_likeness.states import (
    VGG_CONVOLUTIONS,
    small_lpips,
    small_vgg16,
    vgg16_shapes,
)


def pictures(seed: int) -> torch.Tensor:
    return torch.rand(2, 32, 32, 3, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    paths = tmp_path / "vgg16-397923af.pth", tmp_path / "vgg.pth"
    torch.save(small_vgg16(), paths[0])
    torch.save(small_lpips(), paths[1])
    return paths


def plain_distance(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """The distance as its paper says, a picture at a time."""
    state, looks = small_vgg16(), small_lpips()
    shift, scale = torch.tensor((-0.030, -0.088, -0.188)), torch.tensor((0.458, 0.448, 0.450))
    results = []
    for pair in zip(first, second, strict=True):
        values = [((2 * each - 1 - shift) / scale).permute(2, 0, 1)[None] for each in pair]
        total = torch.zeros(())
        for place, (number, block) in enumerate(VGG_CONVOLUTIONS):
            name = f"features.{number}"
            values = [
                functional.conv2d(each, state[f"{name}.weight"], state[f"{name}.bias"], padding=1)
                .clamp_min(0)
                for each in values
            ]  # fmt: skip
            last = place + 1 == len(VGG_CONVOLUTIONS) or VGG_CONVOLUTIONS[place + 1][1] != block
            if last:
                unit = [each / (each.norm(dim=1, keepdim=True) + 1e-10) for each in values]
                weight = looks[f"lin{block}.model.1.weight"]
                total = total + (weight * (unit[0] - unit[1]) ** 2).sum(dim=1).mean()
                values = [functional.max_pool2d(each, 2) for each in values]
        results.append(total)
    return torch.stack(results)


def test_names_and_shapes_are_torchvisions() -> None:
    with torch.device("meta"):
        network = PerceptualNetwork((64, 128, 256, 512, 512))
    own = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    published = {name: shape for name, shape in vgg16_shapes().items() if "features" in name}
    assert {name: shape for name, shape in own.items() if "features" in name} == published


def test_distances_are_those_of_the_formula(files) -> None:
    network = load_perceptual_network(*files)
    found = network(pictures(0), pictures(1))
    assert float(found.min()) > 1e-3
    torch.testing.assert_close(found, plain_distance(pictures(0), pictures(1)))
    torch.testing.assert_close(found, network(pictures(1), pictures(0)))
    assert float(network(pictures(0), pictures(0)).abs().max()) == 0.0


def test_gradients_of_black_pictures_are_numbers(files) -> None:
    """The part outside the skin is black in both pictures."""
    first = torch.zeros(1, 32, 32, 3, requires_grad=True)
    load_perceptual_network(*files)(first, pictures(0)[:1]).sum().backward()
    assert first.grad is not None and bool(torch.isfinite(first.grad).all())


def test_other_files_are_refused(tmp_path: Path, files) -> None:
    vgg16, lpips = files
    other = tmp_path / "other.pth"
    torch.save({"weight": torch.zeros(3)}, other)
    with pytest.raises(AssetError, match="is no VGG16 of torchvision, .* vgg16-397923af.pth"):
        load_perceptual_network(other, lpips)
    with pytest.raises(AssetError, match="is no set of LPIPS weights for VGG16, .* LPIPS 0.1"):
        load_perceptual_network(vgg16, other)
    short = small_lpips()
    del short["lin4.model.1.weight"]
    torch.save(short, other)
    with pytest.raises(WrongWeightsError, match="1 missing .*lin4.model.1.weight"):
        load_perceptual_network(vgg16, other)
