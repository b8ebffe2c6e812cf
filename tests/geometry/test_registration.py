"""Non-rigid registration: known bends come back, landmarks pull, rims do not drag."""

import numpy as np
import pytest
import torch

from flame_fit.errors import InputError
from flame_fit.geometry.alignment import closest_points_on_mesh, similarity_alignment
from flame_fit.geometry.registration import (
    RegistrationSchedule,
    register,
    surface_correspondence,
)
from flame_fit.geometry.topology import SurfacePoints, points_on_surface, vertex_normals
from flame_fit.testing import tiny_assets

QUICK = RegistrationSchedule(stiffness=(0.3, 0.1, 0.04, 0.02), landmark_weight=(2.0, 0.5, 0.2, 0.1))


@pytest.fixture(scope="module")
def head():
    assets = tiny_assets()
    return assets.v_template.double().numpy(), assets.faces.numpy()


def bend(vertices):
    """A smooth map that no similarity comes near: a taper and a bow of half a centimetre."""
    x, y, z = vertices.T
    return np.stack((x * (1 + 0.8 * y), y + 3.0 * x**2, 1.05 * z + 1.5 * y * z), axis=1)


def refined(vertices, faces):
    """The same surface with four triangles for each, so of another topology."""
    edges = np.sort(np.concatenate((faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]])), axis=1)
    unique, inverse = np.unique(edges, axis=0, return_inverse=True)
    ab, bc, ca = (inverse.reshape(3, -1) + len(vertices)).astype(np.int64)
    a, b, c = faces.T
    triangles = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    new_faces = np.concatenate([np.stack(triangle, axis=1) for triangle in triangles])
    return np.concatenate((vertices, vertices[unique].mean(1))), new_faces


