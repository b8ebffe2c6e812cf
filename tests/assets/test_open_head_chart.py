"""The committed UV chart: one-to-one, symmetric, well used, made for faces."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

RASTER = 2048
ISLANDS = 6
PADDING_TEXELS = 3
PADDING_SIZE = 512


@dataclass(frozen=True)
class Head:
    vertices: np.ndarray
    faces: np.ndarray
    uv: np.ndarray
    uv_faces: np.ndarray
    mirror: np.ndarray
    regions: dict[str, np.ndarray]

    def corners(self) -> np.ndarray:
        return self.uv[self.uv_faces].astype(np.float64)


@pytest.fixture(scope="module")
def head(repository: Path) -> Head:
    with np.load(repository / "assets/open_head.npz", allow_pickle=False) as data:
        regions = dict(zip(data["region_names"].tolist(), data["region_masks"], strict=True))
        return Head(
            data["v_template"].astype(np.float64),
            data["f"],
            data["vt"],
            data["ft"],
            data["mirror_vertex"],
            regions,
        )


def signed_areas(corners: np.ndarray) -> np.ndarray:
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return 0.5 * (first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0])


def coverage(corners: np.ndarray, size: int) -> np.ndarray:
    """How many triangles hold each texel centre strictly inside."""
    count = np.zeros((size, size), np.int32)
    pixels = corners * size - 0.5
    low = np.ceil(pixels.min(1)).astype(int).clip(0, size - 1)
    high = np.floor(pixels.max(1)).astype(int).clip(0, size - 1)
    for (a, b, c), start, stop in zip(pixels, low, high, strict=True):
        x, y = np.meshgrid(
            np.arange(start[0], stop[0] + 1), np.arange(start[1], stop[1] + 1), indexing="xy"
        )
        total = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        second = ((x - a[0]) * (c[1] - a[1]) - (y - a[1]) * (c[0] - a[0])) / total
        third = ((b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0])) / total
        # A hair inside, so that rounding at shared edges is not taken for an overlap.
        inside = np.minimum(np.minimum(second, third), 1 - second - third) > 1e-5
        count[y[inside], x[inside]] += 1
    return count


def islands(head: Head) -> np.ndarray:
    """Island label of every texture vertex."""
    edges = np.concatenate([head.uv_faces[:, [0, 1]], head.uv_faces[:, [1, 2]]])
    graph = coo_matrix((np.ones(len(edges)), edges.T), (len(head.uv), len(head.uv)))
    return connected_components(graph, directed=False)[1]


def test_the_chart_belongs_to_the_mesh(head: Head) -> None:
    assert head.uv_faces.shape == head.faces.shape
    assert len(head.uv) > len(head.vertices)
    # Every texture vertex belongs to one mesh vertex.
    owner = np.full(len(head.uv), -1)
    owner[head.uv_faces.ravel()] = head.faces.ravel()
    assert (owner >= 0).all()
    assert (owner[head.uv_faces] == head.faces).all()
    assert head.uv.min() > 0
    assert head.uv.max() < 1


def test_no_triangle_is_flipped_or_empty(head: Head) -> None:
    assert signed_areas(head.corners()).min() > 0


def test_nothing_overlaps(head: Head) -> None:
    assert coverage(head.corners(), RASTER).max() == 1


def test_most_of_the_square_is_used(head: Head) -> None:
    assert (coverage(head.corners(), 1024) > 0).mean() >= 0.60
    assert signed_areas(head.corners()).sum() >= 0.60


def test_eyeballs_mouth_and_teeth_have_their_own_islands(head: Head) -> None:
    label = islands(head)[head.uv_faces[:, 0]]
    assert len(np.unique(label)) == ISLANDS
    for name in ("left_eyeball", "right_eyeball", "mouth_interior"):
        part = label[head.regions[name][head.faces].any(1)]
        assert len(np.unique(part)) == 1
        assert (label == part[0]).sum() == len(part)
    skin = label[head.regions["face"][head.faces].all(1) & head.regions["skin"][head.faces].all(1)]
    assert len(np.unique(skin)) == 1


def test_islands_keep_their_distance(head: Head) -> None:
    """Islands grown by three texels of 512 stay apart, and inside the square by as much."""
    label = islands(head)[head.uv_faces[:, 0]]
    scale = RASTER // PADDING_SIZE
    grown = np.zeros((RASTER, RASTER), int)
    for island in range(ISLANDS):
        covered = coverage(head.corners()[label == island], RASTER) > 0
        distance = ndimage.distance_transform_edt(~covered)
        grown += distance <= scale * PADDING_TEXELS / 2
    assert grown.max() == 1
    assert head.uv.min() >= PADDING_TEXELS / PADDING_SIZE
    assert head.uv.max() <= 1 - PADDING_TEXELS / PADDING_SIZE


def test_left_and_right_are_mirrored(head: Head) -> None:
    corner_uv = head.corners()
    place = {}
    for triangle, uv in zip(head.faces.tolist(), corner_uv, strict=True):
        order = np.argsort(triangle)
        place[tuple(sorted(triangle))] = uv[order]
    for triangle, uv in place.items():
        mirrored = head.mirror[list(triangle)]
        other = place[tuple(sorted(mirrored.tolist()))][np.argsort(np.argsort(mirrored))]
        assert np.allclose(other, uv * [-1, 1] + [1, 0], atol=2e-6)


def test_the_face_is_upright_and_frontal(head: Head) -> None:
    """The person's left is right in the chart, up is up, and the nose is near the middle."""
    face = head.regions["face"] & head.regions["skin"]
    owner = head.faces.ravel()
    first = np.zeros((len(head.vertices), 2))
    first[owner] = head.uv[head.uv_faces.ravel()]
    for axis in (0, 1):
        assert np.corrcoef(head.vertices[face, axis], first[face, axis])[0, 1] > 0.95
    nose = first[head.regions["nose"]].mean(0)
    assert abs(nose[0] - 0.5) < 0.02
    assert 0.4 < nose[1] < 0.75


