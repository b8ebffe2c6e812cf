"""Random changes of a photo's colours."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from flame_fit.training.settings import ColourChanges

MOST = 255.0
TURN_DEGREES = 360.0
# Rec. 601, the grey of cameras and of the published trainings.
GREY = np.array([0.299, 0.587, 0.114], dtype=np.float32)
CHANGES = ("brightness", "contrast", "saturation", "hue")


def changed_colours(
    srgb: UInt8[np.ndarray, "H W 3"], changes: ColourChanges, generator: np.random.Generator
) -> Float[np.ndarray, "H W 3"]:
    """Change brightness, contrast, saturation and hue at random and in random order.

    Args:
        srgb: A photo.
        changes: How much at most.
        generator: Draws four amounts and their order, however many of the changes are 0.

    Returns:
        sRGB values from 0 to 1.
    """
    values = srgb.astype(np.float32) / np.float32(MOST)
    amounts = generator.uniform(-1.0, 1.0, size=len(CHANGES))
    for index in generator.permutation(len(CHANGES)):
        limit = getattr(changes, CHANGES[index])
        if limit:
            values = _changed(values, CHANGES[index], float(amounts[index] * limit))
    return values


def _changed(
    srgb: Float[np.ndarray, "H W 3"], change: str, amount: float
) -> Float[np.ndarray, "H W 3"]:
    if change == "hue":
        hsv = cv2.cvtColor(srgb, cv2.COLOR_RGB2HSV)
        hsv[..., 0] = (hsv[..., 0] + amount * TURN_DEGREES) % TURN_DEGREES
        return np.clip(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), 0.0, 1.0)
    towards = np.zeros(1, dtype=np.float32)
    if change == "contrast":
        towards = (srgb @ GREY).mean(keepdims=True)[0]
    elif change == "saturation":
        towards = (srgb @ GREY)[..., None]
    return np.clip(towards + (1.0 + amount) * (srgb - towards), 0.0, 1.0).astype(np.float32)
