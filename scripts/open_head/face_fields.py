"""Where things are on the head: soft masks painted in space and seen at the chart's texels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spla
from jaxtyping import Bool, Float, Int
from scipy.sparse import csgraph
from scipy.spatial import cKDTree

from flame_fit.geometry.patches import border_loops
from flame_fit.head_models.chart_source import ChartSource, chart_parts, neighbour_average
from scripts.open_head.texels import TexelMap

MILLIMETRE = 1e-3


@dataclass(frozen=True)
class Anchors:
    """Points of the template that everything is painted relative to (metres).

    Attributes:
        eye: Centre of the left eyeball.
        eye_radius: Radius of the eyeballs.
        iris_angle: Polar angle of the limbus from the eyeball's front, radians.
        lip_seam: Where the lips meet, the left half, from the upper middle to the lower middle.
        mouth: Middle of the seam between the lips.
        nose_tip: Foremost point of the nose.
        chin: Foremost low point of the chin on the midline.
        ear: Middle of the left ear.
    """

    eye: Float[np.ndarray, "3"]
    eye_radius: float
    iris_angle: float
    lip_seam: Float[np.ndarray, "n 3"]
    mouth: Float[np.ndarray, "3"]
    nose_tip: Float[np.ndarray, "3"]
    chin: Float[np.ndarray, "3"]
    ear: Float[np.ndarray, "3"]


def smooth_step(value: Float[np.ndarray, "*n"], low: float, high: float) -> Float[np.ndarray, "*n"]:
    """Return 0 below low, 1 above high (the other way round if low > high), smooth between."""
    share = np.clip((value - low) / (high - low), 0, 1)
    return share * share * (3 - 2 * share)


def find_anchors(source: ChartSource) -> Anchors:
    """Find the anchors from the region masks and the mesh."""
    vertices = source.vertices
    ball = vertices[source.regions["left_eyeball"]]
    eye = (ball.max(0) + ball.min(0)) / 2
    radius = float(np.linalg.norm(ball - eye, axis=1).mean())
    iris = vertices[source.regions["left_iris"]] - eye
    iris_angle = float(np.arccos((iris[:, 2] / np.linalg.norm(iris, axis=1)).min()))
    skin = source.faces[chart_parts(source)[0].faces]
    lips = np.array(max(border_loops(skin), key=lambda k: vertices[k, 1].min()))
    seam = vertices[lips]
    middle = source.mirror[lips] == lips
    left = seam[seam[:, 0] >= 0]
    on_midline = (source.mirror == np.arange(len(vertices))) & np.isin(
        np.arange(len(vertices)), skin
    )
    line = vertices[on_midline]
    mouth = seam[middle].mean(0)
    nose = line[(line[:, 1] < eye[1]) & (line[:, 1] > mouth[1])]
    low = line[(line[:, 1] < mouth[1] - 20 * MILLIMETRE) & (line[:, 2] > 0)]
    return Anchors(
        eye=eye,
        eye_radius=radius,
        iris_angle=iris_angle,
        lip_seam=left,
        mouth=mouth,
        nose_tip=nose[np.argmax(nose[:, 2])],
        chin=low[np.argmax(low[:, 2] - 0.3 * np.abs(low[:, 1] - mouth[1] - 0.035))],
        ear=vertices[source.regions["left_ear"]].mean(0),
    )


def blob(
    points: Float[np.ndarray, "*n 3"], centre: np.ndarray, radii_millimetres: tuple[float, ...]
) -> Float[np.ndarray, "*n"]:
    """Return a Gaussian bump (1 at the centre) on both sides of the face."""
    folded = np.concatenate([np.abs(points[..., :1]), points[..., 1:]], axis=-1)
    scaled = (folded - centre) / (np.array(radii_millimetres) * MILLIMETRE)
    return np.exp(-0.5 * (scaled**2).sum(-1))


def lip_line(points: Float[np.ndarray, "n 3"], anchors: Anchors) -> Float[np.ndarray, "n"]:
    """Return 1 where the lips meet, fading within two millimetres."""
    seam = anchors.lip_seam
    dense = np.concatenate([np.linspace(a, b, 6) for a, b in zip(seam, seam[1:], strict=False)])
    folded = np.concatenate([np.abs(points[:, :1]), points[:, 1:]], axis=1)
    distance = cKDTree(dense).query(folded)[0]
    return smooth_step(distance, 1.8 * MILLIMETRE, 0.3 * MILLIMETRE)


@dataclass(frozen=True)
class BrowFrame:
    """Coordinates for painting brows, in millimetres from the eye's centre.

    Attributes:
        outward: Along the brow, away from the nose.
        up: Across it.
        near: 1 on the front of the face around the brow.
    """

    outward: Float[np.ndarray, "*n"]
    up: Float[np.ndarray, "*n"]
    near: Float[np.ndarray, "*n"]


def brow_frame(points: Float[np.ndarray, "*n 3"], anchors: Anchors) -> BrowFrame:
    """Measure texels in the brow's frame; at the temple the depth counts as length."""
    offset = (points - anchors.eye) / MILLIMETRE
    folded = (np.abs(points[..., 0]) - anchors.eye[0]) / MILLIMETRE
    behind = np.maximum(12 - offset[..., 2], 0)
    outward = folded + np.where(folded > 0, 0.45 * behind, 0)
    near = smooth_step(offset[..., 2], -15, -2)
    return BrowFrame(outward, offset[..., 1], near)