def spread(faces, count):
    chosen = torch.arange(0, len(faces), len(faces) // count)
    return SurfacePoints(chosen, torch.tensor((0.2, 0.3, 0.5)).expand(len(chosen), 3))


def placed(points, vertices, faces):
    return points_on_surface(torch.from_numpy(vertices)[None], torch.from_numpy(faces), points)[
        0
    ].numpy()


def normals_of(vertices, faces):
    return vertex_normals(torch.from_numpy(vertices)[None], torch.from_numpy(faces))[0].numpy()


def surface_distance(points, vertices, faces):
    found = closest_points_on_mesh(
        torch.from_numpy(points), torch.from_numpy(vertices), torch.from_numpy(faces)
    )
    return found.distance.numpy()


def test_a_smooth_bend_is_recovered_on_another_topology_in_another_unit(head):
    vertices, faces = head
    bent = bend(vertices)
    fine, fine_faces = refined(bent, faces)
    landmarks = spread(faces, 24)
    registered = register(
        1000.0 * vertices,
        faces,
        fine,
        fine_faces,
        source_landmarks=landmarks,
        target_landmarks=placed(landmarks, bent, faces),
        schedule=QUICK,
    )
    error = np.linalg.norm(registered - bent, axis=1)
    similar = similarity_alignment(torch.from_numpy(vertices), torch.from_numpy(bent))
    start = similar.apply(torch.from_numpy(vertices)).numpy()
    assert surface_distance(start, fine, fine_faces).mean() > 3e-3
    assert surface_distance(registered, fine, fine_faces).mean() < 1e-4
    # What slides along the surface is held by landmarks only.
    assert error.mean() < 0.45 * np.linalg.norm(start - bent, axis=1).mean()


def test_what_lies_there_already_stays(head):
    vertices, faces = head
    registered = register(vertices, faces, vertices, faces, schedule=QUICK)
    np.testing.assert_allclose(registered, vertices, atol=1e-9)


def test_an_affine_target_is_reached_however_stiff_the_mesh(head):
    vertices, faces = head
    target = vertices @ np.array([[1.1, 0.05, 0.0], [0.0, 0.95, 0.1], [0.02, 0.0, 1.05]]).T + 0.01
    every = SurfacePoints(torch.arange(len(faces)), torch.full((len(faces), 3), 1 / 3))
    registered = register(
        vertices,
        faces,
        target,
        faces,
        source_landmarks=every,
        target_landmarks=placed(every, target, faces),
        schedule=RegistrationSchedule(stiffness=(10.0,), landmark_weight=(10.0,), iterations=20),
    )
    np.testing.assert_allclose(registered, target, atol=3e-4)


def test_landmarks_pull_along_a_surface_that_gives_no_hold():
    """A turned sphere looks the same: only the landmarks know of the turn."""
    assets = tiny_assets()
    faces = assets.faces.numpy()
    sphere = torch.nn.functional.normalize(assets.v_template, dim=-1).double().numpy()
    # The cubic term cannot be taken up by the similarity of the landmarks.
    twist = 0.25 * sphere[:, 1] ** 3
    cosine, sine = np.cos(twist), np.sin(twist)
    x, y, z = sphere.T
    twisted = np.stack((cosine * x + sine * z, y, cosine * z - sine * x), axis=1)
    landmarks = spread(faces, 120)
    wanted = placed(landmarks, twisted, faces)
    registered = register(
        sphere, faces, sphere, faces,
        source_landmarks=landmarks, target_landmarks=wanted, schedule=QUICK,
    )  # fmt: skip
    before = np.linalg.norm(placed(landmarks, sphere, faces) - wanted, axis=1)
    after = np.linalg.norm(placed(landmarks, registered, faces) - wanted, axis=1)
    assert after.mean() < 0.35 * before.mean()
    assert (
        np.linalg.norm(registered - twisted, axis=1).mean()
        < 0.5 * np.linalg.norm(sphere - twisted, axis=1).mean()
    )


def test_the_rim_of_a_target_does_not_drag_what_lies_beyond(head):
    """Half a head as target: the other half goes along instead of piling up on the rim."""
    vertices, faces = head
    target = vertices * np.array([1.0, 1.0, 1.1])
    front = (vertices[faces][..., 2] > 0).all(1)
    registered = register(vertices, faces, target, faces[front], schedule=QUICK)
    behind = vertices[:, 2] < -0.03
    assert surface_distance(registered[vertices[:, 2] > 0.02], target, faces).max() < 1e-3
    assert np.abs(registered[behind] - vertices[behind]).max() < 0.004
    rim_pull = surface_distance(vertices[behind], target, faces[front]).mean()
    assert rim_pull > 0.04

    found = surface_correspondence(
        registered, normals_of(registered, faces), target, faces[front], maximum_distance=0.01
    )
    assert found.valid[vertices[:, 2] > 0.035].all()
    assert not found.valid[behind].any()
    on_target = points_on_surface(
        torch.from_numpy(target)[None], torch.from_numpy(faces[front]), found.surface
    )[0].numpy()
    np.testing.assert_allclose(on_target, found.points, atol=1e-12)
    np.testing.assert_allclose(
        np.linalg.norm(found.points - registered, axis=1), found.distance, atol=1e-12
    )


def test_vertices_on_the_rim_of_a_target_are_not_valid_however_near(head):
    vertices, faces = head
    front = (vertices[faces][..., 2] > -1e-9).all(1)
    found = surface_correspondence(
        vertices, normals_of(vertices, faces), vertices, faces[front], maximum_distance=1e-6
    )
    used = np.zeros(len(vertices), dtype=bool)
    used[np.unique(faces[front])] = True
    rim = used & np.isin(np.arange(len(vertices)), np.unique(faces[~front]))
    assert rim.any()
    assert not found.valid[rim].any()
    assert found.valid[used & ~rim].all()


def test_surfaces_that_face_away_do_not_attract(head):
    vertices, faces = head
    turned = faces[:, ::-1].copy()
    found = surface_correspondence(
        vertices, normals_of(vertices, faces), vertices, turned, maximum_distance=1.0
    )
    assert not found.valid.any()
    moved = register(vertices, faces, 1.05 * vertices, turned, schedule=QUICK)
    np.testing.assert_allclose(moved, vertices, atol=1e-6)


def test_loose_parts_and_weightless_vertices_go_along(head):
    """An eyeball inside, which the target lacks, moves as its surroundings do."""
    vertices, faces = head
    ball = 0.1 * vertices + np.array([0.03, 0.02, 0.06])
    both = np.concatenate((vertices, ball))
    both_faces = np.concatenate((faces, faces + len(vertices)))
    weight = np.r_[np.ones(len(vertices)), np.zeros(len(ball))]
    target = 1.1 * vertices + np.array([0.0, 0.002, 0.0])
    registered = register(both, both_faces, target, faces, vertex_weight=weight, schedule=QUICK)
    wanted = 1.1 * ball + np.array([0.0, 0.002, 0.0])
    assert np.abs(registered[len(vertices) :] - wanted).max() < 2e-3
    assert np.abs(ball - wanted).max() > 6e-3


def test_inputs_stay_as_they_are(head):
    vertices, faces = (array.copy() for array in head)
    register(vertices, faces, 1.05 * vertices, faces, schedule=QUICK)
    np.testing.assert_array_equal(vertices, head[0])
    np.testing.assert_array_equal(faces, head[1])


def test_errors_say_what_to_do(head):
    vertices, faces = head
    points = spread(faces, 6)
    with pytest.raises(InputError, match=r"^a registration got 6 landmarks .* and 0 .*; give"):
        register(vertices, faces, vertices, faces, source_landmarks=points)
    with pytest.raises(InputError, match="got 6 landmarks on the source and 4"):
        register(
            vertices, faces, vertices, faces,
            source_landmarks=points, target_landmarks=np.zeros((4, 3)),
        )  # fmt: skip
    with pytest.raises(InputError, match="target landmarks are not finite"):
        register(
            vertices, faces, vertices, faces,
            source_landmarks=points, target_landmarks=np.full((6, 3), np.nan),
        )  # fmt: skip
    with pytest.raises(InputError, match="needs two meshes with triangles"):
        register(vertices, faces, vertices, faces[:0])
    with pytest.raises(InputError, match="outside the 302 vertices"):
        register(vertices, faces, vertices, faces + 1)
    with pytest.raises(InputError, match="2 stiffnesses and 1 landmark weights"):
        RegistrationSchedule(stiffness=(1.0, 0.5), landmark_weight=(1.0,))
    with pytest.raises(InputError, match="must be above 0"):
        RegistrationSchedule(stiffness=(0.0,), landmark_weight=(1.0,))
