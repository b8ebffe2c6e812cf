"""A hand before the face."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float

from flame_fit.synth.head_frame import (
    CHIN,
    LEFT_BROW,
    LEFT_CHEEK,
    RIGHT_BROW,
    RIGHT_CHEEK,
    HeadFrame,
)
from flame_fit.synth.patterns import skin
from flame_fit.synth.solids import Solid, Surface, ellipsoid, join, tube

HandPlace = Literal["mouth", "left_cheek", "right_cheek", "chin", "left_brow", "right_brow"]

PALM_HALF_AXES = (0.040, 0.046, 0.013)
PALM_THICKNESS = 0.014
"""Metres from the middle of the hand to what it rests on."""
# Index to little finger: where they leave the palm, their lengths, their radii at the root.
FINGER_ROOTS = (-0.030, -0.010, 0.010, 0.029)
FINGER_LENGTHS = (0.068, 0.078, 0.073, 0.058)
FINGER_RADII = (0.0092, 0.0095, 0.0090, 0.0080)
ROOT_HEIGHT = 0.036
WRIST_HEIGHT = -0.045
FOREARM = 0.22


@dataclass(frozen=True)
class Hand:
    """A hand with a forearm that touches the face.

    Attributes:
        place: What the middle of the hand covers.
        turn: Degrees by which the fingers lean to the head's left from straight up.
        spread: Radians between neighbouring fingers.
        curl: Bend of the hand towards the face, 1/metres.
        gap: Metres between hand and face.
        mirrored: Whether it is a left hand.
        tone: Linear albedo of the skin.
        seed: Source of its blotches.
    """

    place: HandPlace
    turn: float
    spread: float
    curl: float
    gap: float
    mirrored: bool
    tone: tuple[float, float, float]
    seed: int
    name: str = "hand"

    def build(self, frame: HeadFrame) -> tuple[Solid, ...]:
        """Return the hand in head axes."""
        surface = join([_palm(), *_fingers(self.spread), _thumb(), _forearm()])
        points = surface.vertices.copy()
        if self.mirrored:
            points[:, 0] *= -1.0
            surface = replace(surface, faces=surface.faces[:, ::-1].copy())
        # Bent round the face; the forearm leads away from it.
        beyond = np.maximum(points[:, 1] - WRIST_HEIGHT, 0.0)
        points[:, 2] -= self.curl * (beyond**2 + 0.6 * points[:, 0] ** 2)
        points[:, 2] += 0.5 * np.maximum(WRIST_HEIGHT - points[:, 1], 0.0)
        target, outward = self._target(frame)
        axes = _axes(outward, np.radians(self.turn))
        # Nothing of the hand may lie under the skin.
        reach = PALM_THICKNESS + self.gap
        placed = frame.scale * points @ axes.T + target + reach * outward
        placed = placed + _clearance(placed, frame) * outward
        texture = skin(np.random.default_rng(self.seed), np.asarray(self.tone))
        return (Surface(placed, surface.faces, surface.uv).solid(self.name, texture),)

    def _target(self, frame: HeadFrame) -> Float[np.ndarray, "2 3"]:
        """Return the touched point and the direction away from the face there."""
        landmark = {
            "left_cheek": LEFT_CHEEK,
            "right_cheek": RIGHT_CHEEK,
            "left_brow": LEFT_BROW,
            "right_brow": RIGHT_BROW,
            "chin": CHIN,
        }
        is_mouth = self.place == "mouth"
        point = frame.mouth if is_mouth else frame.landmarks[landmark[self.place]]
        outward = point * np.array([1.0, 0.15, 1.0])
        return np.stack((point, outward / np.linalg.norm(outward)))


def random_hand(
    generator: np.random.Generator,
    *,
    place: HandPlace | None = None,
    tone: tuple[float, float, float] | None = None,
) -> Hand:
    """Return a hand of a random pose and skin.

    Args:
        generator: Source of chance.
        place: What it covers; at random if None.
        tone: Linear albedo of its skin; at random if None.
    """
    places: tuple[HandPlace, ...] = (
        "mouth",
        "left_cheek",
        "right_cheek",
        "chin",
        "left_brow",
        "right_brow",
    )
    place = place or places[generator.integers(len(places))]
    brightness = generator.uniform(0.05, 0.55)
    red = generator.uniform(1.15, 1.45)
    return Hand(
        place=place,
        turn=float(generator.uniform(-75.0, 75.0)),
        spread=float(generator.uniform(0.0, 0.16)),
        curl=float(generator.uniform(1.0, 3.5)),
        gap=float(generator.choice((0.001, 0.001, generator.uniform(0.0, 0.06)))),
        mirrored=bool(generator.integers(2)),
        tone=tone or (red * brightness, 0.82 * brightness, 0.62 * brightness),
        seed=int(generator.integers(2**31)),
    )


def _palm() -> Surface:
    return ellipsoid(np.zeros(3), np.asarray(PALM_HALF_AXES), squareness=0.75)


def _fingers(spread: float) -> list[Surface]:
    fingers = []
    for number, root in enumerate(FINGER_ROOTS):
        lean = spread * (number - 1.5) + 0.04 * (number - 1.5)
        length = np.linspace(0.0, FINGER_LENGTHS[number], 8)
        path = np.stack(
            (root + np.sin(lean) * length, ROOT_HEIGHT + np.cos(lean) * length, 0.0 * length), -1
        )
        knuckles = 1.0 - 0.25 * np.linspace(0, 1, 8) + 0.05 * np.cos(np.linspace(0, 5 * np.pi, 8))
        fingers.append(tube(path, FINGER_RADII[number] * knuckles, sides=10))
    return fingers


def _thumb() -> Surface:
    path = np.array(
        (
            (-0.022, -0.030, 0.0),
            (-0.040, -0.010, 0.002),
            (-0.053, 0.014, 0.0),
            (-0.058, 0.034, -0.004),
        )
    )
    return tube(path, np.array((0.014, 0.0115, 0.010, 0.0085)), sides=10)


def _forearm() -> Surface:
    height = np.linspace(WRIST_HEIGHT + 0.012, -FOREARM, 6)
    path = np.stack((0.0 * height, height, 0.0 * height), -1)
    return tube(path, np.linspace(0.024, 0.040, 6), sides=14)


def _axes(outward: Float[np.ndarray, "3"], turn: float) -> Float[np.ndarray, "3 3"]:
    """Return columns x, y (along the fingers), z (away from the face) in head axes."""
    up = np.array([0.0, 1.0, 0.0])
    right = np.cross(up, outward)
    right /= np.linalg.norm(right)
    upright = np.cross(outward, right)
    fingers = np.cos(turn) * upright + np.sin(turn) * right
    return np.stack((np.cross(fingers, outward), fingers, outward), axis=1)


def _clearance(points: Float[np.ndarray, "n 3"], frame: HeadFrame) -> float:
    """Return how far points must be moved outwards so that few lie deep under the skin."""
    distance = np.linalg.norm(points, axis=1)
    azimuth = np.degrees(np.arctan2(points[:, 0], points[:, 2]))
    elevation = np.degrees(np.arcsin(points[:, 1] / distance))
    depth = frame.radius_at(azimuth, elevation) - distance
    return float(max(np.quantile(depth, 0.97) - 0.004, 0.0))
