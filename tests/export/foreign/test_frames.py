"""Poses and light moved between frames, checked by hand."""

import numpy as np

from flame_fit.export.foreign.frames import (
    Pose,
    RestJoints,
    moved,
    turned_light,
    without_neck,
)
from tests.export.foreign.tools import (
    our_shading,
    unit_vectors,
)
from tests.published_flame import rodrigues


def test_a_turned_neck_goes_into_the_root_and_the_head_stays(rng):
    """By hand: what hangs on the neck joint alone keeps its place."""
    joints = RestJoints(root=np.array([0.0, -0.12, 0.01]), neck=np.array([0.01, -0.05, 0.02]))
    pose = Pose(*(0.4 * rng.normal(size=3) for _ in range(3)))
    root, neck = rodrigues(pose.head_rotation), rodrigues(pose.neck)
    points = rng.normal(size=(5, 3))
    turned = (points - joints.neck) @ neck.T + joints.neck
    before = (turned - joints.root) @ root.T + joints.root + pose.translation
    moved_pose = without_neck(pose, joints)
    whole = rodrigues(moved_pose.head_rotation)
    after = (points - joints.root) @ whole.T + joints.root + moved_pose.translation
    np.testing.assert_allclose(after, before, atol=1e-12)
    assert not moved_pose.neck.any()


def test_moving_the_world_moves_every_vertex(rng):
    joints = RestJoints(root=rng.normal(size=3), neck=rng.normal(size=3))
    pose = Pose(rng.normal(size=3), np.zeros(3), rng.normal(size=3))
    rotation, translation = rodrigues(rng.normal(size=3)), rng.normal(size=3)
    points = rng.normal(size=(5, 3))

    def posed(pose):
        turned = (points - joints.root) @ rodrigues(pose.head_rotation).T
        return turned + joints.root + pose.translation

    after = posed(moved(pose, joints, rotation, translation))
    np.testing.assert_allclose(after, posed(pose) @ rotation.T + translation, atol=1e-12)


def test_turned_light_falls_on_turned_normals_as_before(rng):
    lighting, rotation, normals = (
        rng.normal(size=(9, 3)),
        rodrigues((0.3, 1.0, -2.0)),
        unit_vectors(rng),
    )
    turned = turned_light(lighting, rotation)
    np.testing.assert_allclose(
        our_shading(turned, normals @ rotation.T), our_shading(lighting, normals), atol=1e-12
    )
