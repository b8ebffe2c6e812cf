"""Caps, brimmed hats, headscarves, hoods and headbands; medical masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Bool, Float

from flame_fit.synth.head_frame import BRIDGE, CHIN, FOREHEAD, NOSE_TIP, HeadFrame, directions
from flame_fit.synth.patterns import cloth, plain, smooth_noise
from flame_fit.synth.solids import Solid, Surface, join, outward, sheet, tube

HatKind = Literal["cap", "backward_cap", "brimmed", "headband"]
HAT_KINDS: tuple[HatKind, ...] = ("cap", "cap", "backward_cap", "brimmed", "headband")
ROWS, COLUMNS = 60, 120
SUNKEN = 0.006
"""Metres by which cloth lies under the skin outside of its border."""
BRIM_POINTS, BRIM_RINGS = 40, 4
HAT_RIM, SCARF_RIM = 4.0, 6.0
"""Degrees over which cloth rises from the skin to its full thickness."""
HUNG_SHARE, WIDEST_ABOVE = 0.62, -20.0
"""Share of the head's width at which a headscarf hangs below it; degrees above which that is."""
MASK_ROWS, MASK_COLUMNS = 36, 56
MASK_CLEARANCE = 0.002
"""Metres between a mask and the highest points of the face under it."""


@dataclass(frozen=True)
class Hat:
    """A cap, a hat with a brim all round, or a headband.

    Attributes:
        kind: Its shape.
        height: Degrees by which its edge lies above the brows.
        tilt: Degrees by which the edge is lower behind than in front.
        thickness: Metres above the skin.
        crown: Metres by which it stands away from the crown.
        brim: Metres that a visor or brim stands out.
        seed: Source of its cloth.
    """

    kind: HatKind
    height: float
    tilt: float
    thickness: float
    crown: float
    brim: float
    seed: int
    name: str = "hat"

    def build(self, frame: HeadFrame) -> tuple[Solid, ...]:
        """Return the hat in head axes."""
        generator = np.random.default_rng(self.seed)
        azimuth = np.linspace(-180.0, 180.0, COLUMNS)[None]
        elevation = np.linspace(90.0, -40.0, ROWS)[:, None]
        edge = self._edge(frame, azimuth)
        inside = elevation - edge
        if self.kind == "headband":
            inside = np.minimum(inside, edge + 100.0 * self.thickness + 14.0 - elevation)
        rise = np.clip(inside / HAT_RIM, -1.0, 1.0)
        upper = np.sin(np.radians(np.clip(elevation, 0.0, 90.0))) ** 2
        offset = np.where(rise > 0.0, (self.thickness + self.crown * upper) * rise, SUNKEN * rise)
        radius = frame.radius_at(azimuth, elevation) + frame.scale * offset
        shell = _kept(
            outward(sheet(radius[..., None] * directions(azimuth, elevation))), inside > -HAT_RIM
        )
        parts = [shell]
        if self.kind != "headband":
            parts.append(self._brim(frame))
        return (join(parts).solid(self.name, cloth(generator)),)

    def _edge(
        self, frame: HeadFrame, azimuth: Float[np.ndarray, "..."]
    ) -> Float[np.ndarray, "..."]:
        behind = 0.5 - 0.5 * np.cos(np.radians(azimuth))
        return frame.elevation_of(FOREHEAD) - 14.0 + self.height - self.tilt * behind

    def _brim(self, frame: HeadFrame) -> Surface:
        """Return a visor or a brim, which stands out from the edge."""
        half = 180.0 if self.kind == "brimmed" else 62.0
        start = 180.0 if self.kind == "backward_cap" else 0.0
        turn = np.linspace(-half, half, BRIM_POINTS)[None]
        share = np.linspace(0.0, 1.0, BRIM_RINGS)[:, None]
        azimuth = start + turn
        elevation = self._edge(frame, azimuth) + 2.0
        root = (frame.radius_at(azimuth, elevation) + frame.scale * self.thickness)[
            ..., None
        ] * directions(azimuth, elevation)
        reach = 1.0 if self.kind == "brimmed" else np.cos(0.5 * np.pi * turn / half) ** 0.6
        away = directions(azimuth, np.zeros_like(azimuth))
        if self.kind != "brimmed":
            away = directions(np.full_like(azimuth, start), np.zeros_like(azimuth))
        droop = np.array([0.0, -0.25, 0.0]) * share[..., None] ** 2
        out = (frame.scale * self.brim * reach * share)[..., None]
        return sheet(root + out * (away + droop))


