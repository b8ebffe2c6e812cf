"""A UV chart made for faces: frontal face, seam at the back, no overlaps.

Every part of the head (skin, mouth interior, rows of teeth) is flattened onto a rectangle of its
own; a symmetric part by halves, so that its island is symmetric too. Eyeballs are flattened around
their front, with most texels at the pupil.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int

from flame_fit.errors import AssetError, InputError
from flame_fit.flame import FlameAssets, UvChart
from flame_fit.geometry.flattening import Rectangle, flatten_patch
from flame_fit.head_models.chart_eyeball import flatten_eyeball
from flame_fit.head_models.chart_patches import half_patch, is_symmetric, whole_patch
from flame_fit.head_models.chart_source import (
    ChartPart,
    ChartSource,
    TexelDensity,
    chart_parts,
    texel_density,
)

MARGIN = 0.008
"""Free space around every island: 4 texels at 512."""
STRIP_HEIGHT = 0.150
"""Height of the strip under the skin that holds eyeballs, mouth interior and teeth."""
TEETH_HEIGHT = 0.027
EYE_RADIUS = 0.067
WHOLE_STOP_DECREASE = 1e-4
"""Parts that are not halved take four times as long, so they are solved less exactly."""


@dataclass(frozen=True, eq=False)
class _Islands:
    """Chart places of all corners of all triangles, and which corners are one texture vertex."""

    uv: Float[np.ndarray, "F 3 2"]
    key: Int[np.ndarray, "F 3"]


def head_chart(assets: FlameAssets) -> UvChart:
    """Compute a chart for a model from its template, regions and mirror map.

    Raises:
        AssetError: A part of the mesh cannot be flattened.
    """
    try:
        chart = build_chart(ChartSource.of(assets))
    except InputError as error:
        raise AssetError(
            f"model '{assets.name}' cannot be unwrapped: {error}; "
            "give its template as an OBJ file with texture coordinates"
        ) from error
    return UvChart(uv=chart.uv.float(), faces=chart.faces)


def build_chart(source: ChartSource) -> UvChart:
    """Flatten all parts of a head into the unit square.

    Raises:
        InputError: A part has a handle or is not well made.
    """
    parts = chart_parts(source)
    rectangles = island_rectangles(tuple(part.name for part in parts))
    count = len(source.vertices)
    islands = _Islands(
        np.full((len(source.faces), 3, 2), np.nan), np.zeros((len(source.faces), 3), np.int64)
    )
    density = texel_density(source)
    for index, part in enumerate(part for part in parts if part.name in rectangles):
        rectangle = rectangles[part.name]
        base = 4 * index * count
        if is_symmetric(source, part):
            _flatten_halves(source, part, rectangle, density, islands, base)
        else:
            patch = whole_patch(source, part, rectangle)
            flat = flatten_patch(
                patch,
                rectangle,
                scale=density.scale,
                importance=density.importance,
                stop_decrease=WHOLE_STOP_DECREASE,
            )
            own = patch.faces[: len(part.faces)]
            islands.uv[part.faces] = flat[own]
            islands.key[part.faces] = base + own
    base = 4 * len(parts) * count
    for side, name in ((1, "left_eyeball"), (-1, "right_eyeball")):
        for part in parts:
            if part.name == name:
                middle = 0.5 + side * (0.5 - MARGIN - EYE_RADIUS)
                centre = np.array([middle, MARGIN + STRIP_HEIGHT / 2])
                eye = flatten_eyeball(source.vertices, source.faces[part.faces])
                islands.uv[part.faces] = centre + EYE_RADIUS * eye.uv
                islands.key[part.faces] = base + (side + 1) * 2 * count + eye.key
    return _weld(islands)


def island_rectangles(names: tuple[str, ...]) -> dict[str, Rectangle]:
    """Place the rectangular islands: skin above, all others stacked in the strip below.

    Args:
        names: Names of the parts, in their order.
    """
    strip_top = MARGIN + STRIP_HEIGHT
    half_width = 0.5 - 2 * MARGIN - 2 * EYE_RADIUS - MARGIN
    left, right = 0.5 - half_width, 0.5 + half_width
    rows = [name for name in names if name != "skin" and not name.endswith("eyeball")]
    others = sum(not name.endswith("teeth") for name in rows)
    teeth = len(rows) - others
    free = STRIP_HEIGHT - MARGIN * max(len(rows) - 1, 0) - TEETH_HEIGHT * teeth
    height = free / max(others, 1)
    bottom = MARGIN
    rectangles = {}
    for name in reversed(rows):
        top = bottom + (TEETH_HEIGHT if name.endswith("teeth") else height)
        rectangles[name] = Rectangle(left, right, bottom, top)
        bottom = top + MARGIN
    rectangles["skin"] = Rectangle(MARGIN, 1 - MARGIN, strip_top + MARGIN, 1 - MARGIN)
    return {name: rectangles[name] for name in names if name in rectangles}


def _flatten_halves(
    source: ChartSource,
    part: ChartPart,
    rectangle: Rectangle,
    density: TexelDensity,
    islands: _Islands,
    base: int,
) -> None:
    """Flatten the left half of a part onto the right half of its rectangle, and mirror it."""
    count = len(source.vertices)
    half = Rectangle(0.0, rectangle.right - 0.5, rectangle.bottom, rectangle.top)
    patch = half_patch(source, part, half)
    flat = flatten_patch(patch, half, scale=density.scale, importance=density.importance)
    at_vertex = np.full((count, 2), np.nan)
    at_vertex[patch.vertex] = flat
    faces = source.faces[part.faces]
    is_left = np.isin(faces, patch.vertex).all(1) & (source.vertices[faces].mean(1)[:, 0] > 0)
    partner = np.where(is_left[:, None], faces, source.mirror[faces])
    sign = np.where(is_left, 1.0, -1.0)[:, None, None]
    islands.uv[part.faces] = at_vertex[partner] * np.concatenate([sign, sign**2], axis=2) + [0.5, 0]
    # Only vertices that lie on u = 0.5 are shared by the two halves.
    is_shared = at_vertex[partner][..., 0] == 0
    copy = np.where(is_shared | is_left[:, None], 0, 1)
    islands.key[part.faces] = base + faces + copy * 2 * count


def _weld(islands: _Islands) -> UvChart:
    """Merge corners with the same key into texture vertices."""
    _, first, inverse = np.unique(islands.key.ravel(), return_index=True, return_inverse=True)
    uv = islands.uv.reshape(-1, 2)[first]
    return UvChart(
        uv=torch.from_numpy(uv), faces=torch.from_numpy(inverse.reshape(islands.key.shape))
    )
