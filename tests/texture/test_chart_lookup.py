"""From chart coordinates back to the surface."""

from __future__ import annotations

import pytest
import torch

from flame_fit.flame import load_assets
from flame_fit.geometry import SurfacePoints, points_on_surface
from flame_fit.texture.chart_lookup import ChartLookup


@pytest.fixture(scope="module")
def head():
    return load_assets()


@pytest.fixture(scope="module")
def lookup(head):
    return ChartLookup.of(head.chart)


def surface_points(head, count=4000):
    generator = torch.Generator().manual_seed(0)
    face = torch.randint(len(head.faces), (count,), generator=generator)
    share = torch.rand(count, 3, generator=generator) + 0.05
    return SurfacePoints(face, share / share.sum(dim=-1, keepdim=True))


def test_points_of_the_surface_are_found_again(head, lookup):
    points = surface_points(head)
    uv = points_on_surface(head.chart.uv[None], head.chart.faces, points)[0]
    found = lookup.points(uv)
    wanted, got = (
        points_on_surface(head.v_template[None], head.faces, each)[0]
        for each in (points, found.surface)
    )
    apart = (wanted - got)[found.inside].norm(dim=-1)
    # Triangles without the middle of a texel are missed: slivers of the mouth and the eyes.
    assert float(found.inside.float().mean()) > 0.97
    assert float(apart.median()) < 1e-6
    assert float((apart < 5e-4).float().mean()) > 0.98
    same = found.inside & (found.surface.face_index == points.face_index)
    assert float(same.float().mean()) > 0.9
    assert torch.allclose(found.surface.barycentrics[same], points.barycentrics[same], atol=2e-3)


def test_beside_the_chart_there_is_no_surface(head, lookup):
    low, high = head.chart.uv.amin(dim=0), head.chart.uv.amax(dim=0)
    outside = torch.stack([low - 1e-2, high + 1e-2, torch.tensor([2.0, 0.5])])
    found = lookup.points(outside)
    assert not bool(found.inside.any())
    assert bool(found.surface.barycentrics.isfinite().all())
