"""A learned guess of what no photo shows of a texture."""

from flame_fit.priors.texture_inpainting.network import ChartLayers, Fill, InpaintingNetwork
from flame_fit.priors.texture_inpainting.weights import (
    SHIPPED_FILE,
    chart_key,
    find_inpainting_network,
    load_inpainting_network,
    write_inpainting_network,
)

__all__ = [
    "ChartLayers",
    "Fill",
    "InpaintingNetwork",
    "SHIPPED_FILE",
    "chart_key",
    "find_inpainting_network",
    "load_inpainting_network",
    "write_inpainting_network",
]
