"""Photos of heads that are known, and how far a fit is from the truth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.appearance import TextureSpace, load_texture_space
from flame_fit.evaluate.scan_distance import face_error
from flame_fit.evaluate.scene_errors import light_error, pose_error
from flame_fit.flame import FlameMesh, FlameModel, load_assets
from flame_fit.geometry import points_on_surface, project
from flame_fit.image_files import save_png
from flame_fit.render import Rasterizer, make_rasterizer
from flame_fit.scene import SceneParams
from flame_fit.synth.sets import Setup, draw_setup, take_photo

IMAGE_SIZE = (512, 512)
MILLIMETRES = 1000.0
HEAD_JOINT = 1


@dataclass(frozen=True)
class CaseErrors:
    """How far one fit is from the truth; NaN where there is no truth to compare with.

    Attributes:
        geometry_mm: Median distance of the true neutral face from the fitted one after a
            similarity alignment.
        template_mm: The same for the mean head: what a fit must beat.
        posed_mm: Median distance of the true face as it was photographed, with its expression,
            from the fitted one, after a similarity alignment.
        pose_degrees: Angle between fitted and true rotation of the head.
        view_degrees: The same as seen along the ray to the head.
        landmark_pixels: Mean distance of the fitted from the true landmarks in the picture.
        light: Difference of the shading after exposure, as a share of the true shading.
    """

    geometry_mm: float
    template_mm: float
    posed_mm: float
    pose_degrees: float
    view_degrees: float
    landmark_pixels: float
    light: float


@dataclass(frozen=True, eq=False)
class TruthTools:
    """The whole head model, of which fits use a part, and what draws it."""

    model: FlameModel
    space: TextureSpace
    rasterizer: Rasterizer

    @staticmethod
    @lru_cache(maxsize=1)
    def load() -> TruthTools:
        """Load OpenHead once in a process."""
        return TruthTools(FlameModel(load_assets()), load_texture_space(), make_rasterizer("warp"))


@dataclass(frozen=True)
class SyntheticCase:
    """A head of the model itself, of a named set of `flame_fit.synth`.

    Attributes:
        group: `plain`, `varied` or `hard`.
        index: Of the picture in the set.
    """

    group: str
    index: int

    def write_photo(self, folder: Path) -> Path:
        """Render the picture and return its path."""
        tools = TruthTools.load()
        picture = take_photo(
            self.setup(),
            tools.model,
            tools.space,
            image_size=IMAGE_SIZE,
            rasterizer=tools.rasterizer,
        )
        return save_png(folder / f"{self.group}_{self.index}.png", picture.srgb)

    def setup(self) -> Setup:
        """Return what the picture shows."""
        tools = TruthTools.load()
        return draw_setup(self.group, self.index, tools.model, tools.space, image_size=IMAGE_SIZE)

    def neutral(self) -> Float[Tensor, "V 3"]:
        """Return the true head without expression and pose."""
        return neutral_head(TruthTools.load().model, self.setup().scene.flame.shape)

    def errors(self, fitted: SceneParams, model: FlameModel) -> CaseErrors:
        """Return how far a fit is from the truth.

        Args:
            fitted: The fit, in the pixels of the picture.
            model: The model that it was fitted with.
        """
        tools, truth = TruthTools.load(), self.setup().scene
        neutral = self.neutral()
        mesh, true_mesh = model.mesh(fitted.flame), tools.model.mesh(truth.flame)
        pose = pose_error(
            mesh.joint_rotations[0, HEAD_JOINT],
            true_mesh.joint_rotations[0, HEAD_JOINT],
            place=mesh.vertices[0].mean(dim=0),
            true_place=true_mesh.vertices[0].mean(dim=0),
        )
        apart = _landmarks(model, mesh, fitted) - _landmarks(tools.model, true_mesh, truth)
        return CaseErrors(
            geometry_mm=face_millimetres(neutral_head(model, fitted.flame.shape), neutral),
            template_mm=face_millimetres(tools.model.assets.v_template, neutral),
            posed_mm=face_millimetres(mesh.vertices[0], true_mesh.vertices[0]),
            pose_degrees=pose.degrees,
            view_degrees=pose.view_degrees,
            landmark_pixels=float(apart.norm(dim=-1).mean()),
            light=light_error(fitted.lighting[0], truth.lighting[0]).relative,
        )


def face_millimetres(estimate: Float[Tensor, "V 3"], truth: Float[Tensor, "V 3"]) -> float:
    """Return the median distance of the true face's vertices from an estimate, millimetres."""
    assets = TruthTools.load().model.assets
    regions = assets.regions
    face = regions.mask("face") if regions else torch.ones(len(truth), dtype=torch.bool)
    return face_error(estimate, truth, assets.faces, region=face).median * MILLIMETRES


def removed_share(errors: list[CaseErrors]) -> float:
    """Return the share of the template's own error that the fits removed, over all heads."""
    template = sum(each.template_mm for each in errors)
    return 1.0 - sum(each.geometry_mm for each in errors) / template if template else math.nan


def neutral_head(model: FlameModel, shape: Float[Tensor, "1 S"]) -> Float[Tensor, "V 3"]:
    """Return a head without expression and pose, metres."""
    return model.assets.v_template + model.assets.shape_basis[..., : shape.shape[-1]] @ shape[0]


def _landmarks(model: FlameModel, mesh: FlameMesh, scene: SceneParams) -> Float[Tensor, "L 2"]:
    points = model.landmark_points(mesh, "mediapipe")
    world = points_on_surface(mesh.vertices, mesh.faces, points)
    return project(scene.camera, world).pixels[0]
