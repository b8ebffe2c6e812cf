"""People photographed several times: another pose, expression and light, one head and skin."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.appearance.texture_space import decode
from flame_fit.geometry.rotations import (
    axis_angle_to_matrix,
    matrix_from_head_angles,
    matrix_to_axis_angle,
    yaw_pitch_roll,
)
from flame_fit.image_files import save_png
from flame_fit.scene import SceneParams
from flame_fit.synth import Staging, random_scene, render_scene
from flame_fit.synth.backgrounds import random_background
from flame_fit.synth.draw import random_lamp
from flame_fit.synth.face_map import face_map, texture_brows
from flame_fit.synth.skin_look import SkinLook, random_skin_look, with_look
from scripts.benchmarking.truth import IMAGE_SIZE, TruthTools

LIGHTS = ("smooth", "lamps")
"""`smooth` light is what nine harmonics can carry; `lamps` cast shadows and make skin shine, and
smooth light then does not reach into cavities."""
# Far from the seeds of `flame_fit.synth`'s sets.
FIRST_SEED = {"smooth": 9_000_000, "lamps": 9_500_000}
SEEDS_OF_PERSON = 10
SUPERSAMPLING = 2
VIEWS_DEGREES = (0.0, -38.0, 38.0)
"""Yaw of the photos of one who turns the head, the front first."""
DRAWN_YAW = 0.15
"""Share of the yaw as drawn that is added to it."""
SPOTTED = SkinLook(mottling=0.06, freckles=0.4, blemishes=8)
"""What the skin of one who turns the head has at least."""


@dataclass(frozen=True)
class Person:
    """A head without hair, whose skin is more than the texture space spans.

    Attributes:
        light: One of `LIGHTS`.
        index: Number of the person.
        photos: How often the person is photographed.
        image_size: Of the photos, height and width in pixels.
    """

    light: str
    index: int
    photos: ClassVar[int] = 2
    image_size: ClassVar[tuple[int, int]] = IMAGE_SIZE

    @property
    def name(self) -> str:
        """What the person is called."""
        return f"{self.light} {self.index}"

    def scene(self, number: int) -> SceneParams:
        """Return head, camera and smooth light of one photo."""
        tools = TruthTools.load()
        scenes = [
            random_scene(
                tools.model, tools.space, seed=self._seed + each, image_size=self.image_size
            )
            for each in (0, number)
        ]
        same = replace(scenes[1].flame, shape=scenes[0].flame.shape)
        return replace(scenes[1], flame=same, texture_code=scenes[0].texture_code)

    def albedo(self) -> Float[Tensor, "U U 3"]:
        """Return the true linear albedo on OpenHead's chart, at the size of its texture space."""
        tools = TruthTools.load()
        plain = decode(tools.space, self.scene(0).texture_code)[0].clamp(0.0, 1.0).cpu().numpy()
        brows = texture_brows(tools.model.assets, tools.space)
        masks = face_map(tools.model.assets, len(plain))
        return torch.from_numpy(with_look(plain, self._look(), masks, brows).texture)

    def render(self, number: int) -> np.ndarray:
        """Return one photo, sRGB."""
        tools = TruthTools.load()
        generator = np.random.default_rng((self._seed, 8, number))
        lit = self.light == "lamps"
        staging = Staging(
            lamps=(random_lamp(generator),) if lit else (),
            dark_cavities=lit,
            background=random_background(generator),
            skin=self._look(),
        )
        return render_scene(
            self.scene(number),
            tools.model,
            tools.space,
            image_size=self.image_size,
            rasterizer=tools.rasterizer,
            supersampling=SUPERSAMPLING,
            staging=staging,
        ).srgb

    def write_photos(self, folder: Path) -> list[Path]:
        """Render the photos and return their paths."""
        return [
            save_png(folder / f"{self.light}_{self.index}_{number}.png", self.render(number))
            for number in range(self.photos)
        ]

    @property
    def _seed(self) -> int:
        return FIRST_SEED[self.light] + SEEDS_OF_PERSON * self.index

    def _look(self) -> SkinLook:
        return random_skin_look(np.random.default_rng((self._seed, 7)))


@dataclass(frozen=True)
class TurningPerson(Person):
    """A person with spots on the skin, from the front and from both sides."""

    photos: ClassVar[int] = len(VIEWS_DEGREES)
    image_size: ClassVar[tuple[int, int]] = (640, 640)

    def scene(self, number: int) -> SceneParams:
        """Return head, camera and smooth light of one photo."""
        scene = super().scene(number)
        drawn = yaw_pitch_roll(axis_angle_to_matrix(scene.flame.head_rotation))
        yaw = DRAWN_YAW * drawn.yaw + math.radians(VIEWS_DEGREES[number])
        turned = matrix_to_axis_angle(matrix_from_head_angles(replace(drawn, yaw=yaw)))
        return replace(scene, flame=replace(scene.flame, head_rotation=turned))

    def _look(self) -> SkinLook:
        look = super()._look()
        return replace(
            look,
            mottling=max(look.mottling, SPOTTED.mottling),
            freckles=max(look.freckles, SPOTTED.freckles),
            blemishes=max(look.blemishes, SPOTTED.blemishes),
        )
