"""Synthetic head-model files in the exact layout of every FLAME release.

The layouts (keys, dtypes, chumpy and sparse objects, protocol) are those of the published files;
the numbers come from OpenHead, so nothing of a licensed model is in them.
"""

from __future__ import annotations

import io
import pickle
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import scipy.sparse

from tests.flame import python_two_pickle
from tests.flame.python_two_pickle import Named, chumpy_array, sparse_columns
from tests.flame.release_topology import OPEN_HEAD, HeadArrays, reduced_head

PICKLE_KINDS = (
    "flame2017",
    "flame2019",
    "flame2020",
    "flame2020_male",
    "flame2020_female",
    "flame2023",
    "flame2023_no_jaw",
    "flame2023_no_jaw_four_joints",
    "flame2023_open",
)
KINDS = (*PICKLE_KINDS, "open_head", "plain_npz")
FILE_NAMES = {
    "flame2017": "FLAME2017/generic_model.pkl",
    "flame2019": "FLAME2019/generic_model.pkl",
    "flame2020": "FLAME2020/generic_model.pkl",
    "flame2020_male": "FLAME2020/male_model.pkl",
    "flame2020_female": "FLAME2020/female_model.pkl",
    "flame2023": "FLAME2023/flame2023.pkl",
    "flame2023_no_jaw": "FLAME2023/flame2023_no_jaw.pkl",
    "flame2023_no_jaw_four_joints": "FLAME2023/flame2023_no_jaw.pkl",
    "flame2023_open": "FLAME2023Open/flame2023_Open.pkl",
    "open_head": "open_head.npz",
    "plain_npz": "head.npz",
}
"""Where each file lies after its archive has been unpacked."""
NO_PARENT = 2**32 - 1
"""How the published files mark the root: -1 in unsigned 32-bit arithmetic."""
JAW = 2


def release_bytes(kind: str, *, head: HeadArrays | None = None) -> bytes:
    """The file of one release (see `KINDS`).

    Args:
        kind: which release.
        head: other numbers to fill the layout with; OpenHead with FLAME's counts by default.
    """
    if kind == "open_head":
        return OPEN_HEAD.read_bytes()
    return _cached_bytes(kind) if head is None else _encoded(kind, head)


def write_release(folder: Path, kind: str, *, head: HeadArrays | None = None) -> Path:
    """Write the file of one release under its published name into a folder; return its path."""
    path = folder / FILE_NAMES[kind]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(release_bytes(kind, head=head))
    return path


def release_arrays(kind: str, *, head: HeadArrays | None = None) -> dict[str, np.ndarray]:
    """The arrays of one release in float64, dense, as its authors had them in memory."""
    head = _changed(kind, head or reduced_head())
    joints = head.weights.shape[1]
    parents = [NO_PARENT, 0, *([1] * (joints - 2))]
    return {
        "v_template": head.template,
        "f": head.faces.astype(np.uint32),
        "shapedirs": np.concatenate((head.shape_basis, head.expression_basis), axis=-1),
        "posedirs": head.pose_basis,
        "J_regressor": head.joint_regressor,
        "J": head.joint_regressor @ head.template,
        "kintree_table": np.array([parents, range(joints)], dtype=np.uint32),
        "weights": head.weights,
    }


@lru_cache(maxsize=2)
def _cached_bytes(kind: str) -> bytes:
    return _encoded(kind, reduced_head())


def _encoded(kind: str, head: HeadArrays) -> bytes:
    arrays = release_arrays(kind, head=head)
    if kind == "plain_npz":
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        return buffer.getvalue()
    content: dict[str, object] = {**arrays, "bs_style": "lbs", "bs_type": "lrotmin"}
    if kind == "flame2023_open":
        content["J_regressor"] = scipy.sparse.csc_matrix(arrays["J_regressor"])
        content["kintree_table"] = arrays["kintree_table"].astype(np.int64)
        content["supr_expression_metadata"] = {
            "expr_source": "synthetic",
            "supr_gender": "neutral",
            "expr_components": "last_100",
            "n_expr": 100,
        }
        return pickle.dumps(content, protocol=4)
    content["J_regressor"] = sparse_columns(arrays["J_regressor"])
    content["shapedirs"] = chumpy_array(arrays["shapedirs"])
    if kind in ("flame2017", "flame2019"):
        content |= _early_objects(arrays)
    else:
        content["kintree_table"] = arrays["kintree_table"].astype(np.int64)
    return python_two_pickle.dumps(content)


