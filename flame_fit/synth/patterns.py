"""Small random textures: strands, cloth, skin; linear albedo."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float

SIZE = 128
# Levels of a sine above which a stripe is drawn, or the wire of a grille.
STRIPE, HOLE = 0.5, -0.2

# Linear albedo from black over brown, red and blond to white hair.
HAIR_COLOURS = (
    (0.012, 0.010, 0.009),
    (0.030, 0.018, 0.012),
    (0.070, 0.038, 0.020),
    (0.130, 0.050, 0.022),
    (0.300, 0.190, 0.090),
    (0.420, 0.400, 0.370),
)


def smooth_noise(
    generator: np.random.Generator, size: tuple[int, int], cells: tuple[int, int]
) -> Float[np.ndarray, "h w"]:
    """Return a smooth field with values of about -1 to 1.

    Args:
        generator: Source of chance.
        size: Rows and columns.
        cells: Bumps along the rows and along the columns.
    """
    coarse = generator.standard_normal((max(cells[0], 1) + 1, max(cells[1], 1) + 1))
    field = cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)
    return 0.6 * field


def plain(colour: tuple[float, float, float] | np.ndarray) -> Float[np.ndarray, "T T 3"]:
    """Return a texture of one colour."""
    return np.broadcast_to(np.asarray(colour, np.float64), (SIZE, SIZE, 3)).copy()


def strands(
    generator: np.random.Generator, colour: tuple[float, float, float]
) -> Float[np.ndarray, "T T 3"]:
    """Return hair that runs from top to bottom: streaks of lighter and darker strands."""
    streaks = sum(
        (
            strength * smooth_noise(generator, (SIZE, SIZE), (length, count))
            for length, count, strength in ((2, 100, 0.45), (3, 40, 0.35), (2, 10, 0.25))
        ),
        np.zeros((SIZE, SIZE)),
    )
    return np.asarray(colour) * np.exp(streaks)[..., None]


def cloth(generator: np.random.Generator) -> Float[np.ndarray, "T T 3"]:
    """Return woven cloth: plain, striped or chequered, with a little unevenness."""
    grey = generator.uniform(0.1, 0.85, (2, 1)) ** 2
    first, second = np.clip(grey * np.exp(generator.normal(0.0, 0.45, (2, 3))), 0.005, 0.9)
    row, column = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    count = int(generator.integers(3, 16))
    along, across = np.sin(2 * np.pi * count * row), np.sin(2 * np.pi * count * column)
    kind = int(generator.integers(6))
    patterns = (0.0 * row, 0.0 * row, 0.0 * row, along > 0.0, across > STRIPE, along * across > 0.0)
    share = patterns[kind][..., None]
    weave = 1.0 + 0.08 * smooth_noise(generator, (SIZE, SIZE), (64, 64))
    folds = np.exp(0.25 * smooth_noise(generator, (SIZE, SIZE), (5, 5)))
    return np.clip((first + share * (second - first)) * (weave * folds)[..., None], 0.005, 0.95)


def skin(
    generator: np.random.Generator, tone: Float[np.ndarray, "3"]
) -> Float[np.ndarray, "T T 3"]:
    """Return blotchy skin of a tone."""
    tint = 1.0 + 0.06 * np.stack(
        [smooth_noise(generator, (SIZE, SIZE), (9, 9)) for _ in range(3)], axis=-1
    )
    fine = 1.0 + 0.06 * smooth_noise(generator, (SIZE, SIZE), (50, 50))
    return np.clip(tone * tint * fine[..., None], 0.0, 1.0)


def metal_mesh(
    generator: np.random.Generator, colour: tuple[float, float, float]
) -> Float[np.ndarray, "T T 3"]:
    """Return the woven grille of a microphone."""
    row, column = np.mgrid[0:SIZE, 0:SIZE] * (2.0 * np.pi * generator.integers(12, 24) / SIZE)
    grille = 0.35 + 0.65 * (np.sin(row + column) * np.sin(row - column) > HOLE)
    return np.asarray(colour) * grille[..., None]
