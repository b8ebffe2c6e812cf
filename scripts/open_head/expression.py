"""Expression components from the ARKit-named facial actions, as people use them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from scripts.open_head.cut import HeadTopology
from scripts.open_head.eyeballs import sphere_directions
from scripts.open_head.rig import rigid_motion
from scripts.open_head.source import SourcePackage

ACTION_FOLDER = "faceunits01/targets/faceunits"
EMPTY_ACTIONS = ("tongueOut",)
"""The tongue is not part of the head."""
JOINT_ACTIONS = ("jawOpen", "jawLeft", "jawRight")
GAZE_PREFIX = "eyeLook"
SEED = 20240301
SAMPLES = 40000

USE = {
    "browDown": (0.25, 0.45),
    "browInnerUp": (0.25, 0.45),
    "browOuterUp": (0.22, 0.45),
    "cheekPuff": (0.05, 0.45),
    "cheekSquint": (0.25, 0.40),
    "eyeBlink": (0.25, 0.60),
    "eyeSquint": (0.30, 0.45),
    "eyeWide": (0.15, 0.50),
    "jawForward": (0.05, 0.35),
    "mouthClose": (0.05, 0.08),
    "mouthDimple": (0.15, 0.40),
    "mouthFrown": (0.20, 0.45),
    "mouthFunnel": (0.15, 0.40),
    "mouthLeft": (0.06, 0.40),
    "mouthRight": (0.06, 0.40),
    "mouthLowerDown": (0.25, 0.45),
    "mouthPress": (0.15, 0.45),
    "mouthPucker": (0.15, 0.45),
    "mouthRollLower": (0.12, 0.40),
    "mouthRollUpper": (0.12, 0.40),
    "mouthShrugLower": (0.15, 0.45),
    "mouthShrugUpper": (0.15, 0.40),
    "mouthSmile": (0.40, 0.50),
    "mouthStretch": (0.15, 0.40),
    "mouthUpperUp": (0.22, 0.40),
    "noseSneer": (0.20, 0.45),
}
"""How often an action is seen and its mean strength when seen. mouthClose undoes an open jaw's
lips, so that without the jaw it only ever shows faintly."""
ONE_SIDED_SHARE = 0.15
"""Share of the strength of paired actions that differs between the sides."""
TOGETHER = (
    ("mouthSmile", "cheekSquint", 0.7),
    ("mouthSmile", "eyeSquint", 0.5),
    ("mouthSmile", "mouthUpperUp", 0.3),
    ("browInnerUp", "browOuterUp", 0.5),
    ("browOuterUp", "eyeWide", 0.4),
    ("browDown", "eyeSquint", 0.4),
    ("browDown", "noseSneer", 0.4),
    ("noseSneer", "mouthUpperUp", 0.5),
    ("mouthFrown", "mouthShrugLower", 0.5),
    ("mouthPucker", "mouthFunnel", 0.4),
    ("mouthLowerDown", "mouthStretch", 0.3),
)
"""Pairs that come together: correlation of the hidden drives."""


@dataclass(frozen=True)
class Actions:
    """The facial actions on the head.

    Attributes:
        names: ARKit names.
        offsets: Offsets at full strength, metres.
    """

    names: tuple[str, ...]
    offsets: Float[np.ndarray, "A V 3"]

    def offset(self, name: str) -> Float[np.ndarray, "V 3"]:
        """One action."""
        return self.offsets[self.names.index(name)]


def read_actions(package: SourcePackage, topology: HeadTopology) -> Actions:
    """All actions that move the head; gaze turns the eyeballs instead of shifting them."""
    names, offsets = [], []
    for file in package.names(ACTION_FOLDER):
        name = file.removesuffix(".target")
        if name in EMPTY_ACTIONS:
            continue
        target = package.target(f"{ACTION_FOLDER}/{file}")
        offset = topology.offsets(target)
        if name.startswith(GAZE_PREFIX):
            side = 0 if name.endswith("Left") else 1
            eyeball = topology.eyeballs[side]
            turn = gaze_rotation(package, topology, name)
            around = eyeball.radius * sphere_directions()
            offset[eyeball.sphere] = around @ (turn - np.eye(3)).T
            offset[eyeball.socket] = 0.0
        names.append(name)
        offsets.append(offset)
    return Actions(tuple(names), np.stack(offsets))


def gaze_rotation(
    package: SourcePackage, topology: HeadTopology, name: str
) -> Float[np.ndarray, "3 3"]:
    """Rotation of the source's eyeball in a gaze action."""
    eyeball = topology.eyeballs[0 if name.endswith("Left") else 1]
    target = package.target(f"{ACTION_FOLDER}/{name}.target")
    moved = eyeball.centred + target[eyeball.source_vertices]
    return rigid_motion(eyeball.centred, moved)


def expression_components(actions: Actions) -> Float[np.ndarray, "E V 3"]:
    """Components at unit second moment about the neutral face, by falling energy.

    The moment is taken about neutral, not about the mean expression: a code of zero is the neutral
    head, and independent codes of unit variance have the energy of the sampled expressions.
    """
    kept = [k for k, n in enumerate(actions.names) if _is_expression(n)]
    names = [actions.names[k] for k in kept]
    offsets = actions.offsets[kept].reshape(len(kept), -1)
    strengths = sample_strengths(names, SAMPLES, np.random.default_rng(SEED))
    moment = strengths.T @ strengths / len(strengths)
    values, vectors = np.linalg.eigh(moment)
    factor = (vectors * np.sqrt(values.clip(min=0.0))).T @ offsets
    energies, turns = np.linalg.eigh(factor @ factor.T)
    order = np.argsort(energies)[::-1]
    components = turns[:, order].T @ factor
    # The sign that makes the mean expression's code positive, so that +1 is the commoner side.
    mean = strengths.mean(axis=0) @ offsets
    signs = np.where(components @ mean < 0, -1.0, 1.0)
    return (components * signs[:, None]).reshape(len(kept), *actions.offsets.shape[1:])


def _is_expression(name: str) -> bool:
    return name not in JOINT_ACTIONS and not name.startswith(GAZE_PREFIX)


def sample_strengths(
    names: list[str], count: int, generator: np.random.Generator
) -> Float[np.ndarray, "n A"]:
    """Strengths from 0 to 1: sparse, mostly the same on both sides, related as in `TOGETHER`."""
    stems = list(USE)
    correlation = np.eye(len(stems))
    for first, second, value in TOGETHER:
        i, j = stems.index(first), stems.index(second)
        correlation[i, j] = correlation[j, i] = value
    values, vectors = np.linalg.eigh(correlation)
    root = vectors * np.sqrt(values.clip(min=0.0))
    drives = generator.standard_normal((count, len(stems))) @ root.T
    strengths = np.zeros((count, len(names)))
    for index, name in enumerate(names):
        stem = name if name in USE else name.removesuffix("Left").removesuffix("Right")
        often, mean = USE[stem]
        own = generator.standard_normal(count)
        share = ONE_SIDED_SHARE if stem != name else 0.0
        drive = np.sqrt(1 - share) * drives[:, stems.index(stem)] + np.sqrt(share) * own
        threshold = np.quantile(drive, 1.0 - often)
        excess = np.maximum(drive - threshold, 0.0)
        strengths[:, index] = excess * mean / excess[excess > 0].mean()
    return strengths.clip(max=1.0)
