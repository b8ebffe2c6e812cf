"""Colours of skin and hair from pigments: a two-pigment Kubelka-Munk model in linear RGB."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

# Absorption over scattering (K/S) per channel (R, G, B near 610, 550, 465 nm).
# Melanin absorbs as a falling power of the wavelength, oxygenated haemoglobin has its bands in
# green and, less, in blue (Jacques: Optical properties of biological tissues, 2013); the bloodless,
# unpigmented base is yellow. The numbers are set so that melanin 0.25, blood 0.22 give a light skin
# of linear albedo about (0.55, 0.34, 0.25) and melanin 6 a dark one of (0.13, 0.06, 0.04).
BASE_ABSORPTION = np.array([0.031, 0.10, 0.50], np.float32)
MELANIN_ABSORPTION = np.array([0.47, 1.10, 1.95], np.float32)
BLOOD_ABSORPTION = np.array([0.08, 1.05, 0.58], np.float32)

#: Linear colours of hair: black, dark brown, brown, blond, red, grey.
HAIR_COLOURS = np.array(
    [
        [0.016, 0.013, 0.012],
        [0.040, 0.024, 0.016],
        [0.095, 0.056, 0.034],
        [0.300, 0.205, 0.115],
        [0.200, 0.080, 0.036],
        [0.330, 0.320, 0.310],
    ],
    np.float32,
)
#: Linear colours of irises: dark brown, brown, hazel, green, grey, blue.
IRIS_COLOURS = np.array(
    [
        [0.035, 0.016, 0.009],
        [0.110, 0.048, 0.020],
        [0.170, 0.105, 0.042],
        [0.150, 0.165, 0.085],
        [0.210, 0.235, 0.245],
        [0.120, 0.205, 0.310],
    ],
    np.float32,
)


def skin_albedo(
    melanin: Float[np.ndarray, "*n"], blood: Float[np.ndarray, "*n"]
) -> Float[np.ndarray, "*n 3"]:
    """Return linear albedo of skin: R = 1 + K/S - sqrt((K/S)^2 + 2 K/S) per channel."""
    ratio = BASE_ABSORPTION + melanin[..., None] * MELANIN_ABSORPTION
    ratio = ratio + blood[..., None] * BLOOD_ABSORPTION
    return 1 + ratio - np.sqrt(ratio * ratio + 2 * ratio)


def linear_to_srgb(linear: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """Encode linear light (0..1) by the sRGB curve (IEC 61966-2-1)."""
    value = np.clip(linear, 0, 1)
    return np.where(value <= 0.0031308, 12.92 * value, 1.055 * value ** (1 / 2.4) - 0.055)  # noqa: PLR2004
