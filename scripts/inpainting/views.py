"""Views of heads without their colours: what each shows, and what light, hair and mask do to it.

A photo is rendered, with hair, glasses, hands and lamps; a slightly wrong head and a slightly wrong
mask stand in for a fit. What is kept is the ratio of the photographed colour over the true albedo
on every texel, so that another person can be put in its place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from jaxtyping import Float, Float16
from torch import Tensor

from flame_fit.appearance import srgb_to_linear
from flame_fit.appearance.texture_space import decode
from flame_fit.synth import SyntheticPhoto
from flame_fit.synth.photo import render_scene
from flame_fit.synth.sets import FIRST_SEED
from flame_fit.synth.training_set import training_scene, training_staging
from flame_fit.texture import PhotoView, bake
from scripts.inpainting.people import Studio

PHOTO_SIZE = 224
SET_OFFSET = 3_000_000
"""Apart from the pictures that other networks learn from."""
LEAST_SEEN = 0.04
"""Share of the chart that a photo must show to be learnt from."""
LARGEST_RATIO = 8.0
BYTE_RANGE = 255.0


@dataclass(frozen=True, eq=False)
class View:
    """A view of a head, a row per covered texel of the chart.

    Attributes:
        confidence: How well each texel is seen; 0 for most.
        ratio: Photographed colour over true albedo.
        normals: Unit normals, world axes.
    """

    confidence: Float[Tensor, " N"]
    ratio: Float[Tensor, "N 3"]
    normals: Float[Tensor, "N 3"]

    def stored(self) -> Float16[np.ndarray, "N 7"]:
        """Return the view as it is kept."""
        columns = (self.confidence[:, None], self.ratio, self.normals)
        return torch.cat(columns, dim=1).half().numpy()

    @staticmethod
    def of(columns: Float16[np.ndarray, "N 7"]) -> View:
        """Return a kept view."""
        read = torch.from_numpy(columns.astype(np.float32))
        return View(read[:, 0], read[:, 1:4], read[:, 4:])


def make_view(studio: Studio, number: int) -> View | None:
    """Return a view, or None where the photo shows too little; deterministic by number."""
    generator = np.random.default_rng((SET_OFFSET, number))
    photo = _photo(studio, number)
    view, vertices = _fitted(photo, generator)
    texels = studio.layout.texels
    seen = bake(view, vertices, studio.model.assets, texels=texels, rasterizer=studio.rasterizer)
    if float((seen.confidence > 0.5).sum()) < LEAST_SEEN * len(texels.texel):  # noqa: PLR2004
        return None
    albedo = texels.from_map(decode(studio.space, photo.scene.texture_code)[0].clamp(0.002, 1.0))
    found = torch.zeros(len(texels.texel), 7)
    ratio = (seen.colour / albedo[seen.row]).clamp_max(LARGEST_RATIO)
    found[seen.row] = torch.cat((seen.confidence[:, None], ratio, seen.normals), dim=1)
    return View(found[:, 0], found[:, 1:4], found[:, 4:])


def _photo(studio: Studio, number: int) -> SyntheticPhoto:
    seed = FIRST_SEED["training"] + SET_OFFSET + number
    size = (PHOTO_SIZE, PHOTO_SIZE)
    scene = training_scene(seed, studio.model, studio.space, size)
    return render_scene(
        scene,
        studio.model,
        studio.space,
        image_size=size,
        rasterizer=studio.rasterizer,
        supersampling=1,
        staging=replace(training_staging(seed, scene, studio.space), skin=None),
    )


def _fitted(
    photo: SyntheticPhoto, generator: np.random.Generator
) -> tuple[PhotoView, Float[Tensor, "V 3"]]:
    """Return the photo as a fit sees it: head and masks a little off."""
    vertices = torch.from_numpy(photo.truth.vertices)
    wrong = abs(generator.normal(0.0, 0.0008))
    shift = torch.from_numpy(generator.normal(0.0, wrong, (1, 3))).float()
    direction = torch.from_numpy(generator.standard_normal((3, 3)) * 40.0).float()
    phase = torch.from_numpy(generator.uniform(0.0, 2.0 * np.pi, 3)).float()
    bend = float(wrong) * torch.cos(vertices @ direction + phase)
    skin = photo.truth.skin.astype(np.float32)
    person = (photo.truth.solid == 0).astype(np.float32)
    reach = int(generator.integers(-1, 2))
    if reach:
        change = cv2.dilate if reach > 0 else cv2.erode
        skin = change(skin, np.ones((3, 3), np.uint8))
    srgb = torch.from_numpy(photo.srgb.astype(np.float32) / BYTE_RANGE)
    return (
        PhotoView(
            linear=srgb_to_linear(srgb),
            weight=torch.from_numpy(cv2.GaussianBlur(skin, (0, 0), 0.8)),
            camera=photo.scene.camera,
            person_weight=torch.from_numpy(cv2.GaussianBlur(person, (0, 0), 0.8)),
        ),
        vertices + shift + bend,
    )
