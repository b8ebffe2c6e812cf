"""What is true of a rendered picture, pixel by pixel and landmark by landmark."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Int8, Int32, Int64, UInt8
from torch import Tensor

from flame_fit.flame import FlameAssets, UvChart
from flame_fit.geometry import Camera, project, vertex_normals
from flame_fit.render import (
    Rasterizer,
    covered_pixels,
    interpolate_covered,
    smooth_normals,
    to_fragments,
    to_screen,
)
from flame_fit.render.screen import ScreenVertices
from flame_fit.synth.labels import HeadLabels, picture_labels
from flame_fit.synth.solids import Solid
from flame_fit.synth.stage import Stage, chosen

HIDING_TRANSMISSION = 0.5
"""Panes that pass less light hide what is behind them."""
POINTS_AT_ONCE = 16
SAME_SURFACE = 0.0007
"""Metres by which something must lie before a point to hide it."""


@dataclass(frozen=True, eq=False)
class Subject:
    """What is known of the head in a picture.

    Attributes:
        chart: Its texture coordinates.
        skin_faces: Which of its triangles are skin.
        landmarks: World positions, metres.
        labels: Classes of its surface; None where they are not known.
    """

    chart: UvChart
    skin_faces: Bool[Tensor, "F"]
    landmarks: Float[Tensor, "L 3"]
    labels: HeadLabels | None = None


@dataclass(frozen=True, eq=False)
class PhotoTruth:
    """The truth at pixel centres; maps of the head are zero where it is not what is seen.

    Attributes:
        vertices: Head in world axes, metres.
        landmarks: MediaPipe's points in the picture, or those of the head that is shown.
        landmark_depth: Metres in front of the camera.
        landmark_visible: Whether each lies in the picture with nothing before it: neither the
            head itself nor anything else; clear glass does not count.
        solid: What is seen: -1 background, 0 the head, else an index into `names`.
        names: What the numbers of `solid` are, the head first.
        behind_glass: Seen through glass, clear or dark.
        labels: `FaceLabel` of what is seen, `IGNORE` where that is not known.
        skin: The head's skin, seen directly.
        face_index: Triangle of the head, -1 where it is not seen.
        barycentrics: Weights of its corners.
        depth: Metres in front of the camera.
        nearest_depth: The same of whatever is seen, zero where that is the background.
        uv: Chart coordinates, u right and v up.
        normals: Smooth unit normals, world axes.
    """

    vertices: Float[np.ndarray, "V 3"]
    landmarks: Float[np.ndarray, "L 2"]
    landmark_depth: Float[np.ndarray, "L"]
    landmark_visible: Bool[np.ndarray, "L"]
    solid: Int8[np.ndarray, "H W"]
    names: tuple[str, ...]
    behind_glass: Bool[np.ndarray, "H W"]
    labels: UInt8[np.ndarray, "H W"]
    skin: Bool[np.ndarray, "H W"]
    face_index: Int32[np.ndarray, "H W"]
    barycentrics: Float[np.ndarray, "H W 3"]
    depth: Float[np.ndarray, "H W"]
    nearest_depth: Float[np.ndarray, "H W"]
    uv: Float[np.ndarray, "H W 2"]
    normals: Float[np.ndarray, "H W 3"]


def picture_truth(
    stage: Stage,
    subject: Subject,
    camera: Camera,
    image_size: tuple[int, int],
    *,
    rasterizer: Rasterizer,
) -> PhotoTruth:
    """Return what is true at the pixel centres of a picture.

    Args:
        stage: All that is in it.
        subject: What is known of the head.
        camera: Camera of the picture.
        image_size: Height and width in pixels.
        rasterizer: From `make_rasterizer`.
    """
    screen = to_screen(stage.vertices[None], camera)
    covered = covered_pixels(rasterizer(screen, stage.faces, image_size), screen, stage.faces)
    solid = covered.scatter(1.0 + stage.solid_of_face[covered.face_index, None].to(covered.depth))
    head = chosen(covered, covered.face_index < stage.head_faces)
    fragments = to_fragments(head)
    faces = stage.faces[: stage.head_faces]
    vertices = stage.vertices[None, : stage.head_vertices]
    normals = smooth_normals(head, faces, vertex_normals(vertices, faces))
    uv = interpolate_covered(head, subject.chart.faces, subject.chart.uv[None])
    depth = to_fragments(covered).depth[0]
    glass = pane_depth(stage.panes, camera, image_size, rasterizer=rasterizer)
    behind = glass < torch.where(depth > 0.0, depth, torch.inf)
    skin = head.scatter(subject.skin_faces[head.face_index, None].to(depth))[0, ..., 0] > 0.0
    points = project(camera, subject.landmarks[None])
    seen = _array(solid[0, ..., 0].to(torch.int8) - 1)
    face_index, chart_place = _array(fragments.face_index[0]), _array(head.scatter(uv)[0])
    labels = picture_labels(
        subject.labels,
        face_index,
        chart_place,
        seen,
        names=stage.names,
        behind_glass=_array(behind),
    )
    return PhotoTruth(
        vertices=_array(vertices[0]),
        landmarks=_array(points.pixels[0]),
        landmark_depth=_array(points.depth[0]),
        landmark_visible=_array(_landmarks_seen(stage, subject.landmarks, camera, image_size)),
        solid=seen,
        names=stage.names,
        behind_glass=_array(behind),
        labels=labels,
        skin=_array(skin & ~behind),
        face_index=face_index,
        barycentrics=_array(fragments.barycentrics[0]),
        depth=_array(fragments.depth[0]),
        nearest_depth=_array(depth),
        uv=chart_place,
        normals=_array(head.scatter(normals)[0]),
    )


def pane_depth(
    panes: tuple[Solid, ...],
    camera: Camera,
    image_size: tuple[int, int],
    *,
    rasterizer: Rasterizer,
) -> Float[Tensor, "H W"]:
    """Return how far the nearest pane is at each pixel, metres; infinite where there is none."""
    nearest = camera.focal.new_full(image_size, torch.inf)
    for pane in panes:
        vertices = torch.from_numpy(pane.vertices).to(camera.focal)
        faces = torch.from_numpy(pane.faces).to(camera.focal.device)
        screen = to_screen(vertices[None], camera)
        seen = covered_pixels(rasterizer(screen, faces, image_size), screen, faces)
        flat = nearest.reshape(-1)
        flat[seen.pixel_index] = torch.minimum(flat[seen.pixel_index], seen.depth)
    return nearest


def points_seen(
    points: Float[Tensor, "n 3"],
    vertices: Float[Tensor, "V 3"],
    faces: Int[Tensor, "F 3"],
    camera: Camera,
) -> Bool[Tensor, "n"]:
    """Return which world points a camera sees past a mesh that they may lie on; exact.

    Args:
        points: World axes, metres.
        vertices: World axes, metres.
        faces: Triangles.
        camera: One camera.
    """
    place, screen = project(camera, points[None]), to_screen(vertices[None], camera)
    nearest = _nearest_along_rays(place.pixels[0], screen, faces)
    return (place.depth[0] > 0.0) & (place.depth[0] < nearest + SAME_SURFACE)


def _nearest_along_rays(
    pixels: Float[Tensor, "n 2"], screen: ScreenVertices, faces: Int[Tensor, "F 3"]
) -> Float[Tensor, "n"]:
    """Return the depth of the first triangle at each image position, infinite without one."""
    corners = screen.pixels[0, faces]
    low, high = corners.amin(1), corners.amax(1)
    ahead = (screen.depth[0, faces] > 0.0).all(-1)
    ahead &= ((low <= pixels.amax(0)) & (high >= pixels.amin(0))).all(-1)
    candidates = ahead.nonzero()[:, 0]
    corners, low, high = (values[candidates] for values in (corners, low, high))
    point, face = _boxes_around(pixels, low, high)
    a, b, c = corners[face].double().unbind(1)
    position = pixels[point].double()
    area = _cross(b - a, c - a)
    second, third = _cross(position - a, c - a) / area, _cross(b - a, position - a) / area
    weights = torch.stack((1.0 - second - third, second, third), dim=-1)
    depth = screen.depth[0, faces[candidates[face]]].double()
    along = 1.0 / (weights / depth).sum(-1) if screen.perspective else (weights * depth).sum(-1)
    hit = (weights >= 0.0).all(-1) & along.isfinite()
    nearest = pixels.new_full((len(pixels),), torch.inf)
    return nearest.scatter_reduce(0, point[hit], along[hit].to(pixels), reduce="amin")


def _boxes_around(
    pixels: Float[Tensor, "n 2"], low: Float[Tensor, "m 2"], high: Float[Tensor, "m 2"]
) -> Int64[Tensor, "2 k"]:
    """Return the pairs of a point and a box that holds it.

    Points are taken in groups of neighbouring columns, each against the boxes of its columns.
    """
    pairs = []
    for group in pixels[:, 0].argsort().tensor_split(max(len(pixels) // POINTS_AT_ONCE, 1)):
        if len(group) == 0:
            continue
        column, row = pixels[group, 0], pixels[group, 1]
        boxes = ((low[:, 0] <= column[-1]) & (high[:, 0] >= column[0])).nonzero()[:, 0]
        near = (low[boxes, 0] <= column[:, None]) & (column[:, None] <= high[boxes, 0])
        near &= (low[boxes, 1] <= row[:, None]) & (row[:, None] <= high[boxes, 1])
        point, box = near.nonzero().unbind(-1)
        pairs.append(torch.stack((group[point], boxes[box])))
    return torch.cat(pairs, dim=1)


def _landmarks_seen(
    stage: Stage, points: Float[Tensor, "L 3"], camera: Camera, image_size: tuple[int, int]
) -> Bool[Tensor, "L"]:
    height, width = image_size
    pixels = project(camera, points[None]).pixels[0]
    inside = ((pixels >= 0.0) & (pixels <= pixels.new_tensor([width, height]))).all(-1)
    seen = inside & points_seen(points, stage.vertices, stage.faces, camera)
    for pane in stage.panes:
        if pane.transmission is not None and max(pane.transmission) < HIDING_TRANSMISSION:
            vertices = torch.from_numpy(pane.vertices).to(points)
            faces = torch.from_numpy(pane.faces).to(points.device)
            seen &= points_seen(points, vertices, faces, camera)
    return seen


def skin_faces(assets: FlameAssets) -> Bool[Tensor, "F"]:
    """Return which triangles are skin; all of them where the model names no skin."""
    regions = assets.regions
    if regions is None or "skin" not in regions.names:
        return torch.ones_like(assets.faces[:, 0], dtype=torch.bool)
    return regions.mask("skin")[assets.faces].all(-1)


def _cross(first: Float[Tensor, "n 2"], second: Float[Tensor, "n 2"]) -> Float[Tensor, "n"]:
    return first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()
