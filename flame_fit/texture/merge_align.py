"""Photos of one person laid over each other on the chart, freckle on freckle.

Every fitted head is a little off its photo, so the same mole lies at different texels in two
photos. Optical flow between the maps tells by how much; a smooth field on the mesh takes it to
where only one of them sees. No photo is right: all meet in the middle of where they have it, and
what only one of them sees stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional

from flame_fit.flame import FlameAssets
from flame_fit.texture.layout import TextureLayout
from flame_fit.texture.merge_colour import SeenAlbedo
from flame_fit.texture.mesh_field import smooth_field
from flame_fit.texture.surface_values import accumulate_vertices, interpolate_vertices
from flame_fit.texture.texel_geometry import TexelGeometry

# Confidence from which texels are compared.
SURE = 0.6
# Widths of the band of detail that is followed, texels at a map of 512.
FINE, COARSE = 1.0, 12.0
# Grey levels a standard deviation of that band has.
CONTRAST = 40.0
MIDDLE_GREY = 128.0
# Shift, as a share of the map's side, beyond which the flow followed something else.
LARGEST_SHIFT = 0.02
# By how many texels (at a map of 512) the flows there and back may differ.
MOST_INCONSISTENT = 1.5
# Metres over which the shift changes, in one round after the other.
SHIFT_LENGTHS = (0.02, 0.01)
# Weight of no shift at all: what two photos share tells little of what lies far from it.
STILLNESS = 0.1
FEWEST_SHARED = 2000
REFERENCE_SIZE = 512


@dataclass(frozen=True, eq=False)
class _Known:
    """What is laid out already: brightness of the followed band, and where it is sure."""

    band: Float[Tensor, "U U"]
    confidence: Float[Tensor, "U U"]


def align_photos(
    photos: Sequence[SeenAlbedo], assets: FlameAssets, *, layout: TextureLayout
) -> tuple[SeenAlbedo, ...]:
    """Return the photos moved over the chart until their detail lies on that of the others.

    The others are compared with the photo of the greatest worth, in the order of their worth. Then
    all of them are moved such that they meet in the middle of where they had a texel, each by how
    well it shows it. One that shares too little with those before stays where it is.

    Args:
        photos: What each photo shows, on the layout's covered texels.
        assets: Model of the head.
        layout: Preparation of this model at the size of the maps.
    """
    texels = layout.texels
    order = sorted(
        range(len(photos)),
        key=lambda index: -photos[index].worth * float(photos[index].confidence.mean()),
    )
    shifts = {order[0]: photos[order[0]].srgb.new_zeros(len(texels.texel), 2)}
    known = _known(photos[order[0]], texels)
    for index in order[1:]:
        aligned = photos[index]
        for length in SHIFT_LENGTHS:
            seen = _known(aligned, texels)
            shift = _shift(known, seen, assets, layout=layout, length=length)
            if shift is None:
                break
            # Read anew from the photo's own map: what is read twice is blurred twice.
            shifts[index] = shifts.get(index, 0.0) + shift
            aligned = _moved(photos[index], shifts[index], texels)
        known = _joined(known, _known(aligned, texels))
    middle = _middle([(photos[index], shift) for index, shift in shifts.items()], assets, layout)
    return tuple(
        _moved(photo, shifts[index] - middle, texels) if index in shifts else photo
        for index, photo in enumerate(photos)
    )


def _middle(
    shifts: Sequence[tuple[SeenAlbedo, Float[Tensor, "N 2"]]],
    assets: FlameAssets,
    layout: TextureLayout,
) -> Float[Tensor, "N 2"]:
    """Return the mean shift, each photo's by how well it shows what is around."""
    texels = layout.texels
    total, weight = torch.zeros_like(shifts[0][1]), STILLNESS
    for photo, shift in shifts:
        shown = accumulate_vertices(
            photo.confidence[:, None],
            texels.corners,
            texels.surface.barycentrics,
            vertex_count=assets.v_template.shape[0],
        )
        mean = shown / texels.vertex_texels.clamp_min(1.0)[:, None]
        field = smooth_field(
            mean,
            torch.ones_like(mean[:, 0]),
            torch.zeros_like(mean),
            operator=layout.operator,
            length=SHIFT_LENGTHS[0],
        )
        around = interpolate_vertices(field, texels.corners, texels.surface.barycentrics)
        total, weight = total + around * shift, weight + around
    return total / weight


def _known(photo: SeenAlbedo, texels: TexelGeometry) -> _Known:
    """Return the followed band of a photo: brightness between two widths of blur, of even power."""
    scale = texels.size / REFERENCE_SIZE
    sure = (photo.confidence > SURE).to(photo.srgb)
    layers = texels.to_map(torch.stack([photo.srgb.mean(dim=1) * sure, sure], dim=1)).cpu().numpy()

    def blurred(width: float) -> np.ndarray:
        smooth = cv2.GaussianBlur(layers, (0, 0), width * scale)
        return smooth[..., 0] / np.maximum(smooth[..., 1], 1e-3)

    band = (blurred(FINE) - blurred(COARSE)) * layers[..., 1]
    power = cv2.GaussianBlur(np.stack([band**2, layers[..., 1]], axis=2), (0, 0), COARSE * scale)
    deviation = np.sqrt(power[..., 0] / np.maximum(power[..., 1], 1e-3)) + 1e-3
    confidence = texels.to_map(photo.confidence[:, None])[..., 0]
    return _Known(torch.from_numpy(band / deviation).to(photo.srgb), confidence)


