"""Evaluating files: predicted meshes against scans, one by one and together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from flame_fit.errors import InputError
from flame_fit.evaluate.curve_picture import NamedCurve
from flame_fit.evaluate.face_landmarks import model_landmarks, require_same_face
from flame_fit.evaluate.pairs import landmark_file
from flame_fit.evaluate.scan_distance import MeshDistance, ScanDistance, mesh_to_mesh, scan_to_mesh
from flame_fit.evaluate.statistics import ErrorCurve, error_curve, middle_value
from flame_fit.evaluate.surface_files import SurfaceFile, read_face_landmarks, read_surface
from flame_fit.flame import FlameAssets
from flame_fit.geometry.alignment import Similarity, rigid_alignment, similarity_alignment

MILLIMETRES = 1000.0
METRES_PER_UNIT = {"m": 1.0, "cm": 0.01, "mm": 0.001}
# Neither range spans a factor of ten, so at most one unit puts a face or a head into it.
EYE_CORNERS_METRES = (0.04, 0.25)
DIAGONAL_METRES = (0.12, 1.1)

Unit = Literal["auto", "m", "cm", "mm"]


@dataclass(frozen=True)
class GeometrySettings:
    """How meshes are compared with scans."""

    protocol: Literal["now", "surface"] = "now"
    """`now`: the NoW benchmark's; landmarks start the alignment, and the scan's vertices in a ball
    about the face count. `surface`: points spread evenly over both whole surfaces, both ways;
    without landmarks the files must lie in one frame already."""
    metrical: bool = False
    """Keep the predicted size; else it is chosen to fit, since one photo does not show it."""
    unit: Unit = "auto"
    """Of the predicted meshes; counts if metrical, and where there are no landmarks."""
    truth_unit: Unit = "auto"
    """Of the scans; auto tells it by their size."""


@dataclass(frozen=True)
class LandmarkPlaces:
    """Where landmarks are looked for besides a file beside each mesh that is called like it."""

    prediction: Path | None = None
    """A file, or a folder of files called like the meshes."""
    truth: Path | None = None
    model: FlameAssets | None = None
    """The head model that knows the landmarks of meshes with its topology."""


@dataclass(frozen=True, eq=False)
class PairResult:
    """One mesh against one scan, in millimetres."""

    prediction: Path
    truth: Path
    start: str
    """What the alignment started from: `landmarks` or `frames`."""
    unit: str
    """Of the scan, as given or told by its size."""
    scale: float
    """By which the mesh was multiplied to fit, in the scan's units."""
    distances: Float[Tensor, "N"]
    median: float
    mean: float
    std: float
    back_median: float | None
    """From the prediction's surface to the scan's; None where the protocol has no way back."""


@dataclass(frozen=True)
class Failure:
    """A file that could not be evaluated."""

    path: Path
    reason: str


@dataclass(frozen=True, eq=False)
class GeometrySet:
    """All meshes of one method, in millimetres."""

    name: str
    results: tuple[PairResult, ...]
    failures: tuple[Failure, ...]
    median: float
    """Over the points of all scans together, as the NoW benchmark counts; NaN without a result."""
    mean: float
    std: float
    curve: ErrorCurve | None

    @staticmethod
    def of(
        name: str, results: Sequence[PairResult], failures: Sequence[Failure], *, limit: float
    ) -> GeometrySet:
        """Return the results with what they are together; the curve ends at `limit` mm."""
        if not results:
            nothing = math.nan
            return GeometrySet(name, (), tuple(failures), nothing, nothing, nothing, None)
        pooled = torch.cat([result.distances for result in results])
        return GeometrySet(
            name=name,
            results=tuple(results),
            failures=tuple(failures),
            median=middle_value(pooled),
            mean=float(pooled.mean()),
            std=float(pooled.std(correction=0)),
            curve=error_curve(pooled, limit=limit),
        )


