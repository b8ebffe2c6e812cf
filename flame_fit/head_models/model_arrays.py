"""A head model as the arrays of this library's `.npz` layout."""

from __future__ import annotations

import json

import numpy as np
import torch
from jaxtyping import Shaped

from flame_fit.flame import FlameAssets, LandmarkEmbeddings
from flame_fit.geometry import SurfacePoints


def model_arrays(assets: FlameAssets, *, source: str = "") -> dict[str, Shaped[np.ndarray, "..."]]:
    """Return all that a model has, bases as float32, ready for `.npz`.

    Args:
        assets: The model, on any device.
        source: Where it comes from, for the file's description.
    """
    assets = assets.to(dtype=torch.float32, device="cpu")
    meta = {"name": assets.name, "licence": assets.licence, "source": source}
    arrays = {
        "v_template": assets.v_template.numpy(),
        "f": assets.faces.numpy().astype(np.int32),
        "shapedirs": torch.cat((assets.shape_basis, assets.expression_basis), dim=-1).numpy(),
        "n_shape": np.array(assets.shape_basis.shape[-1], dtype=np.int32),
        "n_expression": np.array(assets.expression_basis.shape[-1], dtype=np.int32),
        "posedirs": assets.pose_basis.numpy(),
        "J_regressor": assets.joint_regressor.numpy(),
        "kintree_table": np.array((assets.parents, range(len(assets.parents))), dtype=np.int32),
        "weights": assets.skinning_weights.numpy(),
        "meta": np.array(json.dumps(meta, ensure_ascii=False)),
    }
    landmarks = {} if assets.landmarks is None else landmark_arrays(assets.landmarks)
    return arrays | _bound_arrays(assets) | landmarks


def _bound_arrays(assets: FlameAssets) -> dict[str, np.ndarray]:
    """Return chart, regions, symmetry and blendshapes, where there are any."""
    arrays: dict[str, np.ndarray] = {}
    if assets.chart is not None:
        arrays["vt"] = assets.chart.uv.numpy()
        arrays["ft"] = assets.chart.faces.numpy().astype(np.int32)
    if assets.regions is not None:
        arrays["region_names"] = np.array(assets.regions.names)
        arrays["region_masks"] = assets.regions.masks.numpy()
    if assets.mirror_vertex is not None:
        arrays["mirror_vertex"] = assets.mirror_vertex.numpy().astype(np.int32)
    if assets.arkit_basis is not None:
        arrays["arkit_names"] = np.array(assets.arkit_names)
        arrays["arkit_dirs"] = assets.arkit_basis.numpy()
    if assets.eyelid_basis is not None:
        arrays["eyelid_dirs"] = assets.eyelid_basis.numpy()
    return arrays


def landmark_arrays(landmarks: LandmarkEmbeddings) -> dict[str, Shaped[np.ndarray, "..."]]:
    """Return the arrays of landmark embeddings, where there are any."""
    arrays = _point_arrays("mediapipe", landmarks.mediapipe) | _point_arrays("ibug", landmarks.ibug)
    if landmarks.contour is not None:
        arrays |= _point_arrays("contour", landmarks.contour.points)
        arrays["contour_yaw"] = landmarks.contour.yaw_degrees.numpy()
    return arrays


def _point_arrays(prefix: str, points: SurfacePoints | None) -> dict[str, np.ndarray]:
    if points is None:
        return {}
    return {
        f"{prefix}_face_index": points.face_index.numpy().astype(np.int32),
        f"{prefix}_barycentric": points.barycentrics.float().numpy(),
    }
