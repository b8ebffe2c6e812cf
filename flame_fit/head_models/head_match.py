"""Where each vertex of a model lies on a reference head, and what can be carried along that way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float

from flame_fit.errors import AssetError
from flame_fit.flame import FlameAssets, UvChart
from flame_fit.geometry import SurfacePoints
from flame_fit.geometry.facing_points import FacingSurface
from flame_fit.head_models.head_parts import Eyeball, HeadParts, connected_parts, head_parts
from flame_fit.head_models.lay_reference import (
    HIDDEN_REGIONS,
    LandmarkPairs,
    ReferenceHead,
    lay_reference,
)

# An iris is as wide on a small eyeball as on a large one, so places on eyeballs agree by arc length
# up to this angle from the front, and by angle at the very back.
ARC_LENGTH_ANGLE = np.pi / 3
# A triangle this many times longer in the chart than its neighbours' scale lies across a seam.
SEAM_STRETCH = 5.0


@dataclass(frozen=True, eq=False)
class HeadMatch:
    """A model with a reference head laid over it.

    Attributes:
        parts: The model's template taken apart.
        reference: The reference.
        laid: The reference's vertices over the model, metres in the model's frame.
        surface: For each of the model's vertices the place on the reference.
        distance: Metres between each vertex and that place on the laid reference.
    """

    parts: HeadParts
    reference: ReferenceHead
    laid: Float[np.ndarray, "W 3"]
    surface: SurfacePoints
    distance: Float[np.ndarray, "V"]

    def carry(self, values: Float[np.ndarray, "W C"]) -> Float[np.ndarray, "V C"]:
        """Return values at the reference's vertices for the model's vertices."""
        corners = self.reference.parts.faces[self.surface.face_index.numpy()]
        return np.einsum("vcd,vc->vd", values[corners], self.surface.barycentrics.numpy())


def reference_head(assets: FlameAssets) -> ReferenceHead:
    """Prepare a complete model to be compared with.

    Raises:
        AssetError: It lacks regions, a mirror map, a chart or landmarks.
    """
    lacking = [
        name
        for name, part in (
            ("regions", assets.regions),
            ("mirror map", assets.mirror_vertex),
            ("UV chart", assets.chart),
            ("landmarks", assets.landmarks),
        )
        if part is None
    ]
    if lacking or assets.regions is None:
        raise AssetError(
            f"model '{assets.name}' cannot be the reference, it has no {', no '.join(lacking)}; "
            "use open_head"
        )
    parts = head_parts(assets)
    hidden = np.zeros(len(parts.vertices), dtype=bool)
    for name in HIDDEN_REGIONS:
        if name in assets.regions.names:
            hidden |= assets.regions.mask(name).cpu().numpy()
    return ReferenceHead(assets=assets, parts=parts, seen=parts.skin & ~hidden)


def match_heads(
    parts: HeadParts, reference: ReferenceHead, *, landmarks: LandmarkPairs | None = None
) -> HeadMatch:
    """Lay a reference over a model and find the model's vertices on it.

    Args:
        parts: The model.
        reference: The reference.
        landmarks: Points known on both, which make lips, lids and brows agree.
    """
    laid = lay_reference(parts, reference, landmarks=landmarks)
    other = reference.parts
    face = np.zeros(len(parts.vertices), dtype=np.int64)
    share = np.zeros((len(parts.vertices), 3))
    distance = np.zeros(len(parts.vertices))
    eyes = parts.left_eye.mask | parts.right_eye.mask
    eyes_of_reference = other.left_eye.mask | other.right_eye.mask
    for mask, allowed in ((parts.skin, other.skin), (~parts.skin & ~eyes, ~eyes_of_reference)):
        if mask.any():
            among = other.faces_of(allowed)
            found = FacingSurface(laid, other.faces[among]).nearest(
                parts.vertices[mask], parts.normals[mask]
            )
            face[mask] = among[found.surface.face_index.numpy()]
            share[mask], distance[mask] = found.surface.barycentrics.numpy(), found.distance
    for eye, eye_of_reference in zip(parts.eyes, other.eyes, strict=True):
        own = other.faces_of(eye_of_reference.mask)
        direction = _on_other_eyeball(parts.vertices[eye.mask], eye, eye_of_reference)
        surface = FacingSurface(other.vertices, other.faces[own])
        place = eye_of_reference.centre + eye_of_reference.radius * direction
        found = surface.nearest(place, direction)
        face[eye.mask] = own[found.surface.face_index.numpy()]
        share[eye.mask] = found.surface.barycentrics.numpy()
    surface = SurfacePoints(torch.from_numpy(face), torch.from_numpy(share))
    return HeadMatch(parts, reference, laid, surface, distance)


def borrowed_chart(match: HeadMatch) -> UvChart:
    """Return a chart over the model's triangles that points into the reference's textures.

    It overlaps nothing the model would overlap on the reference; triangles that lie across a seam
    of the reference take the one colour of their middle.
    """
    chart = match.reference.assets.chart
    if chart is None:
        raise AssetError("the reference has no UV chart; use open_head")
    uv, uv_faces = chart.uv.double().cpu().numpy(), chart.faces.cpu().numpy()
    island = connected_parts(uv_faces, len(uv))
    face = match.surface.face_index.numpy()
    share = match.surface.barycentrics.numpy()
    at_vertex = np.einsum("vcd,vc->vd", uv[uv_faces[face]], share)
    faces = match.parts.faces
    corner_uv = at_vertex[faces]
    corner_island = island[uv_faces[face, 0]][faces]
    across = (corner_island != corner_island[:, :1]).any(axis=1)
    across |= _stretch(corner_uv, match.parts.vertices[faces]) > SEAM_STRETCH
    # One corner's place stands for the whole triangle: a corner is always inside an island.
    corner_uv[across] = corner_uv[across][:, :1]
    return UvChart(
        uv=torch.from_numpy(corner_uv.reshape(-1, 2)).float(),
        faces=torch.arange(3 * len(faces)).reshape(-1, 3),
    )


def _stretch(
    flat: Float[np.ndarray, "F 3 2"], corners: Float[np.ndarray, "F 3 3"]
) -> Float[np.ndarray, "F"]:
    """Return how long triangles are in a chart for their size, 1 for the middle one."""
    long = np.linalg.norm(flat - np.roll(flat, 1, axis=1), axis=-1).max(axis=1)
    size = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=-1).max(axis=1)
    ratio = long / np.maximum(size, 1e-12)
    return ratio / np.median(ratio)


def _on_other_eyeball(
    points: Float[np.ndarray, "n 3"], eye: Eyeball, other: Eyeball
) -> Float[np.ndarray, "n 3"]:
    """Return the directions in which points of one eyeball lie on another one."""
    direction = points - eye.centre
    direction /= np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-12)
    angle = np.arccos(np.clip(direction[:, 2], -1.0, 1.0))
    knots = [0.0, ARC_LENGTH_ANGLE, np.pi]
    turned = np.interp(angle, knots, [0.0, ARC_LENGTH_ANGLE * eye.radius / other.radius, np.pi])
    flat = direction[:, :2] / np.maximum(np.linalg.norm(direction[:, :2], axis=1), 1e-12)[:, None]
    return np.concatenate([np.sin(turned)[:, None] * flat, np.cos(turned)[:, None]], axis=1)


def inside_reference(match: HeadMatch, mask: Bool[np.ndarray, "W"]) -> Bool[np.ndarray, "V"]:
    """Return the model's vertices that lie in a set of the reference's vertices."""
    return match.carry(mask[:, None].astype(np.float64))[:, 0] > 0.5  # noqa: PLR2004
