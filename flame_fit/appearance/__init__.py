"""Albedo, light and colour."""

from flame_fit.appearance.colour import linear_to_srgb, linear_to_srgb8, luminance, srgb_to_linear
from flame_fit.appearance.lighting import (
    directional_to_sh,
    shade,
    solve_lighting,
    spherical_harmonics,
    white_lighting,
)
from flame_fit.appearance.texture_space import TextureSpace, decode, load_texture_space

__all__ = [
    "TextureSpace",
    "decode",
    "directional_to_sh",
    "linear_to_srgb",
    "linear_to_srgb8",
    "load_texture_space",
    "luminance",
    "shade",
    "solve_lighting",
    "spherical_harmonics",
    "srgb_to_linear",
    "white_lighting",
]