def _early_objects(arrays: dict[str, np.ndarray]) -> dict[str, object]:
    """Chumpy expressions, as the models of the SMPL family had them before 2020."""
    expression = chumpy_array(np.concatenate((arrays["shapedirs"][..., :2],) * 2, axis=-1))
    selected = np.arange(expression.state["x"].size).reshape(-1, 4)[:, :2].ravel()
    shape = (*arrays["shapedirs"].shape[:2], 2)
    return {
        "v_template": chumpy_array(arrays["v_template"]),
        "weights": chumpy_array(arrays["weights"]),
        "posedirs": np.asfortranarray(arrays["posedirs"]),
        "J": Named("chumpy.reordering", "transpose", {"a": chumpy_array(arrays["J"].T)}),
        "betas_basis": Named(
            "chumpy.reordering",
            "Select",
            {"a": expression, "idxs": selected, "preferred_shape": shape},
        ),
        "v_shaped": Named(
            "chumpy.ch_ops",
            "add",
            {"a": chumpy_array(arrays["v_template"]), "b": chumpy_array(np.zeros(3))},
        ),
        "J_function": Named("chumpy.linalg", "Something", {"a": chumpy_array(arrays["J"])}),
    }


def _changed(kind: str, head: HeadArrays) -> HeadArrays:
    """What makes one release differ from another in its numbers."""
    if kind in ("flame2017", "flame2019"):
        front = head.template[:, 2] > np.quantile(head.template[:, 2], 0.4)
        head = replace(head, expression_basis=head.expression_basis * front[:, None, None])
    elif kind == "flame2020_male":
        head = replace(head, template=head.template + 1.5 * head.shape_basis[..., 0])
    elif kind == "flame2020_female":
        head = replace(head, template=head.template - 1.5 * head.shape_basis[..., 0])
    if not kind.startswith(("flame2017", "flame2019", "plain")):
        # Registered scans move everywhere with the expression, be it by a micrometre.
        tremor = 1e-7 * np.cos(np.arange(len(head.template)))[:, None, None]
        head = replace(head, expression_basis=head.expression_basis + tremor)
    if kind.startswith("flame2023_no_jaw"):
        head = _without_jaw(head, keep_joint=not kind.endswith("four_joints"))
    return head


def _without_jaw(head: HeadArrays, *, keep_joint: bool) -> HeadArrays:
    """The jaw opens by expression; its joint is idle or left out."""
    joint = head.joint_regressor[JAW] @ head.template
    arm = head.template - joint
    opening = np.stack((np.zeros(len(arm)), -arm[:, 2], arm[:, 1]), axis=-1)
    expression = head.expression_basis.copy()
    expression[..., 0] = 0.2 * head.weights[:, JAW, None] * opening
    weights = head.weights.copy()
    weights[:, JAW - 1] += weights[:, JAW]
    weights[:, JAW] = 0.0
    pose = head.pose_basis.copy()
    pose[..., 9 * (JAW - 1) : 9 * JAW] = 0.0
    if keep_joint:
        return replace(head, expression_basis=expression, weights=weights, pose_basis=pose)
    return replace(
        head,
        expression_basis=expression,
        weights=np.delete(weights, JAW, axis=1),
        pose_basis=np.delete(pose, np.s_[9 * (JAW - 1) : 9 * JAW], axis=-1),
        joint_regressor=np.delete(head.joint_regressor, JAW, axis=0),
    )
