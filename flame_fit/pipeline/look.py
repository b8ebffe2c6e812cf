"""From a fitted geometry to light, texture codes, texture and pictures."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.appearance import linear_to_srgb
from flame_fit.appearance.texture_space import decode, sample_basis
from flame_fit.config import FitConfig
from flame_fit.flame import FlameMesh
from flame_fit.geometry import Camera, Crop, points_on_surface, project
from flame_fit.image_files import Photo
from flame_fit.losses import peak_signal_to_noise
from flame_fit.losses.photometric import smooth_saturation_weight
from flame_fit.observation import FaceEvidence
from flame_fit.pipeline.appearance import Appearance, SkinPixels, fit_appearance
from flame_fit.pipeline.head_crop import (
    HeadSquare,
    crop_of_square,
    cropped,
    cropped_linear,
    head_square,
    inside_photo,
)
from flame_fit.pipeline.head_state import HeadState
from flame_fit.pipeline.head_view import HeadView, region_of_pixels, view_head
from flame_fit.pipeline.landmark_terms import MESH_COUNT
from flame_fit.pipeline.plan import FitPlan
from flame_fit.pipeline.tools import FitTools
from flame_fit.priors.skin import skin_weight
from flame_fit.render import Prediction, RenderOptions, render, sample_texture_at
from flame_fit.texture import PhotoView, TextureMaps, texture_from_photo
from flame_fit.texture.texel_geometry import chart_of

# Side of the crop on which results are measured and shown.
PICTURE_SIZE = 512
# Skin weight from which a pixel counts as skin in the measures.
SKIN_THRESHOLD = 0.5
# Pixels at the rim of the skin that are part skin and part something else.
MASK_RIM = 2
# The texture is baked from at most this many photo pixels per texel side.
BAKE_OVERSAMPLING = 2.0


@dataclass(frozen=True)
class Look:
    """Appearance of one face and what it was made from.

    Attributes:
        mesh: The posed head in world space.
        square: Square of the photo around the head.
        crop: The crop of the square that was measured and is shown.
        photo: Linear pixels of the crop.
        skin: The pixels that were measured.
        weight: How much each pixel of the crop is bare skin of the head, 0..1.
        appearance: Light and texture codes.
        prior_albedo: Linear albedo of the codes over the whole chart.
        maps: The texture.
        model_render: Render with the codes alone.
        render: Render with the texture.
        psnr_model: Of `model_render` on the skin, dB.
        psnr: Of `render` on the skin, dB.
        appearance_seconds: Time for weights, light and codes.
        texture_seconds: Time for the texture and its measures.
    """

    mesh: FlameMesh
    square: HeadSquare
    crop: Crop
    photo: Float[Tensor, "H W 3"]
    skin: Float[Tensor, "H W"]
    weight: Float[Tensor, "H W"]
    appearance: Appearance
    prior_albedo: Float[Tensor, "P P 3"]
    maps: TextureMaps
    model_render: Prediction
    render: Prediction
    psnr_model: float
    psnr: float
    appearance_seconds: float
    texture_seconds: float


def fit_look(
    photo: Photo,
    evidence: FaceEvidence,
    state: HeadState,
    *,
    tools: FitTools,
    config: FitConfig,
    plan: FitPlan,
    on_stage: Callable[[str], None],
) -> Look:
    """Fit light and texture codes of a head, bake its texture and measure both.

    Args:
        photo: The whole photo.
        evidence: What the detectors saw of the face.
        state: The fitted geometry.
        tools: Models and backends.
        config: Sizes.
        plan: Noise and priors.
        on_stage: Called with the name of each stage as it begins.
    """
    started = time.perf_counter()
    on_stage("appearance")
    mesh = tools.model.mesh(state.flame)
    square = head_square(mesh, state.camera)
    crop = crop_of_square(square, PICTURE_SIZE)
    camera = state.camera.crop(crop)
    view = view_head(mesh, tools.assets, camera, crop.size, rasterizer=tools.rasterizer)
    pixels = cropped_linear(photo, crop).to(tools.device)
    person = _person(photo, evidence, crop)
    weight = _skin(photo, crop, person, _MeshInCrop(mesh, view, camera), tools)
    rows = _sampled_rows(view, weight, tools, config)
    appearance = fit_appearance(
        _skin_pixels(view, rows, pixels, weight, tools), settings=plan.appearance
    )
    albedo = decode(tools.texture_space, appearance.texture_code[None])[0].clamp(0.0, 1.0)
    appeared = time.perf_counter()
    on_stage("texture")
    masks = _Masks(weight, torch.from_numpy(person).to(tools.device))
    maps = _bake(photo, square, masks, _Scene(mesh, state, appearance, albedo), tools)
    model_render = _render(mesh, albedo, appearance, camera, crop, tools)
    final = _render(mesh, maps.albedo, appearance, camera, crop, tools)
    skin = _measured_skin(weight, view, maps)
    return Look(
        mesh=mesh,
        square=square,
        crop=crop,
        photo=pixels,
        skin=skin,
        weight=weight,
        appearance=appearance,
        prior_albedo=albedo,
        maps=maps,
        model_render=model_render,
        render=final,
        psnr_model=_psnr(model_render, pixels, skin),
        psnr=_psnr(final, pixels, skin),
        appearance_seconds=appeared - started,
        texture_seconds=time.perf_counter() - appeared,
    )


@dataclass(frozen=True)
class _MeshInCrop:
    """A posed head and what a crop shows of it."""

    mesh: FlameMesh
    view: HeadView
    camera: Camera


@dataclass(frozen=True)
class _Masks:
    """Weights of the crop's pixels: bare skin, and the person at all."""

    skin: Float[Tensor, "H W"]
    person: Float[Tensor, "H W"]


