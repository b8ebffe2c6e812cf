"""Landmarks: numbers, the outline's choice by the turn of the head, errors."""

from dataclasses import replace

import pytest
import torch

from flame_fit.errors import AssetError
from flame_fit.flame import FlameMesh, FlameModel, FlameParams
from flame_fit.flame.landmarks import camera_yaw, contour_points
from flame_fit.geometry import points_on_surface
from flame_fit.testing import tiny_assets


def mesh(model: FlameModel, *, yaw_degrees: float = 0.0, x: float = 0.0) -> FlameMesh:
    params = FlameParams.zeros(1, shape=6, expression=4)
    rotation = torch.tensor([[0.0, yaw_degrees, 0.0]]).deg2rad()
    return model.mesh(
        replace(params, head_rotation=rotation, translation=torch.tensor([[x, 0.1, -0.6]]))
    )


def test_numbers_of_points() -> None:
    model = FlameModel(tiny_assets())
    assert model.landmarks(mesh(model), "mediapipe").shape == (1, 478, 3)
    assert model.landmarks(mesh(model), "ibug").shape == (1, 68, 3)


@pytest.mark.parametrize("yaw", [-40.0, 0.0, 25.0])
def test_camera_yaw_is_the_turn_of_a_centred_head(yaw: float) -> None:
    model = FlameModel(tiny_assets())
    for projection in ("perspective", "orthographic"):
        found = camera_yaw(mesh(model, yaw_degrees=yaw), projection=projection)
        assert float(found.rad2deg()) == pytest.approx(yaw, abs=0.5)


def test_a_head_to_the_side_is_seen_from_the_side() -> None:
    # A head that looks along the camera's axis from the right edge of the image shows its right
    # cheek, as a centred head does that is turned to its left.
    model = FlameModel(tiny_assets())
    aside = mesh(model, x=0.6)
    assert float(camera_yaw(aside).rad2deg()) == pytest.approx(45.0, abs=2.0)
    assert float(camera_yaw(aside, projection="orthographic")) == pytest.approx(0.0, abs=1e-6)


def test_the_neck_turns_the_head_too() -> None:
    model = FlameModel(tiny_assets())
    params = FlameParams.zeros(1, shape=6, expression=4)
    turned = model.mesh(
        replace(
            params,
            neck=torch.tensor([[0.0, 0.4, 0.0]]),
            translation=torch.tensor([[0.0, 0.0, -0.6]]),
        )
    )
    assert float(camera_yaw(turned, projection="orthographic")) == pytest.approx(0.4, abs=1e-5)


def test_outline_points_are_the_nearest_row_of_the_table() -> None:
    table = tiny_assets().landmarks.contour
    found = contour_points(table, torch.tensor((-80.0, 6.0, 8.0)).deg2rad())
    rows = [0, 4, 5]
    assert table.yaw_degrees[rows].tolist() == [-60.0, 0.0, 15.0]
    assert torch.equal(found.face_index, table.points.face_index[rows])


def test_outline_lies_on_the_rim_as_the_camera_sees_it() -> None:
    model = FlameModel(tiny_assets())
    for yaw in (-30.0, 0.0, 30.0):
        outline = model.landmarks(mesh(model, yaw_degrees=yaw), "ibug")[0, :17]
        middle = outline[:, 0].mean()
        assert float(outline[0, 0]) < middle < float(outline[-1, 0]), "from right ear to left ear"
        assert int(outline[:, 1].argmin()) in (7, 8, 9), "the chin is in the middle"
        assert abs(float(middle)) < 0.012, "the rim stays centred as the head turns"


def test_inner_points_do_not_depend_on_the_turn() -> None:
    model = FlameModel(tiny_assets())
    turned = mesh(model, yaw_degrees=30.0)
    points = model.landmark_points(turned, "ibug")
    static = model.assets.landmarks.ibug
    assert torch.equal(points.face_index[0, 17:], static.face_index[17:])
    expected = points_on_surface(turned.vertices, turned.faces, static)[:, 17:]
    torch.testing.assert_close(model.landmarks(turned, "ibug")[:, 17:], expected)


def test_a_model_without_contour_table_keeps_the_frontal_outline() -> None:
    assets = tiny_assets()
    model = FlameModel(replace(assets, landmarks=replace(assets.landmarks, contour=None)))
    turned = mesh(model, yaw_degrees=30.0)
    points = model.landmark_points(turned, "ibug")
    assert torch.equal(points.face_index[0], assets.landmarks.ibug.face_index)


def test_missing_embeddings_are_named() -> None:
    assets = tiny_assets()
    bare = FlameModel(replace(assets, landmarks=None))
    with pytest.raises(AssetError, match="model 'tiny' has no landmark embeddings"):
        bare.landmarks(mesh(bare), "ibug")
    partly = FlameModel(replace(assets, landmarks=replace(assets.landmarks, mediapipe=None)))
    with pytest.raises(AssetError, match="no 'mediapipe' landmarks"):
        partly.landmarks(mesh(partly), "mediapipe")
