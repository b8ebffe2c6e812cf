"""`flame-fit texture-space sample`: random textures out of a space or a decoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from rich.console import Console

from flame_fit.cli.exit_codes import EXIT_OK
from flame_fit.cli.parsing import parse_arguments, require_writable
from flame_fit.cli.texture_space_layouts import (
    HIFI3DPP,
    LayoutNames,
    check_size,
    check_source,
    open_layout,
    own_backdrop,
    picture_bytes,
)
from flame_fit.errors import UsageError

if TYPE_CHECKING:
    import torch
    from jaxtyping import Float

    from flame_fit.flame import FlameAssets

SUMMARY = "Draw random textures out of a texture space or a decoder."
NAME = "texture-space sample"
OWN_SUFFIX = ".safetensors"
DECODER_SUFFIXES = (".pth", ".pt", OWN_SUFFIX)
DECODED_SIZE = 1024


@dataclass(frozen=True)
class SampleCommand:
    """Draw random textures and show them on a head.

    A decoder is a StyleGAN2 generator: one of FFHQ-UV's `texgan_*.pth`, which draw for the mesh
    that --head names, or one of `flame-fit texture-space train-decoder`, which draw for a head
    model.
    """

    source: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="SPACE")] = ()
    """A texture space (.npz or an asset's name) or a decoder (.pth, .safetensors); by default
    OpenHead's space."""
    model: str = "open_head"
    """Head model to draw for: a name or a path."""
    out: Path | None = None
    """Folder for texture_000.png and so on, and sheet.png."""
    count: int = 8
    """How many."""
    spread: float = 1.0
    """Factor of their standard deviations; less makes them more alike."""
    seed: int = 0
    """Start of the random numbers."""
    size: int | None = None
    """Texels along each side of a decoder's textures on the head; 1024 by default."""
    head: Path | None = None
    """OBJ file with the mesh and the texture coordinates that a decoder draws for; a .safetensors
    decoder draws for the model without it."""
    template: Path | None = None
    """Texture picture of --head that surrounds what a decoder of faces alone draws, FFHQ-UV's
    template_base_uv.png."""
    variant: Literal["auto", "whole", "face_crop"] = "auto"
    """What a decoder draws; auto tells it by the file's name."""
    detector: str = "auto"
    """Detector that looks for the face on --head."""


def run(arguments: Sequence[str], *, errors: Console) -> int:
    """Run `flame-fit texture-space sample` and return its exit code."""
    command = parse_arguments(SampleCommand, arguments, name=NAME, default=SampleCommand())
    out = _check(command)
    from flame_fit.appearance import linear_to_srgb
    from flame_fit.asset_files import write_atomically
    from flame_fit.head_models import load_head_model
    from flame_fit.image_files import save_png
    from flame_fit.texture.space_sheet import texture_sheet

    require_writable(out)
    assets = load_head_model(command.model)
    decoder = _decoder_file(command)
    textures = (
        _drawn(command, assets) if decoder is None else _decoded(command, decoder, assets, errors)
    )
    names = [f"texture_{number:03d}.png" for number in range(len(textures))]
    for name, texture in zip(names, textures, strict=True):
        write_atomically(out / name, picture_bytes(linear_to_srgb(texture)))
    save_png(out / "sheet.png", texture_sheet(textures, assets, captions=names))
    Console(markup=False, highlight=False, soft_wrap=True).print(
        f"{out}: {len(textures)} textures for {assets.name} and sheet.png"
    )
    return EXIT_OK


def _check(command: SampleCommand) -> Path:
    """Return the folder to write, refusing what cannot be done."""
    if len(command.source) > 1:
        raise UsageError(f"{len(command.source)} texture spaces were given; give one")
    if command.out is None:
        raise UsageError("no folder to write to; give --out DIR")
    if command.count < 1 or not command.spread >= 0.0:
        raise UsageError("--count must be 1 or more and --spread 0 or more")
    check_size(command.size)
    for source in command.source:
        check_source(source)
    decoder = _decoder_file(command)
    if decoder is not None:
        if command.head is None and decoder.suffix.lower() != OWN_SUFFIX:
            raise UsageError(
                f"{decoder} draws for a mesh of its own; give it with --head FILE.obj, "
                "FFHQ-UV's is hifi3dpp_mean_face.obj"
            )
        if command.head is None and command.size is not None:
            raise UsageError("--size needs --head; without it a decoder's own size is kept")
    else:
        given = (command.head, command.template, command.size)
        if any(value is not None for value in given) or command.variant != "auto":
            raise UsageError(
                "--head, --template, --size and --variant are for decoders; leave them out"
            )
    return command.out


def _decoder_file(command: SampleCommand) -> Path | None:
    """Return the file of a decoder, None where a linear space was given."""
    return next((path for path in command.source if path.suffix.lower() in DECODER_SUFFIXES), None)


def _drawn(command: SampleCommand, assets: FlameAssets) -> Float[torch.Tensor, "n U U 3"]:
    """Return random textures of a linear space, linear light."""
    import torch

    from flame_fit.appearance import decode
    from flame_fit.head_models import load_head_texture
    from flame_fit.head_models.textures import DEFAULT_TEXTURE

    space = load_head_texture(command.source[0] if command.source else DEFAULT_TEXTURE, assets)
    generator = torch.Generator().manual_seed(command.seed)
    code = torch.randn(command.count, space.scale.shape[0], generator=generator)
    return decode(space, command.spread * code).clamp(0.0, 1.0)


def _decoded(
    command: SampleCommand, decoder_file: Path, assets: FlameAssets, errors: Console
) -> Float[torch.Tensor, "n U U 3"]:
    """Return random textures of a decoder, linear light."""
    import torch

    from flame_fit.appearance import srgb_to_linear
    from flame_fit.head_models.layout_heads import model_layout
    from flame_fit.head_models.layout_textures import DecodedAlbedo, decode_onto
    from flame_fit.pipeline.decoder_tools import face_crop_template
    from flame_fit.priors.texture_decoder import load_texture_generator

    variant = None if command.variant == "auto" else command.variant
    loaded = load_texture_generator(decoder_file, variant=variant)
    template = face_crop_template(command.template, loaded.variant)
    decoder = DecodedAlbedo(loaded.generator, template=template)
    if command.head is not None:
        names = LayoutNames("--head", HIFI3DPP, command.head, command.detector)
        picture = None if template is None else srgb_to_linear(template.texture)
        source = open_layout(names, picture=picture, errors=errors)
        decoder = decode_onto(
            loaded.generator,
            source.layout,
            model_layout(assets),
            size=DECODED_SIZE if command.size is None else command.size,
            backdrop=own_backdrop(assets),
            template=template,
        )
    generator = torch.Generator().manual_seed(command.seed)
    textures = []
    with torch.no_grad():
        for _ in range(command.count):
            vector = torch.randn(1, loaded.generator.layout.latent, generator=generator)
            middle = loaded.generator.mapping.w_avg
            latents = middle + command.spread * (loaded.generator.latents(vector) - middle)
            textures.append(decoder(latents)[0].clamp(0.0, 1.0))
    return torch.stack(textures)
