"""Which points of a head a camera sees, by a depth buffer."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from flame_fit.errors import InputError
from flame_fit.geometry import Camera, Crop, project
from flame_fit.render import Rasterizer, rasterize
from flame_fit.texture.surface_values import smoothstep

# Longer side of the depth buffer in pixels: about 0.4 mm each on a whole head.
DEPTH_BUFFER_PIXELS = 640
# Metres by which a point may lie behind the buffer and still be the surface seen there; covers
# the buffer's resolution on curved skin and is below the thickness of a lid or lip.
DEPTH_BIAS = 0.0015
# Metres by which something must lie in front of its surroundings to count as an occluder whose
# edge the photo may show displaced.
OCCLUDER_STEP = 0.006
# Half width, as a share of the buffer, of the strip beside an occluder that is not trusted: a fit
# is rarely better aligned than one percent of the head.
EDGE_SHARE = 0.003
# Surfaces seen at a flatter angle than this (cosine) show mostly their neighbours.
GRAZING_COSINE = 0.1
FRONTAL_COSINE = 0.35
STEEPEST_COSINE = 0.2


@dataclass(frozen=True, eq=False)
class DepthView:
    """Depth of a head as a camera sees it, ready to be looked up.

    Attributes:
        crop: Where the buffer lies in the photo.
        lookup: Maps with a pixel each: inverse depth (1/metres) of the farthest surface in the
            direct neighbourhood, of the nearest in a wider one, the share of that one which is
            covered by the head, and the share of a small one which shows eyes or mouth interior.
        seen_faces: Triangles with a pixel in the buffer or a corner in common with one that has.
        pixel_metres: Size of a buffer pixel on the head.
        edge_pixels: Half width of the wider neighbourhood.
    """

    crop: Crop
    lookup: Float[Tensor, "1 4 h w"]
    seen_faces: Bool[Tensor, " F"]
    pixel_metres: float
    edge_pixels: int


def depth_view(
    vertices: Float[Tensor, "V 3"],
    faces: Int[Tensor, "F 3"],
    camera: Camera,
    photo_size: tuple[int, int],
    *,
    inner_faces: Bool[Tensor, " F"],
    rasterizer: Rasterizer,
) -> DepthView:
    """Rasterise the head where the photo shows it.

    Args:
        vertices: World positions in metres.
        faces: Triangles.
        camera: Camera of the photo, in photo pixels.
        photo_size: Height and width of the photo.
        inner_faces: Triangles of eyeballs and mouth interior.
        rasterizer: Backend.

    Raises:
        InputError: The head lies outside the photo.
    """
    crop = head_crop(vertices, camera, photo_size)
    buffer_camera = camera.crop(crop)
    fragments = rasterize(vertices[None], faces, buffer_camera, crop.size, rasterizer=rasterizer)
    covered = (fragments.face_index >= 0)[:, None]
    inner_pixels = inner_faces[fragments.face_index.clamp_min(0).to(torch.int64)][:, None] & covered
    inverse = torch.where(covered, 1.0 / fragments.depth[:, None].clamp_min(1e-6), 0.0)
    farthest = -_widest(-torch.where(covered, inverse, torch.full_like(inverse, 1e6)), 1)
    edge = max(1, round(EDGE_SHARE * max(crop.size)))
    nearest = _box_blur(_widest(inverse, edge), edge)
    inside = _box_blur(covered.to(inverse.dtype), edge)
    part = _box_blur(inner_pixels.to(inverse.dtype), edge)
    depth = project(buffer_camera, vertices[None]).depth.mean()
    focal = float(buffer_camera.focal.mean())
    metres = 1.0 / focal if camera.projection == "orthographic" else float(depth) / focal
    return DepthView(
        crop=crop,
        lookup=torch.cat([farthest, nearest, inside, part], dim=1),
        seen_faces=_seen_faces(fragments.face_index, faces, len(vertices)),
        pixel_metres=metres,
        edge_pixels=edge,
    )


def head_crop(vertices: Float[Tensor, "V 3"], camera: Camera, photo_size: tuple[int, int]) -> Crop:
    """Return the part of the photo with the head, scaled to the depth buffer's size.

    Raises:
        InputError: The head lies outside the photo.
    """
    pixels = project(camera, vertices[None]).pixels[0]
    height, width = photo_size
    limit = pixels.new_tensor([width, height])
    low = torch.minimum(pixels.amin(dim=0).clamp_min(0.0), limit).floor()
    high = torch.minimum(pixels.amax(dim=0).clamp_min(0.0), limit).ceil()
    extent = high - low
    if not bool((extent >= 1.0).all()):
        raise InputError(
            f"the fitted head lies outside the {width} x {height} photo, so it has no texture; "
            "check that camera and mesh belong to this photo"
        )
    scale = DEPTH_BUFFER_PIXELS / float(extent.max())
    size = (math.ceil(float(extent[1]) * scale), math.ceil(float(extent[0]) * scale))
    return Crop(offset=low[None], scale=low.new_full((1, 1), scale), size=size)


@dataclass(frozen=True, eq=False)
class PartOfPoints:
    """Which points are not skin.

    Attributes:
        inner: On an eyeball or in the mouth.
        mouth: In the mouth.
    """

    inner: Bool[Tensor, " N"]
    mouth: Bool[Tensor, " N"]


def visibility(
    view: DepthView,
    pixels: Float[Tensor, "N 2"],
    depth: Float[Tensor, " N"],
    cosine: Float[Tensor, " N"],
    part: PartOfPoints,
) -> Float[Tensor, " N"]:
    """Return how surely points are seen, from 0 (hidden or at an edge) to 1.

    Inside the mouth only the depth decides: the opening is a strip, all of which is an edge.

    Args:
        view: Depth of the head.
        pixels: Photo pixels of the points.
        depth: Metres in front of the camera.
        cosine: Cosine between each point's normal and the direction to the camera.
        part: Which points lie on an eyeball or in the mouth.
    """
    height, width = view.crop.size
    position = (pixels - view.crop.offset) * view.crop.scale
    grid = position / position.new_tensor([width, height]) * 2.0 - 1.0
    at_points = functional.grid_sample(
        view.lookup,
        grid[None, :, None],
        mode="bilinear",
        padding_mode="zeros",
        align_corners=False,
    )[0, :, :, 0]
    slope = (1.0 - cosine**2).clamp_min(0.0).sqrt() / cosine.clamp_min(STEEPEST_COSINE)
    step = slope * view.pixel_metres
    farthest = 1.0 / at_points[0].clamp_min(1e-6)
    direct = 1.0 - smoothstep(depth - farthest, DEPTH_BIAS + step, 2.0 * DEPTH_BIAS + 2.0 * step)
    nearest = 1.0 / at_points[1].clamp_min(1e-6)
    margin = OCCLUDER_STEP + 1.5 * view.edge_pixels * step
    clear = 1.0 - smoothstep(depth - nearest, margin, 2.0 * margin)
    inside = smoothstep(at_points[2], 0.45, 0.75)
    # Lid pixels on an eyeball show from other sides, eye pixels on a lid are lashes.
    on_eye = smoothstep(at_points[3], 0.55, 0.95)
    pure = torch.where(part.inner, on_eye, smoothstep(1.0 - at_points[3], 0.4, 0.7))
    facing = smoothstep(cosine, GRAZING_COSINE, FRONTAL_COSINE)
    return torch.where(part.mouth, direct, direct * clear * inside * facing * pure)


def _widest(image: Float[Tensor, "1 1 h w"], radius: int) -> Float[Tensor, "1 1 h w"]:
    """Return the maximum over a square window around each pixel."""
    window = 2 * radius + 1
    rows = functional.max_pool2d(image, (window, 1), 1, (radius, 0))
    return functional.max_pool2d(rows, (1, window), 1, (0, radius))


def _box_blur(image: Float[Tensor, "1 c h w"], radius: int) -> Float[Tensor, "1 c h w"]:
    return functional.avg_pool2d(image, 2 * radius + 1, 1, radius, count_include_pad=False)


def _seen_faces(
    face_index: Int[Tensor, "1 h w"], faces: Int[Tensor, "F 3"], vertex_count: int
) -> Bool[Tensor, " F"]:
    """Return the triangles that a pixel shows and those that share a corner with one."""
    hit = torch.zeros(len(faces) + 1, dtype=torch.bool, device=faces.device)
    hit[face_index.reshape(-1).to(torch.int64)] = True
    corner = torch.zeros(vertex_count, dtype=torch.bool, device=faces.device)
    corner[faces[hit[:-1]].reshape(-1).to(torch.int64)] = True
    return corner[faces.to(torch.int64)].any(dim=1)