def evaluate_pair(
    prediction: Path,
    truth: Path,
    *,
    settings: GeometrySettings,
    places: LandmarkPlaces,
) -> PairResult:
    """Measure one predicted mesh against one scan.

    Raises:
        InputError: A file that cannot be used, or landmarks that are missing or do not fit.
        AssetError: A file that is missing or damaged.
    """
    mesh, scan = read_surface(prediction), read_surface(truth)
    if len(mesh.faces) == 0:
        raise InputError(f"{prediction} has no triangles; distances need a surface")
    mesh_points = _landmarks(prediction, mesh, given=places.prediction, model=places.model)
    scan_points = _landmarks(truth, scan, given=places.truth, model=places.model)
    unit = _unit(truth, scan, scan_points, given=settings.truth_unit, option="--truth-unit")
    scan, scan_points = _in_metres(scan, scan_points, unit)
    marked = mesh_points is not None and scan_points is not None
    if settings.metrical or not marked:
        own = _unit(prediction, mesh, mesh_points, given=settings.unit, option="--unit")
        mesh, mesh_points = _in_metres(mesh, mesh_points, own)
    if settings.protocol == "now":
        for path, points in ((prediction, mesh_points), (truth, scan_points)):
            if points is None:
                raise InputError(
                    f"{path} has no landmarks; put a file {path.stem}.txt with seven points beside "
                    "it, name one with --landmarks or --truth-landmarks, or use --protocol surface"
                )
    try:
        if settings.protocol == "now" and mesh_points is not None and scan_points is not None:
            forward, back = _now_distance(mesh, scan, mesh_points, scan_points, settings), None
        else:
            both = _surface_distance(mesh, scan, mesh_points, scan_points, settings)
            forward, back = both.to_estimate, both.to_truth
    except InputError as error:
        raise InputError(f"{prediction} against {truth}: {error}") from error
    return PairResult(
        prediction=prediction,
        truth=truth,
        start="landmarks" if marked else "frames",
        unit=unit,
        scale=float(forward.alignment.scale),
        distances=forward.distances.cpu() * MILLIMETRES,
        median=forward.median * MILLIMETRES,
        mean=forward.mean * MILLIMETRES,
        std=forward.std * MILLIMETRES,
        back_median=None if back is None else back.median * MILLIMETRES,
    )


def named_curves(sets: Sequence[GeometrySet]) -> tuple[NamedCurve, ...]:
    """Return the curves of the sets that have results."""
    return tuple(
        NamedCurve(each.name, each.curve, each.median) for each in sets if each.curve is not None
    )


def _landmarks(
    path: Path, surface: SurfaceFile, *, given: Path | None, model: FlameAssets | None
) -> Float64[Tensor, "7 3"] | None:
    """Return the landmarks of a file, or of the head model where the mesh has its topology."""
    file = landmark_file(path, given)
    if file is not None:
        return read_face_landmarks(file)
    if model is None:
        return None
    return model_landmarks(surface.vertices, surface.faces, assets=model)


def _unit(
    path: Path,
    surface: SurfaceFile,
    landmarks: Float64[Tensor, "7 3"] | None,
    *,
    given: Unit,
    option: str,
) -> str:
    """Return the unit of a file: the given one, or the one in which a head has a head's size."""
    if given != "auto":
        return given
    if landmarks is not None:
        size, limits = float((landmarks[0] - landmarks[3]).norm()), EYE_CORNERS_METRES
        what = "eye corners"
    else:
        box = surface.vertices.amax(0) - surface.vertices.amin(0)
        size, limits, what = float(box.norm()), DIAGONAL_METRES, "corners of its box"
    for unit, metres in METRES_PER_UNIT.items():
        if limits[0] <= size * metres <= limits[1]:
            return unit
    raise InputError(
        f"{path}: its {what} are {size:.4g} apart, which is no head in m, cm or mm; give {option}"
    )


def _in_metres(
    surface: SurfaceFile, landmarks: Float64[Tensor, "7 3"] | None, unit: str
) -> tuple[SurfaceFile, Float64[Tensor, "7 3"] | None]:
    metres = METRES_PER_UNIT[unit]
    moved = SurfaceFile(surface.vertices * metres, surface.faces)
    return moved, None if landmarks is None else landmarks * metres


def _now_distance(
    mesh: SurfaceFile,
    scan: SurfaceFile,
    mesh_points: Float64[Tensor, "7 3"],
    scan_points: Float64[Tensor, "7 3"],
    settings: GeometrySettings,
) -> ScanDistance:
    return scan_to_mesh(
        scan.vertices,
        mesh.vertices,
        mesh.faces,
        scan_landmarks=scan_points,
        mesh_landmarks=mesh_points,
        scale=not settings.metrical,
    )


def _surface_distance(
    mesh: SurfaceFile,
    scan: SurfaceFile,
    mesh_points: Float64[Tensor, "7 3"] | None,
    scan_points: Float64[Tensor, "7 3"] | None,
    settings: GeometrySettings,
) -> MeshDistance:
    if len(scan.faces) == 0:
        raise InputError("the scan has no triangles; --protocol now takes clouds of points")
    start: Similarity | None = None
    if mesh_points is not None and scan_points is not None:
        require_same_face(scan_points, mesh_points)
        align = rigid_alignment if settings.metrical else similarity_alignment
        start = align(mesh_points, scan_points)
    return mesh_to_mesh(
        mesh.vertices,
        mesh.faces,
        scan.vertices,
        scan.faces,
        start=start,
        scale=not settings.metrical,
    )
