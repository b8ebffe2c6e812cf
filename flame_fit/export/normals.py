"""Smooth normals of a mesh in plain arrays."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

SMALLEST_LENGTH = 1e-20


def smooth_normals(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]
) -> Float[np.ndarray, "V 3"]:
    """Return unit vertex normals weighted by triangle area; (0, 0, 1) where no triangle is."""
    corners = vertices[faces].astype(np.float64)
    face_normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    sums = np.stack(
        [
            np.bincount(faces.ravel(), np.repeat(face_normals[:, axis], 3), len(vertices))
            for axis in range(3)
        ],
        axis=-1,
    )
    lengths = np.linalg.norm(sums, axis=-1, keepdims=True)
    normals = np.where(lengths > SMALLEST_LENGTH, sums / np.maximum(lengths, SMALLEST_LENGTH), 0.0)
    normals[lengths[:, 0] <= SMALLEST_LENGTH, 2] = 1.0
    return normals.astype(np.float32)
