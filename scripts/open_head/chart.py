"""The UV chart made for faces: frontal face, seam at the back, symmetric, without overlaps.

Every symmetric part (skin, mouth interior, rows of teeth) is halved along the midline and each half
is flattened onto a rectangle: first by Tutte's embedding, which cannot overlap, then by minimising
stretch with steps that cannot flip a triangle. A map of a disk that flips nothing and takes its
boundary one-to-one onto a rectangle's is one-to-one everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from scripts.open_head.chart_mesh import (
    ChartError,
    ChartSource,
    HalfDisk,
    boundary_loops,
    face_parts,
    left_half,
    make_half_disk,
)
from scripts.open_head.chart_solve import (
    FlatteningProblem,
    mean_value_weights,
    minimise_stretch,
    rest_triangles,
    signed_areas,
    tutte_embedding,
)
from scripts.open_head.density import TexelDensity, texel_density
from scripts.open_head.write import update_npz

MARGIN = 0.008
"""Free space around every island: 4 texels at 512."""
STRIP_HEIGHT = 0.150
"""Height of the strip under the skin that holds eyeballs, mouth interior and teeth."""
EYE_RADIUS = 0.067
EYE_FALLOFF_RADIANS = 0.75
"""Eyeball texels are dense at the pupil: radius ~ 1 - exp(-angle / this)."""
SEAM_TOP = (0.0, 1.0)
"""Direction (z, y) from the middle of the ears to the point of the crown at which the seam ends."""
NEWTON_ITERATIONS = 400


@dataclass(frozen=True)
class Rectangle:
    """An upright rectangle of the chart, symmetric about u = 0.5.

    Attributes:
        half_width: Half its width.
        bottom: Lowest v.
        top: Highest v.
    """

    half_width: float
    bottom: float
    top: float

    @property
    def height(self) -> float:
        """Its height."""
        return self.top - self.bottom


@dataclass(frozen=True)
class Chart:
    """Texture vertices and the triangles over them, in the order of the mesh's triangles."""

    uv: Float[np.ndarray, "T 2"]
    faces: Int[np.ndarray, "F 3"]


def island_rectangles() -> dict[str, Rectangle]:
    """Place the rectangular islands: skin above, mouth and teeth stacked in the strip below."""
    strip_top = MARGIN + STRIP_HEIGHT
    half_width = 0.5 - 2 * MARGIN - 2 * EYE_RADIUS - MARGIN
    teeth = 0.027
    lower = Rectangle(half_width, MARGIN, MARGIN + teeth)
    upper = Rectangle(half_width, lower.top + MARGIN, lower.top + MARGIN + teeth)
    mouth = Rectangle(half_width, upper.top + MARGIN, strip_top)
    skin = Rectangle(0.5 - MARGIN, strip_top + MARGIN, 1 - MARGIN)
    return {"skin": skin, "mouth_interior": mouth, "upper_teeth": upper, "lower_teeth": lower}


def _outline_corners(
    disk: HalfDisk, vertices: Float[np.ndarray, "V 3"], rectangle: Rectangle, first: int | None
) -> tuple[int, int]:
    """Return positions in the outline of the rectangle's bottom right and top right corner.

    Args:
        disk: The half part.
        vertices: Positions of the mesh.
        rectangle: Where it goes.
        first: Position of the bottom right corner, or None to share the outline out by length.
    """
    points = vertices[disk.vertex[disk.outline]]
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    width, height = rectangle.half_width, rectangle.height
    if first is None:
        first = int(np.argmin(np.abs(along - along[-1] * width / (2 * width + height))))
    rest = along[first] + (along[-1] - along[first]) * height / (height + width)
    return first, int(np.argmin(np.abs(along - rest)))


def _sharpest_corners(disk: HalfDisk, vertices: Float[np.ndarray, "V 3"]) -> tuple[int, int]:
    """Return the two positions of the outline with the smallest inner angle: a strip's end."""
    corners = vertices[disk.vertex[disk.faces]]
    angle = np.zeros(len(disk.vertex))
    for k in range(3):
        first = corners[:, (k + 1) % 3] - corners[:, k]
        second = corners[:, (k + 2) % 3] - corners[:, k]
        cosine = (first * second).sum(1)
        cosine /= np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
        np.add.at(angle, disk.faces[:, k], np.arccos(np.clip(cosine, -1, 1)))
    inner = angle[disk.outline[1:-1]]
    low, high = sorted(np.argsort(inner, kind="stable")[:2].tolist())
    return low + 1, high + 1


