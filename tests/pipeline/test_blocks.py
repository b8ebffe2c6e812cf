"""Blocks are packed and unpacked without loss."""

from __future__ import annotations

import pytest
import torch

from flame_fit.flame import FlameParams
from flame_fit.geometry.cameras import centred_camera
from flame_fit.pipeline.blocks import ALL_BLOCKS, FreeBlocks
from flame_fit.scene import SceneParams


@pytest.fixture
def state() -> SceneParams:
    generator = torch.Generator().manual_seed(0)

    def draw(count: int) -> torch.Tensor:
        return torch.randn(1, count, generator=generator)

    flame = FlameParams(draw(4), draw(3), draw(3), draw(3), draw(3), draw(6), draw(3))
    camera = centred_camera(torch.tensor([700.0]), (480, 640))
    return SceneParams(flame, camera, draw(5), draw(27).reshape(1, 9, 3))


def test_round_trip(state):
    layout = FreeBlocks.of(state, ALL_BLOCKS)
    value = layout.pack(state)
    assert value.shape == (1, 4 + 3 + 3 + 3 + 3 + 6 + 3 + 1 + 27 + 5)
    assert layout.length == value.shape[1]
    again = layout.unpack(value, state)
    assert torch.allclose(layout.pack(again), value)
    assert torch.allclose(again.camera.focal, state.camera.focal)
    assert torch.equal(again.lighting, state.lighting)


def test_only_free_blocks_move(state):
    layout = FreeBlocks.of(state, ("jaw",))
    moved = layout.unpack(torch.tensor([[1.0, 2.0, 3.0]]), state)
    assert torch.equal(moved.flame.jaw, torch.tensor([[1.0, 2.0, 3.0]]))
    assert torch.equal(moved.flame.shape, state.flame.shape)
    assert moved.camera is state.camera


def test_focal_length_scales_both_axes(state):
    layout = FreeBlocks.of(state, ("log_focal",))
    moved = layout.unpack(layout.pack(state) + 0.1, state)
    ratio = moved.camera.focal / state.camera.focal
    assert torch.allclose(ratio, torch.full((1, 2), 0.1).exp())


def test_unknown_block_is_named(state):
    with pytest.raises(ValueError, match="'nose'.*shape"):
        FreeBlocks.of(state, ("nose",))
