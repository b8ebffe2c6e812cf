"""OpenHead with other triangles: a model of another topology whose truth is known."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Int

from flame_fit.flame import FlameAssets
from flame_fit.geometry import SurfacePoints

FLIPPED_SHARE, SPLIT_SHARE = 0.15, 0.03


@dataclass(frozen=True, eq=False)
class OtherHead:
    """The model, bare, and where each of its vertices lies on the head it was made from."""

    assets: FlameAssets
    origin: SurfacePoints


def other_head(head: FlameAssets, rng: np.random.Generator) -> OtherHead:
    """Flip edges, split triangles, shuffle vertices, and move the head into another frame."""
    faces, count = head.faces.numpy().copy(), len(head.v_template)
    template = head.v_template.double().numpy()
    faces = _flipped(faces, template, rng)
    chosen = rng.choice(len(faces), int(SPLIT_SHARE * len(faces)), replace=False)
    middle = count + np.arange(len(chosen))
    a, b, c = faces[chosen].T
    parts = [np.stack([a, b, middle], 1), np.stack([b, c, middle], 1), np.stack([c, a, middle], 1)]
    corners = np.concatenate([np.repeat(np.arange(count)[:, None], 3, 1), faces[chosen]])
    share = np.concatenate([np.eye(3)[np.zeros(count, int)], np.full((len(chosen), 3), 1 / 3)])
    faces = np.concatenate([np.delete(faces, chosen, axis=0), *parts])
    order = rng.permutation(len(corners))
    place = np.argsort(order)
    corners, share, faces = corners[order], share[order], place[faces]

    def carried(values: torch.Tensor) -> torch.Tensor:
        weights = torch.from_numpy(share).to(values.dtype)
        return torch.einsum("vc,vc...->v...", weights, values[torch.from_numpy(corners)])

    identity = 0.6 * torch.randn(10, generator=torch.Generator().manual_seed(3))
    shaped = head.v_template + head.shape_basis[..., :10] @ identity
    moved = 1.04 * carried(shaped) + torch.tensor([0.0, 1.5, 0.02])
    regressor = torch.zeros(5, len(corners))
    kept = torch.from_numpy(place[:count])
    regressor[:, kept] = head.joint_regressor
    bare = replace(
        head,
        name="other",
        v_template=moved,
        faces=torch.from_numpy(faces),
        shape_basis=carried(head.shape_basis[..., :3]),
        expression_basis=carried(head.expression_basis[..., :2]),
        pose_basis=carried(head.pose_basis),
        joint_regressor=regressor,
        skinning_weights=carried(head.skinning_weights),
        chart=None,
        regions=None,
        mirror_vertex=None,
        landmarks=None,
        arkit_names=(),
        arkit_basis=None,
        eyelid_basis=None,
    )
    return OtherHead(bare, _surface_points(head.faces.numpy(), corners, share))


def _flipped(
    faces: Int[np.ndarray, "F 3"], template: np.ndarray, rng: np.random.Generator
) -> Int[np.ndarray, "F 3"]:
    """Flip some edges between nearly flat pairs of triangles, none of them twice."""
    faces = faces.copy()
    owner: dict[tuple[int, int], int] = {}
    for number, (a, b, c) in enumerate(faces.tolist()):
        owner |= {(a, b): number, (b, c): number, (c, a): number}
    used = np.zeros(len(faces), bool)
    normals = np.cross(*(template[faces[:, k]] - template[faces[:, 0]] for k in (1, 2)))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    edges = sorted(edge for edge in owner if edge[0] < edge[1] and edge[::-1] in owner)
    for index in rng.permutation(len(edges))[: int(FLIPPED_SHARE * len(edges))]:
        start, end = edges[index]
        first, second = owner[start, end], owner[end, start]
        if used[first] or used[second] or normals[first] @ normals[second] < 0.98:
            continue
        left = next(v for v in faces[first].tolist() if v not in (start, end))
        right = next(v for v in faces[second].tolist() if v not in (start, end))
        pair = np.array([[left, start, right], [right, end, left]])
        new = np.cross(*(template[pair[:, k]] - template[pair[:, 0]] for k in (1, 2)))
        exists = (left, right) in owner or (right, left) in owner
        if not exists and (new @ normals[first] > 1e-8).all():
            faces[[first, second]] = pair
            used[[first, second]] = True
    return faces


def _surface_points(faces: np.ndarray, corners: np.ndarray, share: np.ndarray) -> SurfacePoints:
    """Express weighted vertices as points on some triangle that has them."""
    first = {}
    for number, face in enumerate(faces.tolist()):
        for vertex in face:
            first.setdefault(vertex, number)
    face_index = np.array([first[int(row[share[k].argmax()])] for k, row in enumerate(corners)])
    barycentrics = (faces[face_index] == corners[:, :1]).astype(float)
    return SurfacePoints(torch.from_numpy(face_index), torch.from_numpy(barycentrics))
