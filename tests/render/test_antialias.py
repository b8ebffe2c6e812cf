"""Silhouettes: covered area and its gradient."""

import math

import pytest
import torch

from flame_fit.geometry import Camera
from flame_fit.render import (
    ScreenVertices,
    antialias,
    mesh_edges,
    rasterize_covered,
    to_fragments,
    to_screen,
)

SIZE = (64, 64)


def coverage_of(screen: ScreenVertices, faces: torch.Tensor, twin) -> torch.Tensor:
    covered = rasterize_covered(screen, faces, SIZE, rasterizer=twin)
    mask = covered.scatter(torch.ones_like(covered.depth)[:, None])
    return antialias(mask, to_fragments(covered), screen, faces)[..., 0]


def triangle(points: torch.Tensor) -> ScreenVertices:
    return ScreenVertices(points[None], torch.ones(1, len(points)).to(points), perspective=False)


def area_of(points: torch.Tensor) -> torch.Tensor:
    a, b, c = points
    return 0.5 * ((b - a)[0] * (c - a)[1] - (b - a)[1] * (c - a)[0]).abs()


def turned_triangle(degrees: float) -> torch.Tensor:
    angles = math.radians(degrees) + torch.tensor([0.0, 2.2, 4.1], dtype=torch.float64)
    centre = torch.tensor([32.3, 31.6], dtype=torch.float64)
    return centre + 25.0 * torch.stack((angles.cos(), angles.sin()), dim=-1)


@pytest.mark.parametrize("degrees", [0.0, 17.0, 45.0, 90.0, 133.0, 201.0, 290.0])
def test_coverage_is_the_area_and_its_gradient_that_of_the_area(twin, degrees):
    points = turned_triangle(degrees).requires_grad_()
    coverage = coverage_of(triangle(points), torch.tensor([[0, 1, 2]]), twin)
    assert coverage.min() >= -1e-9
    assert coverage.max() <= 1 + 1e-9
    # An edge counts in whole rows or columns, so its ends are known to about a pixel.
    assert abs(float((coverage.sum() - area_of(points)).detach())) < 3.0
    (gradient,) = torch.autograd.grad(coverage.sum(), points)
    (expected,) = torch.autograd.grad(area_of(points), points)
    assert (gradient - expected).norm() < 0.08 * expected.norm()


def test_moving_a_straight_edge_moves_the_coverage_by_as_much(twin):
    columns = []
    for shift in torch.linspace(0.0, 2.0, 41).tolist():
        edge = 20.0 + shift
        points = torch.tensor([[5.0, -500.0], [edge, -500.0], [edge, 900.0], [5.0, 900.0]])
        faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
        columns.append(coverage_of(triangle(points), faces, twin)[0, 30].sum() - edge + 5.0)
    torch.testing.assert_close(torch.stack(columns), torch.zeros(41), rtol=0, atol=1e-4)


def test_a_ball_of_many_small_triangles_covers_its_outline(double_sphere, twin):
    camera = Camera(
        torch.tensor([[120.0, 120.0]], dtype=torch.float64),
        torch.tensor([[32.2, 31.7]], dtype=torch.float64),
    )
    faces = double_sphere.faces
    radius = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
    directions = double_sphere.directions

    def coverage(size: torch.Tensor) -> torch.Tensor:
        centre = directions.new_tensor((0.0, 0.0, -0.6))
        return coverage_of(to_screen((directions * size + centre)[None], camera), faces, twin)

    total = coverage(radius).sum()
    (gradient,) = torch.autograd.grad(total, radius)
    sizes = torch.linspace(0.098, 0.102, 21, dtype=torch.float64)
    sums = torch.stack([coverage(size).sum() for size in sizes])
    slope = ((sizes - sizes.mean()) * sums).sum() / (sizes - sizes.mean()).square().sum()
    assert abs(float(gradient / slope) - 1.0) < 0.05
    plain = math.pi * (120.0 * 0.1 / math.sqrt(0.6**2 - 0.1**2)) ** 2
    assert abs(float(total.detach()) / plain - 1.0) < 0.02


