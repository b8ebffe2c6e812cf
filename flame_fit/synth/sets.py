"""Named sets of pictures to measure on: `plain`, `varied` and `hard`."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import torch

from flame_fit.appearance import TextureSpace, luminance
from flame_fit.errors import UsageError
from flame_fit.flame import FlameModel
from flame_fit.geometry.rotations import (
    HeadAngles,
    axis_angle_to_matrix,
    matrix_from_head_angles,
    matrix_to_axis_angle,
    yaw_pitch_roll,
)
from flame_fit.render import Rasterizer
from flame_fit.scene import SceneParams
from flame_fit.synth.draw import StagingRanges, closing_expression, random_staging, skin_tone
from flame_fit.synth.hands import random_hand
from flame_fit.synth.photo import Staging, SyntheticPhoto, render_scene
from flame_fit.synth.scenes import SceneRanges, random_scene
from flame_fit.synth.training_set import training_scene, training_staging

SetName = Literal["plain", "varied", "hard", "training"]
HardCase = Literal[
    "profile",
    "hand_over_mouth",
    "closed_eyes",
    "wide_open_mouth",
    "dark",
    "overexposed",
    "small_face",
]
HARD_CASES: tuple[HardCase, ...] = get_args(HardCase)

# Sets lie far apart in seeds, so that no picture of one is a head of another.
FIRST_SEED = {"plain": 5_000_000, "varied": 6_000_000, "hard": 7_000_000, "training": 100_000_000}
MOST_PICTURES = 10_000_000
"""Pictures of a training set."""
PICTURES_VERSION = 1
"""Raised whenever the set `training` gives other pictures."""
VARIED_RANGES = SceneRanges(
    expression_sigma=0.7,
    yaw_degrees=60.0,
    pitch_degrees=30.0,
    roll_degrees=20.0,
    jaw_radians=0.3,
    gaze_radians=0.35,
    focal_ratio=(0.7, 3.0),
    head_share=(0.5, 0.95),
)
HARD_RANGES = SceneRanges(focal_ratio=(1.0, 2.4))
# A hard picture has one difficulty, not several.
HARD_STAGING = StagingRanges(glasses=0.0, scarf=0.0, hand=0.0, microphone=0.0, lamp=0.0)
BLINKS = 0.08
"""Share of varied heads with closed eyes."""
PROFILE_DEGREES = 60.0
WIDE_OPEN_JAW = 0.45
DARK_SKIN, CLIPPED_SKIN = 0.012, 1.1
"""Linear light that comes from skin in the middle of dark and overexposed faces."""
DARK_NOISE = 0.02
DARKEST_SKIN = 0.01
SMALL_FACE_PIXELS = 64.0
FACE_HEIGHT = 0.19
"""Metres from chin to hairline."""
SUPERSAMPLING = 2


@dataclass(frozen=True, eq=False)
class Setup:
    """A picture before it is taken.

    Attributes:
        name: Of the set and the picture; for hard pictures also of the difficulty.
        scene: Head, camera and smooth light.
        staging: Everything else.
    """

    name: str
    scene: SceneParams
    staging: Staging


def draw_setup(
    set_name: SetName | str,
    index: int,
    model: FlameModel,
    space: TextureSpace,
    *,
    image_size: tuple[int, int] = (512, 512),
) -> Setup:
    """Return one picture of a named set, not yet taken.

    Args:
        set_name: `plain` (bald heads before smooth fields), `varied` (everything, in its usual
            share), `hard` (`HARD_CASES` in turn) or `training` (wider in everything).
        index: Number of the picture, from 0; sets have no end.
        model: The head model.
        space: Its texture space.
        image_size: Height and width in pixels.

    Raises:
        UsageError: The set does not exist or the index is negative.
        AssetError: Closed eyes of a model without eyelids.
    """
    if set_name not in FIRST_SEED:
        raise UsageError(f"set '{set_name}' does not exist; use one of {', '.join(FIRST_SEED)}")
    if index < 0:
        raise UsageError(f"picture {index} was asked for; they are numbered from 0")
    seed = FIRST_SEED[set_name] + index
    draws = {"plain": _plain, "varied": _varied, "hard": _hard, "training": _training}
    draw = draws[set_name]
    return draw(seed, index, model, space, image_size)


def draw_training_setup(
    seed: int,
    number: int,
    model: FlameModel,
    space: TextureSpace,
    *,
    image_size: tuple[int, int] = (512, 512),
) -> Setup:
    """Return one picture of a training set; sets of different seeds share no picture.

    Args:
        seed: Of the set; 0 is the set `training` of `draw_setup`.
        number: Of the picture, from 0 to `MOST_PICTURES - 1`.
        model: The head model.
        space: Its texture space.
        image_size: Height and width in pixels.

    Raises:
        UsageError: The seed or the number is out of range.
    """
    if seed < 0 or not 0 <= number < MOST_PICTURES:
        raise UsageError(
            f"picture {number} of seed {seed} was asked for; a seed from 0 upwards has pictures 0 "
            f"to {MOST_PICTURES - 1}"
        )
    index = seed * MOST_PICTURES + number
    return draw_setup("training", index, model, space, image_size=image_size)


def take_photo(
    setup: Setup,
    model: FlameModel,
    space: TextureSpace,
    *,
    image_size: tuple[int, int] = (512, 512),
    rasterizer: Rasterizer,
) -> SyntheticPhoto:
    """Return the picture of a setup, with its truth.

    Args:
        setup: From `draw_setup`, with the same model, space and image size.
        model: The head model.
        space: Its texture space.
        image_size: Height and width in pixels.
        rasterizer: From `make_rasterizer`.
    """
    return render_scene(
        setup.scene,
        model,
        space,
        image_size=image_size,
        rasterizer=rasterizer,
        supersampling=SUPERSAMPLING,
        staging=setup.staging,
    )


def _plain(
    seed: int, index: int, model: FlameModel, space: TextureSpace, image_size: tuple[int, int]
) -> Setup:
    scene = random_scene(model, space, seed=seed, image_size=image_size)
    background = replace(Staging().background, seed=seed)
    return Setup(f"plain_{index:04d}", scene, Staging(background=background))


def _varied(
    seed: int, index: int, model: FlameModel, space: TextureSpace, image_size: tuple[int, int]
) -> Setup:
    scene = random_scene(model, space, seed=seed, image_size=image_size, ranges=VARIED_RANGES)
    blinks = np.random.default_rng((seed, 3)).random() < BLINKS
    if blinks and model.assets.eyelid_basis is not None:
        scene = _with_closed_eyes(scene, model)
    tone = skin_tone(space, scene.texture_code)
    return Setup(f"varied_{index:04d}", scene, random_staging(seed, skin_tone=tone))


def _training(
    seed: int, index: int, model: FlameModel, space: TextureSpace, image_size: tuple[int, int]
) -> Setup:
    scene = training_scene(seed, model, space, image_size)
    return Setup(f"training_{index:06d}", scene, training_staging(seed, scene, space))


def _hard(
    seed: int, index: int, model: FlameModel, space: TextureSpace, image_size: tuple[int, int]
) -> Setup:
    case = HARD_CASES[index % len(HARD_CASES)]
    scene = random_scene(model, space, seed=seed, image_size=image_size, ranges=HARD_RANGES)
    staging = random_staging(seed, ranges=HARD_STAGING)
    generator = np.random.default_rng((seed, 4))
    if case == "profile":
        scene = _turned(scene, PROFILE_DEGREES * float(generator.choice((-1.0, 1.0))))
    elif case == "hand_over_mouth":
        tone = skin_tone(space, scene.texture_code)
        hand = random_hand(generator, place="mouth", tone=tone)
        staging = replace(staging, things=(*staging.things, hand))
    elif case == "closed_eyes":
        scene = _with_closed_eyes(scene, model)
    elif case == "wide_open_mouth":
        flame = replace(scene.flame, jaw=scene.flame.jaw.new_tensor([[WIDE_OPEN_JAW, 0.0, 0.0]]))
        scene = replace(scene, flame=flame)
    elif case == "small_face":
        scene = _far_away(scene, image_size, generator)
    else:
        staging = _badly_exposed(staging, scene, space, case)
    return Setup(f"hard_{index:04d}_{case}", scene, staging)


def _with_closed_eyes(scene: SceneParams, model: FlameModel) -> SceneParams:
    """Return a head whose eyes are shut; what else its expression does to the lids is undone."""
    flame, assets = scene.flame, model.assets
    shut = closing_expression(assets)
    if assets.eyelid_basis is not None:
        directions = assets.eyelid_basis.sum(-1)
        moved = assets.expression_basis @ flame.expression[0]
        opened = (moved * directions).sum() / directions.square().sum()
        shut = (1.0 - opened) * shut
    return replace(scene, flame=replace(flame, expression=flame.expression + shut))


def _turned(scene: SceneParams, yaw_degrees: float) -> SceneParams:
    angles = yaw_pitch_roll(axis_angle_to_matrix(scene.flame.head_rotation))
    yaw = torch.full_like(angles.yaw, math.radians(yaw_degrees))
    rotation = matrix_to_axis_angle(
        matrix_from_head_angles(HeadAngles(yaw, angles.pitch, angles.roll))
    )
    return replace(scene, flame=replace(scene.flame, head_rotation=rotation))


def _far_away(
    scene: SceneParams, image_size: tuple[int, int], generator: np.random.Generator
) -> SceneParams:
    """Return a head so far away that its face is 64 pixels high, anywhere in the middle half."""
    focal = float(scene.camera.focal[0, 0])
    distance = focal * FACE_HEIGHT / SMALL_FACE_PIXELS
    reach = 0.25 * np.array((image_size[1], image_size[0])) * distance / focal
    side, height = generator.uniform(-reach, reach)
    place = scene.flame.translation.new_tensor([[side, height, -distance]])
    return replace(scene, flame=replace(scene.flame, translation=place))


def _badly_exposed(
    staging: Staging, scene: SceneParams, space: TextureSpace, case: HardCase
) -> Staging:
    tone = luminance(torch.tensor(skin_tone(space, scene.texture_code)))
    bright = max(float(tone * luminance(scene.lighting[0, 0])), DARKEST_SKIN)
    sensor = staging.sensor
    if case == "dark":
        sensor = replace(
            sensor, exposure=DARK_SKIN / bright, read_noise=0.2 * DARK_NOISE, shot_noise=DARK_NOISE
        )
    else:
        sensor = replace(sensor, exposure=CLIPPED_SKIN / bright)
    return replace(staging, sensor=sensor)
