"""Pictures to train networks on: wider in everything than the sets to measure on."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.appearance import TextureSpace, directional_to_sh, luminance, spherical_harmonics
from flame_fit.flame import FlameAssets, FlameModel
from flame_fit.geometry.rotations import HeadAngles, matrix_from_head_angles, matrix_to_axis_angle
from flame_fit.scene import SceneParams
from flame_fit.synth.accessories import Glasses, random_glasses, random_microphone, random_scarf
from flame_fit.synth.backgrounds import random_background
from flame_fit.synth.beard import random_beard
from flame_fit.synth.clothes import Shoulders, random_shoulders
from flame_fit.synth.draw import closing_expression, skin_tone
from flame_fit.synth.hair import Hair, random_hair
from flame_fit.synth.hands import random_hand
from flame_fit.synth.head_frame import LEFT_EYE_JOINT, RIGHT_EYE_JOINT
from flame_fit.synth.headwear import random_hat, random_headscarf, random_mask
from flame_fit.synth.lamps import Lamp
from flame_fit.synth.photo import Staging, Thing
from flame_fit.synth.scenes import HEAD_HEIGHT, SceneRanges, random_scene
from flame_fit.synth.sensor import random_rough_sensor
from flame_fit.synth.skin_look import SkinLook, hair_colour, random_skin_look

TRAINING_RANGES = SceneRanges(
    expression_sigma=1.0,
    jaw_radians=0.15,
    gaze_radians=0.45,
    focal_ratio=(0.7, 4.0),
    head_share=(0.35, 0.95),
    texture_sigma=1.1,
)


@dataclass(frozen=True)
class TrainingShares:
    """How often things are in a picture; shares of all pictures.

    Attributes:
        hair: Hair of any kind.
        hat: A cap, a hat, a headband.
        headscarf: A headscarf or hood, which takes the place of hair and hats.
        beard: A beard or moustache.
        clothes: Shoulders.
        glasses: Spectacles or sunglasses.
        scarf: A scarf.
        hand: A hand before the face.
        microphone: A microphone before the mouth, never together with a hand or mask.
        mask: A mask before nose and mouth.
        lamps: Lamps beyond the smooth light.
        dark_cavities: Smooth light that does not reach into cavities.
        closed_eyes: Shut lids.
        open_mouth: A mouth opened wide.
        skin: Skin beyond the texture space.
    """

    hair: float = 0.88
    hat: float = 0.14
    headscarf: float = 0.06
    beard: float = 0.3
    clothes: float = 0.92
    glasses: float = 0.25
    scarf: float = 0.08
    hand: float = 0.12
    microphone: float = 0.06
    mask: float = 0.05
    lamps: float = 0.5
    dark_cavities: float = 0.4
    closed_eyes: float = 0.1
    open_mouth: float = 0.25
    skin: float = 0.9


SHARES = TrainingShares()
TURNED = 0.5
"""Share of heads that look anywhere; the others look near the camera."""
# Yaw, pitch and roll in degrees: the largest, and the standard deviations of the others.
LARGEST_TURN, USUAL_TURN = (75.0, 35.0, 25.0), (22.0, 12.0, 8.0)
MIDDLE_SKIN, DARKEST_SKIN, METERING = 0.30, 0.01, 0.65
"""Linear brightness that a camera aims at for skin, the least it measures, and how far it goes."""
WIDEST_JAW = 0.45
EYES = (0.0, 0.030, 0.025)
"""Between OpenHead's eyes, metres from its origin; other models may have theirs in the feet."""
OFF_CENTRE = 0.05
"""Largest distance of a head from the middle of the view, metres."""
DARK_GLASSES = 0.3
OWN_HANDS = 0.7


def training_scene(
    seed: int, model: FlameModel, space: TextureSpace, image_size: tuple[int, int]
) -> SceneParams:
    """Return a head, a camera and smooth light of a wide range; deterministic by seed."""
    scene = random_scene(model, space, seed=seed, image_size=image_size, ranges=TRAINING_RANGES)
    generator = np.random.default_rng((seed, 5))
    chance = generator.random(4)
    flame = scene.flame
    liveliness = float(generator.uniform(0.0, 1.3))
    expression = flame.expression * min(liveliness, 1.2)
    if chance[0] < SHARES.closed_eyes and model.assets.eyelid_basis is not None:
        expression = expression + _shut(model, expression)
    jaw = float(flame.jaw[0, 0])
    if chance[1] < SHARES.open_mouth:
        jaw = float(generator.uniform(0.05, WIDEST_JAW))
    side = float(generator.normal(0.0, 0.04)) if chance[2] < TURNED else 0.0
    distance, shift = _distance(generator, scene, image_size), generator.uniform(-1.0, 1.0, 2)
    place = np.array((*(OFF_CENTRE * shift), -distance)) - _origin(model.assets)
    new = flame.translation.new_tensor
    flame = replace(
        flame,
        expression=expression,
        jaw=new([[jaw, side, 0.0]]),
        head_rotation=_turn(generator).to(flame.translation),
        translation=new(place.tolist())[None],
    )
    lighting = _coloured_light(generator).to(scene.lighting)
    return replace(scene, flame=flame, lighting=lighting[None])


