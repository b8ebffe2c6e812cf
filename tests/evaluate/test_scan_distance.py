"""Distances of surfaces whose distances are known."""

from __future__ import annotations

import math

import pytest
import torch

from flame_fit.errors import InputError
from flame_fit.evaluate import (
    crop_face,
    face_error,
    mesh_to_mesh,
    model_landmarks,
    require_same_face,
    sample_surface,
    scan_to_mesh,
)
from flame_fit.evaluate.surface_alignment import _SurfaceDistance, refine_alignment
from flame_fit.geometry import face_normals
from flame_fit.geometry.alignment import (
    Similarity,
    closest_points_on_mesh,
    similarity_alignment,
)
from flame_fit.geometry.mesh_search import MeshSearch
from flame_fit.testing import tiny_assets
from tests.evaluate.shapes import head, head_landmarks, noise, sphere, subdivide, turned

SWAPPED = [3, 2, 1, 0, 4, 6, 5]
# Of the absolute value of a standard normal number: median, mean and standard deviation.
HALF_NORMAL = (0.67449, math.sqrt(2 / math.pi), math.sqrt(1 - 2 / math.pi))


def identity() -> Similarity:
    return Similarity(
        rotation=torch.eye(3, dtype=torch.float64),
        scale=torch.ones((), dtype=torch.float64),
        translation=torch.zeros(3, dtype=torch.float64),
    )


@pytest.mark.parametrize("crop", [True, False])
def test_a_turned_and_enlarged_copy_has_no_distance(*, crop: bool) -> None:
    vertices, faces = head()
    scan = turned(sample_surface(vertices, faces, count=3000), scale=1000.0)
    # Landmarks of both are a little off, so that the refinement has work to do.
    jitter = 0.003 * noise(21).reshape(7, 3)
    found = scan_to_mesh(
        scan,
        vertices,
        faces,
        scan_landmarks=turned(head_landmarks() + jitter, scale=1000.0),
        mesh_landmarks=head_landmarks(),
        crop=crop,
    )
    assert float(found.distances.max()) < 1e-6
    assert float(found.alignment.scale) == pytest.approx(1000.0)
    assert (len(found.distances) == 3000) != crop


def test_size_counts_only_if_it_must_be_kept() -> None:
    vertices, faces = head()
    scan, points = turned(vertices, scale=1.05), turned(head_landmarks(), scale=1.05)
    free = scan_to_mesh(
        scan, vertices, faces, scan_landmarks=points, mesh_landmarks=head_landmarks()
    )
    kept = scan_to_mesh(
        scan, vertices, faces, scan_landmarks=points, mesh_landmarks=head_landmarks(), scale=False
    )
    assert free.median < 1e-9
    assert float(kept.alignment.scale) == 1.0
    # Five percent of a face that is about 8 cm deep, shared between front and back.
    assert 0.0005 < kept.median < 0.005
    same = scan_to_mesh(
        turned(vertices),
        vertices,
        faces,
        scan_landmarks=turned(head_landmarks()),
        mesh_landmarks=head_landmarks(),
        scale=False,
    )
    assert same.median < 1e-9


def test_a_larger_sphere_is_its_offset_away_until_it_may_shrink() -> None:
    vertices, faces = sphere(0.1)
    scan = sphere(0.103, level=2)[0] + 0.02
    marks = 0.1 * torch.nn.functional.normalize(head_landmarks(), dim=-1)
    kept = scan_to_mesh(
        scan,
        vertices,
        faces,
        scan_landmarks=1.03 * marks + 0.02,
        mesh_landmarks=marks,
        scale=False,
        crop=False,
    )
    assert kept.median == pytest.approx(0.003, abs=0.0002)
    assert kept.std < 0.0002
    free = scan_to_mesh(
        scan, vertices, faces, scan_landmarks=1.03 * marks + 0.02, mesh_landmarks=marks, crop=False
    )
    assert free.median < 0.0002


def test_known_noise_gives_its_known_statistics() -> None:
    square = torch.tensor(((-1, -1, 0), (1, -1, 0), (1, 1, 0), (-1, 1, 0))).double()
    faces = torch.tensor(((0, 1, 2), (0, 2, 3)))
    points = sample_surface(0.9 * square, faces, count=20_000)
    points[:, 2] = 0.002 * noise(20_000)
    start = identity()
    found = closest_points_on_mesh(
        points, refine_alignment(points, square, faces, start, scale=False).apply(square), faces
    )
    median, mean, std = (0.002 * value for value in HALF_NORMAL)
    assert float(found.distance.median()) == pytest.approx(median, rel=0.02)
    assert float(found.distance.mean()) == pytest.approx(mean, rel=0.02)
    assert float(found.distance.std()) == pytest.approx(std, rel=0.02)


