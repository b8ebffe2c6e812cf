"""Band-limited noise that is a fixed function of place."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

WAVE_COUNT = 48


def wave_noise(
    points: Float[np.ndarray, "*n d"], wavelengths: tuple[float, ...], seed: int
) -> Float[np.ndarray, "*n"]:
    """Return a sum of random waves with mean 0 and variance 1.

    Args:
        points: Where, in any dimension.
        wavelengths: Typical wavelength along each axis, in the points' unit.
        seed: Which function.
    """
    rng = np.random.default_rng(seed)
    direction = rng.standard_normal((WAVE_COUNT, len(wavelengths)))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    frequency = direction * rng.uniform(0.6, 1.4, (WAVE_COUNT, 1))
    waves = (2 * np.pi * frequency / np.array(wavelengths)).astype(np.float32)
    phase = rng.uniform(0, 2 * np.pi, WAVE_COUNT).astype(np.float32)
    total = np.zeros(points.shape[:-1], np.float32)
    for wave, shift in zip(waves, phase, strict=True):
        total += np.cos(points.astype(np.float32) @ wave + shift)
    return total * np.float32(np.sqrt(2 / WAVE_COUNT))
