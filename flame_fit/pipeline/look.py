"""The finished scene as a texture and pictures, and how well they match the photo."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.appearance import linear_to_srgb, shade
from flame_fit.appearance.texture_space import decode
from flame_fit.flame import FlameMesh
from flame_fit.geometry import Crop
from flame_fit.losses import peak_signal_to_noise
from flame_fit.pipeline.decoder_fit import DecoderFit, fit_decoder_texture
from flame_fit.pipeline.head_crop import HeadSquare
from flame_fit.pipeline.head_texture import FittedHead, make_texture
from flame_fit.pipeline.head_view import HeadView
from flame_fit.pipeline.plan import FitPlan
from flame_fit.pipeline.refine import PhotoFace, fit_appearance
from flame_fit.pipeline.skin_evidence import SKIN_THRESHOLD
from flame_fit.pipeline.skin_view import SkinView, view_skin
from flame_fit.pipeline.stages import StageResult
from flame_fit.pipeline.tools import FitTools
from flame_fit.render import (
    Prediction,
    TextureShader,
    VisibleSurface,
    paint,
    sample_texture_at,
)
from flame_fit.scene import SceneParams
from flame_fit.texture import TextureMaps
from flame_fit.texture.texel_geometry import chart_of

# Side of the crop on which results are measured and shown.
PICTURE_SIZE = 512
# Pixels at the rim of the skin that are part skin and part something else.
MASK_RIM = 2


@dataclass(frozen=True)
class Look:
    """Appearance of one face and what it was made from.

    Attributes:
        scene: The finished scene.
        mesh: The posed head in world space.
        square: Square of the photo around the head.
        crop: The crop of the square that was measured and is shown.
        photo: Linear pixels of the crop.
        skin: The pixels that were measured.
        weight: How much each pixel of the crop is bare skin of the head, 0..1.
        appearance: The last stage of least squares.
        decoder: The texture in the latents of a decoder, None without one.
        prior_albedo: Linear albedo of the codes or of the latents over the whole chart.
        maps: The texture.
        shown: How well the photo shows each texel.
        render: Render with the texture.
        psnr_model: Of the codes alone on the skin, dB.
        psnr: Of `render` on the skin, dB.
        appearance_seconds: Time for weights, light and codes.
        texture_seconds: Time for the texture and its measures.
    """

    scene: SceneParams
    mesh: FlameMesh
    square: HeadSquare
    crop: Crop
    photo: Float[Tensor, "H W 3"]
    skin: Float[Tensor, "H W"]
    weight: Float[Tensor, "H W"]
    appearance: StageResult
    decoder: DecoderFit | None
    prior_albedo: Float[Tensor, "P P 3"]
    maps: TextureMaps
    shown: Float[Tensor, "U U"]
    render: Prediction
    psnr_model: float
    psnr: float
    appearance_seconds: float
    texture_seconds: float


def fit_look(
    face: PhotoFace,
    start: SceneParams,
    *,
    tools: FitTools,
    plan: FitPlan,
    seed: int,
    on_stage: Callable[[str], None],
) -> Look:
    """Fit light and texture codes of a head, make its texture and measure both.

    Args:
        face: The photo and what was seen in it.
        start: The fitted head, with a first guess of its appearance.
        tools: Models and backends.
        plan: Noise and priors.
        seed: Of the choice of pixels.
        on_stage: Called with the name of each stage as it begins.
    """
    started = time.perf_counter()
    on_stage("appearance")
    skin = view_skin(face.photo, face.evidence, start, face.square, size=PICTURE_SIZE, tools=tools)
    level = plan.fine_level
    appearance = fit_appearance([skin], start, level, tools=tools, plan=plan, seed=seed)
    scene = appearance.scene
    albedo = decode(tools.texture_space, scene.texture_code)[0].clamp(0.0, 1.0)
    decoder: DecoderFit | None = None
    if tools.decoder is not None:
        on_stage("texture decoder")
        decoder = fit_decoder_texture(face, scene, tools.decoder, tools=tools, plan=plan, seed=seed)
        scene, albedo = decoder.scene, decoder.albedo
        skin = view_skin(
            face.photo, face.evidence, scene, face.square, size=PICTURE_SIZE, tools=tools
        )
    appeared = time.perf_counter()
    on_stage("texture")
    made = make_texture(plan.texture, FittedHead(face, skin, scene, albedo), tools=tools)
    maps = made.maps
    final = _render(skin, maps.albedo * maps.residual, scene, tools)
    measured = _measured_skin(skin.weight, skin.view, maps)
    return Look(
        scene=scene,
        mesh=skin.mesh,
        square=face.square,
        crop=skin.crop,
        photo=skin.pixels,
        skin=measured,
        weight=skin.weight,
        appearance=appearance,
        decoder=decoder,
        prior_albedo=albedo,
        maps=maps,
        shown=made.shown,
        render=final,
        psnr_model=_psnr(_with_codes(skin, albedo, scene), skin.pixels, measured),
        psnr=_psnr(final.image[0], skin.pixels, measured),
        appearance_seconds=appeared - started,
        texture_seconds=time.perf_counter() - appeared,
    )


def _render(
    skin: SkinView, albedo: Float[Tensor, "U U 3"], scene: SceneParams, tools: FitTools
) -> Prediction:
    view = skin.view
    surface = VisibleSurface(view.covered, view.screen, skin.mesh.faces, view.normals, tools.edges)
    return paint(surface, TextureShader(chart_of(tools.assets), albedo[None], scene.lighting))


def _measured_skin(
    weight: Float[Tensor, "H W"], view: HeadView, maps: TextureMaps
) -> Float[Tensor, "H W"]:
    """Return the skin mask of the measures, without its mixed pixels at the rim.

    Skin is what both colour models agree on: that of the photo and that of the albedo, which
    knows the light.
    """
    covered = view.covered
    likeness = sample_texture_at(maps.likeness[None, ..., None], view.uv, covered.image_index)
    alike = covered.scatter(likeness)[0, ..., 0]
    sure = (weight > SKIN_THRESHOLD) & (alike > SKIN_THRESHOLD)
    kernel = np.ones((2 * MASK_RIM + 1,) * 2, np.uint8)
    inner = cv2.erode(sure.cpu().numpy().astype(np.uint8), kernel, borderValue=0)
    return torch.from_numpy(inner.astype(np.float32)).to(weight.device)


def _with_codes(
    skin: SkinView, albedo: Float[Tensor, "P P 3"], scene: SceneParams
) -> Float[Tensor, "H W 3"]:
    """Return the head in the colours of its codes at pixel centres: its outline is not measured."""
    view = skin.view
    colours = sample_texture_at(albedo[None], view.uv, view.covered.image_index)
    return view.covered.scatter(colours * shade(view.normals[None], scene.lighting)[0])[0]


def _psnr(
    image: Float[Tensor, "H W 3"], photo: Float[Tensor, "H W 3"], skin: Float[Tensor, "H W"]
) -> float:
    rows = skin > 0.0
    rendered = linear_to_srgb(image[rows].clamp(0.0, 1.0))
    return peak_signal_to_noise(rendered, linear_to_srgb(photo[rows]), skin[rows])