def _side(
    points: Float[np.ndarray, "m 3"], start: tuple[float, float], end: tuple[float, float]
) -> Float[np.ndarray, "m 2"]:
    """Spread a boundary chain over a side of the rectangle by length in space."""
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    share = (along / along[-1])[:, None]
    return (1 - share) * np.array(start) + share * np.array(end)


def flatten_half(
    disk: HalfDisk,
    vertices: Float[np.ndarray, "V 3"],
    rectangle: Rectangle,
    density: TexelDensity,
    corners: tuple[int, int],
) -> Float[np.ndarray, "n 2"]:
    """Flatten a half part onto [0, half_width] x [bottom, top] with its midline at u = 0."""
    width, bottom, top = rectangle.half_width, rectangle.bottom, rectangle.top
    points = vertices[disk.vertex]
    outline = disk.outline
    chains = [
        (disk.midline, (0.0, top), (0.0, bottom), 0),
        (outline[: corners[0] + 1], (0.0, bottom), (width, bottom), 1),
        (outline[corners[0] : corners[1] + 1], (width, bottom), (width, top), 0),
        (outline[corners[1] :], (width, top), (0.0, top), 1),
    ]
    uv = np.zeros((len(points), 2))
    is_free = np.ones((len(points), 2), bool)
    for chain, start, end, held in chains:
        uv[chain] = _side(points[chain], start, end)
        is_free[chain, held] = False
    for chain, *_ in chains:
        is_free[chain[[0, -1]]] = False
        if np.isin(disk.faces, chain).all(1).any():
            raise ChartError("a triangle lies wholly on one side of the rectangle; refine it")
    boundary = np.unique(np.concatenate([chain for chain, *_ in chains]))
    start_uv = tutte_embedding(mean_value_weights(points, disk.faces), boundary, uv[boundary])
    is_fill = np.arange(len(disk.faces)) >= len(disk.faces) - disk.fill_count
    scale = density.scale[disk.vertex][disk.faces].mean(1)
    rest = rest_triangles(points[disk.faces], np.maximum(scale, 1e-3))
    area = np.abs(np.linalg.det(rest[:, 1:] - rest[:, :1])) / 2
    factor = np.sqrt(width * rectangle.height / area[~is_fill].sum())
    importance = density.importance[disk.vertex][disk.faces].mean(1)
    problem = FlatteningProblem(
        rest * factor, area / area[~is_fill].sum() * importance, is_fill, disk.faces, is_free
    )
    flat = minimise_stretch(problem, start_uv, iterations=NEWTON_ITERATIONS)
    if signed_areas(flat, disk.faces).min() <= 0:
        raise ChartError("flattening flipped a triangle")
    return flat


def _skin_disk(source: ChartSource, part: Int[np.ndarray, "f"]) -> HalfDisk:
    """Halve the skin, with the mouth filled and the cut from the back of the neck to the crown."""
    vertices = source.vertices
    on_midline = source.mirror == np.arange(len(vertices))
    lips, neck = sorted(boundary_loops(source.faces[part]), key=lambda k: vertices[k, 1].min())[
        ::-1
    ]
    lip_middle = sorted((v for v in lips if on_midline[v]), key=lambda v: -vertices[v, 1])
    neck_middle = sorted((v for v in neck if on_midline[v]), key=lambda v: -vertices[v, 2])
    half_middle = np.flatnonzero(on_midline & np.isin(np.arange(len(vertices)), source.faces[part]))
    centre = vertices[source.regions["left_ear"]].mean(0) * [0, 1, 1]
    towards = np.array([0, SEAM_TOP[1], SEAM_TOP[0]])
    offset = vertices[half_middle] - centre
    cosine = offset @ towards / np.linalg.norm(offset, axis=1)
    crown = int(half_middle[np.argmax(cosine)])
    return make_half_disk(
        source, part, top=crown, bottom=neck_middle[0], slit=(lip_middle[0], lip_middle[-1])
    )


def _midline_ends(source: ChartSource, part: Int[np.ndarray, "f"]) -> tuple[int, int]:
    """Return the first and last midline vertex of a half part's boundary, in its direction."""
    (loop,) = boundary_loops(left_half(source, part))
    is_middle = source.mirror[loop] == np.array(loop)
    first = int(np.flatnonzero(is_middle & ~np.roll(is_middle, 1))[0])
    last = int(np.flatnonzero(is_middle & ~np.roll(is_middle, -1))[0])
    return loop[first], loop[last]


