"""Simple solids have the volume that geometry books give them, and their outside is outside."""

from __future__ import annotations

import numpy as np
import pytest

from flame_fit.synth.solids import ellipsoid, join, outward, sheet, tube


def volume(surface):
    a, b, c = (surface.vertices[surface.faces[:, corner]] for corner in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c))) / 6.0


def test_an_ellipsoid_has_its_volume():
    axes = np.array([0.1, 0.2, 0.3])
    found = volume(ellipsoid(np.array([1.0, 2.0, 3.0]), axes, rows=60, columns=60))
    assert found == pytest.approx(4.0 / 3.0 * np.pi * axes.prod(), rel=0.01)


def test_a_rounded_box_is_larger_than_an_ellipsoid_and_smaller_than_the_box():
    axes = np.array([0.1, 0.2, 0.3])
    found = volume(ellipsoid(np.zeros(3), axes, rows=60, columns=60, squareness=0.5))
    assert 4.0 / 3.0 * np.pi * axes.prod() < found < 8.0 * axes.prod()


@pytest.mark.parametrize("direction", [[1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.6, 0.0, 0.8]])
def test_a_tube_is_a_cylinder_with_half_balls_at_its_ends(direction):
    path = np.linspace(0.0, 2.0, 10)[:, None] * np.array(direction)
    found = volume(tube(path, 0.1, sides=64))
    expected = np.pi * 0.1**2 * 2.0 + 4.0 / 3.0 * np.pi * 0.1**3
    assert found == pytest.approx(expected, rel=0.02)


def test_a_closed_tube_is_a_torus():
    turn = np.arange(100) * (2.0 * np.pi / 100)
    path = np.stack((np.cos(turn), np.sin(turn), 0.0 * turn), axis=-1)
    found = volume(tube(path, 0.2, sides=64, closed=True))
    assert found == pytest.approx(2.0 * np.pi**2 * 0.2**2, rel=0.01)


def test_joined_solids_keep_their_parts():
    ball = ellipsoid(np.zeros(3), np.full(3, 0.1))
    far = ellipsoid(np.full(3, 5.0), np.full(3, 0.2))
    both = join([ball, far])
    assert volume(both) == pytest.approx(volume(ball) + volume(far))
    assert both.uv.min() >= 0.0
    assert both.uv.max() <= 1.0


def test_outward_turns_a_surface_that_is_inside_out():
    ball = ellipsoid(np.zeros(3), np.full(3, 0.1))
    inside_out = type(ball)(ball.vertices, ball.faces[:, ::-1].copy(), ball.uv)
    assert volume(inside_out) < 0.0 < volume(outward(inside_out))


def test_a_sheet_has_u_along_its_columns_and_v_against_its_rows():
    row, column = np.mgrid[0:3, 0:4].astype(float)
    surface = sheet(np.stack((column, -row, 0.0 * row), axis=-1))
    assert len(surface.faces) == 2 * 2 * 3
    right = surface.vertices[:, 0] == 3.0
    top = surface.vertices[:, 1] == 0.0
    assert np.all(surface.uv[right, 0] == 1.0)
    assert np.all(surface.uv[top, 1] == 1.0)
