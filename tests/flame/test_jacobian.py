"""Analytic derivatives of vertices equal automatic ones, in batches."""

from dataclasses import fields, replace

import pytest
import torch

from flame_fit.flame import FlameModel, FlameParams
from flame_fit.flame.jacobian import (
    VertexJacobian,
    select_vertices,
    vertex_jacobian,
)
from flame_fit.testing import tiny_assets

NAMES = [field.name for field in fields(FlameParams)]
SIZES = {"shape": 6, "expression": 4, "eyes": 6}
VERTICES = torch.tensor((0, 50, 111, 301, 200))


def model() -> FlameModel:
    return FlameModel(tiny_assets(), dtype=torch.float64)


def random_params(batch: int, *, scale: float = 0.7) -> FlameParams:
    generator = torch.Generator().manual_seed(batch)
    values = {
        name: scale * torch.randn(batch, SIZES.get(name, 3), generator=generator).double()
        for name in NAMES
    }
    return FlameParams(**values)


def automatic(function, params: FlameParams, name: str) -> torch.Tensor:
    """Derivative of each batch item's output by its own parameters: b x n x k x c."""
    batch = params.batch_size
    full = getattr(params, name).expand(batch, -1).clone()
    jacobian = torch.autograd.functional.jacobian(
        lambda value: function(replace(params, **{name: value})), full
    )
    return torch.stack([jacobian[item, ..., item, :] for item in range(batch)])


def assert_equal(found: VertexJacobian, function, params: FlameParams) -> None:
    for name in NAMES:
        expected = automatic(function, params, name)
        torch.testing.assert_close(getattr(found, name), expected, atol=1e-11, rtol=0, msg=name)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("scale", [0.0, 1e-5, 0.7])
def test_vertices(batch: int, scale: float) -> None:
    head, params = model(), random_params(batch, scale=scale)
    found = vertex_jacobian(select_vertices(head, VERTICES), params)
    torch.testing.assert_close(found.positions, head.mesh(params).vertices[:, VERTICES])
    assert_equal(found, lambda p: head.mesh(p).vertices[:, VERTICES], params)


def test_shared_parameters_count_for_every_image() -> None:
    head, params = model(), random_params(2)
    shared = replace(params, shape=params.shape[:1])
    repeated = replace(params, shape=params.shape[:1].expand(2, -1))
    selection = select_vertices(head, VERTICES)
    found = vertex_jacobian(selection, shared)
    expected = vertex_jacobian(selection, repeated)
    assert torch.equal(found.coefficients, expected.coefficients)
    assert torch.equal(found.pose, expected.pose)


def test_fewer_coefficients_than_the_model_uses() -> None:
    head, params = model(), random_params(1)
    short = replace(params, shape=params.shape[:, :2], expression=params.expression[:, :0])
    found = vertex_jacobian(select_vertices(head, VERTICES), short)
    torch.testing.assert_close(found.positions, head.mesh(short).vertices[:, VERTICES])
    assert found.shape.shape[-1] == 6
    assert found.expression.shape[-1] == 4


def test_blocks_are_columns_of_coefficients_and_pose() -> None:
    found = vertex_jacobian(select_vertices(model(), VERTICES), random_params(1))
    assert torch.equal(torch.cat((found.shape, found.expression), dim=-1), found.coefficients)
    pose = (found.head_rotation, found.neck, found.jaw, found.eyes, found.translation)
    assert torch.equal(torch.cat(pose, dim=-1), found.pose)


def test_float32_is_close_to_float64() -> None:
    params = random_params(1)
    exact = vertex_jacobian(select_vertices(model(), VERTICES), params)
    single = vertex_jacobian(
        select_vertices(FlameModel(tiny_assets()), VERTICES), params.to(dtype=torch.float32)
    )
    torch.testing.assert_close(single.coefficients.double(), exact.coefficients, atol=1e-7, rtol=0)
    torch.testing.assert_close(single.pose.double(), exact.pose, atol=1e-6, rtol=0)
