"""Texture spaces and decoders of one head's layout on another head."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from flame_fit.appearance import TextureSpace, srgb_to_linear
from flame_fit.errors import AssetError
from flame_fit.geometry.tensors import move
from flame_fit.head_models.layouts import HeadCarry, HeadLayout, HeadPart
from flame_fit.priors.texture_decoder import (
    FaceCropTemplate,
    TextureGenerator,
    place_face_crop,
)
from flame_fit.texture.layout_transfer import (
    TexelMixture,
    at_size,
    layout_transfer,
    texel_mixture,
)

CHUNK_COLUMNS = 16
"""Components that are carried at a time."""


@dataclass(frozen=True, eq=False)
class ConvertedSpace:
    """A texture space on another layout.

    Attributes:
        space: On the target's chart, scale 1.
        valid: Texels of the target that the source shows.
    """

    space: TextureSpace
    valid: Bool[Tensor, "U U"]


def head_mixture(
    source: HeadLayout, target: HeadLayout, *, source_size: int, size: int
) -> TexelMixture:
    """Return what carries maps of one head to another; made once, it does for any number of maps.

    Args:
        source: The head that the maps are drawn on.
        target: The head to draw them on.
        source_size: Texels along each side of the maps.
        size: Texels along each side of the result.

    Raises:
        AssetError: No texel of the target lies on the source.
    """
    transfer = layout_transfer(target.chart, source.chart, HeadCarry(target, source), size=size)
    if not bool(transfer.valid.any()):
        raise AssetError(
            f"no texel of {target.name} comes to lie on {source.name}; are both heads?"
        )
    return texel_mixture(transfer, source_size)


def inner_faces(layout: HeadLayout) -> Bool[Tensor, " F"]:
    """Return the triangles of eyeballs and of the mouth, which many layouts do not have."""
    return torch.from_numpy(np.asarray(layout.part != HeadPart.SKIN))


def convert_texture_space(
    space: TextureSpace,
    source: HeadLayout,
    target: HeadLayout,
    *,
    size: int | None = None,
    backdrop: Float[Tensor, "B B 3"] | None = None,
) -> ConvertedSpace:
    """Carry a texture space, or a single map, to another head.

    Args:
        space: Drawn on the source's chart.
        source: The head it is drawn on.
        target: The head to draw it on.
        size: Texels along each side of the result; those of the space by default.
        backdrop: sRGB map on the target's chart that shows the target's eyeballs and mouth where
            the source has none; without it they continue the skin.

    Raises:
        AssetError: No texel of the target lies on the source.
    """
    own_size = space.mean.shape[0]
    size = own_size if size is None else size
    mixture = head_mixture(source, target, source_size=own_size, size=size)
    faces = inner_faces(target)
    shown = None if backdrop is None else at_size(backdrop, size)[None]
    mean = mixture.carry(space.mean[None], backdrop=shown, backdrop_faces=faces)[0]
    count = space.scale.shape[0]
    basis = space.mean.new_zeros(size, size, 3, count)
    # Components are differences of colours: nothing is added where the backdrop shows.
    nothing = None if shown is None else torch.zeros_like(shown)
    for first in range(0, count, CHUNK_COLUMNS):
        part = slice(first, first + CHUNK_COLUMNS)
        columns = (space.basis[..., part] * space.scale[part]).movedim(-1, 0)
        carried = mixture.carry(columns, backdrop=nothing, backdrop_faces=faces)
        basis[..., part] = carried.movedim(0, -1)
    return ConvertedSpace(
        space=TextureSpace(
            mean=mean, basis=basis, scale=space.scale.new_ones(count), chart=target.chart
        ),
        valid=mixture.transfer.valid_map(),
    )


@dataclass(frozen=True, eq=False)
class DecodedAlbedo:
    """A texture generator that decodes onto a head.

    Attributes:
        generator: The generator.
        mixture: From the generator's layout to the head's; None where they are the same.
        backdrop: Linear map of the head, shown by `backdrop_faces` where the layout has nothing.
        backdrop_faces: Triangles of the head.
        template: What surrounds the pictures of a generator of faces alone; None for one of whole
            textures.
    """

    generator: TextureGenerator
    mixture: TexelMixture | None = None
    backdrop: Float[Tensor, "B B 3"] | None = None
    backdrop_faces: Bool[Tensor, " F"] | None = None
    template: FaceCropTemplate | None = None

    def to(self, device: torch.device | str) -> DecodedAlbedo:
        """Return the decoder on another device; the generator itself goes there."""
        return replace(move(self, device=device), generator=self.generator.to(device))

    def __call__(self, latents: Float[Tensor, "b L n"]) -> Float[Tensor, "b U U 3"]:
        """Return linear albedo maps on the head's chart, not clamped; differentiable.

        Args:
            latents: In W+, one for each layer of the generator.
        """
        pictures = self.generator(latents)
        if self.template is not None:
            size = pictures.shape[1] if self.mixture is None else self.mixture.source_size
            pictures = place_face_crop(pictures, self.template, size=size)
        albedo = srgb_to_linear(pictures)
        if self.mixture is None:
            return albedo
        shown = None
        if self.backdrop is not None:
            shown = at_size(self.backdrop, self.mixture.transfer.size)[None]
        return self.mixture.carry(albedo, backdrop=shown, backdrop_faces=self.backdrop_faces)


def decode_onto(
    generator: TextureGenerator,
    source: HeadLayout,
    target: HeadLayout,
    *,
    size: int,
    backdrop: Float[Tensor, "B B 3"] | None = None,
    template: FaceCropTemplate | None = None,
) -> DecodedAlbedo:
    """Return a generator that decodes onto another head than it draws for.

    Args:
        generator: Such as FFHQ-UV's.
        source: The head it draws for: FFHQ-UV's is HiFi3D++.
        target: The head to decode onto.
        size: Texels along each side of the result.
        backdrop: sRGB map on the target's chart that shows eyeballs and mouth.
        template: What surrounds the pictures of a generator of faces alone.
    """
    return DecodedAlbedo(
        generator=generator,
        mixture=head_mixture(source, target, source_size=generator.layout.side, size=size),
        backdrop=None if backdrop is None else srgb_to_linear(backdrop),
        backdrop_faces=inner_faces(target),
        template=template,
    )
