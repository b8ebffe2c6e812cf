"""Head models in the layouts other FLAME code reads: the released pickle, and SMPL-X's `.npz`."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from scipy import sparse

from flame_fit.errors import UsageError
from flame_fit.flame import FlameAssets
from flame_fit.flame.assets import PUBLISHED_BASIS_SIZE, PUBLISHED_SHAPE_COUNT
from flame_fit.head_models.npz_bytes import npz_bytes
from flame_fit.untrusted.pickle_writer import MAXIMUM_ARRAY_BYTES, python_two_pickle

ReleaseLayout = Literal["flame-pickle", "smplx-npz"]
NO_PARENT = 2**32 - 1
"""How releases mark the root: -1 as an unsigned 32-bit number."""


def release_bytes(assets: FlameAssets, *, layout: ReleaseLayout) -> bytes:
    """Return a model as a file that other FLAME code reads.

    Both layouts hold `f v_template shapedirs posedirs J_regressor J kintree_table weights`, with
    300 identity and then 100 expression components in `shapedirs`; where the model has fewer, the
    rest is zero, so that code which cuts at 300 finds the expression. What these layouts have no
    place for (chart, regions, landmarks, eyelids, licence) is not in the file.

    Args:
        assets: the model, on any device.
        layout: "flame-pickle" (FLAME 2017 to 2023: a pickled dictionary, joint regressor sparse,
            float64) or "smplx-npz" (plain arrays, float32, joint regressor dense).

    Raises:
        UsageError: the model has more components than the layout holds, or is too large.
    """
    arrays = _common_arrays(assets)
    if layout == "smplx-npz":
        compact = {
            key: array.astype(np.float32) if array.dtype == np.float64 else array
            for key, array in arrays.items()
        }
        return npz_bytes(compact)
    largest = max(array.nbytes for array in arrays.values())
    if largest > MAXIMUM_ARRAY_BYTES:
        raise UsageError(
            f"model '{assets.name}' has an array of {largest} bytes; pickles of this kind hold "
            f"{MAXIMUM_ARRAY_BYTES}; choose the layout smplx-npz"
        )
    return python_two_pickle(
        {
            **arrays,
            "J_regressor": sparse.csc_array(arrays["J_regressor"]),
            "bs_type": "lrotmin",
            "bs_style": "lbs",
        }
    )


def _common_arrays(assets: FlameAssets) -> dict[str, np.ndarray]:
    """Return the dense arrays of both layouts, in float64 and the releases' whole numbers."""
    assets = assets.to(dtype=torch.float64, device="cpu")
    parents = [NO_PARENT if parent < 0 else parent for parent in assets.parents]
    return {
        "v_template": assets.v_template.numpy(),
        "f": assets.faces.numpy().astype(np.uint32),
        "shapedirs": _joint_basis(assets),
        "posedirs": assets.pose_basis.numpy(),
        "J_regressor": assets.joint_regressor.numpy(),
        "J": (assets.joint_regressor @ assets.v_template).numpy(),
        "kintree_table": np.array((parents, range(len(parents))), dtype=np.int64),
        "weights": assets.skinning_weights.numpy(),
    }


def _joint_basis(assets: FlameAssets) -> np.ndarray:
    """Return identity and expression components at the places where releases have them."""
    identity, expression = assets.shape_basis.numpy(), assets.expression_basis.numpy()
    room = PUBLISHED_BASIS_SIZE - PUBLISHED_SHAPE_COUNT
    if identity.shape[-1] > PUBLISHED_SHAPE_COUNT or expression.shape[-1] > room:
        raise UsageError(
            f"model '{assets.name}' has {identity.shape[-1]} identity and {expression.shape[-1]} "
            f"expression components; the layout holds {PUBLISHED_SHAPE_COUNT} and {room}"
        )
    basis = np.zeros((*identity.shape[:2], PUBLISHED_BASIS_SIZE))
    basis[..., : identity.shape[-1]] = identity
    basis[..., PUBLISHED_SHAPE_COUNT:][..., : expression.shape[-1]] = expression
    return basis
