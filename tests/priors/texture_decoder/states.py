"""State dicts of StyleGAN2 generators, written down name by name as NVIDIA's version has them."""

from __future__ import annotations

import torch

FILTER = torch.outer(torch.tensor([1.0, 3.0, 3.0, 1.0]), torch.tensor([1.0, 3.0, 3.0, 1.0])) / 64


def published_shapes(
    side: int = 1024, latent: int = 512, base: int = 32768, most: int = 512, mapping: int = 8
) -> dict[str, tuple[int, ...]]:
    """Names and shapes, independent of the library's own classes."""
    shapes: dict[str, tuple[int, ...]] = {}
    inputs = 0
    at = 4
    while at <= side:
        outputs, block = min(base // at, most), f"synthesis.b{at}"
        shapes[f"{block}.resample_filter"] = (4, 4)
        layers = {"conv0": inputs, "conv1": outputs} if inputs else {"conv1": outputs}
        if not inputs:
            shapes[f"{block}.const"] = (outputs, 4, 4)
        for name, incoming in layers.items():
            layer = f"{block}.{name}"
            shapes[f"{layer}.weight"] = (outputs, incoming, 3, 3)
            shapes[f"{layer}.noise_strength"] = ()
            shapes[f"{layer}.bias"] = (outputs,)
            shapes[f"{layer}.resample_filter"] = (4, 4)
            shapes[f"{layer}.noise_const"] = (at, at)
            shapes[f"{layer}.affine.weight"] = (incoming, latent)
            shapes[f"{layer}.affine.bias"] = (incoming,)
        shapes[f"{block}.torgb.weight"] = (3, outputs, 1, 1)
        shapes[f"{block}.torgb.bias"] = (3,)
        shapes[f"{block}.torgb.affine.weight"] = (outputs, latent)
        shapes[f"{block}.torgb.affine.bias"] = (outputs,)
        inputs, at = outputs, 2 * at
    for number in range(mapping):
        shapes[f"mapping.fc{number}.weight"] = (latent, latent)
        shapes[f"mapping.fc{number}.bias"] = (latent,)
    shapes["mapping.w_avg"] = (latent,)
    return shapes


def small_state(seed: int = 0, side: int = 16) -> dict[str, torch.Tensor]:
    """Random weights of a small generator."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in published_shapes(side, latent=12, base=256, most=24, mapping=3).items():
        state[name] = torch.randn(shape, generator=generator)
        if name.endswith("affine.bias"):
            state[name] = torch.ones(shape)
        if name.startswith("mapping.fc") and name.endswith("weight"):
            state[name] = 100.0 * state[name]
        if name.endswith("resample_filter"):
            state[name] = FILTER.clone()
    return state
