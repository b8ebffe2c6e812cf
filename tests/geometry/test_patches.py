"""Meshes are cut into disks and flattened without flips; nearest points face the right way."""

import numpy as np
import pytest

from flame_fit.errors import InputError
from flame_fit.geometry.facing_points import FacingSurface
from flame_fit.geometry.flattening import Rectangle, flatten_patch, signed_areas
from flame_fit.geometry.patches import (
    Patch,
    border_loops,
    connected_faces,
    cut_along,
    divide,
    fill_hole,
    four_sides,
    is_disk,
    shortest_path,
    with_collar,
)


def grid(columns: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """A flat sheet of unit squares, each of two triangles."""
    x, y = np.meshgrid(np.arange(columns + 1.0), np.arange(rows + 1.0))
    points = np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=1)
    corner = (np.arange(rows)[:, None] * (columns + 1) + np.arange(columns)).ravel()
    up, across = columns + 1, 1
    lower = np.stack([corner, corner + across, corner + up + across], axis=1)
    upper = np.stack([corner, corner + up + across, corner + up], axis=1)
    return points, np.concatenate([lower, upper])


def ball(rings: int, segments: int) -> tuple[np.ndarray, np.ndarray]:
    """A closed sphere with a vertex at each pole."""
    polar = np.linspace(0, np.pi, rings + 2)[1:-1]
    around = np.arange(segments) * 2 * np.pi / segments
    ring = np.stack([np.cos(around), np.zeros(segments), np.sin(around)], axis=1)
    points = [[[0.0, 1.0, 0.0]]]
    points += [np.sin(p) * ring + [0.0, np.cos(p), 0.0] for p in polar]
    points = np.concatenate([*points, [[0.0, -1.0, 0.0]]])
    index = 1 + np.arange(rings * segments).reshape(rings, segments)
    following = np.roll(index, -1, axis=1)
    top = np.stack([np.zeros(segments, int), following[0], index[0]], axis=1)
    bottom = np.stack([np.full(segments, len(points) - 1), index[-1], following[-1]], axis=1)
    a, b, c, d = index[:-1], following[:-1], index[1:], following[1:]
    sides = [np.stack([a, b, c], -1).reshape(-1, 3), np.stack([b, d, c], -1).reshape(-1, 3)]
    return points, np.concatenate([top, *sides, bottom])


def patch_of(points: np.ndarray, faces: np.ndarray) -> Patch:
    (loop,) = border_loops(faces)
    first, second, third = divide([*loop, loop[0]], points[:], (0.25, 0.5, 0.75))
    sides = four_sides(loop, (0, first, second, third))
    return Patch(faces, 0, np.arange(len(points)), points, sides)


def flatten(patch: Patch) -> np.ndarray:
    ones = np.ones(int(patch.vertex.max()) + 1)
    return flatten_patch(patch, Rectangle(0.0, 1.0, 0.0, 1.0), scale=ones, importance=ones)


def test_a_cut_from_pole_to_pole_makes_a_ball_a_disk() -> None:
    points, faces = ball(9, 12)
    assert border_loops(faces) == []
    assert not is_disk(faces)
    path = shortest_path(faces, points, np.ones(len(points)), start=0, end=len(points) - 1)
    np.testing.assert_array_equal(path, [0, *range(path[1], len(points) - 1, 12), len(points) - 1])
    cut = cut_along(faces, path)
    assert is_disk(cut.faces)
    np.testing.assert_array_equal(cut.vertex[cut.faces], faces)
    # All vertices of the path but its ends are there twice.
    assert len(cut.vertex) == len(points) + len(path) - 2


def test_triangles_that_touch_in_a_point_are_parted() -> None:
    faces = np.array([[0, 1, 2], [2, 3, 4]])
    cut = cut_along(faces, np.zeros(0, dtype=np.int64))
    assert len(cut.vertex) == 6
    assert len(np.unique(connected_faces(faces))) == 2
    with pytest.raises(InputError, match="two borders touch at vertex 2"):
        border_loops(faces)


def test_an_edge_of_three_triangles_is_refused() -> None:
    faces = np.array([[0, 1, 2], [1, 0, 3], [0, 1, 4]])
    with pytest.raises(InputError, match="more than two triangles"):
        cut_along(faces, np.zeros(0, dtype=np.int64))


