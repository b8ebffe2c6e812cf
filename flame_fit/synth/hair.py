"""Hair and hats: shells around the skull, from cropped hair over a fringe to a beanie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from flame_fit.synth.head_frame import BETWEEN_BROWS, FOREHEAD, HeadFrame, directions
from flame_fit.synth.patterns import HAIR_COLOURS, cloth, smooth_noise, strands
from flame_fit.synth.solids import Solid, Surface, outward, sheet

HairKind = Literal["short", "fringe", "long", "beanie"]

GRID_ROWS, GRID_COLUMNS = 96, 220
LOWEST, HIGHEST = -72.0, 90.0
RIM = 9.0
"""Degrees over which a shell grows from the skin to its full thickness."""
SUNKEN = 0.006
"""Metres by which a shell lies under the skin outside of its border."""
FRINGE_HALF_WIDTH = 48.0
HANGS_FROM = 58.0
"""Degrees to the side behind which long hair hangs down."""
# Lowest elevation of the hair, degrees, by the turn to either side. Between the first two points,
# over the face, the hairline of the head itself decides.
SHORT_LINE = (
    (60.0, 22.0),
    (72.0, -2.0),
    (84.0, -6.0),
    (100.0, 4.0),
    (125.0, -24.0),
    (180.0, -38.0),
)
BEANIE_LINE = ((60.0, 14.0), (90.0, 4.0), (180.0, -18.0))
LONG_LOWEST = -66.0
WIDEST_ABOVE = -20.0
"""Degrees above which lies the widest place of the head, from which hair hangs."""


@dataclass(frozen=True)
class Hair:
    """Hair or a hat.

    Attributes:
        kind: How it is cut; `fringe` covers the forehead, `long` hangs over ears and neck.
        colour: Linear albedo; a beanie has a cloth of its own.
        thickness: Metres above the skin.
        hairline: Degrees by which it begins higher on the forehead than usual.
        seed: Source of its strands.
        hangs_from: Degrees to the side behind which long hair hangs down.
        lowest: Elevation at which long hair ends, degrees.
        with_fringe: Whether long or short hair covers the forehead too.
    """

    kind: HairKind
    colour: tuple[float, float, float]
    thickness: float
    hairline: float
    seed: int
    hangs_from: float = HANGS_FROM
    lowest: float = LONG_LOWEST
    with_fringe: bool = False

    @property
    def name(self) -> str:
        """Name of its pixels."""
        return "hat" if self.kind == "beanie" else "hair"

    def build(self, frame: HeadFrame) -> tuple[Solid, ...]:
        """Return the shell in head axes."""
        generator = np.random.default_rng(self.seed)
        is_hat = self.kind == "beanie"
        texture = cloth(generator) if is_hat else strands(generator, self.colour)
        return (_shell(self, frame, generator).solid(self.name, texture),)


def random_hair(generator: np.random.Generator, *, allow_fringe: bool = True) -> Hair:
    """Return hair of a random cut and colour.

    Args:
        generator: Source of chance.
        allow_fringe: Whether it may cover the forehead.
    """
    kinds: tuple[HairKind, ...] = ("short", "short", "long", "beanie", "fringe")
    kind = kinds[generator.integers(5 if allow_fringe else 4)]
    colour = np.asarray(HAIR_COLOURS[generator.integers(len(HAIR_COLOURS))])
    colour = colour * np.exp(generator.normal(0.0, 0.2)) * np.exp(generator.normal(0.0, 0.06, 3))
    low, high = (0.004, 0.010) if kind == "beanie" else (0.005, 0.022)
    return Hair(
        kind=kind,
        colour=(float(colour[0]), float(colour[1]), float(colour[2])),
        thickness=float(generator.uniform(low, high)),
        hairline=float(generator.uniform(2.0, 18.0)),
        seed=int(generator.integers(2**31)),
    )


def _shell(hair: Hair, frame: HeadFrame, generator: np.random.Generator) -> Surface:
    azimuth = np.linspace(-180.0, 180.0, GRID_COLUMNS)[None]
    elevation = np.linspace(HIGHEST, LOWEST, GRID_ROWS)[:, None]
    inside = elevation - _border(hair, frame, azimuth, generator)
    radius = frame.radius_at(azimuth, elevation)
    if hair.kind == "long":
        radius = np.maximum(radius, _hanging(radius, azimuth, elevation, hair.hangs_from))
    rise = np.clip(inside / RIM, -1.0, 1.0)
    rise = np.where(rise > 0.0, np.sin(0.5 * np.pi * rise), rise)
    # Locks meet in the crown.
    away = np.cos(np.radians(elevation)).clip(0.0, 1.0)
    full = hair.thickness * (1.0 + away * _locks(hair, generator))
    offset = np.where(rise > 0.0, full * rise, SUNKEN * rise)
    points = (radius + frame.scale * offset)[..., None] * directions(azimuth, elevation)
    return _kept(outward(sheet(points)), inside > -RIM)


def _border(
    hair: Hair, frame: HeadFrame, azimuth: Float[np.ndarray, "1 C"], generator: np.random.Generator
) -> Float[np.ndarray, "1 C"]:
    """Return the lowest elevation of the hair for each direction, degrees."""
    front = frame.elevation_of(FOREHEAD) + hair.hairline
    line = BEANIE_LINE if hair.kind == "beanie" else SHORT_LINE
    sides, heights = np.array([(0.0, front), (35.0, front - 1.0), *line]).T
    border = np.interp(np.abs(azimuth), sides, heights)
    ragged = 0.4 if hair.kind == "beanie" else 1.6
    if hair.kind == "fringe" or hair.with_fringe:
        ragged = 3.5
        low = frame.elevation_of(BETWEEN_BROWS) + generator.uniform(-6.0, 8.0)
        slant = generator.uniform(-0.12, 0.12)
        fringe = low + slant * azimuth
        share = np.clip((np.abs(azimuth) - FRINGE_HALF_WIDTH) / 15.0, 0.0, 1.0)
        border = np.minimum(border, fringe + share * (border - fringe))
    if hair.kind == "long":
        share = np.clip((np.abs(azimuth) - hair.hangs_from) / 12.0, 0.0, 1.0)
        border = border + share * (hair.lowest - border)
    noise = smooth_noise(generator, (1, azimuth.shape[1]), (0, 70))
    return border + ragged * noise


def _hanging(
    radius: Float[np.ndarray, "R C"],
    azimuth: Float[np.ndarray, "1 C"],
    elevation: Float[np.ndarray, "R 1"],
    hangs_from: float,
) -> Float[np.ndarray, "R C"]:
    """Return the radius of hair that falls straight down from where the head is widest."""
    flat = np.cos(np.radians(elevation))
    widest = np.maximum.accumulate(np.where(elevation > WIDEST_ABOVE, radius * flat, 0.0), axis=0)
    hung = np.where(elevation < 0.0, widest / np.maximum(flat, 0.2), 0.0)
    return np.where(np.abs(azimuth) > hangs_from, hung, 0.0)


def _locks(hair: Hair, generator: np.random.Generator) -> Float[np.ndarray, "R C"]:
    """Return the relative excess of thickness: locks that run down from the crown."""
    shape = (GRID_ROWS, GRID_COLUMNS)
    if hair.kind == "beanie":
        return 0.1 * smooth_noise(generator, shape, (6, 10))
    locks = 0.25 * smooth_noise(generator, shape, (5, 70)) + 0.3 * smooth_noise(
        generator, shape, (3, 8)
    )
    return np.clip(locks, -0.7, 1.0)


def _kept(surface: Surface, keep: Bool[np.ndarray, "R C"]) -> Surface:
    """Leave out the triangles that lie wholly outside."""
    return Surface(
        surface.vertices, surface.faces[keep.reshape(-1)[surface.faces].any(axis=1)], surface.uv
    )
