"""Things that cover parts of a face: glasses, a microphone, a scarf."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from flame_fit.synth.head_frame import (
    BRIDGE,
    CHIN,
    LEFT_BROW,
    LEFT_SIDE,
    RIGHT_BROW,
    HeadFrame,
)
from flame_fit.synth.patterns import cloth, metal_mesh, plain
from flame_fit.synth.solids import Solid, Surface, ellipsoid, join, tube

CORNEA = 0.0135
"""Metres from the middle of an eyeball to its front."""
LENS_DISTANCE = 0.011
"""Metres between cornea and lens."""
OUTLINE_POINTS = 40
LENS_RINGS = 3
HALF_FACE_WIDTH = 0.0025
"""Metres between the side of the head and the temple arm."""


@dataclass(frozen=True)
class Glasses:
    """Spectacles or sunglasses.

    Attributes:
        half_width: Of a lens, metres.
        half_height: Of a lens, metres.
        squareness: 2 for oval lenses, larger for boxy ones.
        rim: Radius of the frame's wire, metres.
        colour: Linear albedo of the frame.
        transmission: Share of red, green and blue light that passes the lenses.
        slip: Metres by which they sit lower than the eyes.
        forward: Metres by which they sit farther from the face than usual.
    """

    half_width: float
    half_height: float
    squareness: float
    rim: float
    colour: tuple[float, float, float]
    transmission: tuple[float, float, float]
    slip: float
    forward: float = 0.0
    name: str = "glasses"

    def build(self, frame: HeadFrame) -> tuple[Solid, ...]:
        """Return frame and lenses in head axes."""
        scale = frame.scale
        outlines = [self._outline(frame, side) for side in (1.0, -1.0)]
        bridge_path = self._bridge(outlines)
        wires = [tube(outline, scale * self.rim, sides=8, closed=True) for outline in outlines]
        wires.append(tube(bridge_path, scale * self.rim, sides=8))
        wires += [self._arm(outline, frame) for outline in outlines]
        rims = join(wires).solid(self.name, plain(self.colour))
        panes = join([_pane(outline) for outline in outlines])
        lenses = panes.solid("lens", plain(self.colour), transmission=self.transmission)
        return (rims, lenses)

    def _outline(self, frame: HeadFrame, side: float) -> Float[np.ndarray, "n 3"]:
        """Return the rim around an eye; `side` is 1 for the left and -1 for the right one."""
        eye = frame.eyes[0 if side > 0 else 1]
        scale, angle = frame.scale, np.arange(OUTLINE_POINTS) * (2.0 * np.pi / OUTLINE_POINTS)
        power = 2.0 / self.squareness
        x = np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** power * self.half_width
        y = np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** power * self.half_height
        brow = frame.landmarks[LEFT_BROW if side > 0 else RIGHT_BROW]
        front = max(
            eye[2] + scale * (CORNEA + LENS_DISTANCE),
            frame.landmarks[BRIDGE][2] + scale * self.rim,
            brow[2] + scale * 0.004,
        )
        front += scale * self.forward
        outer = eye[0] + scale * side * (0.002 + x)
        # The front bends back towards the ears.
        swept = front - 1.2 * np.maximum(side * outer - side * eye[0], 0.0) ** 2 / (0.05 * scale)
        return np.stack((outer, eye[1] - scale * (self.slip + 0.002) + scale * y, swept), -1)

    def _bridge(self, outlines: list[Float[np.ndarray, "n 3"]]) -> Float[np.ndarray, "7 3"]:
        inner = [
            outline[np.argmin(np.abs(outline[:, 0]) - 0.3 * outline[:, 1])] for outline in outlines
        ]
        share = np.linspace(0.0, 1.0, 7)[:, None]
        path = inner[0] + share * (inner[1] - inner[0])
        arch = np.sin(np.pi * share)
        return path + arch * np.array([0.0, 0.003, 0.003])

    def _arm(self, outline: Float[np.ndarray, "n 3"], frame: HeadFrame) -> Surface:
        side = np.sign(outline[:, 0].mean())
        hinge = outline[np.argmax(side * outline[:, 0] + 0.4 * outline[:, 1])]
        head = np.abs(frame.landmarks[LEFT_SIDE]) + frame.scale * HALF_FACE_WIDTH
        top = frame.eyes[:, 1].mean() + 0.006 * frame.scale
        back = frame.landmarks[LEFT_SIDE][2]
        points = np.array(
            (
                hinge,
                (side * max(head[0], abs(hinge[0])), top, back + 0.01),
                (side * (head[0] + 0.004), top, back - 0.035 * frame.scale),
                (side * (head[0] + 0.004), top - 0.02, back - 0.050 * frame.scale),
            )
        )
        return tube(points, frame.scale * 0.8 * self.rim, sides=8)


@dataclass(frozen=True)
class Microphone:
    """A microphone held before the mouth.

    Attributes:
        distance: Metres between the lips and the ball.
        side: Metres to the head's left of the mouth.
        drop: Metres below the mouth.
        lean: Radians by which the handle points forward rather than down.
        radius: Of the ball, metres.
        colour: Linear albedo of the ball.
        seed: Source of its grille.
    """

    distance: float
    side: float
    drop: float
    lean: float
    radius: float
    colour: tuple[float, float, float]
    seed: int
    name: str = "microphone"

    def build(self, frame: HeadFrame) -> tuple[Solid, ...]:
        """Return ball and handle in head axes."""
        forward = np.array([0.0, 0.0, self.distance + self.radius])
        centre = frame.mouth + forward + np.array([self.side, -self.drop, 0.0])
        ball = ellipsoid(centre, np.full(3, self.radius))
        down = np.array([0.3 * np.sin(4.0 * self.side), -np.cos(self.lean), np.sin(self.lean)])
        path = centre + np.linspace(0.5 * self.radius, 0.22, 6)[:, None] * down
        handle = tube(path, np.linspace(0.75, 0.5, 6) * self.radius, sides=14)
        generator = np.random.default_rng(self.seed)
        return (
            ball.solid(self.name, metal_mesh(generator, self.colour)),
            handle.solid(self.name, plain((0.02, 0.02, 0.022))),
        )


@dataclass(frozen=True)
class Scarf:
    """A scarf around the neck.

    Attributes:
        thickness: Radius of the cloth roll, metres.
        height: Where its upper roll lies: 0 at the foot of the neck, 1 at the chin.
        seed: Source of its cloth and folds.
    """

    thickness: float
    height: float
    seed: int
    name: str = "scarf"

    def build(self, frame: HeadFrame) -> tuple[Solid, ...]:
        """Return the rolls in head axes."""
        generator = np.random.default_rng(self.seed)
        base, chin = frame.neck_base, frame.landmarks[CHIN]
        wide, deep = frame.neck_half_axes()
        turn = np.arange(48) * (2.0 * np.pi / 48)
        rolls = []
        for level in (0.0, 0.5, 1.0):
            height = base[1] + level * self.height * (chin[1] - base[1])
            # Higher rolls reach further forward: they lie before the chin, not in it.
            front = base[2] + deep + level * self.height * max(chin[2] - base[2] - deep, 0.0)
            reach, middle = 0.5 * (front - base[2] + deep), 0.5 * (front + base[2] - deep)
            bumps = 1.0 + 0.02 * np.sin(turn * 3 + generator.uniform(0.0, 6.0))
            sag = 0.008 * np.cos(turn + generator.uniform(-0.5, 0.5))
            out = self.thickness * 0.7
            path = np.stack(
                (
                    (wide + out) * bumps * np.sin(turn),
                    height - sag + 0.004 * np.sin(3 * turn + generator.uniform(0.0, 6.0)),
                    middle + (reach + out) * bumps * np.cos(turn),
                ),
                axis=-1,
            )
            size = self.thickness * (1.0 + 0.12 * np.sin(7 * turn + generator.uniform(0.0, 6.0)))
            rolls.append(tube(path, size, sides=14, closed=True))
        return (join(rolls).solid(self.name, cloth(generator)),)


def random_glasses(generator: np.random.Generator) -> Glasses:
    """Return glasses of a random shape; one pair in six is dark."""
    colour = 0.02 * np.exp(generator.normal(0.6, 0.9)) * np.exp(generator.normal(0.0, 0.25, 3))
    clear = generator.uniform(0.8, 0.97) * (1.0 - np.abs(generator.normal(0.0, 0.04, 3)))
    dark = generator.uniform(0.04, 0.25) * np.exp(generator.normal(0.0, 0.15, 3))
    passed = dark if generator.random() < 1.0 / 6.0 else clear
    return Glasses(
        half_width=float(generator.uniform(0.0225, 0.027)),
        half_height=float(generator.uniform(0.014, 0.023)),
        squareness=float(generator.uniform(2.0, 5.0)),
        rim=float(generator.uniform(0.0007, 0.0024)),
        colour=_triple(np.clip(colour, 0.005, 0.8)),
        transmission=_triple(np.clip(passed, 0.02, 0.98)),
        slip=float(generator.uniform(0.0, 0.006)),
    )


def random_microphone(generator: np.random.Generator) -> Microphone:
    """Return a microphone at a random place before the mouth."""
    return Microphone(
        distance=float(generator.uniform(0.008, 0.05)),
        side=float(generator.uniform(-0.025, 0.025)),
        drop=float(generator.uniform(0.0, 0.035)),
        lean=float(generator.uniform(0.1, 1.1)),
        radius=float(generator.uniform(0.019, 0.028)),
        colour=_triple(np.full(3, generator.uniform(0.02, 0.5))),
        seed=int(generator.integers(2**31)),
    )


def random_scarf(generator: np.random.Generator) -> Scarf:
    """Return a scarf that may reach the chin."""
    return Scarf(
        thickness=float(generator.uniform(0.018, 0.028)),
        height=float(generator.uniform(0.2, 1.0)),
        seed=int(generator.integers(2**31)),
    )


def _pane(outline: Float[np.ndarray, "n 3"]) -> Surface:
    """Return the lens in a rim: rings from the rim to its middle."""
    count = len(outline)
    share = np.linspace(1.0, 0.0, LENS_RINGS)[:, None, None]
    rings = outline.mean(axis=0) + share * (outline - outline.mean(axis=0))
    index = np.arange(LENS_RINGS * count).reshape(LENS_RINGS, count)
    a, b = index[:-1], index[1:]
    c, d = np.roll(b, -1, axis=1), np.roll(a, -1, axis=1)
    corners = [corner.reshape(-1) for corner in (a, b, c, d)]
    faces = np.concatenate(
        (np.stack(corners[:3], -1), np.stack((corners[0], corners[2], corners[3]), -1))
    )
    points = rings.reshape(-1, 3)
    return Surface(points, faces, np.zeros((len(points), 2)))


def _triple(values: np.ndarray) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])
