"""FLAME's own mesh with a basis carried over from OpenHead, for tests with the shared data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from flame_fit.untrusted import read_npy, read_obj
from tests.flame.release_topology import OPEN_HEAD, HeadArrays, unpacked

EYEBALLS = (slice(3931, 4477), slice(4477, 5023))
"""Left and right eyeball of FLAME's mesh."""
NEIGHBOURS = 4


def flame_template_head(folder: Path) -> HeadArrays:
    """Return FLAME's template with OpenHead's identities, expressions, joints and weights.

    The template is laid over OpenHead by their 51 inner landmarks; each of its vertices takes over
    from the nearest ones, eyeballs from the eyeball of their side.

    Args:
        folder: holds `head_template.obj` and `landmark_embedding.npy`.
    """
    mesh = read_obj(folder / "head_template.obj")
    embedding = read_npy(folder / "landmark_embedding.npy")
    source = dict(np.load(OPEN_HEAD, allow_pickle=False))
    corners = mesh.vertices[mesh.faces[embedding["full_lmk_faces_idx"][0]]]
    own = np.einsum("lkc,lk->lc", corners, embedding["full_lmk_bary_coords"][0])
    corners = source["v_template"][source["f"][source["ibug_face_index"]]]
    wanted = np.einsum("lkc,lk->lc", corners, source["ibug_barycentric"])
    template = _laid_over(mesh.vertices, own[17:], wanted[17:])
    carry = _Carry(template, source)
    weights = carry(source["weights"].astype(float))
    expression = np.concatenate(
        (unpacked(source, "shapedirs")[..., 300:], unpacked(source, "arkit_dirs")), axis=-1
    )
    expression = np.concatenate((expression, 0.5 * expression[..., :9]), axis=-1)
    return HeadArrays(
        template=template,
        faces=mesh.faces,
        shape_basis=carry(unpacked(source, "shapedirs")[..., :300]),
        expression_basis=carry(expression),
        pose_basis=carry(unpacked(source, "posedirs")),
        joint_regressor=_regressor(template, source),
        weights=weights / weights.sum(-1, keepdims=True),
    )


def _laid_over(vertices: np.ndarray, points: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return vertices moved by the similarity that brings points closest to the wanted ones."""
    centre, aim = points.mean(0), wanted.mean(0)
    left, sizes, right = np.linalg.svd((wanted - aim).T @ (points - centre))
    sign = np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    scale = np.trace(np.diag(sizes) @ sign) / ((points - centre) ** 2).sum()
    return scale * (vertices - centre) @ (left @ sign @ right).T + aim


class _Carry:
    """Carries values of OpenHead's vertices to those of another template in the same place."""

    def __init__(self, template: np.ndarray, source: dict) -> None:
        names = [str(name) for name in source["region_names"]]
        eyeballs = [
            source["region_masks"][names.index(f"{side}_eyeball")] for side in ("left", "right")
        ]
        self.nearest = np.zeros((len(template), NEIGHBOURS), dtype=int)
        self.shares = np.zeros((len(template), NEIGHBOURS))
        self._fill(template, source, np.arange(EYEBALLS[0].start), ~(eyeballs[0] | eyeballs[1]))
        for part, mask in zip(EYEBALLS, eyeballs, strict=True):
            self._fill(template, source, np.arange(part.start, part.stop), mask)

    def _fill(self, template: np.ndarray, source: dict, rows: np.ndarray, mask: np.ndarray) -> None:
        candidates = np.flatnonzero(mask)
        tree = cKDTree(source["v_template"][candidates])
        distances, found = tree.query(template[rows], k=NEIGHBOURS)
        shares = 1.0 / (distances + 1e-4)
        self.nearest[rows] = candidates[found]
        self.shares[rows] = shares / shares.sum(-1, keepdims=True)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        return sum(
            np.einsum("v,v...->v...", self.shares[:, k], values[self.nearest[:, k]])
            for k in range(NEIGHBOURS)
        )


def _regressor(template: np.ndarray, source: dict) -> np.ndarray:
    """Return OpenHead's regressor on the nearest vertices; eyes turn about their centres."""
    nearest = cKDTree(template).query(source["v_template"])[1]
    regressor = np.zeros((5, len(template)))
    for joint in range(3):
        np.add.at(regressor[joint], nearest, source["J_regressor"][joint])
    for joint, part in zip((3, 4), EYEBALLS, strict=True):
        regressor[joint, part] = 1.0 / (part.stop - part.start)
    return regressor