def paint_brow(
    frame: BrowFrame, *, raise_mm: float, thickness: float, arch: float
) -> Float[np.ndarray, "*n"]:
    """Paint soft-edged brows.

    Args:
        frame: Coordinates.
        raise_mm: Shift upwards, millimetres.
        thickness: Factor on the usual thickness.
        arch: Factor on the usual curvature.
    """
    s = frame.outward
    centre = 20.8 + raise_mm - arch * 0.0085 * (s - 7) ** 2
    share = np.clip((s + 19) / 50, 0, 1)
    half = thickness * (4.0 - 2.6 * share)
    across = np.abs(frame.up - centre)
    soft = smooth_step(across / half, 1.35, 0.45)
    ends = smooth_step(s, -20, -14) * smooth_step(s, 31, 22)
    return soft * ends * frame.near


def surface_modes(source: ChartSource, count: int) -> Float[np.ndarray, "V m"]:
    """Return the smoothest non-constant functions on the skin: eigenvectors of its Laplacian."""
    total = len(source.vertices)
    faces = source.faces[chart_parts(source)[0].faces]
    used = np.unique(faces)
    a, b = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).T
    length = np.linalg.norm(source.vertices[a] - source.vertices[b], axis=1)
    weight = sp.csr_matrix((1 / np.maximum(length, 1e-5) ** 2, (a, b)), (total, total))
    weight = ((weight + weight.T) / 2)[used][:, used]
    laplacian = sp.diags(np.asarray(weight.sum(1)).ravel()) - weight
    laplacian = laplacian / np.median(laplacian.diagonal())
    start = np.random.default_rng(0).standard_normal(len(used))
    _, vectors = spla.eigsh(laplacian.tocsc(), k=count + 1, sigma=-1e-4, v0=start)
    order = np.argsort(_)
    vectors = vectors[:, order[1:]]
    modes = np.zeros((total, count))
    modes[used] = vectors / vectors.std(0)
    return modes


def rings_from(
    source: ChartSource, start: Bool[np.ndarray, "V"], limit: int
) -> Float[np.ndarray, "V"]:
    """Return the number of edges from a set of vertices, at most the limit."""
    faces = source.faces
    a, b = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).T
    total = len(source.vertices)
    graph = sp.csr_matrix((np.ones(len(a)), (a, b)), (total, total))
    found = csgraph.dijkstra(
        graph,
        directed=False,
        indices=np.flatnonzero(start),
        unweighted=True,
        min_only=True,
        limit=limit,
    )
    return np.minimum(found, limit)


def smooth_mask(
    mask: Bool[np.ndarray, "V"], faces: Int[np.ndarray, "F 3"], rounds: int
) -> Float[np.ndarray, "V"]:
    """Soften a vertex mask by averaging over neighbours."""
    average = neighbour_average(faces, len(mask))
    values = mask.astype(np.float64)
    for _ in range(rounds):
        values = average @ values
    return values


def part_of_texel(source: ChartSource, texels: TexelMap) -> dict[str, Bool[np.ndarray, "U U"]]:
    """Return which part each texel belongs to."""
    label = np.zeros(len(source.faces), int)
    parts = chart_parts(source)
    for index, part in enumerate(parts):
        label[part.faces] = index
    seen = label[texels.face]
    return {part.name: seen == index for index, part in enumerate(parts)}
