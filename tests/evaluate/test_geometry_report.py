"""Evaluating files: units, landmarks, protocols, and what many pairs are together."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from flame_fit.errors import InputError
from flame_fit.evaluate import (
    Failure,
    GeometrySet,
    GeometrySettings,
    LandmarkPlaces,
    evaluate_pair,
    geometry_json,
    named_curves,
    sample_surface,
)
from flame_fit.testing import tiny_assets
from tests.evaluate.shapes import head, head_landmarks, noise, subdivide, turned

NOWHERE = LandmarkPlaces()
METRICAL = GeometrySettings(metrical=True)
SURFACE = GeometrySettings(protocol="surface")


def save(path: Path, vertices: torch.Tensor, faces: torch.Tensor | None = None) -> Path:
    path.parent.mkdir(exist_ok=True)
    arrays = {"vertices": vertices.numpy()}
    if faces is not None:
        arrays["faces"] = faces.numpy()
    np.savez(path, **arrays)
    return path


def mark(path: Path, landmarks: torch.Tensor) -> None:
    np.savetxt(path.with_suffix(".txt"), landmarks.numpy())


def pair(folder: Path, *, scale: float = 1000.0, error: float = 0.0) -> tuple[Path, Path]:
    """A head in metres, and a scan of it in other units and axes, 1.1 as large if `error` is."""
    vertices, faces = head()
    mesh = save(folder / "mesh.npz", vertices, faces)
    mark(mesh, head_landmarks())
    points = sample_surface(vertices, faces, count=2000)
    points = points + error * noise(6000).reshape(-1, 3)
    scan = save(folder / "scan.npz", turned(points, scale=scale))
    mark(scan, turned(head_landmarks(), scale=scale))
    return mesh, scan


@pytest.mark.parametrize(("scale", "unit"), [(1.0, "m"), (100.0, "cm"), (1000.0, "mm")])
def test_the_unit_of_a_scan_is_told_by_its_size(tmp_path: Path, scale: float, unit: str) -> None:
    mesh, scan = pair(tmp_path, scale=scale, error=0.001)
    found = evaluate_pair(mesh, scan, settings=METRICAL, places=NOWHERE)
    assert (found.unit, found.start, found.scale) == (unit, "landmarks", 1.0)
    # The way from a noisy point to the surface is the noise along one axis: 1 mm.
    assert found.median == pytest.approx(0.674, rel=0.1)
    assert found.mean == pytest.approx(float(found.distances.mean()))
    assert found.back_median is None


def test_the_size_of_the_prediction_is_free_unless_it_is_metrical(tmp_path: Path) -> None:
    mesh, scan = pair(tmp_path)
    vertices, faces = head()
    save(mesh, 25.0 * vertices, faces)
    mark(mesh, 25.0 * head_landmarks())
    found = evaluate_pair(mesh, scan, settings=GeometrySettings(), places=NOWHERE)
    assert found.median < 1e-3
    assert found.scale == pytest.approx(1 / 25)
    with pytest.raises(InputError, match=r"no head in m, cm or mm; give --unit"):
        evaluate_pair(mesh, scan, settings=METRICAL, places=NOWHERE)
    as_metres = dataclasses.replace(METRICAL, unit="m")
    assert evaluate_pair(mesh, scan, settings=as_metres, places=NOWHERE).median > 10.0


def test_a_scan_of_no_likely_size_needs_its_unit(tmp_path: Path) -> None:
    mesh, scan = pair(tmp_path, scale=30.0)
    with pytest.raises(InputError, match=r"its eye corners are 2\.\d+ apart.*give --truth-unit"):
        evaluate_pair(mesh, scan, settings=GeometrySettings(), places=NOWHERE)
    given = GeometrySettings(truth_unit="cm")
    assert evaluate_pair(mesh, scan, settings=given, places=NOWHERE).unit == "cm"


def test_landmarks_come_from_files_given_or_from_the_head_model(tmp_path: Path) -> None:
    mesh, scan = pair(tmp_path)
    mesh.with_suffix(".txt").unlink()
    with pytest.raises(InputError, match=r"mesh\.npz has no landmarks; put a file mesh\.txt"):
        evaluate_pair(mesh, scan, settings=GeometrySettings(), places=NOWHERE)
    given = tmp_path / "given.json"
    given.write_text(json.dumps(head_landmarks().tolist()))
    places = LandmarkPlaces(prediction=given)
    found = evaluate_pair(mesh, scan, settings=GeometrySettings(), places=places)
    assert found.median < 1e-3
    scan.with_suffix(".txt").unlink()
    with pytest.raises(InputError, match=r"scan\.npz has no landmarks"):
        evaluate_pair(mesh, scan, settings=GeometrySettings(), places=places)
    # Both have the model's topology, whose embedding then marks both.
    vertices, faces = head()
    save(scan, turned(vertices, scale=1000.0), faces)
    assets = tiny_assets()
    found = evaluate_pair(mesh, scan, settings=SURFACE, places=LandmarkPlaces(model=assets))
    assert found.start == "landmarks"
    assert found.median < 1e-3


def test_whole_surfaces_are_compared_both_ways_from_their_frames(tmp_path: Path) -> None:
    vertices, faces = head()
    mesh = save(tmp_path / "a.npz", vertices, faces)
    finer, finer_faces = subdivide(vertices, faces)
    front = finer_faces[(finer[finer_faces][..., 2] > 0.0).all(-1)]
    scan = save(tmp_path / "b.npz", 1000.0 * finer + 2.0, front)
    found = evaluate_pair(mesh, scan, settings=SURFACE, places=NOWHERE)
    assert found.start == "frames"
    assert found.median < 1e-3
    assert found.back_median is not None and found.back_median > 1.0


def test_files_that_cannot_be_compared_are_named(tmp_path: Path) -> None:
    mesh, scan = pair(tmp_path)
    with pytest.raises(InputError, match=r"scan\.npz has no triangles"):
        evaluate_pair(scan, mesh, settings=GeometrySettings(), places=NOWHERE)
    with pytest.raises(InputError, match=r"mesh\.npz against .*scan\.npz: the scan has no triang"):
        evaluate_pair(mesh, scan, settings=SURFACE, places=NOWHERE)
    mark(scan, turned(head_landmarks(), scale=1000.0)[[3, 2, 1, 0, 4, 6, 5]])
    with pytest.raises(InputError, match=r"mesh\.npz against .*scan\.npz: left and right are swap"):
        evaluate_pair(mesh, scan, settings=GeometrySettings(), places=NOWHERE)


def test_a_set_counts_the_points_of_all_scans_together(tmp_path: Path) -> None:
    results = []
    for k, error in enumerate((0.0, 0.001)):
        mesh, scan = pair(tmp_path / str(k), error=error)
        results.append(evaluate_pair(mesh, scan, settings=METRICAL, places=NOWHERE))
    pooled = torch.cat([result.distances for result in results])
    failure = Failure(Path("c.obj"), "c.obj: is broken")
    found = GeometrySet.of("ours", results, [failure], limit=5.0)
    assert found.mean == pytest.approx(float(pooled.mean()))
    assert found.std == pytest.approx(float(pooled.std(correction=0)))
    assert results[0].median < found.median < results[1].median
    assert found.curve is not None and float(found.curve.shares[-1]) == 1.0
    empty = GeometrySet.of("none", [], [failure], limit=5.0)
    assert math.isnan(empty.median) and empty.curve is None
    assert [curve.name for curve in named_curves([found, empty])] == ["ours"]

    text = geometry_json([found, empty], protocol="now", metrical=True, version="1.2")
    content = json.loads(text)
    ours, none = content["sets"]
    assert (content["protocol"], content["metrical"], content["version"]) == ("now", True, "1.2")
    assert ours["median_mm"] == pytest.approx(found.median, abs=1e-6)
    assert ours["points"] == len(pooled)
    assert [each["median_mm"] for each in ours["pairs"]] == [
        pytest.approx(result.median, abs=1e-6) for result in results
    ]
    assert ours["failures"] == [{"path": "c.obj", "error": "c.obj: is broken"}]
    assert len(ours["curve"]["mm"]) == len(ours["curve"]["share"]) == 201
    assert none["median_mm"] is None and none["curve"] is None
