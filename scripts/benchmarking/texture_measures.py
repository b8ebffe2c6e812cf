"""How well a texture made from one photo shows its person in another, and how true it is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from flame_fit.appearance import linear_to_srgb, shade, solve_lighting
from flame_fit.appearance.texture_space import decode
from flame_fit.flame import FlameAssets
from flame_fit.losses import peak_signal_to_noise
from flame_fit.pipeline import FitSession
from flame_fit.pipeline.assemble import ObservedFace
from flame_fit.pipeline.head_crop import head_square
from flame_fit.pipeline.head_texture import FittedHead
from flame_fit.pipeline.look import MASK_RIM, PICTURE_SIZE
from flame_fit.pipeline.refine import PhotoFace
from flame_fit.pipeline.skin_evidence import SKIN_THRESHOLD
from flame_fit.pipeline.skin_view import view_skin
from flame_fit.pipeline.tools import FitTools
from flame_fit.render import footprint_at, sample_texture_at, texels_per_pixel
from flame_fit.scene import SceneParams
from flame_fit.texture import TexelGeometry, TextureMaps
from flame_fit.texture.layout_transfer import at_size
from flame_fit.texture.texel_geometry import INNER_REGIONS, chart_of, face_region

SEEN, UNSEEN = 0.5, 0.05
"""Confidences above and below which texels count as seen and as unseen."""
DARKEST = 1e-3
# So weak that it decides only what the pixels do not.
LIGHT_RIDGE = 1e-6


@dataclass(frozen=True)
class Likeness:
    """PSNR on the skin of another photo, dB of sRGB values.

    Attributes:
        fitted: Under that photo's own fitted light.
        exposed: The same after one factor on each colour, since no photo tells how bright the skin
            is: light that was left in the texture still shows.
        relit: Under the light that suits the texture best; light that was left in the texture is
            partly hidden by it.
    """

    fitted: float
    exposed: float
    relit: float


@dataclass(frozen=True)
class AlbedoError:
    """Mean absolute error of the linear albedo of skin.

    Attributes:
        seen: Where the photo shows it.
        unseen: Where it was completed.
        seen_toned: The former after one factor on each colour, found where it is seen.
        unseen_toned: The latter after the same factor.
    """

    seen: float
    unseen: float
    seen_toned: float
    unseen_toned: float


@dataclass(frozen=True, eq=False)
class SkinPixels:
    """The skin of a photo as its fit sees it, a row per pixel.

    Attributes:
        uv: Where on the chart.
        footprint: Texels of the measured texture across the pixel.
        normals: Unit normals in world axes.
        colour: Linear light as photographed.
        lighting: Fitted light.
    """

    uv: Float[Tensor, "n 2"]
    footprint: Float[Tensor, " n"]
    normals: Float[Tensor, "n 3"]
    colour: Float[Tensor, "n 3"]
    lighting: Float[Tensor, "9 3"]


def fitted_head(session: FitSession, path: Path) -> FittedHead:
    """Fit the first face of a photo and return what a texture is made from.

    Raises:
        InputError: The file is no readable image.
        NoFaceError: There is no face.
    """
    face = session.observe(path)[0]
    scene = session.fit_faces([face])[0].scene
    return seen_head(face, scene, session.tools)


def seen_head(face: ObservedFace, scene: SceneParams, tools: FitTools) -> FittedHead:
    """Return what a texture is made from, of a head that is found already.

    Args:
        face: The photo and what was seen in it.
        scene: Head, camera, light and codes.
        tools: Models and backends.
    """
    mesh = tools.model.mesh(scene.flame)
    place = PhotoFace(face.photo, face.evidence, head_square(mesh, scene.camera))
    return FittedHead(
        face=place,
        skin=view_skin(
            place.photo, place.evidence, scene, place.square, size=PICTURE_SIZE, tools=tools
        ),
        scene=scene,
        codes=decode(tools.texture_space, scene.texture_code)[0].clamp(0.0, 1.0),
    )


def skin_pixels(head: FittedHead, tools: FitTools) -> SkinPixels:
    """Return the pixels of a photo that are measured: its skin without the rim.

    Args:
        head: The fit of that photo.
        tools: Models; the layout has the size of the measured texture.
    """
    chart, skin = chart_of(tools.assets), head.skin
    covered = skin.view.covered
    kernel = np.ones((2 * MASK_RIM + 1,) * 2, np.uint8)
    sure = (skin.weight > SKIN_THRESHOLD).cpu().numpy().astype(np.uint8)
    inner = torch.from_numpy(cv2.erode(sure, kernel, borderValue=0)).to(skin.weight)
    rows = (inner.reshape(-1)[covered.pixel_index] > 0.0).nonzero()[:, 0]
    across = texels_per_pixel(
        skin.view.screen, skin.mesh.faces, chart.uv, chart.faces, tools.layout.texels.size
    )
    return SkinPixels(
        uv=skin.view.uv[rows],
        footprint=footprint_at(across, covered)[rows],
        normals=skin.view.normals[rows],
        colour=skin.pixels.reshape(-1, 3)[covered.pixel_index[rows]],
        lighting=head.scene.lighting[0],
    )


def likeness(albedo: Float[Tensor, "U U 3"], pixels: SkinPixels) -> Likeness:
    """Show a texture as a photo has the head and compare.

    Args:
        albedo: Linear albedo that was made from another photo.
        pixels: Of the photo.
    """
    which = torch.zeros(len(pixels.uv), dtype=torch.int64, device=pixels.uv.device)
    colour = sample_texture_at(albedo[None], pixels.uv, which, footprint=pixels.footprint)
    fitted = colour * shade(pixels.normals[None], pixels.lighting[None])[0]
    factor = (fitted * pixels.colour).sum(dim=0) / fitted.square().sum(dim=0).clamp_min(1e-9)
    light = solve_lighting(
        colour.clamp_min(DARKEST),
        pixels.colour,
        pixels.normals,
        torch.ones_like(colour[:, 0]),
        ridge=LIGHT_RIDGE,
    )
    relit = colour * shade(pixels.normals[None], light[None])[0]
    return Likeness(*(_psnr(each, pixels.colour) for each in (fitted, factor * fitted, relit)))


def albedo_error(
    maps: TextureMaps,
    truth: Float[Tensor, "P P 3"],
    assets: FlameAssets,
    *,
    texels: TexelGeometry,
) -> AlbedoError:
    """Compare a texture with the true one on skin.

    Args:
        maps: The texture; its confidence says what was seen.
        truth: True linear albedo on the same chart, at any size.
        assets: Model of the head.
        texels: Of its chart, at the size of the texture.
    """
    skin = ~face_region(assets, *INNER_REGIONS)[texels.surface.face_index]
    found = texels.from_map(maps.albedo)
    true = texels.from_map(at_size(truth, texels.size))
    trust = texels.from_map(maps.confidence[..., None])[:, 0]
    seen, unseen = skin & (trust > SEEN), skin & (trust < UNSEEN)
    if not bool(seen.any()):
        return AlbedoError(math.nan, _mean_error(found, true, unseen), math.nan, math.nan)
    ratio = true[seen].clamp_min(DARKEST).log() - found[seen].clamp_min(DARKEST).log()
    toned = found * ratio.median(dim=0).values.exp()
    return AlbedoError(
        seen=_mean_error(found, true, seen),
        unseen=_mean_error(found, true, unseen),
        seen_toned=_mean_error(toned, true, seen),
        unseen_toned=_mean_error(toned, true, unseen),
    )


def _mean_error(
    found: Float[Tensor, "N 3"], true: Float[Tensor, "N 3"], rows: Bool[Tensor, " N"]
) -> float:
    return float((found - true)[rows].abs().mean()) if bool(rows.any()) else math.nan


def _psnr(shown: Float[Tensor, "n 3"], photo: Float[Tensor, "n 3"]) -> float:
    return peak_signal_to_noise(
        linear_to_srgb(shown.clamp(0.0, 1.0)),
        linear_to_srgb(photo.clamp(0.0, 1.0)),
        torch.ones_like(photo[:, 0]),
    )
