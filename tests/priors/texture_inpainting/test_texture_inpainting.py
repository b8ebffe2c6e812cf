"""The network's file tells its chart, and what is wrong with it."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from safetensors.torch import save_file

from flame_fit.asset_files import ASSETS_VARIABLE
from flame_fit.errors import AssetError
from flame_fit.flame import UvChart
from flame_fit.priors.texture_inpainting import (
    ChartLayers,
    InpaintingNetwork,
    chart_key,
    find_inpainting_network,
    load_inpainting_network,
    write_inpainting_network,
)

SIZE = 32


def triangle(height: float = 0.9) -> UvChart:
    uv = torch.tensor([[0.1, 0.1], [0.9, 0.1], [0.5, height]])
    return UvChart(uv=uv, faces=torch.tensor([[0, 1, 2]]))


def network() -> InpaintingNetwork:
    torch.manual_seed(0)
    made = InpaintingNetwork(SIZE)
    torch.nn.init.normal_(made.out.weight, std=0.1)
    return made.eval()


def layers(batch: int = 2) -> ChartLayers:
    generator = torch.Generator().manual_seed(1)

    def maps(channels: int) -> torch.Tensor:
        return torch.rand(batch, channels, SIZE, SIZE, generator=generator)

    return ChartLayers(maps(4), maps(4), maps(3), maps(3), torch.ones(SIZE, SIZE))


def test_a_new_network_changes_nothing_and_takes_half_of_the_mirror():
    fill = InpaintingNetwork(SIZE)(layers())
    assert fill.change.shape == (2, 3, SIZE, SIZE)
    assert torch.equal(fill.change, torch.zeros_like(fill.change))
    assert torch.equal(fill.mirror_share, torch.full_like(fill.mirror_share, 0.5))


def test_every_input_counts():
    """Each layer of the input has a gradient, so none is disconnected."""
    given = layers()
    parts = [getattr(given, name).requires_grad_() for name in ("known", "mirrored", "prior")]
    parts += [given.tone.requires_grad_(), given.covered.requires_grad_()]
    fill = network()(given)
    (fill.change.sum() + fill.mirror_share.sum()).backward()
    assert all(float(part.grad.abs().max()) > 0 for part in parts)


def test_a_file_gives_the_same_answers(tmp_path):
    made, path = network(), tmp_path / "texture_inpainting.safetensors"
    write_inpainting_network(path, made, triangle())
    read = load_inpainting_network(path)
    assert not read.training
    with torch.no_grad():
        assert torch.allclose(read(layers()).change, made(layers()).change, atol=2e-3)
    assert path.stat().st_size < 3 * 2**20


def test_a_file_is_found_by_its_chart(tmp_path, monkeypatch):
    monkeypatch.setenv(ASSETS_VARIABLE, str(tmp_path))
    assert find_inpainting_network(triangle()) is None
    write_inpainting_network(
        tmp_path / "texture_inpainting_a.safetensors", network(), triangle(0.8)
    )
    write_inpainting_network(tmp_path / "texture_inpainting_b.safetensors", network(), triangle())
    assert find_inpainting_network(triangle()) is load_inpainting_network(
        tmp_path / "texture_inpainting_b.safetensors"
    )
    assert find_inpainting_network(triangle(0.7)) is None


def test_a_chart_is_known_by_coordinates_and_triangles():
    chart = triangle()
    assert chart_key(chart) == chart_key(UvChart(uv=chart.uv.double(), faces=chart.faces.int()))
    assert chart_key(chart) != chart_key(triangle(0.9001))
    turned = dataclasses.replace(chart, faces=chart.faces.roll(1, dims=1))
    assert chart_key(chart) != chart_key(turned)


def test_damaged_files_are_named(tmp_path, monkeypatch):
    path = tmp_path / "texture_inpainting.safetensors"
    write_inpainting_network(path, network(), triangle())
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(AssetError, match="is no inpainting network .*; train it again or take it"):
        load_inpainting_network(path)
    other = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(2)}, other, metadata={"size": str(SIZE)})
    with pytest.raises(AssetError, match="other.safetensors is no inpainting network"):
        load_inpainting_network(other)
    huge = tmp_path / "huge.safetensors"
    save_file({"weight": torch.zeros(2)}, huge, metadata={"size": "1000000"})
    with pytest.raises(AssetError, match="size 1000000"):
        load_inpainting_network(huge)
    nameless = tmp_path / "texture_inpainting_nameless.safetensors"
    save_file({"weight": torch.zeros(2)}, nameless)
    monkeypatch.setenv(ASSETS_VARIABLE, str(tmp_path))
    path.unlink()
    with pytest.raises(AssetError, match="nameless.safetensors is no inpainting network"):
        find_inpainting_network(triangle())
