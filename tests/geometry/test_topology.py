"""Meshes: normals, edges, surface points, Laplacians."""

import math

import numpy as np
import pytest
import torch

from flame_fit.geometry.laplacian import cotangent_laplacian
from flame_fit.geometry.topology import (
    SurfacePoints,
    face_normals,
    points_on_surface,
    unique_edges,
    vertex_normals,
)
from flame_fit.testing import tiny_assets

SQUARE = torch.tensor(((0, 1, 2), (0, 2, 3)))
SQUARE_VERTICES = torch.tensor(
    [[[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 1.0, 0.0]]]
)


def test_counter_clockwise_faces_look_at_the_viewer() -> None:
    expected = torch.tensor((0.0, 0.0, 1.0))
    torch.testing.assert_close(
        face_normals(SQUARE_VERTICES, SQUARE), expected.expand(1, 2, 3).contiguous()
    )
    torch.testing.assert_close(
        vertex_normals(SQUARE_VERTICES, SQUARE), expected.expand(1, 4, 3).contiguous()
    )


def test_normals_of_the_tiny_head_point_outwards() -> None:
    assets = tiny_assets()
    normals = vertex_normals(assets.v_template[None], assets.faces)[0]
    gradient = assets.v_template / assets.v_template.abs().amax(0) ** 2
    cosine = torch.nn.functional.cosine_similarity(normals, gradient, dim=-1)
    assert float(cosine.min()) > math.cos(math.radians(4))


def test_flat_triangles_have_no_normal_and_no_nan() -> None:
    vertices = torch.zeros(1, 3, 3, requires_grad=True)
    normals = vertex_normals(vertices, torch.tensor(((0, 1, 2),)))
    normals.sum().backward()
    assert float(normals.detach().abs().max()) == 0.0
    assert torch.isfinite(vertices.grad).all()


def test_normals_are_differentiable() -> None:
    vertices = (SQUARE_VERTICES + 0.1 * torch.arange(12.0).sin().reshape(1, 4, 3)).double()
    assert torch.autograd.gradcheck(lambda v: vertex_normals(v, SQUARE), vertices.requires_grad_())


def test_edges_of_a_closed_mesh_satisfy_euler() -> None:
    assets = tiny_assets()
    edges = unique_edges(assets.faces)
    assert assets.v_template.shape[0] - edges.shape[0] + assets.faces.shape[0] == 2
    assert bool((edges[:, 0] < edges[:, 1]).all())


def test_surface_points_shared_and_by_mesh() -> None:
    shared = SurfacePoints(torch.tensor((0, 1)), torch.tensor(((1.0, 0.0, 0.0), (0.5, 0.5, 0.0))))
    expected = torch.tensor([[[0.0, 0.0, 0.0], [0.5, 0.5, 0.0]]])
    torch.testing.assert_close(points_on_surface(SQUARE_VERTICES, SQUARE, shared), expected)
    two = SQUARE_VERTICES.expand(2, -1, -1) * torch.tensor((1.0, 2.0))[:, None, None]
    each = SurfacePoints(
        torch.tensor(((0, 1), (1, 0))), shared.barycentrics.expand(2, 2, 3).contiguous()
    )
    found = points_on_surface(two, SQUARE, each)
    torch.testing.assert_close(found[0], expected[0])
    torch.testing.assert_close(found[1], torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]))


def test_cotangent_laplacian_gives_the_dirichlet_energy_of_linear_functions() -> None:
    slope = np.array((2.0, -3.0, 0.0))
    values = SQUARE_VERTICES[0].double().numpy() @ slope
    laplacian = cotangent_laplacian(SQUARE_VERTICES[0], SQUARE)
    assert values @ (laplacian @ values) == pytest.approx(slope @ slope)
    np.testing.assert_allclose(laplacian.sum(axis=1), 0, atol=1e-12)


def test_cotangents_are_clamped_to_a_range() -> None:
    laplacian = cotangent_laplacian(SQUARE_VERTICES[0], SQUARE, cotangent_range=(0.2, 0.4))
    off_diagonal = laplacian.toarray()[~np.eye(laplacian.shape[0], dtype=bool)]
    edges = -off_diagonal[off_diagonal != 0]
    assert edges.min() >= 0.1 - 1e-12
    assert edges.max() <= 0.4 + 1e-12


def test_cotangent_laplacian_survives_a_flat_triangle() -> None:
    laplacian = cotangent_laplacian(torch.zeros(3, 3), torch.tensor(((0, 1, 2),)))
    assert np.isfinite(laplacian.toarray()).all()
