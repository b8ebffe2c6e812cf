"""Topology of the mesh, and the confidence of its points."""

import numpy as np

from flame_fit.priors.face_box import FaceBox, box_around
from flame_fit.priors.face_detection import FaceDetection, merge_detections, tiles
from flame_fit.priors.face_mesh import visibility
from flame_fit.priors.face_mesh_topology import MESH_COUNT, face_mesh_topology


def test_the_mirror_map_is_an_involution_that_keeps_the_mesh():
    topology = face_mesh_topology()
    mirror = topology.mirror
    np.testing.assert_array_equal(mirror[mirror], np.arange(478))
    assert mirror[33] == 263
    assert mirror[61] == 291
    assert mirror[468] == 473
    edges = {
        frozenset(edge)
        for a, b, c in topology.triangles.tolist()
        for edge in ((a, b), (b, c), (c, a))
    }
    kept = [frozenset(mirror[list(edge)].tolist()) in edges for edge in edges]
    # Six quads at the eye corners and nostrils are cut along the other diagonal.
    assert kept.count(False) == 6


def test_the_named_contours_are_mirror_images():
    topology = face_mesh_topology()
    mirror = topology.mirror
    assert set(mirror[topology.left_eye]) == set(topology.right_eye)
    assert set(mirror[topology.left_brow]) == set(topology.right_brow)
    for loop in (topology.face_oval, topology.lips_outer, topology.lips_inner):
        assert set(mirror[loop]) == set(loop.tolist())


def test_the_mesh_on_the_head_is_symmetric(mesh_points):
    mirrored = mesh_points[face_mesh_topology().mirror] * [-1.0, 1.0, 1.0]
    np.testing.assert_allclose(mirrored, mesh_points, atol=2e-4)


def test_points_that_turn_away_lose_confidence(mesh_points):
    def seen(yaw: float) -> np.ndarray:
        x, y, z = mesh_points.T
        turned = np.cos(yaw) * x + np.sin(yaw) * z
        depth = np.sin(yaw) * x - np.cos(yaw) * z
        return visibility(np.stack([turned, -y, depth], axis=1) * 2000)

    front, left = seen(0.0), seen(np.deg2rad(60))
    cheeks = (50, 280)  # right, left
    assert front[list(cheeks)].min() > 0.7
    assert left[cheeks[0]] > 0.9
    assert left[cheeks[1]] < 0.5
    mirror = face_mesh_topology().mirror
    np.testing.assert_allclose(front[:MESH_COUNT], front[mirror[:MESH_COUNT]], atol=0.2)


def test_boxes_cut_what_they_say(rng):
    photo = rng.integers(0, 255, (60, 80, 3), dtype=np.uint8)
    box = FaceBox(40.0, 30.0, 20.0)
    np.testing.assert_array_equal(box.cut(photo, 20), photo[20:40, 30:50])
    np.testing.assert_array_equal(box.mirror().cut(photo, 20), photo[20:40, 30:50][:, ::-1])
    # Turned a quarter clockwise, the box's x axis runs down the photo.
    quarter = FaceBox(40.0, 30.0, 20.0, np.pi / 2).cut(photo, 20)
    np.testing.assert_array_equal(quarter, np.rot90(photo[20:40, 30:50]))


def test_box_points_return_to_the_photo():
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, 0.5]])
    box = FaceBox(40.0, 30.0, 20.0, np.pi / 2)
    np.testing.assert_allclose(box.to_photo(corners), [[50, 20], [50, 40], [40, 30]], atol=1e-9)
    mirrored = box.mirror().to_photo(corners)
    np.testing.assert_allclose(mirrored, [[50, 40], [50, 20], [40, 30]], atol=1e-9)


def test_a_box_around_points_turns_with_them(rng):
    points = rng.random((30, 2)) * 50
    angle = 0.7
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    straight = box_around(points, angle=0.0, scale=1.5)
    turned = box_around(points @ turn.T, angle=angle, scale=1.5)
    np.testing.assert_allclose(turned.side, straight.side)
    np.testing.assert_allclose([turned.x, turned.y], turn @ [straight.x, straight.y])


def detection(x: float, score: float) -> FaceDetection:
    return FaceDetection(np.array([x, 0.0, x + 10, 10.0]), np.full((6, 2), x), score)


def test_overlapping_detections_are_averaged_by_score():
    merged = merge_detections([detection(0.0, 0.6), detection(2.0, 0.9), detection(50.0, 0.7)])
    assert [face.score for face in merged] == [0.9, 0.7]
    np.testing.assert_allclose(merged[0].keypoints, 2.0 * 0.9 / 1.5)


def test_tiles_cover_the_photo_and_tiny_photos_have_none():
    boxes = tiles(640, 480, 0.6)
    covered = np.zeros((480, 640), bool)
    for box in boxes:
        half = box.side / 2
        covered[int(box.y - half) : int(box.y + half), int(box.x - half) : int(box.x + half)] = 1
    assert covered.mean() > 0.99
    assert tiles(64, 64, 0.6) == []
