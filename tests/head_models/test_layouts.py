"""Points of one head found on another through OpenHead laid over both."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from flame_fit.flame import UvChart, load_assets
from flame_fit.geometry import SurfacePoints
from flame_fit.head_models.layout_heads import model_layout
from flame_fit.head_models.layouts import HeadCarry, HeadLayout, HeadPart, head_part_of_faces


@pytest.fixture(scope="module")
def reference() -> HeadLayout:
    return model_layout(load_assets())


@pytest.fixture(scope="module")
def skin_head(reference: HeadLayout) -> HeadLayout:
    """OpenHead's skin alone, its triangles in another order, a metre away."""
    order = np.random.default_rng(0).permutation(np.flatnonzero(reference.part == HeadPart.SKIN))
    corners = np.roll(reference.faces[order], 1, axis=1)
    uv_faces = reference.chart.faces[torch.from_numpy(order)].roll(1, dims=1)
    away = reference.vertices + [0.0, 1.0, 0.0]
    return replace(
        reference,
        name="skin",
        vertices=away,
        faces=corners,
        chart=UvChart(reference.chart.uv, uv_faces),
        part=np.full(len(order), int(HeadPart.SKIN)),
        laid=away,
    )


def some_points(layout: HeadLayout, count: int = 4000) -> SurfacePoints:
    random = np.random.default_rng(1)
    share = random.dirichlet((2.0, 2.0, 2.0), count)
    return SurfacePoints(
        torch.from_numpy(random.integers(0, len(layout.faces), count)), torch.from_numpy(share)
    )


def places(layout: HeadLayout, points: SurfacePoints) -> np.ndarray:
    corners = layout.vertices[layout.faces[points.face_index.numpy()]]
    return np.einsum("ncd,nc->nd", corners, points.barycentrics.numpy())


def test_parts_are_those_of_the_regions(reference: HeadLayout) -> None:
    assets = load_assets()
    assert np.array_equal(reference.part, head_part_of_faces(assets))
    assert reference.is_reference
    middle = reference.vertices[reference.faces].mean(1)
    left = middle[reference.part == HeadPart.LEFT_EYE]
    right = middle[reference.part == HeadPart.RIGHT_EYE]
    assert len(left) == len(right) > 100
    assert (left[:, 0] > 0).all() and (right[:, 0] < 0).all()
    assert (reference.part == HeadPart.INNER).sum() > 100


def test_points_are_found_where_they_are(reference: HeadLayout, skin_head: HeadLayout) -> None:
    points = some_points(reference)
    found = HeadCarry(reference, skin_head)(points)
    skin = reference.part[points.face_index.numpy()] == HeadPart.SKIN
    valid = found.valid.numpy()
    assert valid[skin].mean() > 0.99 and not valid[~skin].any()
    there = places(skin_head, found.surface) - [0.0, 1.0, 0.0]
    assert np.abs(there - places(reference, points))[valid].max() < 1e-6


def test_the_way_back_leads_to_the_same_points(
    reference: HeadLayout, skin_head: HeadLayout
) -> None:
    points = some_points(skin_head)
    found = HeadCarry(skin_head, reference)(points)
    there = places(reference, found.surface) + [0.0, 1.0, 0.0]
    assert found.valid.float().mean() > 0.99
    assert np.abs(there - places(skin_head, points))[found.valid.numpy()].max() < 1e-6


def test_a_head_goes_to_itself_without_a_search(reference: HeadLayout) -> None:
    points = some_points(reference)
    found = HeadCarry(reference, reference)(points)
    assert bool(found.valid.all())
    assert torch.equal(found.surface.face_index, points.face_index)


def test_what_lies_apart_has_no_counterpart(reference: HeadLayout, skin_head: HeadLayout) -> None:
    lifted = replace(skin_head, laid=skin_head.laid * 1.1)
    found = HeadCarry(reference, lifted)(some_points(reference))
    assert found.valid.float().mean() < 0.3


def test_of_two_layers_the_one_that_faces_the_same_way_is_found() -> None:
    """A flap two millimetres thick: the nearest point is on its other side."""
    square = np.array([[0.0, 0.0, 0.0], [0.1, 0.0, 0.0], [0.1, 0.1, 0.0], [0.0, 0.1, 0.0]])
    front, back = square + [0.0, 0.0, 0.001], square - [0.0, 0.0, 0.001]
    vertices = np.concatenate([front, back])
    faces = np.array([[0, 1, 2], [0, 2, 3], [6, 5, 4], [7, 6, 4]])
    chart = UvChart(torch.zeros(8, 2), torch.from_numpy(faces))
    skin = np.zeros(4, dtype=int)
    flap = HeadLayout("flap", vertices, faces, chart, skin, vertices, faces, skin)
    moved = replace(flap, faces=faces.copy(), laid=vertices - [0.0, 0.0, 0.0015])
    points = SurfacePoints(
        torch.tensor([0, 1, 2, 3]), torch.full((4, 3), 1 / 3, dtype=torch.float64)
    )
    found = HeadCarry(flap, moved)(points)
    assert bool(found.valid.all())
    assert found.surface.face_index.tolist() == [0, 1, 2, 3]