def test_the_seam_is_at_the_back(head: Head) -> None:
    """Only vertices on the midline behind the ears, and the mouth's seam, are cut."""
    pairs = np.unique(np.stack([head.faces.ravel(), head.uv_faces.ravel()], axis=1), axis=0)
    owner, copies = np.unique(pairs[:, 0], return_counts=True)
    cut = owner[copies > 1]
    eyeballs = head.regions["left_eyeball"] | head.regions["right_eyeball"]
    cut = cut[~eyeballs[cut]]
    touches_mouth = np.isin(cut, head.faces[head.regions["mouth_interior"][head.faces].any(1)])
    at_back = cut[~touches_mouth]
    assert (head.mirror[at_back] == at_back).all()
    ears = head.vertices[head.regions["left_ear"]]
    assert (head.vertices[at_back, 2] < ears[:, 2].max()).all()


def test_the_face_has_most_texels_and_little_stretch(head: Head) -> None:
    corners, flat = head.vertices[head.faces], head.corners()
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    length = np.linalg.norm(first, axis=1)
    along = (first * second).sum(1) / length
    height = np.linalg.norm(np.cross(first, second), axis=1) / length
    edges = np.zeros((len(corners), 2, 2))
    edges[:, 0, 0], edges[:, 0, 1], edges[:, 1, 1] = length, along, height
    flat_edges = np.stack([flat[:, 1] - flat[:, 0], flat[:, 2] - flat[:, 0]], axis=2)
    stretch = np.linalg.svd(flat_edges @ np.linalg.inv(edges), compute_uv=False)
    density = np.sqrt(stretch.prod(1))
    area = length * height
    face = (head.regions["face"] & head.regions["skin"])[head.faces].all(1)
    rest = (head.regions["scalp"] | head.regions["neck"])[head.faces].all(1)

    def weighted_quantile(values: np.ndarray, mask: np.ndarray, share: float) -> float:
        order = np.argsort(values[mask])
        total = np.cumsum(area[mask][order])
        return float(values[mask][order][np.searchsorted(total, share * total[-1])])

    anisotropy = stretch[:, 0] / stretch[:, 1]
    assert weighted_quantile(anisotropy, face, 0.5) < 1.35
    assert weighted_quantile(anisotropy, face, 0.95) < 2.0
    assert weighted_quantile(density, face, 0.5) > 1.4 * weighted_quantile(density, rest, 0.5)
    assert weighted_quantile(density, face, 0.05) > 0.75 * weighted_quantile(density, face, 0.5)


def test_irises_are_round_in_the_chart(head: Head) -> None:
    for side in ("left", "right"):
        iris = head.regions[f"{side}_iris"][head.faces].all(1)
        uv = head.corners()[iris].reshape(-1, 2)
        size = np.ptp(uv, axis=0)
        assert size[0] == pytest.approx(size[1], rel=0.02)
        # At 512 an iris is at least 20 texels across.
        assert size[0] * PADDING_SIZE > 20