def test_statistics_are_those_of_the_distances() -> None:
    vertices, faces = head()
    scan = vertices + 0.002 * noise(3 * len(vertices)).reshape(-1, 3)
    found = scan_to_mesh(
        scan, vertices, faces, scan_landmarks=head_landmarks(), mesh_landmarks=head_landmarks()
    )
    assert found.median == pytest.approx(float(found.distances.quantile(0.5)))
    assert found.mean == pytest.approx(float(found.distances.mean()))
    assert found.std == pytest.approx(float(found.distances.std(correction=0)))


def test_the_refinement_lowers_the_sum_of_squares_below_that_of_every_small_motion() -> None:
    vertices, faces = head()
    points = turned(vertices + 0.002 * noise(3 * len(vertices)).reshape(-1, 3))
    start = similarity_alignment(head_landmarks(), turned(head_landmarks()))
    best = refine_alignment(points, vertices, faces, start, scale=True)
    search = MeshSearch.of(vertices, faces)
    normals = face_normals(vertices[None], faces)[0]
    problem = _SurfaceDistance.of(points, search, normals, best, scale=True)
    least = float(problem.cost(torch.zeros(1, 7, dtype=torch.float64)))
    for axis in range(7):
        for step in (-1e-3, 1e-3):
            motion = torch.zeros(1, 7, dtype=torch.float64)
            motion[0, axis] = step
            assert float(problem.cost(motion)) > least


def test_the_gradient_is_that_of_finite_differences() -> None:
    vertices, faces = head()
    points = turned(1.03 * vertices + 0.004 * noise(3 * len(vertices)).reshape(-1, 3))
    start = similarity_alignment(head_landmarks(), turned(head_landmarks()))
    search, normals = MeshSearch.of(vertices, faces), face_normals(vertices[None], faces)[0]
    problem = _SurfaceDistance.of(points, search, normals, start, scale=True)
    value = torch.tensor([[0.1, -0.05, 0.2, 0.02, 0.03, -0.02, 0.01]], dtype=torch.float64)
    expected = torch.zeros(7, dtype=torch.float64)
    for axis in range(7):
        step = torch.zeros(1, 7, dtype=torch.float64)
        step[0, axis] = 1e-5
        expected[axis] = (problem.cost(value + step) - problem.cost(value - step))[0] / 2e-5
    torch.testing.assert_close(problem.linearise(value).gradient[0], expected, rtol=1e-4, atol=1e-8)


def test_the_crop_is_the_ball_of_the_benchmark() -> None:
    points = head_landmarks()
    nose, bridge = points[4], (points[1] + points[2]) / 2
    middle = nose + 0.3 * (bridge - nose)
    radius = 1.4 * ((points[0] - points[3]).norm() + (nose - bridge).norm()) / 2
    ways = torch.nn.functional.normalize(noise(60).reshape(20, 3), dim=-1)
    assert bool(crop_face(middle + 0.999 * radius * ways, points).all())
    assert not bool(crop_face(middle + 1.001 * radius * ways, points).any())


def test_landmarks_in_another_order_are_refused() -> None:
    points = head_landmarks()
    require_same_face(turned(points), points)
    with pytest.raises(InputError, match="left and right are swapped.*right outer eye corner, "):
        require_same_face(turned(points)[SWAPPED], points)
    with pytest.raises(InputError, match="differ by .*% of the distance between the eye corners"):
        require_same_face(points[[6, 0, 5, 1, 4, 2, 3]], points)
    with pytest.raises(InputError, match="landmarks are not finite; mark all seven"):
        require_same_face(points * float("nan"), points)
    with pytest.raises(InputError, match="are one point"):
        require_same_face(points.index_fill(0, torch.tensor([0, 3]), 0.0), points)


def test_nothing_left_to_measure_is_an_error() -> None:
    vertices, faces = head()
    with pytest.raises(InputError, match="at least 3 scan points; got 0"):
        scan_to_mesh(
            vertices + 5.0,
            vertices,
            faces,
            scan_landmarks=head_landmarks(),
            mesh_landmarks=head_landmarks(),
        )


def test_points_in_one_place_cannot_be_aligned() -> None:
    vertices, faces = head()
    with pytest.raises(InputError, match="lie in one place"):
        refine_alignment(torch.ones(5, 3), vertices, faces, identity(), scale=True)


def test_inputs_are_left_as_they_are() -> None:
    vertices, faces = head()
    scan, points = turned(vertices), turned(head_landmarks())
    before = [tensor.clone() for tensor in (scan, vertices, points)]
    scan_to_mesh(scan, vertices, faces, scan_landmarks=points, mesh_landmarks=head_landmarks())
    for tensor, old in zip((scan, vertices, points), before, strict=True):
        assert torch.equal(tensor, old)


