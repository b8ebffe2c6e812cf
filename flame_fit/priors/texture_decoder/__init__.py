"""Nonlinear texture priors: generators of textures from latents."""

from flame_fit.priors.texture_decoder.checkpoint import (
    DecoderVariant,
    LoadedGenerator,
    load_texture_generator,
)
from flame_fit.priors.texture_decoder.face_crop import FaceCropTemplate, place_face_crop
from flame_fit.priors.texture_decoder.generator import GeneratorLayout, TextureGenerator
from flame_fit.priors.texture_decoder.whitening import (
    Whitening,
    measure_whitening,
    read_whitening,
)

__all__ = [
    "DecoderVariant",
    "FaceCropTemplate",
    "GeneratorLayout",
    "LoadedGenerator",
    "TextureGenerator",
    "Whitening",
    "load_texture_generator",
    "measure_whitening",
    "place_face_crop",
    "read_whitening",
]
