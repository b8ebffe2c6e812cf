"""What MediaPipe's face mesh says of training pictures, kept beside their shards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from flame_fit.priors.face_detection import FaceDetection
from flame_fit.priors.face_mesh import fit_face_mesh
from flame_fit.priors.face_mesh_topology import MESH_COUNT
from flame_fit.priors.litert import LiteModel, load_model
from flame_fit.priors.model_files import resolve_face_models
from scripts.training.shard_files import decoded, read_shard

LEAST_SCORE = 0.3
IBUG = slice(-110, -42)
"""Where iBUG's 68 points are among the dense points; 32 of the lids and 10 of irises follow."""
FACE_MARGIN = 0.15


def mesh_path(shard: Path) -> Path:
    """Return where the meshes of a shard are kept."""
    return shard.with_suffix(".mesh.npy")


def read_with_mesh(shard: Path) -> dict:
    """Return the arrays of a shard with the face meshes of its pictures."""
    return read_shard(shard) | {"mesh": np.load(mesh_path(shard), allow_pickle=False)}


def write_meshes(shard: Path) -> None:
    """Find the face in every picture of a shard; zero where there is none."""
    path = mesh_path(shard)
    if path.exists():
        return
    content = read_shard(shard)
    models = resolve_face_models("mediapipe468")
    mesh, iris = load_model(models.mesh), load_model(models.iris) if models.iris else None
    found = [
        _mesh(decoded(content, index)[0], content["points"][index], mesh, iris)
        for index in range(len(content["points"]))
    ]
    np.save(path, np.stack(found).astype(np.float32))


def _mesh(
    srgb: UInt8[np.ndarray, "S S 3"],
    points: Float[np.ndarray, "N 3"],
    mesh: LiteModel,
    iris: LiteModel | None,
) -> Float[np.ndarray, "468 3"]:
    size = srgb.shape[0]
    ibug = points[IBUG, :2] * size
    low, high = ibug.min(axis=0), ibug.max(axis=0)
    # A face detector's box goes up to the forehead.
    low[1] -= FACE_MARGIN * (high[1] - low[1])
    eyes = [ibug[side].mean(axis=0) for side in (slice(36, 42), slice(42, 48))]
    keypoints = np.stack([*eyes, ibug[30], ibug[62], ibug[0], ibug[16]])
    detection = FaceDetection(np.concatenate([low, high]), keypoints, score=1.0)
    fit = fit_face_mesh(np.ascontiguousarray(srgb), detection, mesh, iris_model=iris)
    if fit.score < LEAST_SCORE or fit.landmarks.depth is None:
        return np.zeros((MESH_COUNT, 3))
    depth = fit.landmarks.depth[:MESH_COUNT, None]
    return np.concatenate([fit.landmarks.pixels[:MESH_COUNT], depth], axis=1) / size
