"""A tiny model as this library and as other tools have it, and a fit of it."""

import numpy as np
import pytest

from flame_fit.export import ExportParams
from flame_fit.testing import tiny_assets
from tests.export.foreign.tools import (
    EXPRESSION,
    IDENTITY,
)


@pytest.fixture(scope="module")
def tiny():
    """Its pose correctives make a difference of millimetres, so a wrong order would show."""
    return tiny_assets(shape_count=IDENTITY, expression_count=EXPRESSION)


@pytest.fixture(scope="module")
def release(tiny):
    """The same model as the other tools have it."""
    shapedirs = np.zeros((len(tiny.v_template), 3, 400))
    shapedirs[..., :IDENTITY] = tiny.shape_basis
    shapedirs[..., 300 : 300 + EXPRESSION] = tiny.expression_basis
    return {
        "v_template": tiny.v_template.double().numpy(),
        "shapedirs": shapedirs,
        "posedirs": tiny.pose_basis.double().numpy(),
        "J_regressor": tiny.joint_regressor.double().numpy(),
        "kintree_table": np.array([[-1, 0, 1, 1, 1], range(5)]),
        "weights": tiny.skinning_weights.double().numpy(),
    }


@pytest.fixture
def fitted(rng, tiny):
    """A fit of a photo that is not square, without a turned neck."""
    return ExportParams(
        shape=rng.normal(size=IDENTITY),
        expression=rng.normal(size=EXPRESSION),
        head_rotation=np.array([0.2, -0.4, 0.1]),
        translation=np.array([0.03, -0.02, -0.7]),
        neck=np.zeros(3),
        jaw=np.array([0.15, 0.01, -0.02]),
        eyes=0.1 * rng.normal(size=6),
        focal=np.array([900.0, 900.0]),
        principal_point=np.array([320.0, 240.0]),
        image_size=np.array([640, 480]),
        lighting=rng.normal(size=(9, 3)),
        texture_code=rng.normal(size=50),
        projection="perspective",
        model_name=tiny.name,
        model_sha256=tiny.sha256,
    )
