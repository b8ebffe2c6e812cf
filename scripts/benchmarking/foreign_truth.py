"""Photos of the HiFi3D++ head, which the head model did not make, with its truth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.appearance import directional_to_sh, white_lighting
from flame_fit.errors import AssetError
from flame_fit.evaluate.face_landmarks import model_landmarks
from flame_fit.evaluate.scan_distance import ScanDistance, scan_to_mesh
from flame_fit.evaluate.scene_errors import light_error, pose_error
from flame_fit.flame import FlameModel
from flame_fit.geometry import project
from flame_fit.geometry.rotations import HeadAngles
from flame_fit.image_files import save_png
from flame_fit.render import make_rasterizer
from flame_fit.scene import SceneParams
from flame_fit.synth.foreign_head import (
    ForeignHead,
    Placement,
    load_foreign_head,
    place_head,
    render_foreign,
)
from flame_fit.texture.texel_geometry import face_region
from scripts.benchmarking.truth import (
    IMAGE_SIZE,
    MILLIMETRES,
    CaseErrors,
    TruthTools,
    neutral_head,
)

GROUP = "hifi3dpp"


@dataclass(frozen=True)
class ForeignView:
    """One picture of the head.

    Attributes:
        yaw: Degrees to the head's left.
        pitch: Degrees downwards.
        focal_ratio: Focal length over the side of the picture.
        distance: Metres from the camera to the eyes.
        lamp: Direction of the lamp, world axes; the rest of the light is even.
        share: Share of the lamp in the light.
    """

    yaw: float
    pitch: float
    focal_ratio: float
    distance: float
    lamp: tuple[float, float, float]
    share: float


VIEWS = (
    ForeignView(0.0, 0.0, 1.6, 0.58, (0.0, 0.5, 0.9), 0.3),
    ForeignView(0.0, 10.0, 2.4, 0.85, (0.7, 0.5, 0.5), 0.5),
    ForeignView(15.0, -5.0, 1.2, 0.45, (-0.8, 0.2, 0.6), 0.5),
    ForeignView(-15.0, 5.0, 2.0, 0.72, (0.0, 1.0, 0.4), 0.4),
    ForeignView(30.0, 0.0, 1.8, 0.64, (0.6, 0.6, 0.6), 0.5),
    ForeignView(-30.0, -8.0, 1.4, 0.50, (0.9, 0.1, 0.4), 0.4),
    ForeignView(45.0, 5.0, 2.0, 0.72, (0.2, 0.4, 0.9), 0.3),
    ForeignView(-45.0, 0.0, 1.6, 0.58, (-0.5, 0.6, 0.6), 0.5),
)


@dataclass(frozen=True)
class ForeignCase:
    """One view of the head.

    Attributes:
        folder: Where its files are.
        view: Index into `VIEWS`.
    """

    folder: Path
    view: int

    @property
    def group(self) -> str:
        """Name of the set."""
        return GROUP

    def write_photo(self, folder: Path) -> Path:
        """Render the picture and return its path."""
        shot = render_foreign(
            _head(self.folder),
            self.placement(),
            self.lighting(),
            image_size=IMAGE_SIZE,
            rasterizer=make_rasterizer("warp"),
        )
        return save_png(folder / f"{GROUP}_{self.view}.png", shot.srgb)

    def placement(self) -> Placement:
        """Return where the head stands."""
        view = VIEWS[self.view]
        yaw, pitch = (torch.tensor(math.radians(angle)) for angle in (view.yaw, view.pitch))
        return place_head(
            HeadAngles(yaw, pitch, torch.zeros(())),
            focal_pixels=view.focal_ratio * max(IMAGE_SIZE),
            distance=view.distance,
            image_size=IMAGE_SIZE,
        )

    def lighting(self) -> Float[Tensor, "1 9 3"]:
        """Return the light."""
        view = VIEWS[self.view]
        towards = torch.nn.functional.normalize(torch.tensor(view.lamp), dim=0)
        lamp = directional_to_sh(towards, torch.full((3,), view.share))
        return (1.0 - view.share) * white_lighting() + lamp[None]

    def errors(self, fitted: SceneParams, model: FlameModel) -> CaseErrors:
        """Return how far a fit is from the head.

        Args:
            fitted: The fit, in the pixels of the picture.
            model: The model that it was fitted with.
        """
        head, placement = _head(self.folder), self.placement()
        posed = model.mesh(fitted.flame).vertices[0]
        seen = _distance(posed, model, head, placement)
        pose = pose_error(
            torch.eye(3, dtype=torch.float64),
            seen.alignment.rotation,
            place=posed.double().mean(dim=0),
            true_place=seen.alignment.apply(posed.double().mean(dim=0)[None])[0],
        )
        apart = (
            project(fitted.camera, _points(posed, model)[None]).pixels
            - project(placement.camera, placement.to_world(head.landmarks)[None]).pixels
        )
        neutral = neutral_head(model, fitted.flame.shape)
        return CaseErrors(
            geometry_mm=MILLIMETRES * _distance(neutral, model, head, placement).median,
            template_mm=_template_millimetres(self.folder),
            posed_mm=MILLIMETRES * seen.median,
            pose_degrees=pose.degrees,
            view_degrees=pose.view_degrees,
            landmark_pixels=float(apart.norm(dim=-1).mean()),
            light=light_error(fitted.lighting[0], self.lighting()[0]).relative,
        )


def foreign_cases(shared: Path) -> list[ForeignCase]:
    """Return all views, none where the research data is not there."""
    folder = shared / "data" / GROUP
    return [ForeignCase(folder, view) for view in range(len(VIEWS))] if folder.is_dir() else []


@lru_cache(maxsize=1)
def _head(folder: Path) -> ForeignHead:
    return load_foreign_head(folder, rasterizer=make_rasterizer("warp"))


@lru_cache(maxsize=1)
def _template_millimetres(folder: Path) -> float:
    """Return the error of OpenHead's mean head, which no turn or light changes."""
    model, upright = TruthTools.load().model, ForeignCase(folder, 0).placement()
    template = model.assets.v_template
    return MILLIMETRES * _distance(template, model, _head(folder), upright).median


def _distance(
    vertices: Float[Tensor, "V 3"], model: FlameModel, head: ForeignHead, placement: Placement
) -> ScanDistance:
    """Return the distances of the true face from a mesh, as the NoW benchmark measures.

    The mesh goes without its teeth: the other head has none, but an inside of the mouth near them.
    """
    faces = model.assets.faces
    return scan_to_mesh(
        placement.to_world(head.vertices[head.face]),
        vertices,
        faces[~face_region(model.assets, "teeth")],
        scan_landmarks=placement.to_world(head.landmarks),
        mesh_landmarks=_points(vertices, model),
        crop=False,
    )


def _points(vertices: Float[Tensor, "V 3"], model: FlameModel) -> Float[Tensor, "7 3"]:
    points = model_landmarks(vertices, model.assets.faces, assets=model.assets)
    if points is None:
        raise AssetError(f"model '{model.assets.name}' has no iBUG points; make an embedding")
    return points
