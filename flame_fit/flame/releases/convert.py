"""Converts the files of all FLAME releases to the one layout this library reads."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flame_fit.asset_files import sha256_of
from flame_fit.errors import AssetError
from flame_fit.flame.asset_arrays import AssetArrays
from flame_fit.flame.layout import (
    FEATURES_PER_JOINT,
    JAW,
    JOINT_COUNT,
    MAXIMUM_FILE_BYTES,
    PUBLISHED_BASIS_SIZE,
    PUBLISHED_SHAPE_COUNT,
)
from flame_fit.flame.releases.catalogue import Release
from flame_fit.flame.releases.recognise import OPEN_KEY, jaw_moves, recognise
from flame_fit.untrusted import read_npz_objects, read_pickle

ZIP_START = b"PK"
SMALLEST_HEAD = 0.05
LARGEST_HEAD = 2.0
"""Metres from the lowest to the highest vertex; outside, the file is in other units."""
WEIGHT_SUM_TOLERANCE = 1e-3
_PARENTS_WITHOUT_JAW = (-1, 0, 1, 1)
"""Root, neck, left eye, right eye."""


@dataclass(frozen=True, eq=False)
class ConvertedRelease:
    """A head model in the layout of `assets/open_head.npz`, and which one it is."""

    release: Release
    arrays: Mapping[str, np.ndarray]
    """Ready for `numpy.savez`; floats are float32, `meta` is a JSON text."""
    sha256: str
    """Digest of the file it was converted from."""


def read_release(path: Path) -> ConvertedRelease:
    """Read a head model of any release; nothing the file contains is ever run.

    A release without a jaw joint gets one at the place of the neck that moves nothing, so that all
    models have the same five joints; jaw rotations leave such a model as it is. Everything is
    stored as float32 in metres; identity comes first in `shapedirs`, `n_shape` says how much.

    Args:
        path: a `.pkl` of any release, or an `.npz` with the same keys.

    Raises:
        AssetError: not a head model, damaged, or holding anything a head model has no use for.
    """
    content = read_model_file(path)
    sha256 = sha256_of(path)
    release = recognise(content, sha256=sha256, hint=f"{path.parent.name}/{path.name}")
    arrays = {key: value for key, value in content.items() if isinstance(value, np.ndarray)}
    if "meta" in arrays:
        return ConvertedRelease(release=release, arrays=arrays, sha256=sha256)
    converted = _converted(AssetArrays(path=path, arrays=arrays), content.get(OPEN_KEY))
    meta = _description(release, sha256, jaw=jaw_moves(arrays))
    return ConvertedRelease(
        release=release, arrays=converted | {"meta": np.array(meta)}, sha256=sha256
    )


def read_model_file(path: Path) -> dict[str, object]:
    """Return the content of a model file as plain data, by its first bytes a zip or a pickle.

    Raises:
        AssetError: missing, damaged, too large, or no dictionary of named arrays.
    """
    if _begins_like_zip(path):
        return read_npz_objects(path, maximum_bytes=MAXIMUM_FILE_BYTES)
    content = read_pickle(path, maximum_bytes=MAXIMUM_FILE_BYTES)
    if not isinstance(content, dict):
        raise AssetError(
            f"{path} holds a {type(content).__name__}, a head model is a dict of arrays; "
            "give the model file of a FLAME release"
        )
    return {key: value for key, value in content.items() if isinstance(key, str)}


def _begins_like_zip(path: Path) -> bool:
    if not path.is_file():
        raise AssetError(f"model file {path} does not exist; check the path")
    with path.open("rb") as file:
        return file.read(len(ZIP_START)) == ZIP_START


def _description(release: Release, sha256: str, *, jaw: bool) -> str:
    content = {
        "name": release.name,
        "title": release.title,
        "kind": release.kind,
        "gender": release.gender,
        "year": release.year,
        "licence": release.licence,
        "citation": release.citation,
        "source": release.source,
        "source_sha256": sha256,
        "jaw": "joint" if jaw else "in the expression basis; the joint moves nothing",
        "units": "metres; x to the person's left, y up, z forward",
    }
    return json.dumps(content, sort_keys=True)


def _converted(source: AssetArrays, open_metadata: object) -> dict[str, np.ndarray]:
    template = source.floats("v_template", (None, 3)).numpy()
    vertex_count = len(template)
    _check_units(source, template)
    faces = source.indices("f", (None, 3), limit=vertex_count).numpy()
    basis = source.floats("shapedirs", (vertex_count, 3, None)).numpy()
    shape_count = _shape_count(source, basis.shape[-1], open_metadata)
    joints = _with_five_joints(source, vertex_count)
    return {
        "v_template": template,
        "f": faces.astype(np.int32),
        "shapedirs": basis,
        "n_shape": np.array(shape_count, dtype=np.int32),
        "n_expression": np.array(basis.shape[-1] - shape_count, dtype=np.int32),
        "posedirs": joints.pose_basis,
        "J_regressor": joints.regressor,
        "kintree_table": np.array([joints.parents, range(JOINT_COUNT)], dtype=np.int32),
        "weights": joints.weights,
    }


def _check_units(source: AssetArrays, template: np.ndarray) -> None:
    height = float(np.ptp(template[:, 1])) if len(template) else 0.0
    if not SMALLEST_HEAD <= height <= LARGEST_HEAD:
        raise AssetError(
            f"{source.path}: the head is {height:.3g} high, in metres it would be about 0.3; "
            "scale 'v_template', 'shapedirs' and 'posedirs' to metres"
        )


def _shape_count(source: AssetArrays, basis_size: int, open_metadata: object) -> int:
    """Return how many components are identity: stated, or as in all published models."""
    stated = open_metadata.get("n_expr") if isinstance(open_metadata, Mapping) else None
    if isinstance(stated, int) and 0 <= stated <= basis_size:
        return basis_size - stated
    if "n_shape" in source:
        count = source.integer("n_shape")
        if 0 <= count <= basis_size:
            return count
    if basis_size == PUBLISHED_BASIS_SIZE:
        return PUBLISHED_SHAPE_COUNT
    raise AssetError(
        f"{source.path}: 'shapedirs' has {basis_size} components and no 'n_shape' tells how many "
        f"are identity; add it (published models have {PUBLISHED_BASIS_SIZE})"
    )


@dataclass(frozen=True, eq=False)
class _Joints:
    parents: tuple[int, ...]
    weights: np.ndarray
    regressor: np.ndarray
    pose_basis: np.ndarray


def _with_five_joints(source: AssetArrays, vertex_count: int) -> _Joints:
    parents = _parents(source)
    count = len(parents)
    joints = _Joints(
        parents=parents,
        weights=source.floats("weights", (vertex_count, count)).numpy(),
        regressor=source.floats("J_regressor", (count, vertex_count)).numpy(),
        pose_basis=source.floats(
            "posedirs", (vertex_count, 3, FEATURES_PER_JOINT * (count - 1))
        ).numpy(),
    )
    worst = float(np.abs(joints.weights.sum(-1) - 1.0).max())
    if worst > WEIGHT_SUM_TOLERANCE:
        raise AssetError(
            f"{source.path}: skinning weights of a vertex miss the sum 1 by {worst:.3g}; "
            "get the file again"
        )
    if count == JOINT_COUNT:
        return joints
    if parents != _PARENTS_WITHOUT_JAW:
        raise AssetError(
            f"{source.path}: the parents of its joints are {parents}; expected "
            f"{_PARENTS_WITHOUT_JAW} for a model without jaw"
        )
    return _Joints(
        parents=(-1, 0, 1, 1, 1),
        weights=np.insert(joints.weights, JAW, 0.0, axis=1),
        # At the place of the neck, which every identity has; it moves nothing wherever it is.
        regressor=np.insert(joints.regressor, JAW, joints.regressor[JAW - 1], axis=0),
        pose_basis=np.insert(
            joints.pose_basis, [FEATURES_PER_JOINT * (JAW - 1)] * FEATURES_PER_JOINT, 0.0, axis=-1
        ),
    )


def _parents(source: AssetArrays) -> tuple[int, ...]:
    """Return the parent of each joint; the second row of the table numbers the joints."""
    table = source.raw("kintree_table", (2, None), kinds="iu").astype(object)
    count = table.shape[1]
    if count not in (JOINT_COUNT, JOINT_COUNT - 1):
        raise AssetError(
            f"{source.path}: the model has {count} joints, a head model has {JOINT_COUNT}; "
            "body models cannot be used"
        )
    place = {int(number): index for index, number in enumerate(table[1])}
    parents = (-1, *(place.get(int(number), count) for number in table[0, 1:]))
    if any(not 0 <= parent < joint for joint, parent in enumerate(parents) if joint > 0):
        raise AssetError(
            f"{source.path}: 'kintree_table' has parents {parents[1:]}; each must be an earlier "
            "joint; get the file again"
        )
    return parents
