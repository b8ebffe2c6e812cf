"""What one crop of a photo shows of a head, and how much of it is bare skin."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.flame import FlameMesh
from flame_fit.geometry import Camera, Crop, points_on_surface, project
from flame_fit.image_files import Photo
from flame_fit.observation import FaceEvidence
from flame_fit.pipeline.head_crop import (
    HeadSquare,
    crop_of_square,
    cropped,
    cropped_linear,
    inside_photo,
)
from flame_fit.pipeline.head_view import HeadView, region_of_pixels, view_head
from flame_fit.pipeline.landmark_terms import MESH_COUNT
from flame_fit.pipeline.tools import FitTools
from flame_fit.priors.face_shares import FaceShares, face_shares
from flame_fit.priors.skin import skin_weight
from flame_fit.scene import SceneParams


@dataclass(frozen=True)
class SkinView:
    """One head in one crop (batch of one).

    Attributes:
        crop: The crop.
        camera: The photo's camera in crop pixels.
        mesh: The posed head in world space.
        view: The pixels that show the head.
        pixels: Linear pixels of the crop, black outside the photo.
        person: Where the person is, without what hides it, 0..1.
        weight: How much each pixel is bare skin of the head, 0..1.
        surface: How much each pixel is what the texture shows of it: skin, and beard where a
            parsing knows one.
    """

    crop: Crop
    camera: Camera
    mesh: FlameMesh
    view: HeadView
    pixels: Float[Tensor, "H W 3"]
    person: Float[Tensor, "H W"]
    weight: Float[Tensor, "H W"]
    surface: Float[Tensor, "H W"]


def view_skin(
    photo: Photo,
    evidence: FaceEvidence,
    scene: SceneParams,
    square: HeadSquare,
    *,
    size: int,
    tools: FitTools,
    earlier: SkinView | None = None,
) -> SkinView:
    """Return what a crop shows of a head as it is now.

    Args:
        photo: The whole photo.
        evidence: What was seen of the face.
        scene: The head and its camera in photo pixels.
        square: Part of the photo to look at.
        size: Side of the crop in pixels.
        tools: Models and backends.
        earlier: The same crop with the head a little elsewhere: what looked like skin still does.
    """
    crop = crop_of_square(square, size)
    camera = scene.camera.crop(crop)
    mesh = tools.model.mesh(scene.flame)
    view = view_head(mesh, tools.assets, camera, crop.size, rasterizer=tools.rasterizer)
    if earlier is not None:
        covered = torch.zeros_like(earlier.weight.reshape(-1))
        covered[view.covered.pixel_index] = 1.0
        covered = covered.reshape(earlier.weight.shape)
        return dataclasses.replace(
            earlier,
            camera=camera,
            mesh=mesh,
            view=view,
            weight=earlier.weight * covered,
            surface=earlier.surface * covered,
        )
    inside = inside_photo(photo, crop)
    person = inside if evidence.person is None else inside * evidence.person.on_crop(crop)
    head = _Head(mesh, view, camera)
    if evidence.parsing is None:
        weight = surface = _skin(photo, crop, head, tools, person=person, shares=None)
    else:
        shares = face_shares(evidence.parsing, crop)
        person = person * (1.0 - shares.cover)
        weight = _skin(photo, crop, head, tools, person=inside, shares=shares)
        beard = _coverage(head, tools) * inside * shares.beard
        surface = torch.maximum(weight, torch.from_numpy(beard).to(weight))
    return SkinView(
        crop=crop,
        camera=camera,
        mesh=mesh,
        view=view,
        pixels=cropped_linear(photo, crop).to(tools.device),
        person=torch.from_numpy(person).to(tools.device),
        weight=weight,
        surface=surface,
    )


@dataclass(frozen=True)
class _Head:
    """A posed head and what a crop shows of it."""

    mesh: FlameMesh
    view: HeadView
    camera: Camera


def _skin(
    photo: Photo,
    crop: Crop,
    head: _Head,
    tools: FitTools,
    *,
    person: Float[np.ndarray, "H W"],
    shares: FaceShares | None,
) -> Float[Tensor, "H W"]:
    """Return the skin weight of the crop: the rendered skin where the photo looks like it."""
    points = tools.model.landmark_points(head.mesh, "mediapipe")
    world = points_on_surface(head.mesh.vertices, head.mesh.faces, points)
    pixels = project(head.camera, world).pixels[0, :MESH_COUNT].cpu().numpy()
    weight = skin_weight(
        cropped(photo, crop),
        pixels,
        person=person,
        coverage=_coverage(head, tools),
        shares=shares,
    )
    return torch.from_numpy(weight.astype(np.float32)).to(tools.device)


def _coverage(head: _Head, tools: FitTools) -> Float[np.ndarray, "H W"]:
    """Return where the rendered head shows skin.

    The scalp is left out: what a photo shows there is hair, nearly always.
    """
    skin = region_of_pixels(head.view, tools.assets, "skin")
    inside = skin * (1.0 - region_of_pixels(head.view, tools.assets, "scalp"))
    return head.view.covered.scatter(inside[:, None])[0, ..., 0].cpu().numpy()