def test_moving_a_ball_sideways_moves_the_centroid_of_its_image(double_sphere, twin):
    camera = Camera(
        torch.tensor([[120.0, 120.0]], dtype=torch.float64),
        torch.tensor([[32.0, 32.0]], dtype=torch.float64),
    )
    centre = torch.tensor([0.003, -0.002, -0.6], dtype=torch.float64, requires_grad=True)
    vertices = (double_sphere.directions * 0.1 + centre)[None]
    coverage = coverage_of(to_screen(vertices, camera), double_sphere.faces, twin)
    grid = torch.arange(64, dtype=torch.float64) + 0.5
    first_moment = (coverage[0] * (grid - 32.0)[None, :]).sum()
    (gradient,) = torch.autograd.grad(first_moment, centre)
    # Pixels per metre times the area; the first moment is measured from the image centre.
    expected = 120.0 / 0.6 * float(coverage.detach().sum())
    assert abs(float(gradient[0]) / expected - 1.0) < 0.1
    assert abs(float(gradient[1])) < 0.1 * expected


def test_colours_are_blended_over_a_self_occlusion(twin):
    """A near square over a far one: the near colour reaches as far as its edge."""
    far = [[4.0, 4.0], [60.0, 4.0], [60.0, 60.0], [4.0, 60.0]]
    near = [[20.3, 20.0], [40.8, 20.0], [40.8, 40.0], [20.3, 40.0]]
    pixels = torch.tensor(far + near, dtype=torch.float64)
    depth = torch.tensor([1.0] * 4 + [0.5] * 4, dtype=torch.float64)
    faces = torch.tensor([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]])
    screen = ScreenVertices(pixels[None], depth[None], perspective=True)
    covered = rasterize_covered(screen, faces, SIZE, rasterizer=twin)
    colour = (covered.face_index >= 2).double()[:, None]
    image = antialias(covered.scatter(colour), to_fragments(covered), screen, faces)[0, 30, :, 0]
    assert image[19] == 0.0
    assert abs(float(image[20]) - 0.7) < 1e-9
    assert image[21] == 1.0
    assert abs(float(image[40]) - 0.8) < 1e-9
    assert image[41] == 0.0


def test_hidden_edges_change_nothing(twin):
    """A small square behind a large one of the same colour rows leaves no trace."""
    front = [[4.0, 4.0], [60.0, 4.0], [60.0, 60.0], [4.0, 60.0]]
    hidden = [[20.3, 20.2], [40.8, 20.2], [40.8, 40.1], [20.3, 40.1]]
    pixels = torch.tensor(front + hidden, dtype=torch.float64)
    depth = torch.tensor([0.5] * 4 + [1.0] * 4, dtype=torch.float64)
    faces = torch.tensor([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]])
    screen = ScreenVertices(pixels[None], depth[None], perspective=True)
    covered = rasterize_covered(screen, faces, SIZE, rasterizer=twin)
    image = covered.scatter(torch.rand(len(covered.depth), 3, dtype=torch.float64))
    smooth = antialias(image, to_fragments(covered), screen, faces)
    assert torch.equal(smooth[:, 10:50, 10:50], image[:, 10:50, 10:50])


def test_inner_edges_of_a_flat_surface_are_no_silhouettes(twin):
    points = torch.tensor([[-9.0, -9.0], [80.0, -9.0], [80.0, 80.0], [-9.0, 80.0]])
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    screen = triangle(points)
    covered = rasterize_covered(screen, faces, SIZE, rasterizer=twin)
    image = torch.rand(1, *SIZE, 3)
    assert torch.equal(antialias(image, to_fragments(covered), screen, faces), image)


def test_winding_does_not_matter(twin):
    points = turned_triangle(20.0)
    one = coverage_of(triangle(points), torch.tensor([[0, 1, 2]]), twin)
    other = coverage_of(triangle(points), torch.tensor([[0, 2, 1]]), twin)
    assert torch.equal(one, other)


def test_edges_are_found_once(sphere):
    edges = mesh_edges(sphere.faces)
    # Euler: V - E + F = 2 on a closed sphere.
    assert len(sphere.directions) - len(edges.vertices) + len(sphere.faces) == 2
    corners = edges.vertices[edges.edge_of_side]
    for k in range(3):
        assert (corners[:, k] != sphere.faces[:, k, None]).all()


def test_a_batch_equals_its_images_one_by_one(double_sphere, camera, twin):
    centres = torch.tensor([[0.0, 0.0, -0.6], [0.06, 0.03, -0.5]], dtype=torch.float64)
    vertices = double_sphere.directions * 0.08 + centres[:, None]
    doubled = Camera(camera.focal.double(), camera.principal_point.double())
    together = coverage_of(to_screen(vertices, doubled), double_sphere.faces, twin)
    for k in range(2):
        one = to_screen(vertices[k : k + 1], doubled)
        assert torch.equal(coverage_of(one, double_sphere.faces, twin)[0], together[k])
