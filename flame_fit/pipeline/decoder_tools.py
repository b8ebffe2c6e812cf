"""A texture decoder and the networks that judge its pictures, loaded once for every photo."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.appearance import (
    TextureSpace,
    linear_to_srgb,
    load_texture_space,
    srgb_to_linear,
)
from flame_fit.config import DecoderOptions, FitConfig
from flame_fit.errors import UsageError
from flame_fit.flame import FlameAssets
from flame_fit.head_models import load_head_texture
from flame_fit.head_models.layout_heads import mesh_layout, model_layout
from flame_fit.head_models.layout_textures import DecodedAlbedo, decode_onto
from flame_fit.head_models.textures import DEFAULT_TEXTURE
from flame_fit.priors.face_likeness import (
    IdentityNetwork,
    PerceptualNetwork,
    load_identity_network,
    load_perceptual_network,
)
from flame_fit.priors.texture_decoder import (
    DecoderVariant,
    FaceCropTemplate,
    LoadedGenerator,
    TextureGenerator,
    Whitening,
    load_texture_generator,
    measure_whitening,
    read_whitening,
)
from flame_fit.texture.layout_transfer import at_size

OWN_SUFFIX = ".safetensors"
WHITENING_SUFFIX = ".pt"
"""Of the file that FFHQ-UV keeps beside a generator."""
DRAWS, DRAWS_SEED, SPACE_COMPONENTS, SPACE_SIZE = 64, 0, 30, 256
"""Random maps that tell what a decoder draws, the components and the texels that are kept."""


@dataclass(frozen=True, eq=False)
class DecoderDraws:
    """Maps that a decoder has drawn at random, as a linear texture space.

    Attributes:
        space: Their mean and main components, codes at unit variance.
        codes: Of each map in that space.
        latents: What each was drawn from, the same in all layers.
    """

    space: TextureSpace
    codes: Float[Tensor, "m K"]
    latents: Float[Tensor, "m n"]

    def nearest(self, code: Float[Tensor, " K"]) -> Float[Tensor, " n"]:
        """Return the latent of the map that looks most like what a code shows."""
        variance = self.space.basis.flatten(0, 2).square().sum(dim=0)
        distance = ((self.codes - code).square() * variance).sum(dim=-1)
        return self.latents[int(distance.argmin())]


@dataclass(frozen=True, eq=False)
class DecoderTools:
    """What a texture's latent is fitted with.

    Attributes:
        albedo: From latents to albedo on the head model's chart.
        whitening: Of its latents.
        draws: What it draws at random, by which light is told from skin.
        identity: Tells who is seen; None where the user has not given it.
        perceptual: Tells how different pictures look; None where the user has not given it.
    """

    albedo: DecodedAlbedo
    whitening: Whitening
    draws: DecoderDraws
    identity: IdentityNetwork | None = None
    perceptual: PerceptualNetwork | None = None


def load_decoder_tools(
    config: FitConfig, assets: FlameAssets, *, device: torch.device
) -> DecoderTools | None:
    """Load what `--texture decoder` needs; None where another texture is asked for.

    Args:
        config: Which files.
        assets: The head model to decode onto.
        device: Where all of it shall run.

    Raises:
        UsageError: The files do not go together.
        AssetError: A file is missing, damaged, or another network's.
    """
    path, options = config.texture_decoder, config.decoder
    if path is None:
        return None
    loaded = load_texture_generator(path, variant=options.variant)
    identity = perceptual = None
    if options.identity is not None:
        identity = load_identity_network(options.identity, device=device)
    if options.vgg16 is not None and options.lpips is not None:
        perceptual = load_perceptual_network(options.vgg16, options.lpips, device=device)
    albedo = _decoded(path, loaded, options, assets, size=config.texture_size).to(device)
    whitening = _whitening(path, albedo.generator)
    return DecoderTools(albedo, whitening, draw_maps(albedo), identity, perceptual)


def draw_maps(albedo: DecodedAlbedo, *, count: int = DRAWS) -> DecoderDraws:
    """Draw maps at random and find their mean and main components.

    Args:
        albedo: The decoder.
        count: Maps to draw.
    """
    generator, decoder = torch.Generator().manual_seed(DRAWS_SEED), albedo.generator
    like = decoder.mapping.w_avg
    latents, maps = [], []
    for _ in range(count):
        vector = torch.randn(1, decoder.layout.latent, generator=generator)
        with torch.no_grad():
            drawn = decoder.latents(vector.to(like))
            linear = albedo(drawn)[0].clamp(0.0, 1.0)
        latents.append(drawn[0, 0])
        maps.append(linear_to_srgb(at_size(linear, min(SPACE_SIZE, linear.shape[0]))))
    stacked = torch.stack(maps)
    mean = stacked.mean(dim=0)
    rows = (stacked - mean).flatten(1) / (count - 1) ** 0.5
    # The maps are far fewer than their texels: their products with each other have the components.
    _, shares = torch.linalg.eigh(rows @ rows.T)
    shares = shares[:, -min(SPACE_COMPONENTS, count - 1) :].flip(-1)
    basis = (rows.T @ shares).reshape(*mean.shape, -1)
    space = TextureSpace(mean=mean, basis=basis, scale=mean.new_ones(basis.shape[-1]))
    return DecoderDraws(space, codes=(count - 1) ** 0.5 * shares, latents=torch.stack(latents))


def _decoded(
    path: Path, loaded: LoadedGenerator, options: DecoderOptions, assets: FlameAssets, *, size: int
) -> DecodedAlbedo:
    """Return the decoder of the model's chart."""
    template = face_crop_template(options.template, loaded.variant, prefix="decoder.")
    if options.head is None:
        if path.suffix.lower() != OWN_SUFFIX:
            raise UsageError(
                f"--texture-decoder {path} draws for a mesh of its own; give it with "
                "--decoder.head FILE.obj, FFHQ-UV's is hifi3dpp_mean_face.obj"
            )
        return DecodedAlbedo(loaded.generator, template=template)
    picture = None if template is None else srgb_to_linear(template.texture)
    return decode_onto(
        loaded.generator,
        mesh_layout(options.head, picture=picture),
        model_layout(assets),
        size=size,
        backdrop=load_head_texture(DEFAULT_TEXTURE, assets, component_count=0).mean,
        template=template,
    )


def face_crop_template(
    path: Path | None, variant: DecoderVariant, *, prefix: str = ""
) -> FaceCropTemplate | None:
    """Return what surrounds the pictures of a decoder of faces alone, None for other decoders.

    Args:
        path: A whole texture.
        variant: Of the decoder.
        prefix: Of the command's options, for messages.

    Raises:
        UsageError: A template is missing, or there is nothing for it to surround.
        AssetError: It is not there or no texture.
    """
    if (variant == "face_crop") != (path is not None):
        need = "needs" if variant == "face_crop" else "takes no"
        raise UsageError(
            f"a decoder of variant {variant} {need} --{prefix}template, the whole texture around a "
            f"face; check --{prefix}variant too"
        )
    if path is None:
        return None
    return FaceCropTemplate(load_texture_space(path, component_count=0).mean)


def _whitening(path: Path, generator: TextureGenerator) -> Whitening:
    """Return the published whitening where it lies beside the generator, else measure the same."""
    beside = path.with_suffix(WHITENING_SUFFIX)
    if beside != path and beside.is_file():
        return read_whitening(beside, latent=generator.layout.latent)
    return measure_whitening(generator)