def test_the_cut_into_triangles_does_not_matter() -> None:
    vertices, faces = head()
    finer, finer_faces = subdivide(vertices, faces)
    found = mesh_to_mesh(vertices, faces, finer + 0.003, finer_faces, sample_count=2000)
    assert found.to_estimate.median < 1e-8
    assert found.to_truth.median < 1e-8
    assert len(found.to_truth.distances) == 2000


def test_meshes_in_different_frames_need_a_start() -> None:
    vertices, faces = head()
    for other in (1000.0 * vertices, vertices + 1.0):
        with pytest.raises(InputError, match="do not lie in one frame: sizes .* give landmarks"):
            mesh_to_mesh(other, faces, vertices, faces, sample_count=100)
    start = similarity_alignment(1000.0 * head_landmarks(), head_landmarks())
    found = mesh_to_mesh(1000.0 * vertices, faces, vertices, faces, start=start, sample_count=500)
    assert found.to_estimate.median < 1e-9


def test_what_the_truth_lacks_shows_on_the_way_back_alone() -> None:
    vertices, faces = head()
    front = faces[(vertices[faces][..., 2] > 0).all(-1)]
    found = mesh_to_mesh(vertices, faces, vertices, front, scale=False, sample_count=2000)
    assert float(found.to_estimate.distances.max()) < 1e-9
    assert float(found.to_truth.distances.max()) > 0.05


def test_two_spheres_are_as_far_apart_as_their_radii() -> None:
    inner, faces = sphere(0.1, level=3)
    outer, outer_faces = sphere(0.104, level=3)
    found = mesh_to_mesh(inner, faces, outer, outer_faces, scale=False, sample_count=500)
    assert found.to_estimate.median == pytest.approx(0.004, rel=0.02)
    assert found.to_truth.median == pytest.approx(0.004, rel=0.02)
    free = mesh_to_mesh(inner, faces, outer, outer_faces, sample_count=500)
    assert free.to_estimate.median < 0.0003


def test_a_head_of_the_same_topology_is_laid_on_by_its_face() -> None:
    assets = tiny_assets()
    assert assets.regions is not None
    region, truth = assets.regions.mask("face"), assets.v_template.double()
    away = turned(truth + 0.001 * noise(truth.numel()).reshape(-1, 3), scale=3.0)
    found = face_error(away, truth, assets.faces, region=region)
    aligned = similarity_alignment(away[region], truth[region]).apply(away)
    expected = closest_points_on_mesh(truth[region], aligned, assets.faces).distance
    torch.testing.assert_close(found.distances, expected)
    assert 0.0001 < found.median < 0.001
    assert face_error(truth, truth, assets.faces, region=region).median < 1e-12
    assert face_error(away, truth, assets.faces, region=region, scale=False).median > 0.01


def test_the_model_knows_the_landmarks_of_its_own_topology_alone() -> None:
    assets = tiny_assets()
    assert assets.landmarks is not None and assets.landmarks.ibug is not None
    shaped = turned(assets.v_template.double(), scale=2.0)
    points = model_landmarks(shaped, assets.faces, assets=assets)
    assert points is not None
    embedding = assets.landmarks.ibug
    right_eye = (
        shaped[assets.faces[embedding.face_index[36]]].T @ embedding.barycentrics[36].double()
    )
    torch.testing.assert_close(points[0], right_eye, rtol=1e-6, atol=1e-8)
    other, faces = subdivide(assets.v_template, assets.faces)
    assert model_landmarks(other, faces, assets=assets) is None
    assert model_landmarks(shaped, assets.faces.flip(1), assets=assets) is None


def test_samples_lie_on_the_surface_as_densely_everywhere() -> None:
    corners = torch.tensor(((0, 0, 0), (3, 0, 0), (0, 1, 0), (0, -3, 0), (0, 0, 0))).double()
    faces = torch.tensor(((0, 1, 2), (0, 1, 3), (0, 4, 0)))
    points = sample_surface(corners, faces, count=4000)
    assert float(closest_points_on_mesh(points, corners, faces).distance.max()) < 1e-12
    assert int((points[:, 1] > 0).sum()) == pytest.approx(1000, abs=2)
    # The middle of a triangle is the middle of its points.
    torch.testing.assert_close(
        points[points[:, 1] < 0].mean(0), corners[[0, 1, 3]].mean(0), rtol=0.01, atol=0.01
    )
    assert torch.equal(points, sample_surface(corners, faces, count=4000))
    with pytest.raises(InputError, match="no area"):
        sample_surface(corners, faces[2:], count=10)
    with pytest.raises(InputError, match="without triangles"):
        sample_surface(corners, faces[:0], count=10)
