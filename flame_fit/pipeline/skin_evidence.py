"""From the skin of a photo to a term of the fit and the prior of its light."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.appearance import (
    linear_to_srgb,
    solve_lighting,
    spherical_harmonics,
    srgb_to_linear,
)
from flame_fit.appearance.texture_space import SampledTexture, sample_basis
from flame_fit.config import ShapeFromShading
from flame_fit.geometry import SurfacePoints
from flame_fit.losses.photometric import smooth_saturation_weight
from flame_fit.pipeline.head_view import region_of_pixels
from flame_fit.pipeline.skin_term import SkinTerm, flat_normals
from flame_fit.pipeline.skin_view import SkinView
from flame_fit.pipeline.terms import shared_weight
from flame_fit.pipeline.tools import FitTools

SKIN_TERM = "photometric"
"""What the report calls the colours."""
# Skin weight from which a pixel counts as skin.
SKIN_THRESHOLD = 0.5
# How calm a photo must be, from 0 to 1, for shading to bend the shape.
SHADING_CALM = 0.5
# Mean sRGB of skin below which a photo is black.
DARKEST = 0.02
# Reweighted solves of the first light; hair and highlights are out after two.
ROBUST_PASSES = 2


@dataclass(frozen=True)
class SkinSettings:
    """The noise model of skin.

    What a texture space leaves over of a photograph is mostly texture that it lacks: smooth over
    many pixels, and worth no more than `sigma` and `worth` say. Where it leaves far less, as on
    rendered heads, the rest is noise, which differs from pixel to pixel: then a pixel is believed
    more, more pixels are independent, and shading may bend the shape. Photographs were seen to
    leave 0.029 and more, rendered heads 0.014 to 0.035.

    Attributes:
        sigma: Standard deviation of a skin pixel about the model, sRGB 0..1, in a usual photo.
        least_sigma: The least that is believed.
        calm: Deviations between which a photo passes from the one kind to the other.
        brightness: Mean sRGB of skin from which on deviations are compared as they are; darker
            skin differs less from any model and is no better explained for that.
        worth: How many independent pixels a face is worth at `sigma`: neighbouring pixels err
            together, so that counting each one would drown every prior.
        robust_scale: Residual in standard deviations at which a pixel counts half.
        weight: Weight of the term.
        shading: When shading bends the shape, where colours only move it otherwise.
    """

    sigma: float = 0.05
    least_sigma: float = 0.01
    calm: tuple[float, float] = (0.024, 0.029)
    brightness: float = 0.5
    worth: float = 300.0
    robust_scale: float = 3.0
    weight: float = 1.0
    shading: ShapeFromShading = "auto"


@dataclass(frozen=True)
class SkinNoise:
    """The noise of the skin in one photo.

    Attributes:
        sigma: Standard deviation of a pixel, sRGB 0..1.
        worth: How many independent pixels the face is worth.
        shading_moves: Whether shading bends the shape.
    """

    sigma: float
    worth: float
    shading_moves: bool


def usual_noise(settings: SkinSettings) -> SkinNoise:
    """Return the noise of a photo of which nothing is known yet."""
    return SkinNoise(settings.sigma, settings.worth, shading_moves=settings.shading == "always")


def skin_noise(half_square: float, brightness: float, settings: SkinSettings) -> SkinNoise:
    """Return the noise of a photo to which light and texture have been fitted.

    Args:
        half_square: Half the mean square of what was left over, in `settings.sigma`.
        brightness: Mean sRGB of the skin, 0..1.
        settings: The noise model.
    """
    dark = max(1.0, settings.brightness / max(brightness, DARKEST))
    found = dark * settings.sigma * (2.0 * half_square) ** 0.5
    low, high = settings.calm
    calm = min(max((high - found) / (high - low), 0.0), 1.0)
    believed = min(max(found, settings.least_sigma), settings.sigma)
    sigma = settings.sigma ** (1.0 - calm) * believed**calm
    bends = settings.shading == "auto" and calm >= SHADING_CALM
    return SkinNoise(
        sigma=sigma,
        worth=settings.worth * (settings.sigma / sigma) ** 2,
        shading_moves=bends or settings.shading == "always",
    )


@dataclass(frozen=True)
class SkinLevel:
    """How finely the skin is looked at.

    Attributes:
        blur: Standard deviation of the blur of the photo in crop pixels; 0 leaves it sharp.
        points: About how many points of the skin are compared; all pixels if there are fewer.
    """

    blur: float
    points: int


@dataclass(frozen=True)
class SkinEvidence:
    """The skin of a batch of photos.

    Attributes:
        term: Its colours.
        mean_basis: Mean of the harmonics over the points, for the prior of the light.
        first_light: Light that explains the photo best with the mean texture.
    """

    term: SkinTerm
    mean_basis: Float[Tensor, "b 9"]
    first_light: Float[Tensor, "b 9 3"]


def skin_evidence(
    skin: SkinView,
    level: SkinLevel,
    *,
    noise: SkinNoise,
    settings: SkinSettings,
    tools: FitTools,
    seed: int,
) -> SkinEvidence:
    """Return the term of the skin that a crop shows.

    Neck and ears are left out: collars and hair are taken for skin there most often.

    Args:
        skin: What the crop shows of the head as it is now.
        level: How finely to look.
        noise: Of this photo.
        settings: Of every photo.
        tools: Models and backends.
        seed: Of the choice of pixels.
    """
    rows = _sampled_rows(skin, level.points, tools, seed)
    covered = skin.view.covered
    index = covered.pixel_index[rows]
    colour = skin.pixels.reshape(-1, 3)[index]
    confidence = skin.weight.reshape(-1)[index] * smooth_saturation_weight(colour)
    normals = skin.view.normals[rows]
    points = SurfacePoints(covered.face_index[rows], covered.barycentrics[rows])
    corners = skin.mesh.vertices[:, tools.assets.faces[points.face_index]]
    texture = sample_basis(tools.texture_space, skin.view.uv[rows])
    term = SkinTerm(
        name=SKIN_TERM,
        points=SurfacePoints(points.face_index[None], points.barycentrics[None]),
        weight=shared_weight(confidence[None], worth=noise.worth, weight=settings.weight),
        image=_blurred_srgb(skin.pixels, level.blur)[None],
        crop=skin.crop,
        texture=SampledTexture(texture.mean[None], texture.basis[None]),
        normal_offset=normals - flat_normals(corners).unit,
        sigma=colour.new_full((1,), noise.sigma),
        shading_moves=torch.tensor([noise.shading_moves], device=colour.device),
        robust_scale=settings.robust_scale,
    )
    total = confidence.sum().clamp_min(1e-6)
    mean_basis = (confidence[:, None] * spherical_harmonics(normals)).sum(dim=0) / total
    light = solve_lighting(
        srgb_to_linear(texture.mean.clamp(0.0, 1.0)),
        colour,
        normals,
        confidence,
        robust_passes=ROBUST_PASSES,
    )
    return SkinEvidence(term, mean_basis[None], light[None])


def skin_brightness(skin: SkinView) -> float:
    """Return the mean sRGB of the skin that a crop shows, 0 where it shows none."""
    weight = skin.weight[..., None]
    total = (weight * linear_to_srgb(skin.pixels)).sum() / (3.0 * weight.sum().clamp_min(1e-6))
    return float(total)


def _sampled_rows(skin: SkinView, count: int, tools: FitTools, seed: int) -> Tensor:
    """Return covered pixels that show the face's skin, about as many as are wanted."""
    covered = skin.view.covered
    of_pixel = skin.weight.reshape(-1)[covered.pixel_index]
    in_face = region_of_pixels(skin.view, tools.assets, "face")
    rows = (of_pixel * in_face > SKIN_THRESHOLD).nonzero()[:, 0]
    if len(rows) <= count:
        return rows
    # Every pixel has a number of its own, so that a mask that differs in one pixel gives a
    # sample that differs in about one.
    generator = torch.Generator().manual_seed(seed)
    number = torch.rand(skin.weight.numel(), generator=generator).to(rows.device)
    return rows[number[covered.pixel_index[rows]] < count / len(rows)]


def _blurred_srgb(linear: Float[Tensor, "H W 3"], sigma: float) -> Float[Tensor, "H W 3"]:
    """Return sRGB pixels; a blurred photo pulls a head from farther away."""
    srgb = linear_to_srgb(linear)
    if sigma <= 0:
        return srgb
    blurred = cv2.GaussianBlur(srgb.cpu().numpy(), (0, 0), sigma)
    return torch.from_numpy(np.ascontiguousarray(blurred)).to(linear)