def test_a_filled_hole_closes_the_disk() -> None:
    points, faces = grid(6, 5)
    middle = np.abs(points[faces].mean(1)[:, :2] - [3.0, 2.5]).max(1) < 1.1
    open_faces = faces[~middle]
    assert not is_disk(open_faces)
    inner = min(border_loops(open_faces), key=len)
    filled = np.concatenate([open_faces, np.array(fill_hole(inner, points))])
    assert is_disk(filled)
    # A hole in a flat sheet is filled by triangles that are turned like the others.
    areas = signed_areas(points[:, :2], filled)
    assert areas.min() >= 0
    assert areas.sum() == pytest.approx(30.0)


def test_a_flat_square_keeps_its_shape() -> None:
    points, faces = grid(8, 8)
    loop = border_loops(faces)[0]
    start = loop.index(72)
    loop = loop[start:] + loop[:start]
    places = [loop.index(corner) for corner in (72, 0, 8, 80)]
    sides = four_sides(loop, (places[0], places[1], places[2], places[3]))
    patch = Patch(faces, 0, np.arange(81), points, sides)
    assert patch.has_flat_corner is False
    np.testing.assert_allclose(flatten(patch), points[:, :2] / 8, atol=1e-6)


@pytest.mark.parametrize("bump", [0.0, 2.5])
def test_a_sheet_with_corner_triangles_gets_a_collar_and_no_flips(bump: float) -> None:
    points, faces = grid(7, 7)
    points[:, 2] = bump * np.exp(-((points[:, :2] - 3.5) ** 2).sum(1) / 3)
    patch = patch_of(points, faces)
    # Corners shared out by length fall beside the sheet's own, so a triangle lies along one side.
    turned = Patch(
        faces,
        0,
        patch.vertex,
        points,
        four_sides(
            [*np.roll(np.concatenate([side[:-1] for side in patch.sides]), 3).tolist()],
            (0, 7, 14, 21),
        ),
    )
    assert turned.has_flat_corner
    collared = with_collar(turned)
    assert not collared.has_flat_corner
    assert is_disk(collared.faces)
    flat = flatten(turned)
    assert flat.shape == (64, 2)
    assert signed_areas(flat, faces).min() > 0
    assert flat.min() > 0
    assert flat.max() < 1


def test_nearest_points_face_the_way_they_are_asked_for(rng: np.random.Generator) -> None:
    """Of two sheets a millimetre apart the one turned the right way is found."""
    flat, faces = grid(10, 10)
    flat = flat * 0.005
    back = flat + [0.0, 0.0, 0.001]
    vertices = np.concatenate([flat, back])
    both = np.concatenate([faces, faces[:, ::-1] + len(flat)])
    asked = np.column_stack([rng.uniform(0.002, 0.048, (40, 2)), np.full(40, 0.0004)])
    surface = FacingSurface(vertices, both)
    up = surface.nearest(asked, np.tile([0.0, 0.0, 1.0], (40, 1)))
    down = surface.nearest(asked, np.tile([0.0, 0.0, -1.0], (40, 1)))
    np.testing.assert_allclose(up.points, asked * [1, 1, 0], atol=1e-12)
    np.testing.assert_allclose(down.points, asked * [1, 1, 0] + [0, 0, 0.001], atol=1e-12)
    np.testing.assert_allclose(up.distance, 0.0004)
    np.testing.assert_allclose(down.cosine, 1.0)
    assert (down.surface.face_index.numpy() >= len(faces)).all()


def test_large_triangles_are_found_beside_small_ones() -> None:
    points, faces = grid(10, 10)
    far = np.array([[20.0, 0.0, 0.0], [220.0, 0.0, 0.0], [20.0, 200.0, 0.0]])
    surface = FacingSurface(
        np.concatenate([points, far]) * 0.001, np.concatenate([faces, [[121, 122, 123]]])
    )
    place = np.array([[0.025, 0.150, 0.003]])
    found = surface.nearest(place, np.array([[0.0, 0.0, 1.0]]))
    np.testing.assert_allclose(found.points, [[0.025, 0.150, 0.0]], atol=1e-12)
