"""Points of OpenHead, of which the project's own network speaks, on other head models."""

from __future__ import annotations

from flame_fit.asset_files import find_asset, sha256_of
from flame_fit.flame import FlameAssets, load_assets
from flame_fit.head_models.layout_heads import model_layout
from flame_fit.head_models.layouts import HeadCarry
from flame_fit.head_models.library import REFERENCE


def carry_from_reference(assets: FlameAssets) -> HeadCarry | None:
    """Return what carries OpenHead's points to a head model; None if they lie on it already.

    OpenHead is laid over the model once, which takes some seconds, and kept in the user's asset
    folder.

    Raises:
        AssetError: The model cannot carry them: it has no chart, no landmarks or no eyeballs.
    """
    path = find_asset(f"{REFERENCE}.npz")
    if assets.sha256 == sha256_of(path):
        return None
    return HeadCarry(model_layout(load_assets(path)), model_layout(assets))
