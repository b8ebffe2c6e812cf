"""A tiny texture decoder with made-up weights that draws skin with smooth blotches."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

from flame_fit.priors.texture_decoder import GeneratorLayout, TextureGenerator

LAYOUT = GeneratorLayout(side=32, latent=16, channel_base=512, most_channels=16, mapping_layers=2)
SKIN = (0.75, 0.6, 0.52)
SPREAD = 0.08
"""Deviation of the sRGB texels of its maps from their mean."""


def tiny_decoder() -> TextureGenerator:
    torch.manual_seed(3)
    decoder = TextureGenerator(LAYOUT)
    with torch.no_grad():
        vectors = torch.randn(64, LAYOUT.latent)
        maps = decoder(decoder.latents(vectors)) - 0.5
        share = SPREAD / (maps - maps.mean(dim=0)).std()
        for block in decoder.synthesis.blocks:
            block.torgb.weight *= share
        middle = (decoder(decoder.latents(vectors)) - 0.5).mean(dim=(0, 1, 2))
        decoder.synthesis.blocks[0].torgb.bias += 2.0 * (torch.tensor(SKIN) - 0.5 - middle)
        decoder.mapping.w_avg.copy_(decoder.mapping(vectors).mean(dim=0))
    return decoder.eval().requires_grad_(requires_grad=False)


def write_decoder(path: Path) -> Path:
    state = tiny_decoder().state_dict()
    save_file({name: value.contiguous() for name, value in state.items()}, path)
    return path
