"""Measuring results against a truth: geometry, landmarks, images, light and pose."""

from flame_fit.evaluate.curve_picture import NamedCurve, draw_curves
from flame_fit.evaluate.face_landmarks import (
    LANDMARK_NAMES,
    model_landmarks,
    require_same_face,
)
from flame_fit.evaluate.fits_report import (
    ColumnSummary,
    FitRow,
    FitsSummary,
    StageSeconds,
    StatusCount,
    find_reports,
    read_fit,
    summarise_fits,
)
from flame_fit.evaluate.geometry_report import (
    Failure,
    GeometrySet,
    GeometrySettings,
    LandmarkPlaces,
    PairResult,
    evaluate_pair,
    named_curves,
)
from flame_fit.evaluate.image_likeness import (
    ImageLikeness,
    image_likeness,
    structural_similarity,
)
from flame_fit.evaluate.json_reports import fits_json, geometry_json
from flame_fit.evaluate.pairs import MeshItem, MeshSet, landmark_file, matching_truth, mesh_sets
from flame_fit.evaluate.scan_distance import (
    MeshDistance,
    ScanDistance,
    crop_face,
    face_error,
    mesh_to_mesh,
    scan_to_mesh,
)
from flame_fit.evaluate.scene_errors import (
    AlbedoError,
    DenseError,
    LandmarkError,
    LightError,
    PoseError,
    albedo_error,
    dense_error,
    landmark_error,
    light_error,
    pose_error,
    rotation_degrees,
    visible_normals,
)
from flame_fit.evaluate.statistics import ErrorCurve, error_curve
from flame_fit.evaluate.surface_files import SurfaceFile, read_face_landmarks, read_surface
from flame_fit.evaluate.surface_samples import sample_surface

__all__ = [
    "AlbedoError",
    "ColumnSummary",
    "DenseError",
    "ErrorCurve",
    "Failure",
    "FitRow",
    "FitsSummary",
    "GeometrySet",
    "GeometrySettings",
    "ImageLikeness",
    "LANDMARK_NAMES",
    "LandmarkError",
    "LandmarkPlaces",
    "LightError",
    "MeshDistance",
    "MeshItem",
    "MeshSet",
    "NamedCurve",
    "PairResult",
    "PoseError",
    "ScanDistance",
    "StageSeconds",
    "StatusCount",
    "SurfaceFile",
    "albedo_error",
    "crop_face",
    "dense_error",
    "draw_curves",
    "error_curve",
    "evaluate_pair",
    "face_error",
    "find_reports",
    "fits_json",
    "geometry_json",
    "image_likeness",
    "landmark_error",
    "landmark_file",
    "light_error",
    "matching_truth",
    "mesh_sets",
    "mesh_to_mesh",
    "model_landmarks",
    "named_curves",
    "pose_error",
    "read_face_landmarks",
    "read_fit",
    "read_surface",
    "require_same_face",
    "rotation_degrees",
    "sample_surface",
    "scan_to_mesh",
    "structural_similarity",
    "summarise_fits",
    "visible_normals",
]
