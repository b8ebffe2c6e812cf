"""Pictures: light, texture, coverage and background."""

from dataclasses import replace

import pytest
import torch

from flame_fit.appearance import directional_to_sh, white_lighting
from flame_fit.errors import UsageError
from flame_fit.flame import UvChart
from flame_fit.geometry import Camera
from flame_fit.render import (
    ClayShader,
    RenderOptions,
    TriangleMesh,
    mesh_edges,
    paint,
    render,
    render_shape,
)

SIZE = (64, 64)


def sphere_chart(sphere) -> UvChart:
    """The front view of the sphere as its chart: u to the right, v up."""
    return UvChart(uv=0.5 + 0.4 * sphere.directions[:, :2], faces=sphere.faces)


def lamp_from(x: float, y: float, z: float, *, like: torch.Tensor) -> torch.Tensor:
    direction = torch.nn.functional.normalize(like.new_tensor([[x, y, z]]), dim=-1)
    return directional_to_sh(direction, like.new_ones(1, 3))


@pytest.fixture
def ball(sphere) -> TriangleMesh:
    return sphere.mesh((0.0, 0.0, -0.6), 0.1)


def test_white_light_shows_the_texture(ball, sphere, camera, warp, dtype):
    texture = torch.tensor([0.2, 0.4, 0.8], dtype=dtype).expand(1, 16, 16, 3)
    picture = render(
        ball,
        sphere_chart(sphere),
        camera,
        texture,
        white_lighting(dtype=dtype),
        image_size=SIZE,
        rasterizer=warp,
    )
    inside = picture.coverage[0] == 1.0
    assert inside.sum() > 1000
    expected = texture[0, 0, 0].expand(int(inside.sum()), 3)
    torch.testing.assert_close(picture.image[0][inside], expected)
    visible = picture.fragments.face_index[0] >= 0
    torch.testing.assert_close(
        picture.shading[0][visible], torch.ones_like(expected[:1]).expand(int(visible.sum()), 3)
    )
    assert (picture.image[picture.coverage == 0] == 0).all()


def test_light_from_above_lights_the_top(ball, sphere, camera, warp, dtype):
    texture = torch.ones(1, 4, 4, 3, dtype=dtype)
    chart = sphere_chart(sphere)
    for direction, bright in [
        ((0, 1, 0), (slice(0, 32), slice(0, 64))),
        ((1, 0, 0), (slice(0, 64), slice(32, 64))),
    ]:
        light = lamp_from(*direction, like=texture)
        picture = render(ball, chart, camera, texture, light, image_size=SIZE, rasterizer=warp)
        lit = picture.image[0, ..., 0].clamp_min(0.0)
        assert lit[bright].sum() > 0.85 * lit.sum()


def test_normals_point_outwards(ball, sphere, camera, warp, dtype):
    texture = torch.ones(1, 4, 4, 3, dtype=dtype)
    picture = render(
        ball,
        sphere_chart(sphere),
        camera,
        texture,
        white_lighting(dtype=dtype),
        image_size=SIZE,
        rasterizer=warp,
    )
    normals = picture.normals[0]
    assert normals[32, 32, 2] > 0.99
    assert normals[20, 32, 1] > 0.4
    assert normals[32, 44, 0] > 0.4


def test_a_texture_lies_the_right_way_round(ball, sphere, camera, warp, dtype):
    # Red grows with u (to the right), green with v (up).
    ramp = (torch.arange(32, dtype=dtype) + 0.5) / 32
    texture = torch.stack(
        (ramp[None].expand(32, 32), ramp.flip(0)[:, None].expand(32, 32), torch.zeros(32, 32)),
        dim=-1,
    ).to(dtype)[None]
    picture = render(
        ball,
        sphere_chart(sphere),
        camera,
        texture,
        white_lighting(dtype=dtype),
        image_size=SIZE,
        rasterizer=warp,
    )
    albedo = picture.albedo[0]
    assert albedo[32, 45, 0] > albedo[32, 32, 0] + 0.1 > albedo[32, 19, 0] + 0.2
    assert albedo[19, 32, 1] > albedo[32, 32, 1] + 0.1 > albedo[45, 32, 1] + 0.2


