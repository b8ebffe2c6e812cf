"""Skin beyond what a texture space spans: stubble, freckles, blemishes, brows, make-up."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float

from flame_fit.synth.face_map import FaceMap
from flame_fit.synth.patterns import HAIR_COLOURS, smooth_noise

DENSEST_STUBBLE = 0.75
"""Share of its light that skin between stubble loses, at most."""
# How much moles and red spots take from red, green and blue, as logarithms.
BLEMISH_COLOURS = ((0.9, 1.2, 1.3), (0.0, 0.5, 0.4))
FRECKLE_SIZE = 0.0022
"""Standard deviation of a freckle, widths of the chart."""
MAKE_UP_COLOURS = (
    (0.45, 0.02, 0.04),
    (0.30, 0.02, 0.08),
    (0.60, 0.12, 0.14),
    (0.12, 0.01, 0.03),
    (0.65, 0.25, 0.22),
    (0.05, 0.02, 0.03),
)
SHADOW_COLOURS = ((0.02, 0.02, 0.03), (0.10, 0.05, 0.03), (0.05, 0.08, 0.25), (0.30, 0.10, 0.16))
BROW_TEXTURE = 0.35
"""How strongly single hairs show in painted brows."""


@dataclass(frozen=True)
class SkinLook:
    """What is painted on skin.

    Attributes:
        tone: Factors on the skin's red, green and blue.
        mottling: Standard deviation of smooth changes of colour.
        grain: Standard deviation of fine unevenness.
        freckles: Strength of freckles, 0 to 1.
        blemishes: Number of moles and spots.
        stubble: Darkness of the shaved beard, 0 to 1.
        brows: How much darker brows are than in the texture; negative thins them.
        brow_width: Factor on the width of the brows.
        lips: Linear albedo of lipstick.
        lipstick: Its share, 0 to 1.
        lids: Linear albedo of eye shadow.
        eye_shadow: Its share, 0 to 1.
        blush: Redness of the cheeks, 0 to 1.
        seed: Source of the patterns.
    """

    tone: tuple[float, float, float] = (1.0, 1.0, 1.0)
    mottling: float = 0.0
    grain: float = 0.0
    freckles: float = 0.0
    blemishes: int = 0
    stubble: float = 0.0
    brows: float = 0.0
    brow_width: float = 1.0
    lips: tuple[float, float, float] = (0.45, 0.02, 0.04)
    lipstick: float = 0.0
    lids: tuple[float, float, float] = (0.02, 0.02, 0.03)
    eye_shadow: float = 0.0
    blush: float = 0.0
    seed: int = 0


@dataclass(frozen=True, eq=False)
class PaintedSkin:
    """A texture with a look.

    Attributes:
        texture: Linear albedo; row 0 is v = 1.
        brows: Strength of the eyebrows, 0 to 1.
    """

    texture: Float[np.ndarray, "U U 3"]
    brows: Float[np.ndarray, "U U"]


def with_look(
    texture: Float[np.ndarray, "U U 3"],
    look: SkinLook,
    masks: FaceMap,
    brows: Float[np.ndarray, "U U"],
) -> PaintedSkin:
    """Return a texture with a look painted on; the given one stays as it is.

    Args:
        texture: Linear albedo; row 0 is v = 1.
        look: What to paint.
        masks: Where things lie on the chart, of the texture's size.
        brows: Where the texture has eyebrows, 0 to 1.
    """
    generator = np.random.default_rng(look.seed)
    size = len(texture)
    # Logarithms of factors on the skin's colour.
    change = np.broadcast_to(np.log(np.asarray(look.tone, np.float32)), texture.shape).copy()
    if look.mottling > 0.0:
        for channel, cells in enumerate((24, 24, 24)):
            change[..., channel] += look.mottling * _noise(generator, size, (cells, cells))
    if look.grain > 0.0:
        noise = generator.standard_normal((size, size), dtype=np.float32)
        change += look.grain * cv2.GaussianBlur(noise, (0, 0), 0.8)[..., None]
    if look.freckles > 0.0 or look.blemishes > 0:
        change -= _spots(look, generator, size)
    if look.blush > 0.0:
        change += look.blush * masks.cheeks[..., None] * np.array([0.05, -0.25, -0.15], np.float32)
    change -= _stubble(look, masks, generator, size)[..., None]
    skin = masks.skin[..., None]
    painted = texture * np.exp(change * skin)
    painted = _mixed(painted, look.lips, look.lipstick * masks.lips)
    painted = _mixed(painted, look.lids, look.eye_shadow * masks.lids)
    brows = _brows(look, brows)
    hairs = np.clip(1.0 + BROW_TEXTURE * _noise(generator, size, (60, 240)), 0.3, 1.7)
    painted = painted * np.exp(-look.brows * brows * hairs)[..., None]
    return PaintedSkin(painted.clip(0.0, 1.0).astype(texture.dtype), brows)


def random_skin_look(generator: np.random.Generator) -> SkinLook:
    """Return a look: most skin is a little uneven, some shaved, freckled or made up."""
    chance = generator.random(6)
    lips = MAKE_UP_COLOURS[generator.integers(len(MAKE_UP_COLOURS))]
    lids = SHADOW_COLOURS[generator.integers(len(SHADOW_COLOURS))]
    made_up = chance[0] < 0.3  # noqa: PLR2004
    shaved = not made_up and chance[1] < 0.4  # noqa: PLR2004
    tone = np.exp(generator.normal(0.0, 0.12) + generator.normal(0.0, 0.05, 3))
    return SkinLook(
        tone=(float(tone[0]), float(tone[1]), float(tone[2])),
        mottling=float(abs(generator.normal(0.0, 0.08))),
        grain=float(abs(generator.normal(0.0, 0.12))),
        freckles=float(generator.uniform(0.2, 1.0)) if chance[2] < 0.15 else 0.0,  # noqa: PLR2004
        blemishes=int(generator.integers(1, 12)) if chance[3] < 0.4 else 0,  # noqa: PLR2004
        stubble=float(generator.uniform(0.1, 1.0)) if shaved else 0.0,
        brows=float(generator.uniform(-0.1, 1.6)),
        brow_width=float(np.exp(generator.normal(0.1, 0.3))),
        lips=lips,
        lipstick=float(generator.uniform(0.1, 0.85)) if made_up else 0.0,
        lids=lids,
        eye_shadow=float(generator.uniform(0.1, 0.7)) if made_up and chance[4] < 0.7 else 0.0,  # noqa: PLR2004
        blush=float(generator.uniform(0.2, 1.0)) if made_up or chance[5] < 0.2 else 0.0,  # noqa: PLR2004
        seed=int(generator.integers(2**31)),
    )


def hair_colour(generator: np.random.Generator) -> tuple[float, float, float]:
    """Return a colour of hair: natural, sometimes grey, seldom dyed."""
    colour = np.asarray(HAIR_COLOURS[generator.integers(len(HAIR_COLOURS))])
    colour = colour * np.exp(generator.normal(0.0, 0.3)) * np.exp(generator.normal(0.0, 0.08, 3))
    if generator.random() < 0.05:  # noqa: PLR2004
        colour = generator.uniform(0.01, 0.6, 3)
    colour = np.clip(colour, 0.004, 0.8)
    return float(colour[0]), float(colour[1]), float(colour[2])


def _mixed(
    texture: Float[np.ndarray, "U U 3"],
    colour: tuple[float, float, float],
    share: Float[np.ndarray, "U U"],
) -> Float[np.ndarray, "U U 3"]:
    if not share.any():
        return texture
    # Make-up keeps some of the light and dark beneath it.
    shade = texture.mean(axis=-1, keepdims=True)
    coat = np.asarray(colour, np.float32) * (0.5 + 0.5 * shade / max(float(shade.mean()), 1e-3))
    return texture + share[..., None] * (coat - texture)


def _noise(
    generator: np.random.Generator, size: int, cells: tuple[int, int]
) -> Float[np.ndarray, "U U"]:
    return smooth_noise(generator, (size, size), cells).astype(np.float32)


def _spots(look: SkinLook, generator: np.random.Generator, size: int) -> Float[np.ndarray, "U U 3"]:
    """Return how much freckles and blemishes darken, as logarithms."""
    spots = np.zeros((size, size, 3), np.float32)
    if look.freckles > 0.0:
        field = cv2.GaussianBlur(
            generator.standard_normal((size, size), dtype=np.float32), (0, 0), FRECKLE_SIZE * size
        )
        field /= max(float(field.std()), 1e-9)
        density = 1.6 + 0.5 * _noise(generator, size, (10, 10))
        spots += (look.freckles * np.clip(field - density, 0.0, 1.0))[..., None] * np.array(
            (0.5, 0.8, 1.0), np.float32
        )
    for _ in range(look.blemishes):
        centre = generator.uniform((0.25, 0.1), (0.75, 0.65)) * size
        radius = generator.uniform(0.002, 0.006) * size
        colour = np.array(BLEMISH_COLOURS[round(generator.random())])
        low = np.maximum((centre - 4 * radius).astype(int), 0)
        high = np.minimum((centre + 4 * radius).astype(int) + 1, size)
        row, column = np.mgrid[low[1] : high[1], low[0] : high[0]]
        distance = (column - centre[0]) ** 2 + (row - centre[1]) ** 2
        spot = np.exp(-0.5 * distance / radius**2)[..., None]
        spots[low[1] : high[1], low[0] : high[0]] += generator.uniform(0.3, 1.0) * spot * colour
    return spots


def _stubble(
    look: SkinLook, masks: FaceMap, generator: np.random.Generator, size: int
) -> Float[np.ndarray, "U U"]:
    if look.stubble <= 0.0:
        return np.zeros((size, size), np.float32)
    where = np.maximum(masks.beard, masks.moustache)
    patchy = np.clip(0.8 + 0.4 * _noise(generator, size, (20, 20)), 0.0, 1.3)
    hairs = np.clip(1.0 + 0.8 * generator.standard_normal((size, size), dtype=np.float32), 0.0, 3.0)
    return DENSEST_STUBBLE * look.stubble * where * patchy * (0.4 + 0.6 * hairs)


def _brows(look: SkinLook, brows: Float[np.ndarray, "U U"]) -> Float[np.ndarray, "U U"]:
    """Return the brows, made wider or narrower."""
    if look.brow_width == 1.0:
        return brows
    step = 0.004 * len(brows) * abs(np.log(look.brow_width)) / np.log(1.5)
    kernel = np.ones((2 * max(round(step), 0) + 1, 1), np.uint8)
    change = cv2.dilate if look.brow_width > 1.0 else cv2.erode
    return cv2.GaussianBlur(change(brows, kernel), (0, 0), 0.6)
