"""What several photos show of one person, as one texture.

The photos are laid over each other and their colours matched first. Then every texel takes its
detail from the photo that shows it best, and its tone from all of them: what the choice of one
photo changes in the smooth part of the texture is put back by a field on the mesh, which knows no
seams of the chart and no edges between photos.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from flame_fit.appearance import srgb_to_linear
from flame_fit.errors import InputError
from flame_fit.flame import FlameAssets
from flame_fit.geometry import vertex_normals
from flame_fit.texture.bake import BakedTexels
from flame_fit.texture.delight import ALBEDO_HIGH, ALBEDO_LOW, DelitTexels
from flame_fit.texture.layout import TextureLayout
from flame_fit.texture.merge_align import align_photos
from flame_fit.texture.merge_colour import ColourMatch, SeenAlbedo, match_colours
from flame_fit.texture.mesh_field import smooth_field
from flame_fit.texture.surface_values import accumulate_vertices, interpolate_vertices
from flame_fit.texture.texel_geometry import TexelGeometry

# Metres over which a photo's weight falls to nothing where its view ends.
FADE_LENGTH = 0.012
# Metres over which tone is told apart from detail.
TONE_LENGTH = 0.006
# Power of the weights by which detail is chosen; tone is averaged by the first power.
CHOICE = 8
# The same of how well a photo agrees with the others; many a good one does not quite.
CHOICE_OF_AGREEING = 2
# Weight of texels at the very edge of a view, which count where nothing else is known.
EDGE_WEIGHT = 0.02
# Distance in log albedo from the common tone at which a photo's tone counts half.
DISAGREEMENT = 0.25
AGREEMENT_ROUNDS = 4
# Texels finer than this many photo pixels gain nothing.
ENOUGH_PIXELS = 1.0
# Confidence from which the detail of two photos is compared, and rows that must be shared.
SURE, FEWEST_SHARED = 0.9, 300
LEAST_DETAIL = 1e-4
FEWEST_PHOTOS = 2


@dataclass(frozen=True, eq=False)
class MergedTexels:
    """A texture out of several photos, as far as any of them shows it.

    Attributes:
        seen: The texels, with albedo and confidence.
        share: Of each photo in each texel's detail, a row per texel of the chart.
        matches: How each photo's colours were changed.
        sharpness: Detail that each photo shows over what the sharpest shows, where both do.
    """

    seen: DelitTexels
    share: Float[Tensor, "b N"]
    matches: tuple[ColourMatch, ...]
    sharpness: Float[Tensor, " b"]


def merge_texels(
    photos: Sequence[SeenAlbedo], assets: FlameAssets, *, layout: TextureLayout
) -> MergedTexels:
    """Merge the albedo of several photos of one person.

    Args:
        photos: What each photo shows, on the layout's covered texels.
        assets: Model of the head.
        layout: Preparation of this model at the size of the maps.

    Raises:
        InputError: There are fewer than two photos.
    """
    if len(photos) < FEWEST_PHOTOS:
        raise InputError(f"{len(photos)} photos were given; give at least {FEWEST_PHOTOS} to merge")
    texels = layout.texels
    photos = align_photos(photos, assets, layout=layout)
    matches = match_colours(photos)
    log_albedo = torch.stack(
        [
            srgb_to_linear(match.apply(photo.srgb)).clamp(ALBEDO_LOW, ALBEDO_HIGH).log()
            for match, photo in zip(matches, photos, strict=True)
        ]
    )
    confidence = torch.stack([photo.confidence for photo in photos])
    sharpness = _sharpness(log_albedo, confidence, texels)
    quality = torch.stack(
        [
            _quality(photo, worth, assets, layout=layout)
            for photo, worth in zip(photos, sharpness, strict=True)
        ]
    )
    agreement = _agreement(log_albedo, confidence * quality, assets, texels)
    average = _normalised(confidence * quality * agreement)
    choice = _normalised(confidence * quality**CHOICE * agreement**CHOICE_OF_AGREEING)
    detailed = (choice[..., None] * log_albedo).sum(dim=0)
    trust = (choice * confidence).sum(dim=0)
    missing = (average[..., None] * log_albedo).sum(dim=0) - detailed
    merged = detailed + _smooth_part(missing, trust, assets, layout=layout)
    row = (trust > 0).nonzero()[:, 0]
    albedo = merged[row].exp().clamp(ALBEDO_LOW, ALBEDO_HIGH)
    baked = BakedTexels(row, albedo, trust[row], _template_normals(row, assets, texels))
    return MergedTexels(DelitTexels(baked, albedo), choice, matches, sharpness)


def _normalised(weight: Float[Tensor, "b N"]) -> Float[Tensor, "b N"]:
    return weight / weight.sum(dim=0).clamp_min(torch.finfo(weight.dtype).tiny)


def _quality(
    photo: SeenAlbedo, sharpness: Tensor, assets: FlameAssets, *, layout: TextureLayout
) -> Float[Tensor, " N"]:
    """Return how good a photo's texels are: smooth on the head, falling off where its view ends."""
    texels = layout.texels
    resolution = photo.resolution.clamp_max(ENOUGH_PIXELS)
    columns = torch.stack([photo.confidence, resolution], dim=1)
    mean = _vertex_means(columns, assets, texels)
    everywhere = torch.ones_like(mean[:, 0])
    rest = torch.zeros_like(mean)
    field = smooth_field(mean, everywhere, rest, operator=layout.operator, length=FADE_LENGTH)
    spread = interpolate_vertices(field, texels.corners, texels.surface.barycentrics)
    inside = (2.0 * spread[:, 0] - 1.0).clamp(EDGE_WEIGHT, 1.0)
    return inside * spread[:, 1].clamp_min(EDGE_WEIGHT) * sharpness * photo.worth


