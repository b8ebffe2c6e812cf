"""The points of OpenHead's surface whose place the head network tells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int

from flame_fit.errors import AssetError
from flame_fit.flame import FlameAssets
from flame_fit.geometry import SurfacePoints
from flame_fit.priors.face_mesh_topology import MESH_COUNT, POINT_COUNT, face_mesh_topology
from flame_fit.render import rasterize_chart

GRID = 32
"""Cells of the chart in each direction; the middle of each that lies on skin is a point."""
IBUG_MIRROR = (
    *range(16, -1, -1),
    *range(26, 16, -1),
    *range(27, 31),
    *range(35, 30, -1),
    *(45, 44, 43, 42, 47, 46),
    *(39, 38, 37, 36, 41, 40),
    *(54, 53, 52, 51, 50, 49, 48),
    *(59, 58, 57, 56, 55),
    *(64, 63, 62, 61, 60),
    *(67, 66, 65),
)


@dataclass(frozen=True, eq=False)
class DensePoints:
    """The points, in the order of the network's outputs.

    Attributes:
        points: Triangles and weights on OpenHead.
        mirror: For each point the one on the other side.
    """

    points: SurfacePoints
    mirror: Int[np.ndarray, "N"]


def dense_points(assets: FlameAssets) -> DensePoints:
    """Return the points: a grid over the chart's skin, then iBUG's 68, the lids and the irises.

    Args:
        assets: OpenHead.
    """
    chart, regions, marks = assets.chart, assets.regions, assets.landmarks
    if chart is None or regions is None or marks is None:
        raise AssetError(f"model {assets.name!r} lacks chart, regions or landmarks; use open_head")
    if marks.mediapipe is None or marks.ibug is None:
        raise AssetError(f"model {assets.name!r} lacks landmark embeddings; use open_head")
    texels = rasterize_chart(chart.uv, chart.faces, GRID)
    face = texels.face_index.reshape(-1)
    skin = regions.mask("skin")[assets.faces].all(-1)
    chosen = ((face >= 0) & skin[face.clamp_min(0)]).nonzero()[:, 0]
    flipped = (chosen // GRID) * GRID + (GRID - 1 - chosen % GRID)
    chosen = chosen[torch.isin(flipped, chosen)]
    flipped = (chosen // GRID) * GRID + (GRID - 1 - chosen % GRID)
    grid_mirror = torch.searchsorted(chosen, flipped).numpy()
    topology = face_mesh_topology()
    fine = np.concatenate(
        [topology.left_eye, topology.right_eye, np.arange(MESH_COUNT, POINT_COUNT)]
    )
    place = {int(index): number for number, index in enumerate(fine)}
    fine_mirror = np.array([place[int(topology.mirror[index])] for index in fine])
    parts = (
        SurfacePoints(face[chosen], texels.barycentrics.reshape(-1, 3)[chosen]),
        marks.ibug,
        SurfacePoints(marks.mediapipe.face_index[fine], marks.mediapipe.barycentrics[fine]),
    )
    count = len(chosen)
    return DensePoints(
        points=SurfacePoints(
            torch.cat([part.face_index.long() for part in parts]),
            torch.cat([part.barycentrics.float() for part in parts]),
        ),
        mirror=np.concatenate(
            [
                grid_mirror,
                count + np.array(IBUG_MIRROR),
                count + len(IBUG_MIRROR) + fine_mirror,
            ]
        ),
    )