@dataclass(frozen=True)
class Headscarf:
    """Cloth around head and neck that leaves the face free: a headscarf or a hood.

    Attributes:
        half_width: Degrees to either side that stay free.
        top: Degrees by which its edge lies above the brows.
        bottom: Degrees by which its edge lies below the chin; negative covers the chin.
        thickness: Metres above the skin.
        looseness: Metres by which it stands away behind the edge.
        seed: Source of its cloth and folds.
    """

    half_width: float
    top: float
    bottom: float
    thickness: float
    looseness: float
    seed: int
    name: str = "headscarf"

    def build(self, frame: HeadFrame) -> tuple[Solid, ...]:
        """Return the cloth in head axes."""
        generator = np.random.default_rng(self.seed)
        azimuth = np.linspace(-180.0, 180.0, COLUMNS)[None]
        elevation = np.linspace(90.0, -80.0, ROWS)[:, None]
        high = frame.elevation_of(FOREHEAD) - 12.0 + self.top
        low = frame.elevation_of(CHIN) - self.bottom
        middle, half = 0.5 * (high + low), 0.5 * (high - low)
        distance = (np.abs(azimuth) / self.half_width) ** 2.4 + np.abs(
            (elevation - middle) / half
        ) ** 2.4
        inside = (distance ** (1.0 / 2.4) - 1.0) * 40.0
        radius = frame.radius_at(azimuth, elevation)
        flat = np.cos(np.radians(elevation))
        # Below the widest place cloth hangs and does not follow the neck.
        hung = (
            HUNG_SHARE
            * np.maximum.accumulate(np.where(elevation > WIDEST_ABOVE, radius * flat, 0.0), axis=0)
            / np.maximum(flat, 0.3)
        )
        radius = np.where(elevation < WIDEST_ABOVE, np.maximum(radius, hung), radius)
        rise = np.clip(inside / SCARF_RIM, -1.0, 1.0)
        folds = 1.0 + 0.5 * smooth_noise(generator, (ROWS, COLUMNS), (6, 14))
        loose = self.looseness * np.clip(inside / 30.0, 0.0, 1.0) * folds
        offset = np.where(rise > 0.0, self.thickness * rise + loose, SUNKEN * rise)
        points = (radius + frame.scale * offset)[..., None] * directions(azimuth, elevation)
        surface = _kept(outward(sheet(points)), inside > -SCARF_RIM)
        return (surface.solid(self.name, cloth(generator)),)


