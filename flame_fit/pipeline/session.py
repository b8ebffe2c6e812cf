"""A session loads the models once and fits photo after photo."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from flame_fit.appearance import load_texture_space
from flame_fit.config import FitConfig, resolve_device
from flame_fit.flame import FlameAssets, FlameModel, load_assets
from flame_fit.geometry import Camera
from flame_fit.geometry.cameras import centred_camera
from flame_fit.image_files import Photo, load_image
from flame_fit.observation import FaceEvidence
from flame_fit.pipeline.assemble import FittedFace, assemble_result
from flame_fit.pipeline.fit_head import fit_head
from flame_fit.pipeline.look import Look, fit_look
from flame_fit.pipeline.observe import observe_faces
from flame_fit.pipeline.plan import plan_for
from flame_fit.pipeline.result import FitResult
from flame_fit.pipeline.tools import FitTools
from flame_fit.render import make_rasterizer, mesh_edges
from flame_fit.texture import texture_layout

# Without any hint: a portrait lens, as a multiple of the longer side of the photo.
DEFAULT_FOCAL_RATIO = 1.5

Progress = Callable[[str], None]


def _silent(stage: str) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class _Clock:
    """Wall-clock seconds since some moment."""

    start: float

    def seconds(self) -> float:
        return time.perf_counter() - self.start


class FitSession:
    """Fits photos with one configuration; the models are loaded once."""

    def __init__(self, config: FitConfig | None = None) -> None:
        """Load the head model, the texture space and the rasteriser.

        Raises:
            UsageError: If the device is unknown or not there.
            AssetError: If a model file is missing or damaged.
        """
        config = config or FitConfig()
        device = resolve_device(config.device)
        assets = load_assets(config.model)
        limits = config.solver
        model = FlameModel(
            assets,
            shape_count=min(limits.shape_components, assets.shape_basis.shape[-1]),
            expression_count=min(limits.expression_components, assets.expression_basis.shape[-1]),
            device=device,
        )
        space = load_texture_space(config.texture_model)
        count = min(limits.texture_components, space.basis.shape[-1])
        self.config = config
        self.tools = FitTools(
            model=model,
            texture_space=space.to(device=device),
            texture_count=count,
            edges=mesh_edges(model.assets.faces),
            layout=texture_layout(model.assets, config.texture_size),
            rasterizer=make_rasterizer("warp", device),
            rasterizer_name="warp",
            device=device,
        )

    @property
    def assets(self) -> FlameAssets:
        """The head model's data."""
        return self.tools.model.assets

    def fit(self, path: str | Path, *, on_stage: Progress = _silent) -> list[FitResult]:
        """Fit the faces of one photo.

        Args:
            path: An image file.
            on_stage: Called with the name of each stage as it begins.

        Raises:
            InputError: If the file is no readable image.
            NoFaceError: If no face is found.
        """
        started = _Clock(time.perf_counter())
        on_stage("observe")
        photo = load_image(path)
        faces = observe_faces(photo, self.config)
        observed = started.seconds()
        first = self.config.face if isinstance(self.config.face, int) else 1
        digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        return [
            self._fit_face(photo, digest, face, number, observed / len(faces), on_stage)
            for number, face in enumerate(faces, start=first)
        ]

    def _fit_face(
        self,
        photo: Photo,
        digest: str,
        evidence: FaceEvidence,
        number: int,
        observed: float,
        on_stage: Progress,
    ) -> FitResult:
        camera, known = self._camera(photo)
        plan = plan_for(self.config, focal_known=known)
        clock = _Clock(time.perf_counter())
        on_stage("geometry")
        geometry = fit_head(self.tools.model, camera, evidence, plan=plan)
        geometry_seconds = clock.seconds()
        look: Look = fit_look(
            photo,
            evidence,
            geometry.state,
            tools=self.tools,
            config=self.config,
            plan=plan,
            on_stage=on_stage,
        )
        fitted = FittedFace(
            photo=photo,
            photo_sha256=digest,
            face=number,
            evidence=evidence,
            geometry=geometry,
            look=look,
            observe_seconds=observed,
            geometry_seconds=geometry_seconds,
            total_seconds=observed + clock.seconds(),
        )
        return assemble_result(fitted, tools=self.tools, config=self.config)

    def _camera(self, photo: Photo) -> tuple[Camera, bool]:
        """Return the first guess of the camera and whether its focal length is known."""
        focal = self.config.focal or photo.focal_pixels
        guess = focal or DEFAULT_FOCAL_RATIO * max(photo.width, photo.height)
        pixels = torch.tensor([guess], dtype=torch.float32, device=self.tools.device)
        return centred_camera(pixels, (photo.height, photo.width)), focal is not None
