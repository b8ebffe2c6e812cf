"""Valid files, and random changes to them."""

from __future__ import annotations

import io
import pickle
import random
from collections.abc import Iterator

import numpy as np
import scipy.sparse
import torch

from flame_fit.testing import tiny_assets
from scripts.fuzzing.hostile_files import Case, object_npy, zipped

INTERESTING = (0, 1, 0x7F, 0x80, 0xFF)


def model_arrays() -> dict[str, np.ndarray]:
    """Return a small head model in FLAME's layout with 400 components."""
    assets = tiny_assets(shape_count=6, expression_count=4)
    basis = np.zeros((len(assets.v_template), 3, 10))
    basis[..., :6], basis[..., 6:] = assets.shape_basis, assets.expression_basis
    return {
        "v_template": assets.v_template.numpy().astype(np.float64),
        "f": assets.faces.numpy().astype(np.uint32),
        "shapedirs": basis,
        "n_shape": np.array(6),
        "posedirs": assets.pose_basis.numpy().astype(np.float64),
        "J_regressor": assets.joint_regressor.numpy().astype(np.float64),
        "kintree_table": np.array([[2**32 - 1, 0, 1, 1, 1], range(5)], dtype=np.int64),
        "weights": assets.skinning_weights.numpy().astype(np.float64),
    }


def valid_files() -> list[Case]:
    """Return one small valid file of every kind a reader may meet."""
    arrays = model_arrays()
    small = {
        "a": np.arange(6.0).reshape(2, 3),
        "b": np.asfortranarray(np.arange(6, dtype=">i4").reshape(2, 3)),
        "c": np.array(["one", "two"]),
        "d": np.array([True, False]),
        "e": np.float32(2.5),
    }
    sparse = scipy.sparse.csc_matrix(np.eye(3))
    landmarks = {"faces": np.arange(3), "bary": torch.ones(2, 3), "text": "x", "list": [1, None]}
    tensors = {"w": torch.ones(3, 2), "half": torch.ones(2, dtype=torch.bfloat16), "n": 3}
    files = [
        Case(f"pickle protocol {protocol}", ".pkl", pickle.dumps(value, protocol=protocol))
        for protocol in range(6)
        for value in ({**small, "s": sparse, "t": (1, 2.5, "x", None, True)}, arrays)
    ]
    files += [
        Case("npy", ".npy", _npy(small["b"])),
        Case("npy of objects", ".npy", object_npy(_array_pickle(landmarks))),
        Case("npz", ".npz", _npz(small)),
        Case("npz model", ".npz", _npz(arrays)),
        Case("npz of objects", ".npz", zipped({"J.npy": object_npy(_array_pickle(sparse))})),
        Case("torch", ".pt", _torch(tensors)),
        Case("old torch", ".pt", _torch(tensors, old=True)),
        Case("task", ".task", zipped({"a.tflite": b"x" * 99, "b/c.txt": b"text"}, method=8)),
        Case("obj", ".obj", OBJ),
    ]
    return files


OBJ = (
    b"# a mesh\nmtllib x.mtl\no head\nv 0 0 0\nv 1 0 0.5\nv 1 1 0\nv 0 1e-2 0 1 1 1\n"
    b"vt 0 0\nvt 1 0\nvt 1 1\nvt 0 1 0\nvn 0 0 1\ng a\nusemtl m\ns 1\n"
    b"f 1/1/1 2/2/1 3/3/1 4/4/1\nf -4/-4 -3/-3 \\\n-2/-2\n"
)


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _npz(arrays: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _array_pickle(value: object) -> bytes:
    array = np.empty((), dtype=object)
    array[()] = value
    return pickle.dumps(array, protocol=3)


def _torch(value: object, *, old: bool = False) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=not old)
    return buffer.getvalue()


def mutated(files: list[Case], count: int, seed: int) -> Iterator[Case]:
    """Yield randomly changed copies of valid files: cut, flipped, spliced, repeated.

    Args:
        files: the valid files.
        count: how many to yield.
        seed: the same seed gives the same copies.
    """
    chance = random.Random(seed)
    for number in range(count):
        case = files[number % len(files)]
        data = bytearray(case.data)
        for _ in range(chance.choice((1, 1, 1, 2, 5, 20))):
            _change(data, chance, files)
        yield Case(f"changed {case.name}", case.suffix, bytes(data))


def _change(data: bytearray, chance: random.Random, files: list[Case]) -> None:
    if not data:
        data += b"."
    # Most of a file is numbers; what can go wrong is near its beginning and its end.
    near = chance.choice((60, 400, len(data)))
    place = min(len(data) - 1, chance.randrange(near))
    if chance.random() < 0.3:  # noqa: PLR2004
        place = len(data) - 1 - place
    kind = chance.randrange(8)
    if kind == 0:
        del data[place:]
    elif kind == 1:
        data[place] ^= 1 << chance.randrange(8)
    elif kind == 2:  # noqa: PLR2004
        data[place] = chance.choice(INTERESTING)
    elif kind == 3:  # noqa: PLR2004
        del data[place : place + chance.randrange(1, 9)]
    elif kind == 4:  # noqa: PLR2004
        data[place:place] = bytes(chance.randrange(256) for _ in range(chance.randrange(1, 9)))
    elif kind == 5:  # noqa: PLR2004
        data[place : place + 4] = chance.choice(
            (b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\0")
        )
    elif kind == 6:  # noqa: PLR2004
        other = chance.choice(files).data
        start = chance.randrange(len(other))
        data[place : place + 20] = other[start : start + chance.randrange(1, 40)]
    else:
        data[place:place] = data[place : place + 30]