def training_staging(seed: int, scene: SceneParams, space: TextureSpace) -> Staging:
    """Return things, lamps, skin, background and sensor of a wide range; deterministic by seed."""
    generator = np.random.default_rng((seed, 6))
    chance = generator.random(8)
    tone = skin_tone(space, scene.texture_code)
    colour = hair_colour(generator)
    things = _on_head(generator, colour)
    bearded = bool(chance[0] < SHARES.beard)
    if bearded:
        things.append(random_beard(generator, colour))
    if chance[1] < SHARES.clothes:
        things.append(_shoulders(generator, tone))
    if chance[2] < SHARES.glasses:
        things.append(_glasses(generator))
    if chance[3] < SHARES.scarf:
        things.append(random_scarf(generator))
    things += _before_face(generator, tone)
    lamps = tuple(
        _lamp(generator)
        for _ in range(1 + int(generator.random() < 0.25))  # noqa: PLR2004
    )
    lamps = lamps if chance[4] < SHARES.lamps else ()
    sensor = random_rough_sensor(generator)
    return Staging(
        things=tuple(things),
        lamps=lamps,
        dark_cavities=bool(chance[5] < SHARES.dark_cavities),
        background=random_background(generator),
        sensor=replace(sensor, exposure=sensor.exposure * _metered(scene, lamps, tone)),
        skin=_skin(generator, bearded=bearded) if chance[6] < SHARES.skin else None,
    )


def _skin(generator: np.random.Generator, *, bearded: bool) -> SkinLook:
    """Return a look; around a beard skin has stubble, and seldom make-up."""
    drawn = random_skin_look(generator)
    if not bearded:
        return drawn
    growth = max(drawn.stubble, float(generator.uniform(0.2, 0.9)))
    return replace(drawn, stubble=growth, lipstick=0.0, eye_shadow=0.0)


def _metered(
    scene: SceneParams, lamps: tuple[Lamp, ...], tone: tuple[float, float, float]
) -> float:
    """Return the exposure by which a camera brings skin most of the way to a middle brightness."""
    forward = spherical_harmonics(torch.tensor([[0.0, 0.0, 1.0]]).to(scene.lighting))
    light = float(luminance(forward @ scene.lighting[0])[0])
    light += sum(
        float(luminance(torch.tensor(lamp.colour))) * max(lamp.direction[2], 0.0) for lamp in lamps
    )
    bright = max(light * float(luminance(torch.tensor(tone))), DARKEST_SKIN)
    return (MIDDLE_SKIN / bright) ** METERING


def _on_head(generator: np.random.Generator, colour: tuple[float, float, float]) -> list[Thing]:
    chance = generator.random(3)
    if chance[0] < SHARES.headscarf:
        return [random_headscarf(generator)]
    things: list[Thing] = []
    hatted = bool(chance[1] < SHARES.hat)
    if chance[2] < SHARES.hair:
        things.append(_hair(generator, colour, hatted=hatted))
    if hatted:
        things.append(random_hat(generator))
    return things


def _hair(
    generator: np.random.Generator, colour: tuple[float, float, float], *, hatted: bool
) -> Hair:
    """Return hair from a shaved head over bobs and fringes to long or voluminous hair."""
    drawn = random_hair(generator)
    if hatted:
        # Under a hat hair lies flat.
        kind = "long" if drawn.kind == "long" else "short"
        return replace(drawn, kind=kind, colour=colour, thickness=min(drawn.thickness, 0.006))
    if drawn.kind == "beanie":
        # Thin ones look like cropped hair.
        return replace(drawn, thickness=float(generator.uniform(0.008, 0.022)))
    thickness = drawn.thickness
    if drawn.kind == "short":
        choice = generator.random()
        if choice < 0.25:  # noqa: PLR2004
            thickness = float(generator.uniform(0.0015, 0.004))
        elif choice > 0.85:  # noqa: PLR2004
            thickness = float(generator.uniform(0.025, 0.06))
    return replace(
        drawn,
        colour=colour,
        thickness=thickness,
        hairline=float(generator.uniform(0.0, 26.0)),
        hangs_from=float(generator.uniform(36.0, 78.0)),
        lowest=float(generator.uniform(-70.0, -22.0)),
        with_fringe=bool(drawn.kind == "long" and generator.random() < 0.4),  # noqa: PLR2004
    )


def _shoulders(generator: np.random.Generator, tone: tuple[float, float, float]) -> Shoulders:
    drawn, kind = random_shoulders(generator), generator.random()
    if kind < 0.35:  # noqa: PLR2004
        return drawn
    if kind < 0.55:  # noqa: PLR2004
        return replace(drawn, collar=float(generator.uniform(0.01, 0.055)))
    bare = kind > 0.92  # noqa: PLR2004
    return replace(
        drawn,
        tone=tone,
        neckline=1.5 if bare else float(generator.uniform(0.03, 0.4)),
        plunge=float(generator.uniform(0.0, 0.35)),
    )


