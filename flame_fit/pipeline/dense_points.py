"""Points all over a head: those of the face mesh, or pixels with their chart coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from flame_fit.errors import AssetError, InputError
from flame_fit.flame import FlameAssets
from flame_fit.geometry import SurfacePoints
from flame_fit.geometry.alignment import closest_points_on_mesh
from flame_fit.observation import DenseCorrespondences, Landmarks
from flame_fit.priors.face_mesh_topology import MESH_COUNT, face_mesh_topology
from flame_fit.texture.chart_lookup import ChartLookup

PIXEL_POINTS = 1000
"""Points that are taken out of a map of chart coordinates."""
SURE_MASK = 0.5
LEAST_PIXELS = 50
# Share of the coordinates that may lie beside the chart: at seams and rims they do.
MOST_BESIDE = 0.3
# What neither source says of itself: as exact as landmarks, 2 mm on a face 180 mm high.
SIGMA_SHARE = 0.011


def points_of_mesh(assets: FlameAssets) -> SurfacePoints:
    """Return where the middles of the face mesh's triangles lie on a head model.

    Raises:
        AssetError: The model has no embedding of MediaPipe's points.
    """
    embedding = None if assets.landmarks is None else assets.landmarks.mediapipe
    if embedding is None:
        raise AssetError(
            f"model '{assets.name}' has no landmarks of the face mesh; "
            "make them with: flame-fit assets embed"
        )
    vertices, faces = assets.v_template.double().cpu(), assets.faces.cpu()
    corners = vertices[faces[embedding.face_index[:MESH_COUNT].cpu()]]
    share = embedding.barycentrics[:MESH_COUNT].double().cpu()
    places = (corners * share[..., None]).sum(dim=1)
    wanted = places[torch.from_numpy(face_mesh_topology().triangles)].mean(dim=1)
    found = closest_points_on_mesh(wanted, vertices, faces).surface
    return SurfacePoints(found.face_index, found.barycentrics.float())


def mesh_points(
    points: SurfacePoints, landmarks: Landmarks, *, face_size: float
) -> DenseCorrespondences:
    """Return where the middles of the face mesh's triangles were seen.

    Args:
        points: From `points_of_mesh`.
        landmarks: The face mesh in a photo.
        face_size: Side of the face's box, photo pixels.

    Raises:
        InputError: The landmarks are of another kind.
    """
    if landmarks.kind == "ibug68":
        raise InputError(
            "the face mesh is to give dense points, and the landmarks are 68 points of a file; "
            "leave --uv mesh or --landmarks out"
        )
    triangles = face_mesh_topology().triangles
    pixels = landmarks.pixels[triangles].mean(axis=1)
    confidence = landmarks.confidence[triangles].min(axis=1)
    sigma = np.where(confidence > SURE_MASK, SIGMA_SHARE * face_size, np.inf)
    return _without_depth(points, pixels, sigma)


@dataclass(frozen=True, eq=False)
class PixelChart:
    """Which point of a chart each pixel of a part of a photo shows.

    Attributes:
        uv: Chart coordinates, u right and v up.
        mask: How surely the pixel shows the head, 0..1.
        origin: Photo pixel (x, y) of the part's upper left corner.
        scale: Photo pixels per pixel of the maps.
        source: What gave them, for messages.
    """

    uv: Float[np.ndarray, "h w 2"]
    mask: Float[np.ndarray, "h w"]
    origin: Float[np.ndarray, "2"]
    scale: float
    source: str


def pixel_points(
    lookup: ChartLookup, seen: PixelChart, *, face_size: float
) -> DenseCorrespondences:
    """Return points of the head at pixels whose chart coordinates are known.

    About `PIXEL_POINTS` are taken, evenly over the mask; the arrays have that length always, with
    points of no weight at the end.

    Args:
        lookup: The chart of the head model.
        seen: The chart coordinates.
        face_size: Side of the face's box, photo pixels.

    Raises:
        InputError: Hardly a pixel is known, or the coordinates are of another chart.
    """
    row, column = _spread_pixels(seen.mask > SURE_MASK, seen.source)
    found = lookup.points(torch.from_numpy(seen.uv[row, column]).float())
    inside = found.inside.cpu().numpy()
    beside = len(row) - int(inside.sum())
    if beside > MOST_BESIDE * len(row):
        raise InputError(
            f"{seen.source}: {beside} of {len(row)} chart coordinates lie beside the chart of the "
            "head model, so they are of another one; choose the --model they belong to"
        )
    pixels = seen.origin + (np.stack([column, row], axis=1) + 0.5) * seen.scale
    sigma = np.where(inside, SIGMA_SHARE * face_size, np.inf)
    spare = PIXEL_POINTS - len(row)
    pad = torch.nn.functional.pad
    surface = SurfacePoints(
        pad(found.surface.face_index.cpu(), (0, spare)),
        pad(found.surface.barycentrics.cpu(), (0, 0, 0, spare), value=1.0 / 3.0),
    )
    return _without_depth(
        surface,
        np.concatenate([pixels, np.zeros((spare, 2))]),
        np.concatenate([sigma, np.full(spare, np.inf)]),
    )


def _spread_pixels(known: Bool[np.ndarray, "H W"], source: str) -> Int[np.ndarray, "2 n"]:
    """Return rows and columns of known pixels, evenly spread, at most `PIXEL_POINTS`."""
    row, column = np.nonzero(known)
    if len(row) < LEAST_PIXELS:
        raise InputError(
            f"{source}: chart coordinates are known at {len(row)} pixels, at least {LEAST_PIXELS} "
            "are needed; is it the map of this photo?"
        )
    step = max(1, int(np.sqrt(len(row) / PIXEL_POINTS)))
    on_grid = (row % step == step // 2) & (column % step == step // 2)
    if on_grid.sum() >= LEAST_PIXELS:
        row, column = row[on_grid], column[on_grid]
    count = min(len(row), PIXEL_POINTS)
    chosen = np.linspace(0, len(row) - 1, count).round().astype(int)
    return np.stack([row[chosen], column[chosen]])


def _without_depth(
    points: SurfacePoints, pixels: Float[np.ndarray, "n 2"], sigma: Float[np.ndarray, " n"]
) -> DenseCorrespondences:
    return DenseCorrespondences(
        points=points,
        pixels=pixels.astype(np.float32),
        sigma=sigma.astype(np.float32),
        depth=np.zeros(len(pixels), np.float32),
        depth_sigma=np.full(len(pixels), np.inf, np.float32),
    )
