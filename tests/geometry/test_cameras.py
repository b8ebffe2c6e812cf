"""Cameras: conventions, round trips, derivatives, points behind the camera."""

import pytest
import torch

from flame_fit.geometry.cameras import (
    MINIMUM_DEPTH,
    Camera,
    Crop,
    centred_camera,
    project,
    projection_jacobian,
    unproject,
)


def camera(projection: str, *, batch: int = 1) -> Camera:
    focal = torch.tensor(((1000.0, 900.0), (700.0, 720.0)), dtype=torch.float64)[:batch]
    centre = torch.tensor(((320.0, 240.0), (300.0, 200.0)), dtype=torch.float64)[:batch]
    return Camera(focal=focal, principal_point=centre, projection=projection)


def points(batch: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    cloud = 0.1 * torch.randn(batch, 12, 3, generator=generator, dtype=torch.float64)
    return cloud - torch.tensor((0.0, 0.0, 0.6), dtype=torch.float64)


@pytest.mark.parametrize("projection", ["perspective", "orthographic"])
def test_up_goes_up_and_the_persons_left_goes_right(projection: str) -> None:
    world = torch.tensor([[[0.0, 0.0, -0.6], [0.0, 0.1, -0.6], [0.1, 0.0, -0.6]]]).double()
    screen = project(camera(projection), world)
    centre, up, left = screen.pixels[0]
    torch.testing.assert_close(centre, torch.tensor((320.0, 240.0)).double())
    assert up[1] < centre[1]
    assert left[0] > centre[0]
    torch.testing.assert_close(screen.depth, torch.full((1, 3), 0.6).double())


def test_nearer_is_larger_only_in_perspective() -> None:
    world = torch.tensor([[[0.1, 0.0, -0.6], [0.1, 0.0, -0.3]]]).double()
    near_offset = project(camera("perspective"), world).pixels[0, :, 0] - 320.0
    assert float(near_offset[1]) == pytest.approx(2 * float(near_offset[0]))
    flat = project(camera("orthographic"), world).pixels[0, :, 0]
    assert float(flat[0]) == float(flat[1])


@pytest.mark.parametrize("projection", ["perspective", "orthographic"])
@pytest.mark.parametrize(("batch", "cameras"), [(1, 1), (2, 1), (2, 2), (1, 2)])
def test_unproject_inverts_project(projection: str, batch: int, cameras: int) -> None:
    world = points(batch)
    view = camera(projection, batch=cameras)
    screen = project(view, world)
    assert screen.pixels.shape == (max(batch, cameras), 12, 2)
    back = unproject(view, screen.pixels, screen.depth)
    torch.testing.assert_close(back, world.expand_as(back))


@pytest.mark.parametrize("projection", ["perspective", "orthographic"])
@pytest.mark.parametrize(("batch", "cameras"), [(1, 1), (2, 1), (2, 2), (1, 2)])
def test_jacobian_equals_autograd(projection: str, batch: int, cameras: int) -> None:
    world = points(batch)
    view = camera(projection, batch=cameras)
    analytic = projection_jacobian(view, world)
    world = world.expand(analytic.shape[0], -1, -1).clone()
    world[:, 0, 2] = 0.2
    analytic = projection_jacobian(view, world)
    columns = []
    for axis in range(2):
        variable = world.clone().requires_grad_()
        project(view, variable).pixels[..., axis].sum().backward()
        columns.append(variable.grad)
    torch.testing.assert_close(analytic, torch.stack(columns, dim=-2), rtol=1e-12, atol=1e-9)


def test_points_behind_the_camera_stay_finite() -> None:
    world = torch.tensor([[[0.1, 0.1, 0.5], [0.0, 0.0, 0.0]]]).double()
    screen = project(camera("perspective"), world)
    assert torch.isfinite(screen.pixels).all()
    assert float(screen.depth[0, 0]) == -0.5
    assert float(screen.pixels[0, 0, 0]) == pytest.approx(320.0 + 1000.0 * 0.1 / MINIMUM_DEPTH)


def test_projecting_into_a_crop_equals_cropping_the_projection() -> None:
    crop = Crop(
        offset=torch.tensor(((-10.0, 33.0),)).double(),
        scale=torch.tensor(((0.4,),)).double(),
        size=(256, 256),
    )
    view, world = camera("perspective", batch=2), points(2)
    in_crop = project(view.crop(crop), world).pixels
    torch.testing.assert_close(in_crop, crop.to_crop(project(view, world).pixels))


def test_centred_camera_looks_through_the_middle() -> None:
    view = centred_camera(torch.tensor((500.0,)), (480, 640))
    assert view.principal_point.tolist() == [[320.0, 240.0]]
    assert view.focal.tolist() == [[500.0, 500.0]]
