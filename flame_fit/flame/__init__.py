"""FLAME-format head models: files, parameters, skinning, landmarks and their Jacobians."""

from flame_fit.flame.assets import (
    ContourTable,
    FlameAssets,
    LandmarkEmbeddings,
    Regions,
    UvChart,
    load_assets,
)
from flame_fit.flame.model import FlameModel
from flame_fit.flame.params import FlameMesh, FlameParams

__all__ = [
    "ContourTable",
    "FlameAssets",
    "FlameMesh",
    "FlameModel",
    "FlameParams",
    "LandmarkEmbeddings",
    "Regions",
    "UvChart",
    "load_assets",
]