def test_the_background_shows_where_the_head_does_not(ball, sphere, camera, warp, dtype):
    chart, texture = sphere_chart(sphere), torch.full((1, 4, 4, 3), 0.5, dtype=dtype)
    picture = render(
        ball,
        chart,
        camera,
        texture,
        white_lighting(dtype=dtype),
        image_size=SIZE,
        rasterizer=warp,
    )
    composite = picture.over(torch.full((1, *SIZE, 3), 0.5, dtype=dtype))
    torch.testing.assert_close(composite, torch.full_like(composite, 0.5))
    assert (picture.over(torch.ones(1, *SIZE, 3, dtype=dtype))[0, 0, 0] == 1.0).all()


@pytest.mark.parametrize("factor", [2, 3])
def test_supersampling_keeps_place_and_size(ball, sphere, camera, warp, dtype, factor):
    chart, texture = sphere_chart(sphere), torch.rand(1, 16, 16, 3, dtype=dtype)
    light = lamp_from(0.5, 0.5, 0.7, like=texture)

    def picture(options: RenderOptions):
        return render(
            ball,
            chart,
            camera,
            texture,
            light,
            image_size=SIZE,
            rasterizer=warp,
            options=options,
        )

    plain, fine = picture(RenderOptions()), picture(RenderOptions(supersampling=factor))
    assert fine.image.shape == plain.image.shape
    assert fine.fragments.face_index.shape == (1, SIZE[0] * factor, SIZE[1] * factor)
    assert (fine.coverage - plain.coverage).abs().max() < 0.3
    assert abs(float(fine.coverage.sum() / plain.coverage.sum()) - 1.0) < 0.005
    inside = (plain.coverage == 1.0) & (fine.coverage == 1.0)
    assert (fine.shading - plain.shading)[inside].abs().mean() < 0.01
    lengths = fine.normals[inside].norm(dim=-1)
    torch.testing.assert_close(lengths, torch.ones_like(lengths))


def test_prepared_edges_change_nothing(ball, sphere, camera, warp, dtype):
    texture = torch.rand(1, 8, 8, 3, dtype=dtype)
    pictures = [
        render(
            ball,
            sphere_chart(sphere),
            camera,
            texture,
            white_lighting(dtype=dtype),
            image_size=SIZE,
            rasterizer=warp,
            options=options,
        )
        for options in (None, RenderOptions(edges=mesh_edges(sphere.faces)))
    ]
    assert torch.equal(pictures[0].image, pictures[1].image)


def test_rasterizers_give_the_same_picture_and_gradients(ball, sphere, camera, warp, twin, dtype):
    chart, light = sphere_chart(sphere), white_lighting(dtype=dtype)
    texture = torch.rand(1, 8, 8, 3, dtype=dtype)
    images, gradients = [], []
    for rasterizer in (warp, twin):
        vertices = ball.vertices.clone().requires_grad_()
        colours = texture.clone().requires_grad_()
        picture = render(
            TriangleMesh(vertices, ball.faces),
            chart,
            camera,
            colours,
            light,
            image_size=SIZE,
            rasterizer=rasterizer,
        )
        images.append(picture.image)
        gradients.append(torch.autograd.grad(picture.image.square().sum(), (vertices, colours)))
    assert torch.equal(*images)
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)
        assert one.abs().sum() > 0


