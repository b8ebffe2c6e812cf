"""The picture beside a texture space: mean, where it was seen, and each component both ways."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, UInt8

from flame_fit.appearance import srgb_to_linear
from flame_fit.flame import FlameAssets
from flame_fit.texture.space_sheet import texture_sheet
from flame_fit.texture.spaces import SpaceMaps

MOST_COMPONENTS = 10
DEVIATIONS = 2.0
PERCENT = 100.0
BYTE_RANGE = 255.0


def space_page(
    maps: SpaceMaps,
    seen: Float[np.ndarray, "U U"],
    shares: Sequence[float] | Float[np.ndarray, " K"],
    assets: FlameAssets,
    *,
    most: int = MOST_COMPONENTS,
) -> UInt8[np.ndarray, "h w 3"]:
    """Return a picture of a space, as maps and on the head.

    Args:
        maps: The space.
        seen: Share of the maps that show each texel.
        shares: Of the variance that each component explains.
        assets: Head model that it is drawn for.
        most: Components at most.
    """
    mean = _rgb(maps.mean)
    textures = [mean, np.repeat(seen[..., None].astype(np.float32), 3, axis=2)]
    captions = ["mean", "share of the photos that show it, black none and white all"]
    for index in range(min(most, maps.components.shape[-1])):
        departure = DEVIATIONS * _rgb(maps.components[..., index])
        textures += [mean - departure, mean + departure]
        explained = f"{PERCENT * float(shares[index]):.1f} % of the variance"
        captions += [
            f"{index + 1}: -{DEVIATIONS:g} deviations, {explained}",
            f"{index + 1}: +{DEVIATIONS:g} deviations",
        ]
    linear = srgb_to_linear(torch.from_numpy(np.stack(textures)).clamp(0.0, 1.0))
    return texture_sheet(linear, assets, captions=captions)


def _rgb(image: np.ndarray) -> Float[np.ndarray, "U U 3"]:
    """Return a map from 0 to 1 in RGB order."""
    return np.ascontiguousarray(image[..., ::-1], np.float32) / np.float32(BYTE_RANGE)