@dataclass(frozen=True)
class _Scene:
    """Everything that a texture is baked with."""

    mesh: FlameMesh
    state: HeadState
    appearance: Appearance
    albedo: Float[Tensor, "P P 3"]


def _person(photo: Photo, evidence: FaceEvidence, crop: Crop) -> Float[np.ndarray, "H W"]:
    """Return the person mask on the crop, zero outside the photo."""
    inside = inside_photo(photo, crop)
    return inside if evidence.person is None else inside * evidence.person.on_crop(crop)


def _skin(
    photo: Photo,
    crop: Crop,
    person: Float[np.ndarray, "H W"],
    head: _MeshInCrop,
    tools: FitTools,
) -> Float[Tensor, "H W"]:
    """Return the skin weight of the crop: the rendered skin where the photo looks like it.

    The scalp is left out: what a photo shows there is hair, nearly always.
    """
    skin = region_of_pixels(head.view, tools.assets, "skin")
    inside = skin * (1.0 - region_of_pixels(head.view, tools.assets, "scalp"))
    coverage = head.view.covered.scatter(inside[:, None])[0, ..., 0].cpu().numpy()
    points = tools.model.landmark_points(head.mesh, "mediapipe")
    world = points_on_surface(head.mesh.vertices, head.mesh.faces, points)
    pixels = project(head.camera, world).pixels[0, :MESH_COUNT].cpu().numpy()
    weight = skin_weight(cropped(photo, crop), pixels, person=person, coverage=coverage)
    return torch.from_numpy(weight.astype(np.float32)).to(tools.device)


def _sampled_rows(
    view: HeadView, weight: Float[Tensor, "H W"], tools: FitTools, config: FitConfig
) -> Tensor:
    """Return covered pixels that show the face's skin, about as many as the solver takes.

    Neck and ears are left out: collars and hair are taken for skin there most often.
    """
    of_pixel = weight.reshape(-1)[view.covered.pixel_index]
    in_face = region_of_pixels(view, tools.assets, "face")
    rows = (of_pixel * in_face > SKIN_THRESHOLD).nonzero()[:, 0]
    count = config.solver.skin_pixels
    if len(rows) <= count:
        return rows
    # Every pixel has a number of its own, so that a mask that differs in one pixel gives a
    # sample that differs in about one.
    generator = torch.Generator().manual_seed(config.seed)
    number = torch.rand(weight.numel(), generator=generator).to(rows.device)
    return rows[number[view.covered.pixel_index[rows]] < count / len(rows)]


def _skin_pixels(
    view: HeadView,
    rows: Tensor,
    pixels: Float[Tensor, "H W 3"],
    weight: Float[Tensor, "H W"],
    tools: FitTools,
) -> SkinPixels:
    index = view.covered.pixel_index[rows]
    colour = pixels.reshape(-1, 3)[index]
    sampled = sample_basis(tools.texture_space, view.uv[rows])
    sampled = dataclasses.replace(sampled, basis=sampled.basis[..., : tools.texture_count])
    return SkinPixels(
        colour=colour,
        normals=view.normals[rows],
        texture=sampled,
        weight=weight.reshape(-1)[index] * smooth_saturation_weight(colour),
    )


def _bake(
    photo: Photo, square: HeadSquare, masks: _Masks, scene: _Scene, tools: FitTools
) -> TextureMaps:
    """Bake from the photo's own pixels around the head, thinned where they exceed the texture."""
    finest = round(BAKE_OVERSAMPLING * tools.layout.texels.size)
    crop = crop_of_square(square, max(PICTURE_SIZE, min(round(square.side), finest)))
    size = crop.size[::-1]
    fine = [
        torch.from_numpy(cv2.resize(mask.cpu().numpy(), size)).to(tools.device)
        for mask in (masks.skin, masks.person)
    ]
    view = PhotoView(
        linear=cropped_linear(photo, crop).to(tools.device),
        weight=fine[0],
        camera=scene.state.camera.crop(crop),
        person_weight=fine[1],
    )
    return texture_from_photo(
        view,
        scene.mesh.vertices[0],
        tools.assets,
        scene.appearance.lighting,
        scene.albedo,
        layout=tools.layout,
        rasterizer=tools.rasterizer,
    )


def _render(
    mesh: FlameMesh,
    albedo: Float[Tensor, "U U 3"],
    appearance: Appearance,
    camera: Camera,
    crop: Crop,
    tools: FitTools,
) -> Prediction:
    return render(
        mesh,
        chart_of(tools.assets),
        camera,
        albedo[None],
        appearance.lighting[None],
        image_size=crop.size,
        rasterizer=tools.rasterizer,
        options=RenderOptions(edges=tools.edges),
    )


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


def _psnr(
    prediction: Prediction, photo: Float[Tensor, "H W 3"], skin: Float[Tensor, "H W"]
) -> float:
    rendered = linear_to_srgb(prediction.image[0].clamp(0.0, 1.0))
    return peak_signal_to_noise(rendered, linear_to_srgb(photo), skin)
