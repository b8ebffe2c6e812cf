"""Named views of a foreign head: turns, lights and backgrounds to measure on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from flame_fit.appearance import directional_to_sh, white_lighting
from flame_fit.geometry.rotations import HeadAngles
from flame_fit.render import Rasterizer
from flame_fit.synth.backgrounds import Background, BackgroundKind
from flame_fit.synth.foreign_head import ForeignHead, Placement, place_head, render_foreign
from flame_fit.synth.photo import Shot, Staging

LightName = Literal["even", "frontal", "left", "right", "top"]

# Towards the lamp, world axes; left and right are the person's.
LAMP_DIRECTIONS = {
    "frontal": (0.1, 0.15, 1.0),
    "left": (1.0, 0.2, 0.35),
    "right": (-1.0, 0.2, 0.35),
    "top": (0.0, 1.0, 0.45),
}
AMBIENT, LAMP = 0.45, 0.75
"""Shading by the even light and, on a surface that faces it, by the lamp."""
BACKGROUND_BLUR = 0.02


@dataclass(frozen=True)
class ForeignView:
    """One picture of the set.

    Attributes:
        yaw_degrees: Positive when turned to the person's left.
        pitch_degrees: Positive when looking down.
        roll_degrees: Positive when leaning to the person's right shoulder.
        light: From where a lamp adds to even light, as spherical harmonics.
        background: Its kind.
        focal_ratio: Focal length over the image side.
        distance: Metres from the camera to the eyes.
    """

    yaw_degrees: float
    pitch_degrees: float = 0.0
    roll_degrees: float = 0.0
    light: LightName = "even"
    background: BackgroundKind = "field"
    focal_ratio: float = 2.0
    distance: float = 0.85

    @property
    def name(self) -> str:
        """Name of the picture."""
        return f"yaw{self.yaw_degrees:+03.0f}_pitch{self.pitch_degrees:+03.0f}_{self.light}"

    def lighting(self) -> Float[Tensor, "1 9 3"]:
        """Return the true light of the picture."""
        if self.light == "even":
            return white_lighting()
        towards = normalize(torch.tensor(LAMP_DIRECTIONS[self.light]), dim=0)
        return AMBIENT * white_lighting() + directional_to_sh(towards, torch.full((3,), LAMP))

    def placement(self, image_size: tuple[int, int]) -> Placement:
        """Return where the head stands."""
        degrees = torch.tensor([self.yaw_degrees, self.pitch_degrees, self.roll_degrees])
        return place_head(
            HeadAngles(*torch.deg2rad(degrees)),
            focal_pixels=self.focal_ratio * min(image_size),
            distance=self.distance,
            image_size=image_size,
        )


FOREIGN_VIEWS: tuple[ForeignView, ...] = (
    ForeignView(0.0),
    ForeignView(0.0, light="frontal", background="room", focal_ratio=1.0, distance=0.42),
    ForeignView(-15.0, light="left", background="gradient"),
    ForeignView(15.0, light="top", background="room"),
    ForeignView(-30.0, light="frontal", background="noise"),
    ForeignView(30.0, light="right", background="room"),
    ForeignView(-45.0, light="top", background="room", focal_ratio=1.5, distance=0.65),
    ForeignView(45.0, light="left", background="field"),
    ForeignView(0.0, 15.0, light="top", background="gradient"),
    ForeignView(-10.0, -15.0, light="right", background="field", focal_ratio=3.0, distance=1.3),
    ForeignView(20.0, 10.0, 10.0, light="left", background="noise"),
    ForeignView(-35.0, -10.0, -12.0, light="even", background="room"),
)


def take_foreign_photo(
    head: ForeignHead,
    view: ForeignView,
    *,
    image_size: tuple[int, int] = (512, 512),
    rasterizer: Rasterizer,
) -> Shot:
    """Return one picture of the set with its truth.

    Args:
        head: From `load_foreign_head`.
        view: One of `FOREIGN_VIEWS`, or another.
        image_size: Height and width in pixels.
        rasterizer: From `make_rasterizer`.
    """
    blur = 0.0 if view.background in ("field", "gradient") else BACKGROUND_BLUR
    seed = FOREIGN_VIEWS.index(view) if view in FOREIGN_VIEWS else 0
    background = Background(kind=view.background, blur=blur, seed=seed)
    return render_foreign(
        head,
        view.placement(image_size),
        view.lighting(),
        image_size=image_size,
        rasterizer=rasterizer,
        staging=replace(Staging(), background=background),
    )