def _joined(first: _Known, second: _Known) -> _Known:
    """Return both; where both are sure, what was laid out first."""
    new = (first.confidence <= SURE) & (second.confidence > SURE)
    return _Known(
        torch.where(new, second.band, first.band),
        torch.maximum(first.confidence, second.confidence),
    )


def _shift(
    known: _Known, other: _Known, assets: FlameAssets, *, layout: TextureLayout, length: float
) -> Float[Tensor, "N 2"] | None:
    """Return where the other photo has what lies at each texel, in texels to the right and down."""
    texels = layout.texels
    size = texels.size
    there, back = _flow(known.band, other.band), _flow(other.band, known.band)
    shift = torch.from_numpy(there).to(known.band)
    returned = shift + _read(torch.from_numpy(back).to(shift), _grid(size, shift) + shift)
    sure = (known.confidence > SURE) & (
        _read(other.confidence[..., None], _grid(size, shift) + shift)[..., 0] > SURE
    )
    good = (
        sure
        & (shift.norm(dim=2) < LARGEST_SHIFT * size)
        & (returned.norm(dim=2) < MOST_INCONSISTENT * size / REFERENCE_SIZE)
    )
    weight = texels.from_map(good[..., None].to(shift))
    if float(weight.sum()) < FEWEST_SHARED * (size / REFERENCE_SIZE) ** 2:
        return None
    votes = torch.cat([texels.from_map(shift) * weight, weight], dim=1)
    total = accumulate_vertices(
        votes,
        texels.corners,
        texels.surface.barycentrics,
        vertex_count=assets.v_template.shape[0],
    )
    known_share = (total[:, 2] / texels.vertex_texels.clamp_min(1.0)).clamp_max(1.0)
    mean = total[:, :2] / total[:, 2:].clamp_min(1e-6)
    field = smooth_field(
        mean * (known_share / (known_share + STILLNESS))[:, None],
        known_share + STILLNESS,
        torch.zeros_like(mean),
        operator=layout.operator,
        length=length,
    )
    return interpolate_vertices(field, texels.corners, texels.surface.barycentrics)


def _flow(first: Float[Tensor, "U U"], second: Float[Tensor, "U U"]) -> Float[np.ndarray, "U U 2"]:
    """Return where the second image has what lies at each pixel of the first.

    Dense inverse search (Kroeger and others, "Fast optical flow using dense inverse search", 2016).
    """
    method = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    start = np.zeros((*first.shape, 2), dtype=np.float32)
    return np.asarray(method.calc(_grey(first), _grey(second), start), dtype=np.float32)


def _grey(band: Float[Tensor, "U U"]) -> UInt8[np.ndarray, "U U"]:
    levels = (MIDDLE_GREY + CONTRAST * band).clamp(0.0, 255.0)
    return levels.round().to(torch.uint8).cpu().numpy()


def _grid(size: int, like: Tensor) -> Float[Tensor, "U U 2"]:
    steps = torch.arange(size, device=like.device, dtype=like.dtype)
    rows, columns = torch.meshgrid(steps, steps, indexing="ij")
    return torch.stack([columns, rows], dim=2)


def _read(image: Float[Tensor, "U U C"], place: Float[Tensor, "*n 2"]) -> Float[Tensor, "*n C"]:
    """Return an image at places given in texels to the right and down from its first texel."""
    grid = (2.0 * place + 1.0) / image.shape[0] - 1.0
    found = functional.grid_sample(
        image.permute(2, 0, 1)[None],
        grid.reshape(1, 1, -1, 2),
        mode="bicubic",
        padding_mode="zeros",
        align_corners=False,
    )
    return found[0, :, 0].T.reshape(*place.shape[:-1], image.shape[2])


def _moved(photo: SeenAlbedo, shift: Float[Tensor, "N 2"], texels: TexelGeometry) -> SeenAlbedo:
    """Return a photo whose texels are read where the shift says, never in the gutter."""
    ones = torch.ones_like(photo.confidence)
    columns = [photo.srgb, photo.confidence[:, None], photo.resolution[:, None], ones[:, None]]
    layers = texels.to_map(torch.cat(columns, dim=1))
    here = torch.stack([texels.texel % texels.size, texels.texel // texels.size], dim=1)
    found = _read(layers, here.to(shift) + shift)
    inside = found[:, 5].clamp_min(0.5)
    values = found / inside[:, None]
    return replace(
        photo,
        srgb=values[:, :3].clamp(0.0, 1.0),
        confidence=(values[:, 3] * (found[:, 5] > 0.5)).clamp(0.0, 1.0),  # noqa: PLR2004 - mostly
        resolution=values[:, 4].clamp_min(0.0),
    )
