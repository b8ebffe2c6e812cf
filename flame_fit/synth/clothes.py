"""Shoulders in a garment, so that a head does not float."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Bool

from flame_fit.synth.head_frame import HeadFrame
from flame_fit.synth.patterns import cloth, skin
from flame_fit.synth.solids import Solid, Surface, outward, sheet

RINGS, CORNERS = 24, 48
CHEST_DEPTH = 0.12
# Along the cloth from the collar down: share of the way, distance from the collar (1 is the widest
# place), height over the foot of the neck in metres.
SIDE_PROFILE = (
    (0.0, 0.0, 0.018),
    (0.06, 0.03, 0.012),
    (0.2, 0.25, -0.004),
    (0.4, 0.62, -0.026),
    (0.52, 0.84, -0.044),
    (0.6, 0.94, -0.064),
    (0.68, 1.0, -0.1),
    (0.8, 1.01, -0.2),
    (1.0, 0.97, -0.4),
)
FRONT_PROFILE = (
    (0.0, 0.0, 0.008),
    (0.06, 0.05, 0.0),
    (0.2, 0.3, -0.02),
    (0.4, 0.62, -0.055),
    (0.6, 0.88, -0.12),
    (0.8, 1.0, -0.22),
    (1.0, 0.95, -0.4),
)


@dataclass(frozen=True)
class Shoulders:
    """Neckline, shoulders and chest.

    Attributes:
        half_width: Metres from the middle to the end of a shoulder.
        slope: Metres by which the shoulders fall from the neck to their ends.
        seed: Source of the cloth.
        tone: Linear albedo of the skin that shows above the neckline; None if none does.
        neckline: Share of the way from the neck outwards at which the cloth begins.
        plunge: By how much that is farther down in front.
        collar: Metres by which the cloth stands up around the neck.
    """

    half_width: float
    slope: float
    seed: int
    tone: tuple[float, float, float] | None = None
    neckline: float = 0.0
    plunge: float = 0.0
    collar: float = 0.0
    name: str = "clothes"

    def build(self, frame: HeadFrame) -> tuple[Solid, ...]:
        """Return the garment in head axes; the body stays more upright than the head."""
        generator = np.random.default_rng(self.seed)
        neck = frame.neck_half_axes() * 1.1
        # Around from the back, where the seam of the cloth is not seen.
        turn = (np.arange(CORNERS) / CORNERS * 2.0 + 1.0) * np.pi
        sideways = np.sin(turn) ** 2
        share = np.linspace(0.0, 1.0, RINGS)
        across = _profile(share, SIDE_PROFILE, neck[0], self.half_width)
        along = _profile(share, FRONT_PROFILE, neck[1], CHEST_DEPTH)
        rings = [
            np.stack(
                (
                    np.sin(turn) * across[number, 0],
                    sideways * self._fall(across[number, 1]) + (1.0 - sideways) * along[number, 1],
                    np.cos(turn) * along[number, 0],
                ),
                axis=-1,
            )
            for number in range(RINGS)
        ]
        if self.collar > 0.0:
            standing = np.array([[0.0, self.collar, 0.0], [0.0, 0.7 * self.collar, 0.0]])
            rings = [rings[0] + standing[0], rings[0] + standing[1], *rings]
        points = outward(sheet(np.stack(rings), closed=True))
        upright = _half_way(frame.rotation)
        garment = cloth(generator)
        if self.tone is None:
            return (points.solid(self.name, garment).moved(upright, frame.neck_base),)
        covered = self._covered(points, len(rings))
        bare = skin(generator, np.asarray(self.tone))
        parts = (
            replace(points, faces=points.faces[~covered]).solid("bare_shoulders", bare),
            replace(points, faces=points.faces[covered]).solid(self.name, garment),
        )
        return tuple(part.moved(upright, frame.neck_base) for part in parts if len(part.faces) > 0)

    def _covered(self, surface: Surface, rows: int) -> Bool[np.ndarray, "F"]:
        """Return which triangles the cloth covers below its neckline."""
        # Both triangles of a quad go together; the second ones follow all first ones.
        quads = surface.faces[: len(surface.faces) // 2]
        share = (1.0 - surface.uv[:, 1])[quads].mean(axis=1)
        # The columns begin behind.
        front = 0.5 - 0.5 * np.cos(2.0 * np.pi * surface.uv[:, 0][quads].mean(axis=1))
        first = (rows - RINGS) / rows
        return np.tile(share > first + self.neckline + self.plunge * front**4, 2)

    def _fall(self, height: float) -> float:
        """Return a height of the side profile with steeper or flatter shoulders."""
        return height if height > 0.0 else height * self.slope / 0.05


def random_shoulders(generator: np.random.Generator) -> Shoulders:
    """Return shoulders of a random build."""
    return Shoulders(
        half_width=float(generator.uniform(0.17, 0.23)),
        slope=float(generator.uniform(0.035, 0.075)),
        seed=int(generator.integers(2**31)),
    )


def _profile(
    share: np.ndarray, table: tuple[tuple[float, float, float], ...], inner: float, outer: float
) -> np.ndarray:
    """Return distance from the neck's axis and height at shares of a profile, metres."""
    place, reach, height = np.array(table).T
    distance = inner + reach * (outer - inner)
    return np.stack((np.interp(share, place, distance), np.interp(share, place, height)), -1)


def _half_way(rotation: np.ndarray) -> np.ndarray:
    """Return the turn, in head axes, that takes back most of a head's rotation."""
    vector, _ = cv2.Rodrigues(rotation)
    back, _ = cv2.Rodrigues(-0.7 * vector)
    return back