def test_the_gradient_of_a_picture_equals_finite_differences(double_sphere, camera, twin):
    """Texture, light and vertices, with the triangles under the pixels held fixed."""
    mesh = double_sphere.mesh((0.0, 0.0, -0.6), 0.1)
    chart = sphere_chart(double_sphere)
    doubled = Camera(camera.focal.double() / 4, camera.principal_point.double() / 4)
    generator = torch.Generator().manual_seed(0)
    texture = torch.rand(1, 4, 4, 3, generator=generator, dtype=torch.float64)
    light = white_lighting(dtype=torch.float64) + 0.1
    options = RenderOptions(smooth_silhouettes=False, mipmaps=False)
    # A part of the vertices is enough, and keeps the test short.
    some = torch.arange(0, len(double_sphere.directions), 20)

    def total(shift: torch.Tensor, colours: torch.Tensor, lighting: torch.Tensor) -> torch.Tensor:
        vertices = mesh.vertices.index_add(1, some, shift[None])
        picture = render(
            TriangleMesh(vertices, mesh.faces),
            chart,
            doubled,
            colours,
            lighting,
            image_size=(16, 16),
            rasterizer=twin,
            options=options,
        )
        return picture.image.square().sum()

    shift = torch.zeros(len(some), 3, dtype=torch.float64)
    inputs = tuple(item.requires_grad_() for item in (shift, texture, light))
    assert torch.autograd.gradcheck(total, inputs, eps=1e-7, atol=1e-4, rtol=1e-3)


def test_a_batch_equals_its_pictures_one_by_one(sphere, camera, warp, dtype):
    centres = torch.tensor([[0.0, 0.0, -0.6], [0.05, 0.03, -0.5], [9.0, 9.0, 1.0]], dtype=dtype)
    vertices = sphere.directions * 0.08 + centres[:, None]
    textures = torch.rand(3, 8, 8, 3, dtype=dtype)
    lights = torch.rand(3, 9, 3, dtype=dtype)

    def picture(rows: slice):
        return render(
            TriangleMesh(vertices[rows], sphere.faces),
            sphere_chart(sphere),
            camera,
            textures[rows],
            lights[rows],
            image_size=SIZE,
            rasterizer=warp,
        )

    together = picture(slice(None))
    assert (together.coverage[2] == 0).all()
    for k in range(3):
        one = picture(slice(k, k + 1))
        torch.testing.assert_close(one.image[0], together.image[k])
        torch.testing.assert_close(one.coverage[0], together.coverage[k])


def test_clay_is_lit_from_the_upper_left(ball, camera, warp):
    picture = render_shape(ball, camera, image_size=SIZE, rasterizer=warp)
    light = picture.image[0, ..., 0]
    assert light[24, 24] > light[40, 40]
    assert 0.15 < float(light[32, 32]) < 0.8
    assert picture.image.max() <= 1.0


def test_a_surface_found_once_is_painted_as_if_found_anew(ball, sphere, camera, warp, dtype):
    picture = render(
        ball,
        sphere_chart(sphere),
        camera,
        torch.rand(1, 16, 16, 3, dtype=dtype),
        white_lighting(dtype=dtype),
        image_size=SIZE,
        rasterizer=warp,
        options=RenderOptions(supersampling=2),
    )
    clay = paint(picture.surface, ClayShader(), RenderOptions(supersampling=2))
    anew = render_shape(ball, camera, image_size=SIZE, rasterizer=warp)
    assert torch.equal(clay.image, anew.image)
    assert torch.equal(clay.coverage, picture.coverage)


def test_clay_shows_both_sides(ball, camera, warp):
    inverted = replace(ball, faces=ball.faces.flip(-1))
    one = render_shape(ball, camera, image_size=SIZE, rasterizer=warp)
    other = render_shape(inverted, camera, image_size=SIZE, rasterizer=warp)
    torch.testing.assert_close(one.image, other.image)


def test_a_chart_of_another_mesh_is_refused(ball, sphere, camera, warp, dtype):
    chart = sphere_chart(sphere)
    wrong = UvChart(uv=chart.uv, faces=chart.faces[:-2])
    with pytest.raises(UsageError, match="the chart has .* triangles and the mesh"):
        render(
            ball,
            wrong,
            camera,
            torch.ones(1, 4, 4, 3, dtype=dtype),
            white_lighting(dtype=dtype),
            image_size=SIZE,
            rasterizer=warp,
        )


def test_supersampling_below_one_is_refused():
    with pytest.raises(UsageError, match="supersampling must be 1 or more, got 0"):
        RenderOptions(supersampling=0)
