"""What every photo of a session shares: models on their device."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from flame_fit.appearance import TextureSpace
from flame_fit.flame import FlameAssets, FlameModel
from flame_fit.pipeline.decoder_tools import DecoderTools
from flame_fit.render import MeshEdges, Rasterizer
from flame_fit.texture import TextureLayout


@dataclass(frozen=True)
class FitTools:
    """Models and backends, loaded once.

    Attributes:
        model: The head model with the components in use.
        texture_space: The texture space with the components in use.
        edges: Edges of the mesh, for smooth silhouettes.
        layout: The chart prepared for the size of the written texture.
        rasterizer: Says which triangle covers which pixel.
        rasterizer_name: Its name for the report.
        device: Where tensors live.
        dense_name: What tells dense points, for the report.
        parser_name: What tells labels, for the report.
        decoder: Draws the texture, where the configuration asks for one.
    """

    model: FlameModel
    texture_space: TextureSpace
    edges: MeshEdges
    layout: TextureLayout
    rasterizer: Rasterizer
    rasterizer_name: str
    device: torch.device
    dense_name: str = "none"
    parser_name: str = "none"
    decoder: DecoderTools | None = None

    @property
    def texture_count(self) -> int:
        """How many texture codes are estimated."""
        return self.texture_space.scale.shape[0]

    @property
    def assets(self) -> FlameAssets:
        """Data of the head model."""
        return self.model.assets
