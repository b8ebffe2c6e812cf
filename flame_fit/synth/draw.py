"""What stands around a random head, and faces made on purpose."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.appearance import TextureSpace
from flame_fit.appearance.texture_space import decode
from flame_fit.errors import AssetError
from flame_fit.flame import FlameAssets
from flame_fit.synth.accessories import random_glasses, random_microphone, random_scarf
from flame_fit.synth.backgrounds import random_background
from flame_fit.synth.clothes import random_shoulders
from flame_fit.synth.hair import random_hair
from flame_fit.synth.hands import random_hand
from flame_fit.synth.lamps import Lamp
from flame_fit.synth.photo import Staging, Thing
from flame_fit.synth.sensor import random_sensor

OWN_HANDS = 0.75
COARSE = 16
"""Texels between those that a skin tone is taken from."""


@dataclass(frozen=True)
class StagingRanges:
    """How often things are in a picture; shares of all pictures.

    Attributes:
        hair: Hair or a hat of any kind.
        clothes: Shoulders.
        glasses: Spectacles or sunglasses.
        scarf: A scarf.
        hand: A hand before the face.
        microphone: A microphone before the mouth; never together with a hand.
        lamp: A lamp beyond the smooth light, with shadows and highlights.
        dark_cavities: Smooth light that does not reach into cavities.
    """

    hair: float = 0.9
    clothes: float = 0.9
    glasses: float = 0.3
    scarf: float = 0.12
    hand: float = 0.1
    microphone: float = 0.06
    lamp: float = 0.4
    dark_cavities: float = 0.5


def random_staging(
    seed: int,
    *,
    ranges: StagingRanges | None = None,
    skin_tone: tuple[float, float, float] | None = None,
) -> Staging:
    """Return things, light, background and sensor drawn at random.

    Args:
        seed: The same seed gives the same staging.
        ranges: How often things are in a picture.
        skin_tone: Linear albedo of the skin, so that most hands are the person's own.
    """
    ranges = ranges or StagingRanges()
    generator = np.random.default_rng((seed, 1))
    chance = generator.random(8)
    things: list[Thing] = []
    if chance[0] < ranges.hair:
        things.append(random_hair(generator))
    if chance[1] < ranges.clothes:
        things.append(random_shoulders(generator))
    if chance[2] < ranges.glasses:
        things.append(random_glasses(generator))
    if chance[3] < ranges.scarf:
        things.append(random_scarf(generator))
    if chance[4] < ranges.hand:
        own = generator.random() < OWN_HANDS
        things.append(random_hand(generator, tone=skin_tone if own else None))
    elif chance[5] < ranges.microphone / max(1.0 - ranges.hand, 1e-6):
        things.append(random_microphone(generator))
    return Staging(
        things=tuple(things),
        lamps=(random_lamp(generator),) if chance[6] < ranges.lamp else (),
        dark_cavities=bool(chance[7] < ranges.dark_cavities),
        background=random_background(generator),
        sensor=random_sensor(generator),
    )


def random_lamp(generator: np.random.Generator) -> Lamp:
    """Return a lamp somewhere above or beside the camera."""
    towards = generator.standard_normal(3) * np.array([1.0, 0.6, 0.6]) + np.array([0.0, 0.5, 0.5])
    towards[2] = abs(towards[2])
    towards /= np.linalg.norm(towards)
    strength = generator.uniform(0.15, 0.6)
    tint = np.exp(generator.normal(0.0, 0.05, 3))
    return Lamp(
        direction=(float(towards[0]), float(towards[1]), float(towards[2])),
        colour=tuple((strength * tint).tolist()),
        shine=float(generator.uniform(0.0, 0.04)),
        sharpness=float(np.exp(generator.uniform(2.3, 4.0))),
    )


def skin_tone(space: TextureSpace, code: Float[Tensor, "1 K"]) -> tuple[float, float, float]:
    """Return a head's middle colour: linear albedo, the median over its texture."""
    coarse = replace(
        space, mean=space.mean[::COARSE, ::COARSE], basis=space.basis[::COARSE, ::COARSE]
    )
    tone = decode(coarse, code).reshape(-1, 3).median(dim=0).values.clamp(0.0, 1.0).tolist()
    return tone[0], tone[1], tone[2]


def closing_expression(assets: FlameAssets) -> Float[Tensor, "1 E"]:
    """Return the expression that closes both eyes, as far as the model's components can.

    Raises:
        AssetError: The model does not say how its eyelids close.
    """
    if assets.eyelid_basis is None:
        raise AssetError(f"model '{assets.name}' has no eyelids; use open_head")
    closed = assets.eyelid_basis.sum(-1).reshape(-1, 1).double()
    basis = assets.expression_basis.reshape(len(closed), -1).double()
    solution = torch.linalg.lstsq(basis.cpu(), closed.cpu()).solution
    return solution.T.to(assets.expression_basis)
