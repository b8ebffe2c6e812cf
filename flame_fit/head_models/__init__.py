"""The library of head models: installing, completing, converting."""

from flame_fit.head_models.complete import complete_assets
from flame_fit.head_models.install import InstallOutcome, install
from flame_fit.head_models.library import load_head_model
from flame_fit.head_models.listing import ListedAsset, list_assets
from flame_fit.head_models.textures import load_head_texture

__all__ = [
    "InstallOutcome",
    "ListedAsset",
    "complete_assets",
    "install",
    "list_assets",
    "load_head_model",
    "load_head_texture",
]
