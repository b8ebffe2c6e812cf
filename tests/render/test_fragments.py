"""Barycentrics, depth and interpolated attributes of covered pixels."""

import math

import pytest
import torch

from flame_fit.geometry import Camera, unproject
from flame_fit.render import (
    ScreenVertices,
    covered_pixels,
    from_fragments,
    interpolate,
    interpolate_covered,
    rasterize,
    rasterize_covered,
    to_fragments,
    to_screen,
)

SIZE = (40, 48)
FACES = torch.tensor([[0, 1, 2], [2, 1, 3]])


def slanted_quad(dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """A planar quad (world) with depths from 0.5 to 1.2 m."""
    corners = [[-0.2, -0.15, -0.5], [0.3, -0.2, -0.9], [-0.25, 0.2, -0.8]]
    a, b, c = torch.tensor(corners, dtype=dtype).unbind(0)
    return torch.stack((a, b, c, b + c - a))[None]


def quad_camera(projection: str) -> Camera:
    focal = 40.0 if projection == "perspective" else 60.0
    numbers = torch.tensor([[focal, focal], [24.0, 20.0]], dtype=torch.float64)
    return Camera(numbers[:1], numbers[1:], projection)


@pytest.fixture(params=["perspective", "orthographic"])
def projection(request):
    return request.param


def test_depth_is_that_of_the_ray_through_the_pixel_centre(projection, twin):
    vertices, camera = slanted_quad(), quad_camera(projection)
    screen = to_screen(vertices, camera)
    covered = rasterize_covered(screen, FACES, SIZE, rasterizer=twin)
    a, b, c = vertices[0, :3]
    normal = torch.linalg.cross(b - a, c - a)
    centres = covered.centres()[None]
    near = unproject(camera, centres, torch.full(centres.shape[:2], 0.5, dtype=torch.float64))
    far = unproject(camera, centres, torch.ones(centres.shape[:2], dtype=torch.float64))
    share = ((a - near) @ normal) / ((far - near) @ normal)
    expected = 0.5 + 0.5 * share[0]
    assert len(expected) > 200
    torch.testing.assert_close(covered.depth, expected, rtol=0, atol=1e-12)


def test_interpolated_positions_project_back_to_the_pixel_centres(projection, twin):
    vertices, camera = slanted_quad(), quad_camera(projection)
    screen = to_screen(vertices, camera)
    covered = rasterize_covered(screen, FACES, SIZE, rasterizer=twin)
    points = interpolate_covered(covered, FACES, vertices)
    again = to_screen(points[None], camera)
    torch.testing.assert_close(again.pixels[0], covered.centres(), rtol=0, atol=1e-10)
    torch.testing.assert_close(again.depth[0], covered.depth, rtol=0, atol=1e-12)


def test_weights_sum_to_one_and_are_not_negative(projection, rasterizer):
    vertices, camera = slanted_quad(), quad_camera(projection)
    covered = rasterize_covered(to_screen(vertices, camera), FACES, SIZE, rasterizer=rasterizer)
    torch.testing.assert_close(covered.barycentrics.sum(-1), torch.ones_like(covered.depth))
    assert covered.barycentrics.min() > -1e-9


@pytest.mark.parametrize("quantity", ["barycentrics", "depth"])
def test_gradients_equal_finite_differences(projection, twin, quantity):
    vertices, camera = slanted_quad(), quad_camera(projection)
    face_index = twin(to_screen(vertices, camera), FACES, SIZE)
    some = torch.full_like(face_index, -1)
    some[:, ::6, ::5] = face_index[:, ::6, ::5]

    def values(points: torch.Tensor) -> torch.Tensor:
        return getattr(covered_pixels(some, to_screen(points, camera), FACES), quantity)

    assert torch.autograd.gradcheck(values, vertices.requires_grad_())


def test_interpolation_gradients_equal_finite_differences(twin):
    vertices, camera = slanted_quad(), quad_camera("perspective")
    face_index = twin(to_screen(vertices, camera), FACES, (8, 10))
    attributes = torch.rand(1, 4, 2, dtype=torch.float64, requires_grad=True)

    def values(points: torch.Tensor, colours: torch.Tensor) -> torch.Tensor:
        covered = covered_pixels(face_index, to_screen(points, camera), FACES)
        return interpolate(to_fragments(covered), FACES, colours)

    assert torch.autograd.gradcheck(values, (vertices.requires_grad_(), attributes))


def test_bad_vertices_elsewhere_leave_the_gradient_finite(rasterizer):
    good = torch.tensor([[[2.0, 2.0], [30.0, 2.0], [16.0, 30.0]]])
    bad = torch.tensor([[[math.nan, 2.0], [1e30, 2.0], [16.0, 30.0]]])
    pixels = torch.cat((good, bad), dim=1).requires_grad_()
    depth = torch.tensor([[0.5, 0.6, 0.7, 0.5, -0.2, 0.0]]).requires_grad_()
    faces = torch.tensor([[0, 1, 2], [3, 4, 5], [0, 3, 4], [1, 2, 5]])
    covered = rasterize_covered(
        ScreenVertices(pixels, depth, perspective=True), faces, SIZE, rasterizer=rasterizer
    )
    (covered.depth.sum() + covered.barycentrics.square().sum()).backward()
    assert len(covered.depth) > 300
    assert pixels.grad.isfinite().all()
    assert depth.grad.isfinite().all()
    assert (pixels.grad[:, 3:] == 0).all()


def test_needle_triangles_keep_weights_and_gradients_finite(rasterizer):
    pixels = torch.tensor([[[0.0, 5.5], [40.0, 5.5], [20.0, 5.500001]]]).requires_grad_()
    screen = ScreenVertices(pixels, torch.tensor([[0.5, 0.6, 0.7]]), perspective=True)
    covered = rasterize_covered(screen, torch.tensor([[0, 1, 2]]), SIZE, rasterizer=rasterizer)
    covered.barycentrics.square().sum().backward()
    assert len(covered.depth) > 10
    assert covered.barycentrics.abs().max() < 1.5
    assert pixels.grad.isfinite().all()


def test_covered_pixels_and_fragments_are_inverse(rasterizer, sphere, camera):
    mesh = sphere.mesh((0.0, 0.02, -0.6), 0.1)
    screen = to_screen(mesh.vertices, camera)
    covered = rasterize_covered(screen, mesh.faces, (64, 64), rasterizer=rasterizer)
    again = from_fragments(to_fragments(covered))
    assert torch.equal(again.pixel_index, covered.pixel_index)
    assert torch.equal(again.face_index, covered.face_index)
    assert torch.equal(again.barycentrics, covered.barycentrics)
    assert torch.equal(again.depth, covered.depth)
    images = torch.rand(1, 64, 64, 5)
    assert torch.equal(
        covered.gather(images), images.reshape(-1, 5)[(to_mask(covered)).reshape(-1)]
    )


def to_mask(covered) -> torch.Tensor:
    return to_fragments(covered).face_index >= 0


def test_a_batch_equals_its_images_one_by_one(rasterizer, sphere, camera):
    centres = torch.tensor([[0.0, 0.0, -0.6], [0.05, 0.0, -0.5], [0.0, -0.04, -0.8]])
    directions = sphere.directions.cpu()
    vertices = directions * 0.08 + centres[:, None].to(directions)
    attributes = torch.rand(3, vertices.shape[1], 4).to(vertices)
    size = (64, 56)
    together = rasterize(vertices, sphere.faces, camera, size, rasterizer=rasterizer)
    colours = interpolate(together, sphere.faces, attributes)
    shared = interpolate(together, sphere.faces, attributes[:1])
    for k in range(3):
        rows = slice(k, k + 1)
        one = rasterize(vertices[rows], sphere.faces, camera, size, rasterizer=rasterizer)
        assert torch.equal(one.face_index[0], together.face_index[k])
        assert torch.equal(one.barycentrics[0], together.barycentrics[k])
        assert torch.equal(one.depth[0], together.depth[k])
        assert torch.equal(interpolate(one, sphere.faces, attributes[rows])[0], colours[k])
        assert torch.equal(interpolate(one, sphere.faces, attributes[:1])[0], shared[k])


def test_nothing_in_sight_gives_empty_rows(rasterizer, sphere, camera):
    mesh = sphere.mesh((0.0, 0.0, 0.6), 0.1)
    fragments = rasterize(mesh.vertices, mesh.faces, camera, (64, 64), rasterizer=rasterizer)
    assert (fragments.face_index == -1).all()
    assert (fragments.depth == 0).all()
    assert interpolate(fragments, mesh.faces, mesh.vertices).shape == (1, 64, 64, 3)
