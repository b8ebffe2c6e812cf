"""Charts of symmetric and of other heads: one-to-one, and OpenHead's is the committed one."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from flame_fit.errors import AssetError, InputError
from flame_fit.flame import FlameAssets, UvChart, load_assets
from flame_fit.head_models.chart import build_chart, head_chart, island_rectangles
from flame_fit.head_models.chart_source import ChartSource, chart_parts
from flame_fit.render import rasterize_chart
from flame_fit.testing import tiny_assets


def signed_areas(chart: UvChart) -> np.ndarray:
    corners = chart.uv.double().numpy()[chart.faces.numpy()]
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return 0.5 * (first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0])


def assert_one_to_one(chart: UvChart) -> None:
    """Nothing is turned over, and as many texels are covered as the triangles have area."""
    areas = signed_areas(chart)
    assert areas.min() > 0
    covered = (rasterize_chart(chart.uv, chart.faces, 1024).face_index >= 0).double().mean()
    assert float(covered) == pytest.approx(areas.sum(), rel=3e-3)
    assert float(chart.uv.min()) >= 0.0
    assert float(chart.uv.max()) <= 1.0


@pytest.fixture(scope="module")
def head() -> FlameAssets:
    return load_assets()


@pytest.fixture(scope="module")
def recomputed(head: FlameAssets) -> UvChart:
    return head_chart(replace(head, chart=None))


def test_open_heads_chart_is_the_committed_one(head: FlameAssets, recomputed: UvChart) -> None:
    assert head.chart is not None
    assert torch.equal(recomputed.faces, head.chart.faces)
    torch.testing.assert_close(recomputed.uv, head.chart.uv, atol=2e-6, rtol=0)
    assert_one_to_one(recomputed)


def test_a_closed_head_without_parts_or_regions_is_unwrapped() -> None:
    """An egg: no neck, no eyeballs, no mouth; the seam runs up its back."""
    egg = replace(tiny_assets(), chart=None, regions=None, mirror_vertex=None)
    chart = head_chart(egg)
    assert_one_to_one(chart)
    copies = np.unique(
        np.stack([egg.faces.numpy().ravel(), chart.faces.numpy().ravel()], axis=1), axis=0
    )
    vertex, count = np.unique(copies[:, 0], return_counts=True)
    seam = egg.v_template.numpy()[vertex[count > 1]]
    assert len(seam) > 3
    assert seam[:, 2].max() < 0.03


def test_a_handle_is_refused() -> None:
    ring, tube = 12, 8
    turn, around = np.meshgrid(
        np.arange(ring) * 2 * np.pi / ring, np.arange(tube) * 2 * np.pi / tube, indexing="ij"
    )
    reach = 0.1 + 0.03 * np.cos(around)
    points = np.stack([reach * np.cos(turn), reach * np.sin(turn), 0.03 * np.sin(around)], axis=-1)
    index = np.arange(ring * tube).reshape(ring, tube)
    right, up = np.roll(index, -1, axis=0), np.roll(index, -1, axis=1)
    both = np.roll(right, -1, axis=1)
    faces = np.concatenate(
        [np.stack([index, right, both], -1), np.stack([index, both, up], -1)]
    ).reshape(-1, 3)
    source = ChartSource(points.reshape(-1, 3), faces, np.full(ring * tube, -1), regions={})
    with pytest.raises(InputError, match="'skin'.*handle"):
        build_chart(source)


def test_a_bad_mesh_is_refused_and_the_remedy_named() -> None:
    head = tiny_assets()
    twice = torch.cat([head.faces, head.faces[:1, [1, 0, 2]]])
    broken = replace(head, faces=twice, chart=None, regions=None, mirror_vertex=None)
    with pytest.raises(AssetError, match="'tiny' cannot be unwrapped.*template as an OBJ file"):
        head_chart(broken)


def test_parts_become_islands_that_do_not_touch(head: FlameAssets) -> None:
    parts = chart_parts(ChartSource.of(head))
    names = tuple(part.name for part in parts)
    assert names == (
        *("skin", "mouth_interior", "upper_teeth", "lower_teeth"),
        *("left_eyeball", "right_eyeball"),
    )
    assert np.bincount(np.concatenate([part.faces for part in parts])).max() == 1
    more = island_rectangles((*names[:4], "other_0", "other_1"))
    boxes = sorted(more.values(), key=lambda box: box.bottom)
    gaps = [high.bottom - low.top for low, high in zip(boxes, boxes[1:], strict=False)]
    assert min(gaps) > 0.007
    assert min(box.height for box in boxes) > 0.01


def test_lips_that_end_in_an_open_edge_have_no_pocket(head: FlameAssets) -> None:
    """Without its mouth interior the head keeps one skin."""
    regions = head.regions
    assert regions is not None
    inside = (regions.mask("mouth_interior") | regions.mask("teeth"))[head.faces].any(dim=1)
    cut = replace(head, faces=head.faces[~inside], chart=None)
    names = [part.name for part in chart_parts(ChartSource.of(cut))]
    assert names == ["skin", "left_eyeball", "right_eyeball"]


def test_a_closed_part_whose_ends_are_neighbours_is_cut_open():
    """A flat double triangle fan and a tetrahedron: their longest way is one edge."""
    from flame_fit.geometry.patches import border_loops, cut_along
    from flame_fit.head_models.chart_patches import _long_seam

    ring = np.array([[np.cos(a), np.sin(a), 0.0] for a in np.linspace(0, 2 * np.pi, 7)[:6]])
    disk = np.vstack([ring, [[0.0, 0.0, 0.1]], [[0.0, 0.0, -0.1]]]) * [10.0, 0.1, 1.0]
    around = [(i, (i + 1) % 6) for i in range(6)]
    lens = np.array([(a, b, 6) for a, b in around] + [(b, a, 7) for a, b in around])
    corners = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    solid = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]])
    for vertices, faces in ((disk, lens), (corners, solid)):
        seam = _long_seam(vertices, faces)
        assert len(seam) >= 3
        assert len(border_loops(cut_along(faces, seam).faces)) == 1
