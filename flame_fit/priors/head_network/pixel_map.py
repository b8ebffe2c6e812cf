"""The head network's points drawn out over a photo: which point of the chart each pixel shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import Delaunay
from torch import Tensor

from flame_fit.flame import UvChart
from flame_fit.geometry import SurfacePoints
from flame_fit.image_files import Photo
from flame_fit.observation import DenseCorrespondences, Parsing
from flame_fit.priors.dense_networks import UvMap
from flame_fit.priors.face_shares import SKIN_LABELS
from flame_fit.render import Rasterizer, interpolate_covered, rasterize_covered
from flame_fit.render.screen import ScreenVertices

LONGEST_EDGE = 0.075
"""Of a triangle between points, in sides of the chart: longer ones span eyes and mouth."""


@dataclass(frozen=True, eq=False)
class PointMesh:
    """A head's dense points as corners of triangles.

    Attributes:
        uv: Place of each point on the chart, u right and v up.
        triangles: Between neighbours on the chart.
    """

    uv: Float[Tensor, "N 2"]
    triangles: Int[Tensor, "T 3"]


def point_mesh(points: SurfacePoints, chart: UvChart) -> PointMesh:
    """Return the triangles between points that are neighbours on the chart.

    Args:
        points: Points of the head the chart belongs to.
        chart: Its chart.
    """
    corners = chart.uv[chart.faces[points.face_index]]
    uv = (corners * points.barycentrics[..., None]).sum(dim=1)
    triangles = torch.from_numpy(Delaunay(uv.double().numpy()).simplices.astype(np.int64))
    edges = uv[triangles] - uv[triangles.roll(1, dims=1)]
    short = edges.norm(dim=-1).amax(dim=1) <= LONGEST_EDGE
    island = _islands(chart)[chart.faces[points.face_index, 0]][triangles]
    return PointMesh(uv, triangles[short & (island == island[:, :1]).all(dim=1)])


def _islands(chart: UvChart) -> Int[Tensor, "T"]:
    """Return for each place of the chart the number of its island."""
    faces = chart.faces.numpy()
    ends = (faces.reshape(-1), np.roll(faces, 1, axis=1).reshape(-1))
    graph = coo_matrix((np.ones(faces.size, np.int8), ends), shape=(len(chart.uv),) * 2)
    return torch.from_numpy(connected_components(graph, directed=False)[1]).long()


def pixel_map(
    dense: DenseCorrespondences,
    mesh: PointMesh,
    parsing: Parsing,
    photo: Photo,
    *,
    rasterizer: Rasterizer,
) -> UvMap:
    """Return which point of the chart each pixel of a photo shows, as FaceUV tells it.

    The triangles are drawn where the network sees their corners, the nearest in front; between
    corners the chart is linear. A pixel belongs to the head as far as the labels call it skin.

    Args:
        dense: Where the points lie and how deep.
        mesh: From `point_mesh` for the same points.
        parsing: What the pixels show.
        photo: The photo.
        rasterizer: For the device of `mesh`.
    """
    like = mesh.uv
    screen = ScreenVertices(
        pixels=torch.from_numpy(dense.pixels).to(like)[None],
        depth=torch.from_numpy(dense.depth).to(like)[None],
        perspective=False,
    )
    size = (photo.height, photo.width)
    covered = rasterize_covered(screen, mesh.triangles, size, rasterizer=rasterizer)
    uv = covered.scatter(interpolate_covered(covered, mesh.triangles, like[None]))[0]
    shown = covered.scatter(torch.ones(len(covered.face_index), 1).to(like))[0, ..., 0]
    skin = parsing.share([name for name in parsing.labels if name in SKIN_LABELS])
    mask = shown.cpu().numpy() * np.clip(skin.on_photo(photo), 0.0, 1.0)
    return UvMap(uv=uv.cpu().numpy(), mask=mask.astype(np.float32))


def labels_of_pixels(parsing: Parsing, photo: Photo) -> UInt8[np.ndarray, "H W"]:
    """Return the likeliest class of each pixel of a photo, background beside the parsed patch.

    Args:
        parsing: What a patch of the photo shows, in the classes of `FaceLabel`.
        photo: The photo.
    """
    best = np.zeros((photo.height, photo.width), np.float32)
    labels = np.zeros(best.shape, np.uint8)
    for number, name in enumerate(parsing.labels):
        share = parsing.share([name]).on_photo(photo)
        labels[share > best] = number
        best = np.maximum(best, share)
    return labels