@dataclass(frozen=True)
class FaceMask:
    """A medical mask, or cloth before nose and mouth.

    Attributes:
        top: Where its upper edge lies: 0 at the tip of the nose, 1 at its bridge.
        half_width: Degrees to either side that it covers.
        below_chin: Degrees that it reaches under the chin.
        colour: Linear albedo; None for patterned cloth.
        pleats: Depth of its pleats, metres.
        seed: Source of cloth.
    """

    top: float
    half_width: float
    below_chin: float
    colour: tuple[float, float, float] | None
    pleats: float
    seed: int
    name: str = "mask"

    def build(self, frame: HeadFrame) -> tuple[Solid, ...]:
        """Return mask and straps in head axes."""
        generator = np.random.default_rng(self.seed)
        tip, bridge = frame.elevation_of(NOSE_TIP), frame.elevation_of(BRIDGE)
        across = np.linspace(-1.0, 1.0, MASK_COLUMNS)[None]
        down = np.linspace(0.0, 1.0, MASK_ROWS)[:, None]
        top = tip + self.top * (bridge - tip) * 0.8
        upper = top - 0.35 * (top - frame.elevation_of(CHIN)) * np.abs(across) ** 1.5
        lower = frame.elevation_of(CHIN) - self.below_chin + 10.0 * np.abs(across) ** 2
        elevation = upper + down * (lower - upper)
        azimuth = self.half_width * across + 0.0 * elevation
        surface = frame.radius_at(azimuth, elevation)
        stretched = cv2.GaussianBlur(
            cv2.dilate(surface, np.ones((5, 7))), (0, 0), 2.5, borderType=cv2.BORDER_REPLICATE
        )
        edge = np.minimum(1.0 - np.abs(across), np.minimum(down, 1.0 - down) + 0.0 * across)
        share = np.clip(edge / 0.15, 0.0, 1.0)
        radius = np.maximum(surface, share * stretched + (1.0 - share) * surface)
        # What the coarse radii of the frame leave out pushes the cloth outwards too.
        radius = radius + self._pushed(frame, radius, upper, lower)
        folds = self.pleats * share * np.sin(down * 2.0 * np.pi * 4.0)
        radius = radius + frame.scale * (MASK_CLEARANCE + np.maximum(folds, -0.5 * MASK_CLEARANCE))
        points = radius[..., None] * directions(azimuth, elevation)
        straps = [self._strap(frame, points[row, column]) for row in (1, -2) for column in (0, -1)]
        look = cloth(generator) if self.colour is None else plain(self.colour)
        return (join([outward(sheet(points)), *straps]).solid(self.name, look),)

    def _pushed(
        self,
        frame: HeadFrame,
        radius: Float[np.ndarray, "R C"],
        upper: Float[np.ndarray, "1 C"],
        lower: Float[np.ndarray, "1 C"],
    ) -> Float[np.ndarray, "R C"]:
        """Return by how much the cloth must lie farther out to clear all vertices, metres."""
        rows, columns = radius.shape
        distance = np.linalg.norm(frame.vertices, axis=1)
        azimuth = np.degrees(np.arctan2(frame.vertices[:, 0], frame.vertices[:, 2]))
        elevation = np.degrees(np.arcsin(frame.vertices[:, 1] / np.maximum(distance, 1e-9)))
        column = np.rint((azimuth / self.half_width + 1.0) * 0.5 * (columns - 1)).astype(int)
        under = (column >= 0) & (column < columns)
        column = column.clip(0, columns - 1)
        down = (elevation - upper[0, column]) / (lower - upper)[0, column]
        row = np.rint(down * (rows - 1)).astype(int)
        under &= (row >= 0) & (row < rows)
        excess = np.zeros_like(radius)
        place = (row[under], column[under])
        np.maximum.at(excess, place, distance[under] - radius[place])
        return cv2.GaussianBlur(cv2.dilate(excess, np.ones((9, 9))), (0, 0), 1.2)

    def _strap(self, frame: HeadFrame, corner: Float[np.ndarray, "3"]) -> Surface:
        """Return the band from a corner to behind the ear."""
        start = np.degrees(np.arctan2(corner[0], corner[2]))
        low = np.degrees(np.arcsin(corner[1] / np.linalg.norm(corner)))
        share = np.linspace(0.0, 1.0, 10)
        azimuth = start + share * (np.sign(start) * 98.0 - start)
        elevation = low + share * (-4.0 - low)
        radius = frame.radius_at(azimuth, elevation) + 0.0015 * frame.scale
        return tube(radius[:, None] * directions(azimuth, elevation), 0.0012 * frame.scale, sides=6)


def random_hat(generator: np.random.Generator) -> Hat:
    """Return a hat of a random shape."""
    return Hat(
        kind=HAT_KINDS[generator.integers(len(HAT_KINDS))],
        height=float(generator.uniform(-2.0, 16.0)),
        tilt=float(generator.uniform(0.0, 25.0)),
        thickness=float(generator.uniform(0.003, 0.012)),
        crown=float(generator.choice((0.005, generator.uniform(0.0, 0.05)))),
        brim=float(generator.uniform(0.035, 0.085)),
        seed=int(generator.integers(2**31)),
    )


def random_headscarf(generator: np.random.Generator) -> Headscarf:
    """Return a headscarf or a hood."""
    return Headscarf(
        half_width=float(generator.uniform(52.0, 85.0)),
        top=float(generator.uniform(-1.0, 22.0)),
        bottom=float(generator.uniform(-6.0, 16.0)),
        thickness=float(generator.uniform(0.003, 0.01)),
        looseness=float(generator.uniform(0.0, 0.03)),
        seed=int(generator.integers(2**31)),
    )


def random_mask(generator: np.random.Generator) -> FaceMask:
    """Return a mask before nose and mouth; one in six leaves the nose free."""
    colours = ((0.75, 0.75, 0.75), (0.35, 0.55, 0.7), (0.02, 0.02, 0.022), None)
    worn_low = generator.random() < 1.0 / 6.0
    return FaceMask(
        top=float(generator.uniform(-0.6, -0.25) if worn_low else generator.uniform(0.35, 1.0)),
        half_width=float(generator.uniform(46.0, 62.0)),
        below_chin=float(generator.uniform(2.0, 14.0)),
        colour=colours[generator.integers(len(colours))],
        pleats=float(generator.choice((0.0, generator.uniform(0.0, 0.002)))),
        seed=int(generator.integers(2**31)),
    )


def _kept(surface: Surface, keep: Bool[np.ndarray, "R C"]) -> Surface:
    """Leave out the triangles that lie wholly outside."""
    return Surface(
        surface.vertices, surface.faces[keep.reshape(-1)[surface.faces].any(axis=1)], surface.uv
    )
