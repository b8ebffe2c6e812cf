"""Every texel knows its surface point, its mirror image and its gutter."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from flame_fit.errors import AssetError
from flame_fit.geometry import points_on_surface
from flame_fit.texture import (
    build_texel_geometry,
    face_region,
    mirror_points,
    mirrored_faces,
)


def test_surface_points_lie_at_the_texel_centres(ball, layout):
    texels = layout.texels
    uv = ball.chart.uv[ball.chart.faces[texels.surface.face_index]]
    uv = (uv * texels.surface.barycentrics[..., None]).sum(dim=1)
    column, row = texels.texel % texels.size, texels.texel // texels.size
    centre = torch.stack([(column + 0.5) / texels.size, 1.0 - (row + 0.5) / texels.size], dim=1)
    assert torch.allclose(uv, centre, atol=1e-5)


def test_up_is_a_lower_row_and_the_left_side_a_higher_column(ball, layout):
    texels = layout.texels
    point = points_on_surface(ball.v_template[None], ball.faces, texels.surface)[0]
    column, row = texels.texel % texels.size, texels.texel // texels.size
    assert point[row < 40, 1].min() > 0.05
    front = point[:, 2] > 0.05
    assert point[front & (column > texels.size * 0.6), 0].min() > 0.0


def test_mirrored_faces_pair_up_exactly(ball):
    image = mirrored_faces(ball.faces, ball.mirror_vertex)
    assert bool((image >= 0).all())
    assert torch.equal(image[image], torch.arange(len(ball.faces)))


def test_mirroring_twice_gives_the_point_back(ball, layout):
    points = layout.texels.surface
    once = mirror_points(points, ball.faces, ball.mirror_vertex)
    twice = mirror_points(once, ball.faces, ball.mirror_vertex)
    assert torch.equal(twice.face_index, points.face_index)
    assert torch.equal(twice.barycentrics, points.barycentrics)


def test_mirror_point_is_the_reflection_of_the_point(ball, layout):
    points = layout.texels.surface
    image = mirror_points(points, ball.faces, ball.mirror_vertex)
    here = points_on_surface(ball.v_template[None], ball.faces, points)[0]
    there = points_on_surface(ball.v_template[None], ball.faces, image)[0]
    assert torch.allclose(there, here * torch.tensor([-1.0, 1.0, 1.0]), atol=1e-6)


def test_mirror_uv_is_where_the_chart_shows_the_mirror_point(layout):
    texels = layout.texels
    column, row = texels.texel % texels.size, texels.texel // texels.size
    u, v = (column + 0.5) / texels.size, 1.0 - (row + 0.5) / texels.size
    expected = torch.stack([1.0 - u, v], dim=1)
    assert torch.allclose(texels.mirror_uv, expected, atol=1e-5)


def test_a_model_without_a_mirror_has_no_mirror_texels(ball):
    texels = build_texel_geometry(dataclasses.replace(ball, mirror_vertex=None), 64)
    assert bool((texels.mirror_uv < 0).all())


def test_a_face_without_a_mirror_image_has_no_mirror_texels(ball):
    kept = ball.faces[1:]
    chart = dataclasses.replace(ball.chart, faces=ball.chart.faces[1:])
    assets = dataclasses.replace(ball, faces=kept, chart=chart)
    image = mirrored_faces(kept, ball.mirror_vertex)
    assert int((image < 0).sum()) == 1
    texels = build_texel_geometry(assets, 256)
    lonely = image[texels.surface.face_index] < 0
    assert bool((texels.mirror_uv[lonely] < 0).all())
    assert bool((texels.mirror_uv[~lonely] > 0).all())


def test_gutter_takes_the_nearest_texel(layout):
    texels = layout.texels
    size = texels.size
    source = texels.texel[texels.gutter_source]
    there = torch.stack([texels.gutter_texel // size, texels.gutter_texel % size], dim=1)
    here = torch.stack([source // size, source % size], dim=1)
    distance = (there - here).float().norm(dim=1)
    covered = texels.covered()
    rows = covered.any(dim=1).nonzero()[:, 0]
    columns = covered.any(dim=0).nonzero()[:, 0]
    outside_row = (rows[0] - there[:, 0]).clamp_min(0) + (there[:, 0] - rows[-1]).clamp_min(0)
    outside = (columns[0] - there[:, 1]).clamp_min(0) + (there[:, 1] - columns[-1]).clamp_min(0)
    exact = torch.hypot(outside_row.float(), outside.float())
    assert torch.allclose(distance, exact, atol=0.5)
    assert bool(covered.reshape(-1)[source].all())
    assert not bool(covered.reshape(-1)[texels.gutter_texel].any())


def test_maps_and_rows_are_inverse(layout):
    texels = layout.texels
    rows = torch.rand(len(texels.texel), 2)
    image = texels.to_map(rows, fill=-1.0)
    assert torch.equal(texels.from_map(image), rows)
    assert bool((image[~texels.covered()] == -1.0).all())


def test_vertices_share_all_texels(layout):
    assert float(layout.texels.vertex_texels.sum()) == pytest.approx(
        len(layout.texels.texel), rel=1e-4
    )


def test_face_region_follows_the_vertices(ball):
    scalp = face_region(ball, "scalp", "left_eyeball")
    high = ball.v_template[ball.faces][..., 1].amin(dim=1) > 0.08
    low = ball.v_template[ball.faces][..., 1].amax(dim=1) < 0.08
    assert bool(scalp[high].all())
    assert not bool(scalp[low].any())
    assert not bool(face_region(dataclasses.replace(ball, regions=None), "scalp").any())


def test_a_model_without_a_chart_is_refused(ball):
    with pytest.raises(AssetError, match="'ball' has no UV chart"):
        build_texel_geometry(dataclasses.replace(ball, chart=None), 64)
