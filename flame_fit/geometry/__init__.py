"""Rotations, cameras and triangle meshes; knows no face."""

from flame_fit.geometry.cameras import (
    Camera,
    Crop,
    ScreenPoints,
    project,
    projection_jacobian,
    unproject,
)
from flame_fit.geometry.rotations import (
    axis_angle_to_matrix,
    matrix_to_axis_angle,
    yaw_pitch_roll,
)
from flame_fit.geometry.topology import (
    SurfacePoints,
    face_normals,
    points_on_surface,
    unique_edges,
    vertex_normals,
)

__all__ = [
    "Camera",
    "Crop",
    "ScreenPoints",
    "SurfacePoints",
    "axis_angle_to_matrix",
    "face_normals",
    "matrix_to_axis_angle",
    "points_on_surface",
    "project",
    "projection_jacobian",
    "unique_edges",
    "unproject",
    "vertex_normals",
    "yaw_pitch_roll",
]
