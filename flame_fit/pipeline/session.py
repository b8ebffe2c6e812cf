"""A session loads the models once and fits photo after photo."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from flame_fit.config import FitConfig, resolve_device
from flame_fit.errors import InputError
from flame_fit.flame import FlameAssets, FlameModel
from flame_fit.geometry.tensors import move, stack, take
from flame_fit.head_models import load_head_model, load_head_texture
from flame_fit.image_files import load_image
from flame_fit.pipeline.assemble import FittedFace, ObservedFace, assemble_result
from flame_fit.pipeline.decoder_tools import load_decoder_tools
from flame_fit.pipeline.fit_head import first_guess, fit_landmarks
from flame_fit.pipeline.head_crop import head_square
from flame_fit.pipeline.head_priors import head_priors
from flame_fit.pipeline.head_sources import head_sources
from flame_fit.pipeline.identity_prior import read_identity_prior
from flame_fit.pipeline.lens import lens_of
from flame_fit.pipeline.look import fit_look
from flame_fit.pipeline.observe import observe_faces
from flame_fit.pipeline.plan import FitPlan, plan_for
from flame_fit.pipeline.refine import PhotoFace, refine
from flame_fit.pipeline.result import FitResult
from flame_fit.pipeline.stages import StageReport, reports_of
from flame_fit.pipeline.tools import FitTools
from flame_fit.pipeline.uncertainty import Uncertainty, uncertainty_of
from flame_fit.render import make_rasterizer, mesh_edges
from flame_fit.scene import SceneParams
from flame_fit.texture import texture_layout

Progress = Callable[[str], None]


def _silent(stage: str) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class SolvedFace:
    """A face whose head is found.

    Attributes:
        place: The photo and the part of it around the head.
        scene: Head, camera, light and codes (batch of one).
        stages: What the stages did.
        uncertainty: Of the last stage.
    """

    place: PhotoFace
    scene: SceneParams
    stages: tuple[StageReport, ...]
    uncertainty: Uncertainty


class FitSession:
    """Fits photos with one configuration; the models are loaded once."""

    def __init__(self, config: FitConfig | None = None) -> None:
        """Load the head model, the texture space, the rasteriser and what is asked about faces.

        Raises:
            UsageError: If the device is unknown or not there, or options do not go together.
            AssetError: If a model file is missing or damaged.
        """
        config = config or FitConfig()
        device = resolve_device(config.device)
        assets = load_head_model(config.model)
        limits = config.solver
        model = FlameModel(
            assets,
            shape_count=min(limits.shape_components, assets.shape_basis.shape[-1]),
            expression_count=min(limits.expression_components, assets.expression_basis.shape[-1]),
            device=device,
        )
        space = load_head_texture(config.texture_model, assets)
        count = min(limits.texture_components, space.basis.shape[-1])
        self.config = config
        self.plan = _with_identity(plan_for(config), config, model)
        self.sources = head_sources(config, model.assets, device=device)
        self.tools = FitTools(
            model=model,
            texture_space=space.first(count).to(device=device),
            edges=mesh_edges(model.assets.faces),
            layout=texture_layout(model.assets, config.texture_size),
            rasterizer=make_rasterizer("warp", device),
            rasterizer_name="warp",
            device=device,
            dense_name=self.sources.dense,
            parser_name=self.sources.parsing,
            decoder=load_decoder_tools(config, model.assets, device=device),
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
        faces = self.observe(path, on_stage=on_stage)
        return [self.fit_faces([face], on_stage=on_stage)[0] for face in faces]

    def observe(self, path: str | Path, *, on_stage: Progress = _silent) -> list[ObservedFace]:
        """Return the faces of one photo that are to be fitted.

        Args:
            path: An image file.
            on_stage: Called with the name of the stage as it begins.

        Raises:
            InputError: If the file is no readable image.
            NoFaceError: If no face is found.
        """
        started = time.perf_counter()
        on_stage("observe")
        photo = load_image(path)
        faces = [self.sources.ask(photo, face) for face in observe_faces(photo, self.config)]
        first = self.config.face if isinstance(self.config.face, int) else 1
        digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        seconds = (time.perf_counter() - started) / len(faces)
        return [
            ObservedFace(photo, digest, number, face, seconds)
            for number, face in enumerate(faces, start=first)
        ]

    def fit_faces(
        self, faces: Sequence[ObservedFace], *, on_stage: Progress = _silent
    ) -> list[FitResult]:
        """Fit faces in one go: their equations are solved side by side.

        The results are those of fitting them one by one; on a GPU it takes far less time.

        Args:
            faces: Faces of one or more photos.
            on_stage: Called with the name of each stage as it begins.
        """
        started = time.perf_counter()
        on_stage("geometry")
        model, seed, plan = self.tools.model, self.config.seed, self.plan
        evidence = [face.evidence for face in faces]
        lenses = [lens_of(face.photo, self.config) for face in faces]
        guess = stack(
            [
                first_guess(
                    model,
                    move(lens.camera, device=self.tools.device),
                    face.evidence,
                    texture_count=self.tools.texture_count,
                )
                for lens, face in zip(lenses, faces, strict=True)
            ]
        )
        known = [lens.known for lens in lenses]
        priors = head_priors(guess, plan.head_priors, focal_known=known)
        stages = fit_landmarks(model, guess, evidence, plan=plan, priors=priors)
        start = stages[-1].scene
        mesh = model.mesh(start.flame)
        squares = [head_square(take(mesh, i), take(start.camera, i)) for i in range(len(faces))]
        placed = [
            PhotoFace(face.photo, face.evidence, square)
            for face, square in zip(faces, squares, strict=True)
        ]
        stages += refine(placed, start, priors=priors, tools=self.tools, plan=plan, seed=seed)
        unsure = uncertainty_of(stages[-1].objective, stages[-1].value)
        solved = [
            SolvedFace(place, take(stages[-1].scene, index), reports_of(stages, index), found)
            for index, (place, found) in enumerate(zip(placed, unsure, strict=True))
        ]
        share = (time.perf_counter() - started) / len(faces)
        return [
            self._finish(face, each, share, on_stage)
            for face, each in zip(faces, solved, strict=True)
        ]

    def _finish(
        self, face: ObservedFace, solved: SolvedFace, geometry_seconds: float, on_stage: Progress
    ) -> FitResult:
        """Bake the texture of one fitted face and assemble its result."""
        started = time.perf_counter()
        look = fit_look(
            solved.place,
            solved.scene,
            tools=self.tools,
            plan=self.plan,
            seed=self.config.seed,
            on_stage=on_stage,
        )
        decoded = () if look.decoder is None else look.decoder.reports
        fitted = FittedFace(
            observed=face,
            stages=(*solved.stages, *look.appearance.reports, *decoded),
            look=look,
            uncertainty=solved.uncertainty,
            geometry_seconds=geometry_seconds,
            total_seconds=face.seconds + geometry_seconds + time.perf_counter() - started,
        )
        return assemble_result(fitted, tools=self.tools, config=self.config)


def _with_identity(plan: FitPlan, config: FitConfig, model: FlameModel) -> FitPlan:
    """Return the plan with the user's prior of identity, if there is one.

    Raises:
        InputError: If its file belongs to another model.
    """
    if config.identity_prior is None:
        return plan
    prior = read_identity_prior(config.identity_prior)
    if prior.model_sha256 != model.assets.sha256:
        raise InputError(
            f"{config.identity_prior}: belongs to another head model than {model.assets.name}; "
            "calibrate it on fits of this one"
        )
    identity = prior.gaussian(model.shape_count, like=model.joint_template)
    return replace(plan, head_priors=replace(plan.head_priors, identity=identity))