def _vertex_means(
    values: Float[Tensor, "N C"], assets: FlameAssets, texels: TexelGeometry
) -> Float[Tensor, "V C"]:
    """Return the mean of the texels around each vertex."""
    count = assets.v_template.shape[0]
    total = accumulate_vertices(
        values, texels.corners, texels.surface.barycentrics, vertex_count=count
    )
    return total / texels.vertex_texels.clamp_min(1.0)[:, None]


def _agreement(
    log_albedo: Float[Tensor, "b N 3"],
    worth: Float[Tensor, "b N"],
    assets: FlameAssets,
    texels: TexelGeometry,
) -> Float[Tensor, "b N"]:
    """Return how well each photo's tone agrees with that of the others, 0..1.

    A shadow, a strand of hair or a reflection is in one photo and not in the others.
    """
    weighted = torch.cat([log_albedo * worth[..., None], worth[..., None]], dim=2)
    means = torch.stack([_vertex_means(each, assets, texels) for each in weighted])
    tone, weight = means[..., :3] / means[..., 3:].clamp_min(1e-6), means[..., 3]
    agreement = torch.ones_like(weight)
    for _ in range(AGREEMENT_ROUNDS):
        share = _normalised(weight * agreement)
        common = (share[..., None] * tone).sum(dim=0)
        apart = (tone - common).square().mean(dim=2)
        agreement = 1.0 / (1.0 + apart / DISAGREEMENT**2)
    return torch.stack(
        [
            interpolate_vertices(each[:, None], texels.corners, texels.surface.barycentrics)[:, 0]
            for each in agreement
        ]
    )


def _smooth_part(
    values: Float[Tensor, "N 3"],
    trust: Float[Tensor, " N"],
    assets: FlameAssets,
    *,
    layout: TextureLayout,
) -> Float[Tensor, "N 3"]:
    """Return the smooth part of values on the seen texels."""
    texels = layout.texels
    columns = torch.cat([values * trust[:, None], trust[:, None]], dim=1)
    mean = _vertex_means(columns, assets, texels)
    weight = mean[:, 3].clamp(0.0, 1.0)
    field = smooth_field(
        mean[:, :3] / mean[:, 3:].clamp_min(1e-6),
        weight,
        torch.zeros_like(mean[:, :3]),
        operator=layout.operator,
        length=TONE_LENGTH,
    )
    return interpolate_vertices(field, texels.corners, texels.surface.barycentrics)


def _sharpness(
    log_albedo: Float[Tensor, "b N 3"], confidence: Float[Tensor, "b N"], texels: TexelGeometry
) -> Float[Tensor, " b"]:
    """Return how much detail each photo shows over the sharpest one, by what pairs of them share.

    Detail is what three texels differ by from nine; noise is finer than most of it.
    """
    count = len(log_albedo)
    bright = log_albedo.mean(dim=2)
    detail = torch.stack([_band(each, texels) for each in bright]).abs()
    rows, right = [log_albedo.new_ones(count)], [log_albedo.new_zeros(())]
    for first in range(count):
        for second in range(first + 1, count):
            shared = (torch.minimum(confidence[first], confidence[second]) > SURE).nonzero()[:, 0]
            if len(shared) < FEWEST_SHARED:
                continue
            level = detail[[first, second]][:, shared].median(dim=1).values.clamp_min(LEAST_DETAIL)
            row = log_albedo.new_zeros(count)
            row[first], row[second] = 1.0, -1.0
            rows.append(row)
            right.append((level[0] / level[1]).log())
    relative = torch.linalg.lstsq(
        torch.stack(rows).double().cpu(), torch.stack(right)[:, None].double().cpu(), driver="gelsd"
    ).solution[:, 0]
    return (relative - relative.max()).exp().to(log_albedo)


def _band(values: Float[Tensor, " N"], texels: TexelGeometry) -> Float[Tensor, " N"]:
    layers = texels.to_map(torch.stack([values, torch.ones_like(values)], dim=1))
    image = layers.permute(2, 0, 1)[None]
    means = []
    for window in (3, 9):
        blurred = functional.avg_pool2d(image, window, 1, window // 2)
        mean = blurred[:, :1] / blurred[:, 1:].clamp_min(1e-6)
        means.append(texels.from_map(mean[0].permute(1, 2, 0))[:, 0])
    return means[0] - means[1]


def _template_normals(
    row: Tensor, assets: FlameAssets, texels: TexelGeometry
) -> Float[Tensor, "M 3"]:
    normals = vertex_normals(assets.v_template[None], assets.faces)[0]
    at_texels = interpolate_vertices(normals, texels.corners[row], texels.surface.barycentrics[row])
    return functional.normalize(at_texels, dim=1)
