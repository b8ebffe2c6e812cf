"""The published FLAME formula in plain numpy, an independent twin of the library's layer."""

import numpy as np
import scipy.sparse
import torch


def rodrigues(vector):
    """Rotation matrix of an axis-angle vector, from the exponential of its cross product."""
    x, y, z = vector
    return torch.linalg.matrix_exp(
        torch.tensor([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]], dtype=torch.float64)
    ).numpy()


def published_vertices(model, betas, pose):
    """The published FLAME formula in plain numpy: 400 coefficients and 5 axis-angle vectors."""
    regressor = model["J_regressor"]
    regressor = np.asarray(regressor.todense()) if scipy.sparse.issparse(regressor) else regressor
    shaped = model["v_template"] + model["shapedirs"] @ betas
    joints = regressor @ shaped
    turns = [rodrigues(vector) for vector in pose.reshape(5, 3)]
    feature = np.concatenate([(turn - np.eye(3)).ravel() for turn in turns[1:]])
    shaped = shaped + model["posedirs"] @ feature
    parents = model["kintree_table"][0].astype(np.int64)
    chain = []
    for joint, turn in enumerate(turns):
        local = np.eye(4)
        local[:3, :3] = turn
        local[:3, 3] = joints[joint] - (joints[parents[joint]] if joint else 0.0)
        chain.append(local if joint == 0 else chain[parents[joint]] @ local)
    result = np.zeros_like(shaped)
    for joint, transform in enumerate(chain):
        moved = (shaped - joints[joint]) @ transform[:3, :3].T + transform[:3, 3]
        result += model["weights"][:, [joint]] * moved
    return result
