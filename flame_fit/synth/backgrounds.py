"""What stands behind a head: smooth fields, gradients, noise, rooms out of focus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import torch
from jaxtyping import Float

from flame_fit.geometry.cameras import centred_camera
from flame_fit.render import (
    Colours,
    RenderOptions,
    TriangleMesh,
    VisibleSurface,
    make_rasterizer,
    render_with,
)
from flame_fit.synth.patterns import smooth_noise

BackgroundKind = Literal["field", "gradient", "noise", "room"]
KINDS: tuple[BackgroundKind, ...] = ("field", "gradient", "noise", "room")

ROOM_SIDE = 192
"""Longer side in pixels in which a room is drawn before it is blurred and enlarged."""
ROOM_BOXES = 14
# Two triangles for each side of a box whose corners are numbered by the bits x, y, z.
BOX_SIDES = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
FRONT_SIDE = 1
"""The side of a box towards the camera."""


@dataclass(frozen=True)
class Background:
    """What stands behind a head.

    Attributes:
        kind: `field` and `gradient` are smooth, `noise` is a fine texture, `room` shows boxes.
        blur: Standard deviation of the blur as a share of the picture's longer side.
        brightness: Factor on its linear light.
        seed: The same seed gives the same background.
    """

    kind: BackgroundKind = "field"
    blur: float = 0.0
    brightness: float = 1.0
    seed: int = 0


def background_image(
    background: Background, image_size: tuple[int, int]
) -> Float[np.ndarray, "H W 3"]:
    """Return a background in linear light.

    Args:
        background: What to draw.
        image_size: Height and width in pixels.
    """
    generator = np.random.default_rng(background.seed)
    if background.kind == "field":
        picture = _field(image_size, background.seed)
    elif background.kind == "gradient":
        picture = _gradient(generator, image_size)
    elif background.kind == "noise":
        picture = _noise(generator, image_size)
    else:
        picture = _room(generator, image_size)
    if background.blur > 0.0:
        sigma = background.blur * max(image_size)
        picture = cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return (background.brightness * picture).clip(0.0, 1.0).astype(np.float32)


def random_background(generator: np.random.Generator) -> Background:
    """Return a background of a random kind."""
    kind = KINDS[generator.integers(len(KINDS))]
    soft = 0.0 if kind == "gradient" else float(generator.choice((0.0, generator.uniform(0, 0.03))))
    return Background(
        kind=kind,
        blur=soft,
        brightness=float(np.exp(generator.normal(0.0, 0.4))),
        seed=int(generator.integers(2**31)),
    )


def _field(image_size: tuple[int, int], seed: int) -> Float[np.ndarray, "H W 3"]:
    """Return a smooth field of muted colours."""
    generator = torch.Generator().manual_seed(seed + 1)
    grey = 0.05 + 0.4 * torch.rand(1, 1, 4, 4, generator=generator)
    coarse = grey * (0.8 + 0.4 * torch.rand(1, 3, 4, 4, generator=generator))
    field = torch.nn.functional.interpolate(
        coarse, size=image_size, mode="bicubic", align_corners=False
    )
    return field.clamp(0.0, 1.0)[0].permute(1, 2, 0).numpy()


def _colour(generator: np.random.Generator) -> Float[np.ndarray, "3"]:
    """Return a colour of any brightness, seldom a loud one."""
    grey = generator.uniform(0.1, 0.9) ** 2
    return np.clip(grey * np.exp(generator.normal(0.0, 0.35, 3)), 0.0, 1.0)


def _gradient(
    generator: np.random.Generator, image_size: tuple[int, int]
) -> Float[np.ndarray, "H W 3"]:
    row, column = np.mgrid[0 : image_size[0], 0 : image_size[1]] / max(image_size)
    angle = generator.uniform(0.0, 2.0 * np.pi)
    along = np.cos(angle) * column + np.sin(angle) * row
    share = (along - along.min()) / max(float(np.ptp(along)), 1e-6)
    share = share[..., None] ** generator.uniform(0.5, 2.0)
    return _colour(generator) * (1.0 - share) + _colour(generator) * share


def _noise(
    generator: np.random.Generator, image_size: tuple[int, int]
) -> Float[np.ndarray, "H W 3"]:
    """Return coloured noise of several scales, like leaves, plaster or a crowd."""
    picture = np.zeros((*image_size, 3))
    base, other = _colour(generator), _colour(generator)
    for cells in (4, 12, 36, 108):
        share = smooth_noise(generator, image_size, (cells, cells))[..., None]
        picture += generator.uniform(0.1, 0.4) * share * (other - base + 0.1 * base)
    return np.clip(0.5 * (base + other) + picture, 0.0, 1.0)


@dataclass(frozen=True, eq=False)
class _BoxShader:
    """Flat colours by triangle."""

    colours: Float[torch.Tensor, "F 3"]

    def __call__(self, surface: VisibleSurface) -> Colours:
        albedo = self.colours[surface.covered.face_index]
        return Colours(albedo, torch.ones_like(albedo))


def _room(
    generator: np.random.Generator, image_size: tuple[int, int]
) -> Float[np.ndarray, "H W 3"]:
    """Return walls, furniture and a bright window, all of boxes."""
    # The room begins before the camera, as what lies behind it cannot be drawn, and is open there.
    lows, highs = [np.array([-2.5, -1.5, -5.5])], [np.array([2.5, 1.4, -0.3])]
    colours = [_colour(generator) * 0.9]
    for _ in range(ROOM_BOXES):
        size = generator.uniform(0.1, 1.0, 3)
        corner = generator.uniform((-2.5, -1.5, -5.4), (2.3, 0.6, -3.2))
        lows.append(corner)
        highs.append(corner + size)
        colours.append(_colour(generator))
    window = generator.uniform((-2.0, -0.3, 0.0), (1.0, 0.4, 0.0)) * np.array([1.0, 1.0, 0.0])
    lows.append(window + np.array([0.0, 0.0, -5.45]))
    highs.append(window + np.array([*generator.uniform(0.5, 1.2, 2), -5.4]))
    colours.append(np.full(3, generator.uniform(0.8, 1.5)))
    vertices = np.concatenate([_corners(low, high) for low, high in zip(lows, highs, strict=True)])
    quads = np.array(BOX_SIDES)
    box = np.concatenate((quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]))
    faces = np.concatenate([box + 8 * number for number in range(len(lows))])
    # Each of a box's sides has its own light, the same for all boxes.
    light = np.tile(generator.uniform(0.45, 1.0, len(quads)), 2)
    shades = (np.asarray(colours)[:, None] * light[:, None]).reshape(-1, 3)
    drawn = np.delete(np.arange(len(faces)), (FRONT_SIDE, FRONT_SIDE + len(quads)))
    shrink = ROOM_SIDE / max(image_size)
    small = (max(round(image_size[0] * shrink), 1), max(round(image_size[1] * shrink), 1))
    camera = centred_camera(torch.tensor([generator.uniform(0.7, 1.5) * ROOM_SIDE]), small)
    picture = render_with(
        TriangleMesh(torch.from_numpy(vertices[None]).float(), torch.from_numpy(faces[drawn])),
        camera,
        _BoxShader(torch.from_numpy(shades[drawn]).float()),
        image_size=small,
        rasterizer=make_rasterizer("warp"),
        options=RenderOptions(smooth_silhouettes=False),
    )
    return cv2.resize(
        picture.image[0].numpy(), image_size[::-1], interpolation=cv2.INTER_LINEAR
    ).clip(0.0, None)


def _corners(low: Float[np.ndarray, "3"], high: Float[np.ndarray, "3"]) -> np.ndarray:
    bits = np.array([[number >> bit & 1 for bit in range(3)] for number in range(8)])
    return np.where(bits == 1, high, low)
