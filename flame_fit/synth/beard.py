"""Beards and moustaches: the skin they grow on, lifted, with a ragged border."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from flame_fit.synth.face_map import FaceMap, vertex_masks
from flame_fit.synth.head_frame import HeadFrame
from flame_fit.synth.patterns import strands
from flame_fit.synth.solids import Solid, Surface

BeardKind = Literal["full", "full_without_moustache", "goatee", "moustache", "strap", "van_dyke"]
BEARD_KINDS: tuple[BeardKind, ...] = (
    "full",
    "full",
    "full",
    "full_without_moustache",
    "goatee",
    "moustache",
    "strap",
    "van_dyke",
)
BORDER = 0.5
"""Value of the soft mask at which a beard begins."""
RAGGED = 0.10
SUNKEN = 0.002
"""Metres by which the border of a beard lies under the skin."""
RISE = 0.35
"""Change of the mask over which a beard grows to its full thickness."""


@dataclass(frozen=True)
class Beard:
    """Hair on the lower face.

    Attributes:
        kind: Where it grows.
        colour: Linear albedo.
        thickness: Metres above the skin.
        droop: Metres by which the hair of the chin hangs lower than it grows.
        seed: Source of its strands and border.
    """

    kind: BeardKind
    colour: tuple[float, float, float]
    thickness: float
    droop: float
    seed: int
    name: str = "beard"

    def build(self, frame: HeadFrame) -> tuple[Solid, ...]:
        """Return the shell in head axes.

        Raises:
            AssetError: The model has no chart or no embedding of MediaPipe's points.
        """
        generator = np.random.default_rng(self.seed)
        masks = vertex_masks(frame.assets)
        mask = _where(self.kind, masks)[0]
        mask = mask + RAGGED * generator.standard_normal(len(mask)) * (mask > 0.0)
        inside = (mask - BORDER) / RISE
        rise = np.where(inside > 0.0, np.sin(0.5 * np.pi * np.clip(inside, 0.0, 1.0)), 0.0)
        sunken = SUNKEN * np.clip(-inside, 0.0, 1.0)
        faces = frame.assets.faces.cpu().numpy()
        kept = faces[(inside[faces] > -1.0).all(axis=1) & (inside[faces] > 0.0).any(axis=1)]
        used, corners = np.unique(kept, return_inverse=True)
        normals = _normals(frame.vertices, faces)
        uneven = 1.0 + 0.15 * generator.standard_normal(len(mask))
        offset = self.thickness * rise * uneven - sunken
        points = frame.vertices + frame.scale * offset[:, None] * normals
        points[:, 1] -= frame.scale * self.droop * rise * masks.goatee[0]
        uv = _strand_places(frame.vertices[used])
        surface = Surface(points[used], corners.reshape(-1, 3), uv)
        return (surface.solid(self.name, strands(generator, self.colour)),)


def random_beard(generator: np.random.Generator, colour: tuple[float, float, float]) -> Beard:
    """Return a beard of a random cut, from a few days' growth to a long one.

    Args:
        generator: Source of chance.
        colour: Linear albedo of the person's hair.
    """
    kind = BEARD_KINDS[generator.integers(len(BEARD_KINDS))]
    shade = np.asarray(colour) * np.exp(generator.normal(0.0, 0.2))
    long = generator.random() < 0.3  # noqa: PLR2004
    return Beard(
        kind=kind,
        colour=(float(shade[0]), float(shade[1]), float(shade[2])),
        thickness=float(
            generator.uniform(0.008, 0.018) if long else generator.uniform(0.001, 0.008)
        ),
        droop=float(generator.uniform(0.0, 0.05)) if long else 0.0,
        seed=int(generator.integers(2**31)),
    )


def _where(kind: BeardKind, masks: FaceMap) -> Float[np.ndarray, "1 V"]:
    full = np.maximum(masks.beard, masks.moustache)
    return {
        "full": full,
        "full_without_moustache": masks.beard,
        "goatee": np.minimum(np.maximum(masks.goatee, masks.moustache), full),
        "moustache": masks.moustache,
        "strap": masks.strap,
        "van_dyke": np.maximum(masks.goatee * masks.strap, masks.moustache),
    }[kind]


def _normals(vertices: Float[np.ndarray, "V 3"], faces: np.ndarray) -> Float[np.ndarray, "V 3"]:
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    across = np.cross(b - a, c - a)
    total = np.zeros_like(vertices)
    for corner in range(3):
        for axis in range(3):
            total[:, axis] += np.bincount(faces[:, corner], across[:, axis], len(vertices))
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)


def _strand_places(points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 2"]:
    """Return texture coordinates: strands hang down."""
    u = np.arctan2(points[:, 0], points[:, 2] + 0.05) / np.pi + 0.5
    return np.stack((u, np.clip(points[:, 1] / 0.25 + 0.75, 0.0, 1.0)), axis=-1)
