"""The FLAME layer against an independent NumPy twin, its derivatives, batching and conventions."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from flame_fit.errors import UsageError
from flame_fit.flame import FlameModel, FlameParams
from flame_fit.flame.assets import FlameAssets
from flame_fit.testing import tiny_assets

NAMES = [field.name for field in fields(FlameParams)]


def random_params(
    batch: int = 2, *, seed: int = 0, dtype: torch.dtype = torch.float64
) -> FlameParams:
    generator = torch.Generator().manual_seed(seed)
    sizes = {"shape": 6, "expression": 4, "eyes": 6}
    return FlameParams(
        **{
            name: 0.7 * torch.randn(batch, sizes.get(name, 3), generator=generator).to(dtype)
            for name in NAMES
        }
    )


def rodrigues(vector: np.ndarray) -> np.ndarray:
    angle = np.linalg.norm(vector + 1e-300)
    x, y, z = vector / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def numpy_twin(assets: FlameAssets, params: FlameParams, item: int) -> tuple:
    """The published formulas one vertex at a time: 4 x 4 transforms, relative to the rest pose."""
    p = {name: getattr(params, name)[item].numpy() for name in NAMES}
    shaped = (
        assets.v_template.double().numpy()
        + assets.shape_basis.double().numpy() @ p["shape"]
        + assets.expression_basis.double().numpy() @ p["expression"]
    )
    joints = assets.joint_regressor.double().numpy() @ shaped
    pose = [p["head_rotation"], p["neck"], p["jaw"], p["eyes"][:3], p["eyes"][3:]]
    rotations = [rodrigues(vector) for vector in pose]
    feature = np.concatenate([(rotation - np.eye(3)).ravel() for rotation in rotations[1:]])
    posed = shaped + assets.pose_basis.double().numpy() @ feature
    chain = []
    for joint, parent in enumerate(assets.parents):
        local = np.eye(4)
        local[:3, :3] = rotations[joint]
        local[:3, 3] = joints[joint] - (joints[parent] if parent >= 0 else 0)
        chain.append(local if parent < 0 else chain[parent] @ local)
    relative = []
    for transform, joint in zip(chain, joints, strict=True):
        away = np.eye(4)
        away[:3, 3] = -joint
        relative.append(transform @ away)
    vertices = np.empty_like(posed)
    for index, (vertex, weights) in enumerate(
        zip(posed, assets.skinning_weights.double().numpy(), strict=True)
    ):
        matrix = sum(w * transform for w, transform in zip(weights, relative, strict=True))
        vertices[index] = (matrix @ np.append(vertex, 1.0))[:3] + p["translation"]
    return vertices, np.array([transform[:3, 3] for transform in chain]) + p["translation"]


@pytest.mark.parametrize("seed", range(5))
def test_equals_the_numpy_twin(seed: int) -> None:
    assets = tiny_assets()
    params = random_params(seed=seed)
    mesh = FlameModel(assets, dtype=torch.float64).mesh(params)
    for item in range(2):
        vertices, joints = numpy_twin(assets, params, item)
        np.testing.assert_allclose(mesh.vertices[item].numpy(), vertices, atol=1e-12)
        np.testing.assert_allclose(mesh.joints[item].numpy(), joints, atol=1e-12)


def test_float32_follows_float64() -> None:
    exact = FlameModel(tiny_assets(), dtype=torch.float64).mesh(random_params())
    single = FlameModel(tiny_assets()).mesh(random_params(dtype=torch.float32))
    assert single.vertices.dtype == torch.float32
    torch.testing.assert_close(single.vertices.double(), exact.vertices, atol=2e-6, rtol=0)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_match_finite_differences(name: str) -> None:
    model = FlameModel(tiny_assets(), dtype=torch.float64)
    params = random_params(1)
    picked = torch.tensor((0, 77, 150, 301))

    def vertices(value: torch.Tensor) -> torch.Tensor:
        return model.mesh(replace(params, **{name: value})).vertices[:, picked]

    value = getattr(params, name).clone().requires_grad_()
    assert torch.autograd.gradcheck(vertices, value, eps=1e-6, atol=1e-8)
    gradient = torch.autograd.grad(vertices(value).square().sum(), value)[0]
    assert bool((gradient != 0).all()), f"{name} is disconnected from the output"


def test_gradients_at_rest_are_finite() -> None:
    params = FlameParams.zeros(1, shape=6, expression=4)
    values = {name: getattr(params, name).requires_grad_() for name in NAMES}
    FlameModel(tiny_assets()).mesh(params).vertices.square().sum().backward()
    assert all(bool(torch.isfinite(value.grad).all()) for value in values.values())


def test_zero_parameters_give_the_template() -> None:
    assets = tiny_assets()
    mesh = FlameModel(assets).mesh(FlameParams.zeros(3, shape=6, expression=4))
    torch.testing.assert_close(mesh.vertices, assets.v_template.expand(3, -1, -1))
    assert torch.equal(mesh.joint_rotations, torch.eye(3).expand(3, 5, 3, 3))


def test_shared_fields_are_broadcast() -> None:
    model = FlameModel(tiny_assets(), dtype=torch.float64)
    params = random_params(3)
    shared = replace(params, shape=params.shape[:1], neck=params.neck[:1])
    repeated = replace(
        params, shape=params.shape[:1].expand(3, -1), neck=params.neck[:1].expand(3, -1)
    )
    assert shared.batch_size == 3
    assert torch.equal(model.mesh(shared).vertices, model.mesh(repeated).vertices)


def test_left_out_coefficients_are_zero() -> None:
    model = FlameModel(tiny_assets(), dtype=torch.float64)
    params = random_params(1)
    short = replace(params, shape=params.shape[:, :2], expression=params.expression[:, :1])
    full = replace(
        params,
        shape=torch.nn.functional.pad(params.shape[:, :2], (0, 4)),
        expression=torch.nn.functional.pad(params.expression[:, :1], (0, 3)),
    )
    assert torch.equal(model.mesh(short).vertices, model.mesh(full).vertices)
    small = FlameModel(tiny_assets(), shape_count=2, expression_count=1, dtype=torch.float64)
    torch.testing.assert_close(small.mesh(short).vertices, model.mesh(full).vertices)
    assert small.assets.shape_basis.shape[-1] == 2


def test_wrong_numbers_of_components_are_refused() -> None:
    with pytest.raises(UsageError, match="7 shape components were asked for; the model has 6"):
        FlameModel(tiny_assets(), shape_count=7)
    model = FlameModel(tiny_assets(), expression_count=2)
    with pytest.raises(UsageError, match="4 expression coefficients were given; the model uses 2"):
        model.mesh(FlameParams.zeros(1, shape=6, expression=4))


def test_inputs_are_not_changed() -> None:
    assets, params = tiny_assets(), random_params()
    before = {name: getattr(params, name).clone() for name in NAMES}
    template = assets.v_template.clone()
    FlameModel(assets, dtype=torch.float64).mesh(params)
    assert all(torch.equal(before[name], getattr(params, name)) for name in NAMES)
    assert torch.equal(template, assets.v_template)
    assert assets.v_template.dtype == torch.float32


def test_turning_the_head_to_the_persons_left_moves_the_nose_to_plus_x() -> None:
    params = FlameParams.zeros(1, shape=6, expression=4)
    turned = replace(params, head_rotation=torch.tensor([[0.0, 0.5, 0.0]]))
    model = FlameModel(tiny_assets())
    nose = int(model.assets.v_template[:, 2].argmax())
    assert float(model.mesh(turned).vertices[0, nose, 0]) > 0.02


def test_an_open_jaw_moves_only_what_is_bound_to_it() -> None:
    assets = tiny_assets()
    assets = replace(assets, pose_basis=torch.zeros_like(assets.pose_basis))
    model = FlameModel(assets)
    rest = FlameParams.zeros(1, shape=6, expression=4)
    opened = model.mesh(replace(rest, jaw=torch.tensor([[0.3, 0.0, 0.0]]))).vertices
    moved = (opened - model.mesh(rest).vertices)[0].norm(dim=-1)
    share = assets.skinning_weights[:, 2]
    assert bool((moved <= 0.3 * 0.2 * share + 1e-7).all()), "no further than share, angle and lever"
    assert float(moved[share.argmax()]) > 1e-3


def test_params_move_between_dtypes() -> None:
    moved = FlameParams.zeros(2).to(dtype=torch.float64)
    assert moved.shape.dtype == torch.float64
    assert moved.shape.shape == (2, 300)
    assert moved.eyes.shape == (2, 6)