def _glasses(generator: np.random.Generator) -> Glasses:
    drawn = random_glasses(generator)
    drawn = replace(
        drawn,
        half_width=float(generator.uniform(0.021, 0.030)),
        forward=float(generator.uniform(0.004, 0.012)),
        half_height=float(generator.uniform(0.012, 0.027)),
        rim=float(generator.uniform(0.0006, 0.0032)),
        slip=float(generator.choice((0.0, generator.uniform(0.0, 0.014)))),
    )
    if generator.random() < DARK_GLASSES:
        dark = generator.uniform(0.01, 0.3) * np.exp(generator.normal(0.0, 0.25, 3))
        drawn = replace(drawn, transmission=tuple(np.clip(dark, 0.005, 0.6).tolist()))
    return drawn


def _before_face(generator: np.random.Generator, tone: tuple[float, float, float]) -> list[Thing]:
    chance = generator.random(3)
    if chance[0] < SHARES.mask:
        return [random_mask(generator)]
    if chance[0] < SHARES.mask + SHARES.hand:
        own = chance[1] < OWN_HANDS
        return [random_hand(generator, tone=tone if own else None)]
    if chance[0] < SHARES.mask + SHARES.hand + SHARES.microphone:
        return [random_microphone(generator)]
    return []


def _lamp(generator: np.random.Generator) -> Lamp:
    towards = generator.standard_normal(3) * np.array([1.0, 0.7, 0.7]) + np.array([0.0, 0.3, 0.3])
    towards /= np.linalg.norm(towards)
    strength = float(np.exp(generator.uniform(np.log(0.15), np.log(1.5))))
    tint = strength * np.exp(generator.normal(0.0, 0.12, 3))
    return Lamp(
        direction=(float(towards[0]), float(towards[1]), float(towards[2])),
        colour=(float(tint[0]), float(tint[1]), float(tint[2])),
        shine=float(generator.uniform(0.0, 0.10)),
        sharpness=float(np.exp(generator.uniform(2.0, 4.3))),
    )


def _coloured_light(generator: np.random.Generator) -> Float[Tensor, "9 3"]:
    """Return light from everywhere and from one to three sides, each with its own tint."""
    ambient = float(generator.uniform(0.15, 1.0))
    light = torch.zeros(9, 3, dtype=torch.float64)
    light[0] = ambient * torch.from_numpy(np.exp(generator.normal(0.0, 0.06, 3)))
    for _ in range(int(generator.integers(1, 4))):
        towards = generator.standard_normal(3) + np.array([0.0, 0.3, 0.4])
        towards /= np.linalg.norm(towards)
        vivid = 0.35 if generator.random() < 0.1 else 0.1  # noqa: PLR2004
        tint = generator.uniform(0.0, 0.55) * np.exp(generator.normal(0.0, vivid, 3))
        light = light + directional_to_sh(torch.from_numpy(towards), torch.from_numpy(tint))
    return light


def _turn(generator: np.random.Generator) -> Float[Tensor, "1 3"]:
    anywhere = generator.random() < TURNED
    drawn = []
    for largest, usual in zip(LARGEST_TURN, USUAL_TURN, strict=True):
        wide, near = generator.uniform(-largest, largest), generator.normal(0.0, usual)
        drawn.append(wide if anywhere else float(np.clip(near, -largest, largest)))
    angles = HeadAngles(*(torch.tensor(math.radians(angle)) for angle in drawn))
    return matrix_to_axis_angle(matrix_from_head_angles(angles))[None]


def _distance(
    generator: np.random.Generator, scene: SceneParams, image_size: tuple[int, int]
) -> float:
    """Return how far the head is, metres, for a height of the head that is drawn evenly."""
    share = generator.uniform(*TRAINING_RANGES.head_share)
    focal = float(scene.camera.focal[0, 0])
    return focal * HEAD_HEIGHT / (min(image_size) * share)


@lru_cache(maxsize=8)
def _origin(assets: FlameAssets) -> Float[np.ndarray, "3"]:
    """Return how far a model's eyes lie from where they are in OpenHead, to the millimetre."""
    joints = assets.joint_regressor[[LEFT_EYE_JOINT, RIGHT_EYE_JOINT]] @ assets.v_template
    return np.round(joints.mean(0).cpu().double().numpy() - np.asarray(EYES), 3)


@lru_cache(maxsize=8)
def _closing_expression(assets: FlameAssets) -> Float[Tensor, "1 E"]:
    """Return what `closing_expression` finds, which takes a while, found once for a model."""
    return closing_expression(assets)


def _shut(model: FlameModel, expression: Float[Tensor, "1 E"]) -> Float[Tensor, "1 E"]:
    """Return what closes the eyes of an expression."""
    assets = model.assets
    shut = _closing_expression(assets)
    if assets.eyelid_basis is None:
        return shut
    directions = assets.eyelid_basis.sum(-1)
    moved = assets.expression_basis @ expression[0]
    opened = (moved * directions).sum() / directions.square().sum()
    return (1.0 - opened) * shut
