"""Known surface points are found again from their pictures, symmetric and turned the right way."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from flame_fit.errors import AssetError
from flame_fit.flame import FlameModel, load_assets
from flame_fit.geometry import SurfacePoints, points_on_surface, vertex_normals
from flame_fit.priors.embedding_views import SeenView, region_colours
from flame_fit.priors.face_mesh import visibility
from flame_fit.priors.face_mesh_topology import face_mesh_topology
from flame_fit.priors.ibug_embedding import embed_ibug
from flame_fit.priors.landmark_embedding import embed_mediapipe, skin_faces

FOCAL, DISTANCE = 1700.0, 0.8


@pytest.fixture(scope="module")
def assets():
    return load_assets()


def view_of(assets, points: np.ndarray, yaw: float) -> SeenView:
    """The mean head turned by `yaw`, its landmarks exactly where the points are."""
    turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])

    def picture(surface: np.ndarray) -> np.ndarray:
        x, y, z = (surface @ turn.T).T
        return np.stack([x, -y], axis=1) * (FOCAL / (DISTANCE - z))[:, None] + 256

    vertices = assets.v_template.double().numpy()
    normals = vertex_normals(assets.v_template[None], assets.faces)[0].double().numpy()
    depth = DISTANCE - (vertices @ turn.T)[:, 2]
    pixels = picture(points)
    relative = -(points @ turn.T)[:, 2] * FOCAL / DISTANCE
    return SeenView(
        picture=np.zeros((512, 512, 3), np.uint8),
        vertices=picture(vertices),
        depth=depth,
        facing=(normals @ turn.T)[:, 2],
        landmarks=pixels,
        confidence=visibility(np.column_stack([pixels, relative])),
        yaw=yaw,
    )


@pytest.fixture(scope="module")
def recovered(assets, mesh_points):
    views = [view_of(assets, mesh_points, yaw) for yaw in np.deg2rad([-40, -25, -10, 5, 20, 35])]
    return embed_mediapipe(assets, views)


def places(assets, points: SurfacePoints) -> np.ndarray:
    exact = SurfacePoints(points.face_index, points.barycentrics.double())
    return points_on_surface(assets.v_template.double()[None], assets.faces, exact)[0].numpy()


def test_points_are_found_again_from_their_pictures(assets, mesh_points, recovered):
    distance = np.linalg.norm(places(assets, recovered.points) - mesh_points, axis=1) * 1000
    assert np.median(distance) < 0.3
    assert np.quantile(distance, 0.95) < 1.0
    assert np.median(recovered.residual) < 0.5


def test_found_points_are_symmetric_and_on_the_right_surface(assets, recovered):
    found = places(assets, recovered.points)
    mirrored = found[face_mesh_topology().mirror] * [-1.0, 1.0, 1.0]
    np.testing.assert_allclose(mirrored, found, atol=1e-4)
    assert skin_faces(assets)[recovered.points.face_index[:468].numpy()].all()
    corners = assets.faces[recovered.points.face_index]
    for iris, region in ((slice(468, 473), "right_eyeball"), (slice(473, 478), "left_eyeball")):
        assert assets.regions.mask(region)[corners[iris]].all()


def test_too_few_pictures_are_refused(assets, mesh_points):
    views = [view_of(assets, mesh_points, 0.0)]
    with pytest.raises(AssetError, match="found in 1 pictures"):
        embed_mediapipe(assets, views)
    with pytest.raises(AssetError, match="mirror map"):
        embed_mediapipe(replace(assets, mirror_vertex=None), views)


@pytest.fixture(scope="module")
def ibug(assets):
    return embed_ibug(assets, assets.landmarks.mediapipe)


def test_ibug_points_lie_in_their_order(assets, ibug):
    found = places(assets, ibug.ibug)
    x, y, z = found.T
    # 0 is the person's right ear at the left of the picture; x points to the person's left.
    assert x[0] < x[4] < x[8] < x[12] < x[16]
    assert y[8] == y.min()
    assert abs(x[8]) < 1e-4
    assert (np.diff(x[[36, 39, 42, 45]]) > 0).all()
    assert y[19] > y[37] > y[30] > y[51] > y[57] > y[8]
    assert z[30] == z.max()


def test_the_outline_stays_on_the_near_side_and_moves_inwards_on_the_far_side(assets, ibug):
    table = ibug.contour
    rows = {int(yaw): row for row, yaw in enumerate(table.yaw_degrees.tolist())}
    points = places_of_table(assets, table)
    frontal = points[rows[0]]
    np.testing.assert_allclose(places(assets, ibug.ibug)[:17], frontal, atol=1e-6)
    left = points[rows[45]]
    # The head turns to the person's left: right cheek (0..7) in full view, left one at the rim.
    np.testing.assert_allclose(left[:6], frontal[:6], atol=0.009)
    assert (np.linalg.norm(left[13:16] - frontal[13:16], axis=1) > 0.005).all()
    assert (left[11:16, 0] <= frontal[11:16, 0] + 1e-4).all()
    np.testing.assert_allclose(left[:, 1], frontal[:, 1], atol=0.012)


def test_the_outline_is_symmetric(assets, ibug):
    table = ibug.contour
    np.testing.assert_allclose(table.yaw_degrees, -table.yaw_degrees.flip(0))
    points = places_of_table(assets, table)
    mirrored = points[::-1, ::-1] * [-1.0, 1.0, 1.0]
    assert np.abs(mirrored - points).max() < 0.004


def places_of_table(assets, table) -> np.ndarray:
    flat = SurfacePoints(
        table.points.face_index.reshape(-1), table.points.barycentrics.reshape(-1, 3)
    )
    return places(assets, flat).reshape(len(table.yaw_degrees), 17, 3)


def test_paint_by_region_marks_irises_and_lips(assets):
    colours = region_colours(assets.regions, len(assets.v_template))
    assert colours[assets.regions.mask("left_iris")].max() < 0.2
    assert colours.shape == assets.v_template.shape


def test_a_rendered_head_is_seen_where_it_is(assets, detector):
    from flame_fit.priors.embedding_views import ViewSettings, seen_views
    from flame_fit.priors.model_files import resolve_face_models

    model = FlameModel(assets, shape_count=20, expression_count=5)
    settings = ViewSettings(count=3, yaw_degrees=30.0, seed=1)
    views = seen_views(model, resolve_face_models(detector), settings=settings)
    assert len(views) == 3
    assert [np.sign(view.yaw) for view in views][::2] == [-1, 1]
    points = assets.landmarks.mediapipe
    corners = assets.faces[points.face_index].numpy()
    for view in views:
        expected = np.einsum("ncd,nc->nd", view.vertices[corners], points.barycentrics.numpy())
        size = np.ptp(view.landmarks[:, 1])
        distance = np.linalg.norm(expected - view.landmarks, axis=1)
        assert np.median(distance) < 0.03 * size
    assert torch.isfinite(points.barycentrics).all()
