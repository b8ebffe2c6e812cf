"""Random heads before random cameras and lights; deterministic by seed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.appearance import TextureSpace, directional_to_sh
from flame_fit.flame import FlameModel, FlameParams
from flame_fit.geometry.cameras import centred_camera
from flame_fit.geometry.rotations import (
    HeadAngles,
    matrix_from_head_angles,
    matrix_to_axis_angle,
)
from flame_fit.scene import SceneParams

# A head with its neck is about this high, metres.
HEAD_HEIGHT = 0.32


@dataclass(frozen=True)
class SceneRanges:
    """From what the unknowns are drawn.

    Attributes:
        shape_sigma: Standard deviation of identity coefficients.
        expression_sigma: Standard deviation of expression coefficients.
        texture_sigma: Standard deviation of texture codes.
        yaw_degrees: Largest turn to either side.
        pitch_degrees: Largest nod.
        roll_degrees: Largest tilt.
        jaw_radians: Largest jaw opening.
        gaze_radians: Largest turn of the eyes.
        focal_ratio: Range of the focal length over the image side.
        head_share: Range of the head's height over the image side.
        directional_light: Largest share of directional light.
    """

    shape_sigma: float = 1.0
    expression_sigma: float = 0.6
    texture_sigma: float = 1.0
    yaw_degrees: float = 30.0
    pitch_degrees: float = 15.0
    roll_degrees: float = 12.0
    jaw_radians: float = 0.2
    gaze_radians: float = 0.2
    focal_ratio: tuple[float, float] = (1.2, 2.4)
    head_share: tuple[float, float] = (0.55, 0.8)
    directional_light: float = 0.5


def random_scene(
    model: FlameModel,
    space: TextureSpace,
    *,
    seed: int,
    image_size: tuple[int, int] = (512, 512),
    ranges: SceneRanges | None = None,
) -> SceneParams:
    """Return a head, a camera and a light drawn at random.

    Args:
        model: The head model; all of its coefficients are drawn.
        space: The texture space; all of its codes are drawn.
        seed: The same seed gives the same scene.
        image_size: Height and width in pixels.
        ranges: From what the unknowns are drawn.
    """
    ranges = ranges or SceneRanges()
    generator = torch.Generator().manual_seed(seed)

    def normal(count: int, sigma: float) -> Float[Tensor, "1 count"]:
        return sigma * torch.randn(1, count, generator=generator)

    def uniform(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    side = min(image_size)
    focal = side * uniform(*ranges.focal_ratio)
    distance = focal * HEAD_HEIGHT / (side * uniform(*ranges.head_share))
    angles = [
        torch.tensor(math.radians(uniform(-limit, limit)))
        for limit in (ranges.yaw_degrees, ranges.pitch_degrees, ranges.roll_degrees)
    ]
    gaze = [uniform(-ranges.gaze_radians, ranges.gaze_radians) for _ in range(2)]
    eye = [0.5 * gaze[0], gaze[1], 0.0]
    offset = [uniform(-0.02, 0.02) for _ in range(2)]
    flame = FlameParams(
        shape=normal(model.shape_count, ranges.shape_sigma),
        expression=normal(model.expression_count, ranges.expression_sigma),
        head_rotation=matrix_to_axis_angle(matrix_from_head_angles(HeadAngles(*angles)))[None],
        neck=torch.zeros(1, 3),
        jaw=torch.tensor([[uniform(0.0, ranges.jaw_radians), 0.0, 0.0]]),
        eyes=torch.tensor([eye + eye]),
        translation=torch.tensor([[*offset, -distance]]),
    )
    return SceneParams(
        flame=flame,
        camera=centred_camera(torch.tensor([focal]), image_size),
        texture_code=normal(space.basis.shape[-1], ranges.texture_sigma),
        lighting=_random_light(generator, ranges.directional_light)[None],
    ).to(dtype=model.dtype, device=model.device)


def _random_light(generator: torch.Generator, share: float) -> Float[Tensor, "9 3"]:
    """Return grey light from everywhere plus some from one side, slightly tinted, in front."""
    towards = torch.randn(3, generator=generator)
    towards[2] = towards[2].abs() + 0.3
    towards = towards / towards.norm()
    strength = share * float(torch.rand((), generator=generator))
    tint = 1.0 + 0.04 * torch.randn(3, generator=generator)
    light = directional_to_sh(towards, strength * tint)
    light[0] += (1.0 - strength) * (2.0 - tint)
    return light