def _eyeball_uv(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "f 3"], centre_uv: np.ndarray
) -> tuple[Float[np.ndarray, "f 3 2"], Int[np.ndarray, "f 3"]]:
    """Flatten a ball around its front (+z); the point at its back becomes a ring of points."""
    used = np.unique(faces)
    middle = (vertices[used].max(0) + vertices[used].min(0)) / 2
    direction = vertices[faces] - middle
    direction /= np.linalg.norm(direction, axis=2, keepdims=True)
    polar = np.arccos(np.clip(direction[..., 2], -1, 1))
    is_back = direction[..., 2] < -1 + 1e-6  # noqa: PLR2004
    planar = direction[..., :2].copy()
    planar[is_back] = (planar * ~is_back[..., None]).sum(1)[is_back.any(1)]
    planar /= np.maximum(np.linalg.norm(planar, axis=2, keepdims=True), 1e-12)
    radius = (1 - np.exp(-polar / EYE_FALLOFF_RADIANS)) / (1 - np.exp(-np.pi / EYE_FALLOFF_RADIANS))
    uv = centre_uv + EYE_RADIUS * radius[..., None] * planar
    ids = faces.copy()
    ids[is_back] = len(vertices) + np.flatnonzero(is_back.any(1))
    return uv, ids


def _corners_for(
    name: str, disk: HalfDisk, source: ChartSource, rectangle: Rectangle
) -> tuple[int, int]:
    """Choose the vertices at the rectangle's outer corners."""
    if name.endswith("teeth"):
        return _sharpest_corners(disk, source.vertices)
    first = None
    if name == "skin":
        middle = source.mirror[disk.vertex[disk.outline]] == disk.vertex[disk.outline]
        first = int(np.flatnonzero(middle)[1])
    return _outline_corners(disk, source.vertices, rectangle, first)


def _weld(corner_uv: Float[np.ndarray, "F 3 2"], corner_id: Int[np.ndarray, "F 3"]) -> Chart:
    """Merge corners with the same key into texture vertices."""
    keys, first, inverse = np.unique(corner_id.ravel(), return_index=True, return_inverse=True)
    uv = corner_uv.reshape(-1, 2)[first]
    return Chart(uv, inverse.reshape(corner_id.shape))


def build_chart(source: ChartSource) -> Chart:
    """Flatten all parts of the head into the unit square."""
    parts = face_parts(source)
    rectangles = island_rectangles()
    count = len(source.vertices)
    corner_uv = np.full((len(source.faces), 3, 2), np.nan)
    corner_id = np.zeros((len(source.faces), 3), np.int64)
    density = texel_density(source)
    for index, name in enumerate(name for name in rectangles if name in parts):
        part = parts[name]
        if name == "skin":
            disk = _skin_disk(source, part)
        else:
            top, bottom = _midline_ends(source, part)
            disk = make_half_disk(source, part, top=top, bottom=bottom)
        rectangle = rectangles[name]
        corners = _corners_for(name, disk, source, rectangle)
        flat = flatten_half(disk, source.vertices, rectangle, density, corners)
        half_uv = np.full((count, 2), np.nan)
        half_uv[disk.vertex] = flat
        faces = source.faces[part]
        is_left = np.isin(faces, disk.vertex).all(1) & (source.vertices[faces].mean(1)[:, 0] > 0)
        partner = np.where(is_left[:, None], faces, source.mirror[faces])
        sign = np.where(is_left, 1.0, -1.0)[:, None, None]
        corner_uv[part] = half_uv[partner] * np.concatenate([sign, sign**2], axis=2) + [0.5, 0]
        # Only vertices that lie on u = 0.5 are shared by the two halves.
        is_shared = half_uv[partner][..., 0] == 0
        copy = np.where(is_shared | is_left[:, None], 0, 1)
        corner_id[part] = faces + (2 * index + copy) * 2 * count
    for sign, name in ((1, "left_eyeball"), (-1, "right_eyeball")):
        side = 0.5 - MARGIN - EYE_RADIUS
        centre = np.array([0.5 + sign * side, MARGIN + STRIP_HEIGHT / 2])
        uv, ids = _eyeball_uv(source.vertices, source.faces[parts[name]], centre)
        corner_uv[parts[name]] = uv
        corner_id[parts[name]] = ids + (20 + sign) * 2 * count
    return _weld(corner_uv, corner_id)


def read_source(path: Path) -> ChartSource:
    """Read what the chart needs from the head's asset file."""
    with np.load(path, allow_pickle=False) as data:
        regions = dict(zip(data["region_names"].tolist(), data["region_masks"], strict=True))
        return ChartSource(
            data["v_template"].astype(np.float64),
            data["f"].astype(np.int64),
            data["mirror_vertex"].astype(np.int64),
            regions,
        )


def add_chart(path: Path) -> None:
    """Build the chart of the head in an asset file and write it there as `vt` and `ft`."""
    chart = build_chart(read_source(path))
    update_npz(path, {"vt": chart.uv.astype(np.float32), "ft": chart.faces.astype(np.int32)})
