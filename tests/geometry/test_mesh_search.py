"""Closest points equal an exhaustive search, on every part of a triangle and on awkward meshes."""

import numpy as np
import pytest
import torch

from flame_fit.errors import InputError
from flame_fit.geometry.alignment import closest_points_on_mesh
from flame_fit.geometry.mesh_search import LEAF_SIZE, MeshSearch
from flame_fit.testing import tiny_assets


def cloud(count: int) -> torch.Tensor:
    return torch.randn(count, 3, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


def segment_distance(points: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Distance of each point (P) from each segment (F): P x F."""
    edge = end - start
    length = np.maximum((edge**2).sum(-1), 1e-300)
    position = np.clip(((points[:, None] - start) * edge).sum(-1) / length, 0.0, 1.0)
    return np.linalg.norm(start + position[..., None] * edge - points[:, None], axis=-1)


def exhaustive(points: torch.Tensor, vertices: torch.Tensor, faces: torch.Tensor) -> np.ndarray:
    """Distances by comparing all triangles: the least of edges, and of planes hit inside."""
    query = points.numpy()
    a, b, c = vertices.numpy()[faces.numpy()].transpose(1, 0, 2)
    nearest = np.minimum(segment_distance(query, a, b), segment_distance(query, b, c))
    nearest = np.minimum(nearest, segment_distance(query, c, a))
    normal = np.cross(b - a, c - a)
    area = np.linalg.norm(normal, axis=-1)
    solid = area > 0
    a, b, c, normal = a[solid], b[solid], c[solid], normal[solid] / area[solid, None]
    height = ((query[:, None] - a) * normal).sum(-1)
    foot = query[:, None] - height[..., None] * normal
    inside = np.ones_like(height, dtype=bool)
    for start, end in ((a, b), (b, c), (c, a)):
        inside &= (np.cross(end - start, foot - start) * normal).sum(-1) >= 0
    return np.minimum(nearest.min(1), np.where(inside, np.abs(height), np.inf).min(1))


def awkward_mesh() -> tuple[torch.Tensor, torch.Tensor]:
    """A head with triangles of very different sizes beside it, one of them flat, one a point."""
    assets = tiny_assets()
    extra = torch.tensor(((-1.0, -0.2, 0.3), (1.0, -0.2, 0.3), (0.0, -0.2, -2.0)))
    v = assets.v_template.shape[0]
    more = torch.tensor(((v, v + 1, v + 2), (v, v, v + 1), (v + 2, v + 2, v + 2)))
    return torch.cat((assets.v_template, extra)).double(), torch.cat((assets.faces, more))


@pytest.mark.parametrize("spread", [0.02, 0.2, 5.0])
def test_closest_points_equal_an_exhaustive_search(spread: float) -> None:
    vertices, faces = awkward_mesh()
    points = spread * cloud(300)
    found = closest_points_on_mesh(points, vertices, faces)
    np.testing.assert_allclose(
        found.distance.numpy(), exhaustive(points, vertices, faces), rtol=1e-9, atol=1e-12
    )
    corners = vertices[faces[found.surface.face_index]]
    rebuilt = (corners * found.surface.barycentrics[..., None]).sum(1)
    torch.testing.assert_close(rebuilt, found.points)
    torch.testing.assert_close((points - found.points).norm(dim=-1), found.distance)
    assert bool((found.surface.barycentrics >= 0).all())


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 9, 17, 100])
def test_any_number_of_triangles_fills_the_tree(count: int) -> None:
    corners = cloud(3 * count)
    faces = torch.arange(3 * count).reshape(count, 3)
    search = MeshSearch.of(corners, faces)
    assert set(search.face_index.tolist()) == set(range(count))
    leaves = len(search.face_index) // int(LEAF_SIZE)
    assert len(search.lower) == len(search.upper) == 2 * leaves - 1
    points = cloud(50).flip(0)
    np.testing.assert_allclose(
        search.closest(points).distance.numpy(), exhaustive(points, corners, faces), atol=1e-12
    )


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        ((0.2, 0.3, 1.0), (0.5, 0.2, 0.3)),
        ((-1.0, -1.0, 0.0), (1.0, 0.0, 0.0)),
        ((2.0, -0.5, 0.0), (0.0, 1.0, 0.0)),
        ((0.0, 3.0, 1.0), (0.0, 0.0, 1.0)),
        ((1.0, 1.0, 0.0), (0.0, 0.5, 0.5)),
        ((0.5, -1.0, 2.0), (0.5, 0.5, 0.0)),
        ((-2.0, 0.25, 0.0), (0.75, 0.0, 0.25)),
    ],
)
def test_every_zone_of_a_triangle(point: tuple, expected: tuple) -> None:
    triangle = torch.tensor(((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0))).double()
    found = closest_points_on_mesh(torch.tensor([point]), triangle, torch.tensor([[0, 1, 2]]))
    np.testing.assert_allclose(found.surface.barycentrics[0].numpy(), expected)


def test_points_on_the_surface_have_distance_zero() -> None:
    assets = tiny_assets()
    centres = assets.v_template[assets.faces].mean(1)
    found = closest_points_on_mesh(centres, assets.v_template, assets.faces)
    assert float(found.distance.max()) < 1e-8
    assert found.points.dtype == torch.float32
    assert bool((found.surface.face_index == torch.arange(len(centres))).all())


def test_no_points_have_no_nearest_ones() -> None:
    assets = tiny_assets()
    found = closest_points_on_mesh(torch.zeros(0, 3), assets.v_template, assets.faces)
    assert found.points.shape == (0, 3)
    assert found.distance.shape == found.surface.face_index.shape == (0,)


def test_meshes_without_surface_and_values_that_are_not_finite_are_refused() -> None:
    empty = torch.zeros(0, 3, dtype=torch.long)
    with pytest.raises(InputError, match="without triangles"):
        closest_points_on_mesh(torch.zeros(1, 3), torch.zeros(3, 3), empty)
    broken = torch.full((3, 3), float("nan"))
    with pytest.raises(InputError, match="vertices that are not finite"):
        closest_points_on_mesh(torch.zeros(1, 3), broken, torch.tensor(((0, 1, 2),)))
    with pytest.raises(InputError, match="points are not finite"):
        closest_points_on_mesh(broken, cloud(3), torch.tensor(((0, 1, 2),)))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU; there is none here")
def test_the_gpu_finds_the_same_points() -> None:
    vertices, faces = awkward_mesh()
    points = 0.2 * cloud(300)
    here = closest_points_on_mesh(points, vertices, faces)
    there = closest_points_on_mesh(points.cuda(), vertices.cuda(), faces.cuda())
    assert there.points.device.type == "cuda"
    torch.testing.assert_close(there.distance.cpu(), here.distance)
