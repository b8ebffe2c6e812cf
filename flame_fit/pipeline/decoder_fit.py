"""A texture out of a decoder that shows a photo: its latents are fitted through the renderer.

The two stages of FFHQ-UV's fit (Bai and others, "FFHQ-UV", CVPR 2023): first the latents of all
layers, each on its sphere, for the head and the light as they are; then latents, light and head
together. What a photo tells of the head, and the priors of the head, are those of this library.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.appearance import linear_to_srgb
from flame_fit.flame import FlameMesh
from flame_fit.geometry import points_on_surface, project
from flame_fit.losses.texture_latent import (
    colour_difference,
    identity_distance,
    latent_spread,
    light_tint,
)
from flame_fit.optim.joint_descent import JointSettings, JointSolution, Unknown, descend_jointly
from flame_fit.pipeline.blocks import FLAME_BLOCKS, block_of
from flame_fit.pipeline.decoder_tools import DecoderTools
from flame_fit.pipeline.head_priors import head_priors
from flame_fit.pipeline.objective import Objective, TermValue
from flame_fit.pipeline.plan import FitPlan
from flame_fit.pipeline.refine import PhotoFace, fit_appearance
from flame_fit.pipeline.seen_terms import seen_terms
from flame_fit.pipeline.skin_view import SkinView, view_skin
from flame_fit.pipeline.stages import StageReport, StageResult
from flame_fit.pipeline.tools import FitTools
from flame_fit.priors.face_likeness import aligned_faces
from flame_fit.render import RenderOptions, render
from flame_fit.scene import SceneParams
from flame_fit.texture.texel_geometry import chart_of

SMALLEST_LENGTH = 1e-8
DECODER_VIEW_SIZE = 256
"""Side of the crop that is compared, the largest that the published perceptual loss looks at."""
COEFFICIENT_BLOCKS = ("shape", "expression")
TRANSLATION_BLOCK = "translation"
# Points of MediaPipe's mesh: the corners of the eye on the left of the picture, those of the other
# eye, the tip of the nose, the corners of the mouth.
FACE_POINTS = ((33, 133), (362, 263), (1, 1), (61, 61), (291, 291))


@dataclass(frozen=True)
class LatentWeights:
    """Weights of the terms of one stage; a term of weight 0 is not computed.

    Attributes:
        identity: Of the distance of who is seen.
        colour: Of the difference of colours on the skin.
        perceptual: Of the distance of how the skin looks.
        spread: Of how far the latents lie apart.
        tint: Of tinted light.
        head: Of what the points seen in the photo and the priors say about the head.
    """

    identity: float
    colour: float
    perceptual: float = 0.0
    spread: float = 0.05
    tint: float = 0.0
    head: float = 0.0


@dataclass(frozen=True)
class LatentStage:
    """One descent.

    Attributes:
        descent: How long.
        weights: Of its terms.
        latent_rate: How far a latent's number moves in a step.
        coefficient_rate: The same of identity and expression coefficients.
        angle_rate: The same of joint angles, radians, and of light coefficients.
        translation_rate: The same of the head's place, metres.
    """

    descent: JointSettings
    weights: LatentWeights
    latent_rate: float
    coefficient_rate: float = 0.0
    angle_rate: float = 0.0
    translation_rate: float = 0.0


@dataclass(frozen=True)
class LatentPlan:
    """Both stages, with the published steps, rates and weights.

    The published joint stage weighs squared landmark errors with 2e-3 and squared identity
    coefficients with 2e-4; where these are half squares in units of noise, that is 4e-4.
    A published unit of length is a decimetre.

    Attributes:
        texture: The latents alone.
        joint: Everything; None to leave it out.
    """

    texture: LatentStage = field(
        default_factory=lambda: LatentStage(
            descent=JointSettings(steps=100, cool_down=0.25),
            weights=LatentWeights(identity=10.0, colour=10.0, perceptual=100.0),
            latent_rate=0.1,
        )
    )
    joint: LatentStage | None = field(
        default_factory=lambda: LatentStage(
            descent=JointSettings(steps=200, cool_down=0.4),
            weights=LatentWeights(identity=0.2, colour=1.6, tint=10.0, head=4e-4),
            latent_rate=5e-4,
            coefficient_rate=0.01,
            angle_rate=5e-4,
            translation_rate=5e-5,
        )
    )


@dataclass(frozen=True, eq=False)
class DecoderFit:
    """A photo's texture in the latent of a decoder.

    Attributes:
        scene: The head, moved by the joint stage, and the light.
        latents: One for each layer of the decoder, in W+.
        albedo: Linear albedo on the head model's chart.
        reports: What the stages did.
    """

    scene: SceneParams
    latents: Float[Tensor, "L n"]
    albedo: Float[Tensor, "U U 3"]
    reports: tuple[StageReport, ...]


def fit_decoder_texture(
    face: PhotoFace,
    start: SceneParams,
    decoder: DecoderTools,
    *,
    tools: FitTools,
    plan: FitPlan,
    seed: int,
    stages: LatentPlan | None = None,
) -> DecoderFit:
    """Fit a decoder's latents, and then everything, to a photo.

    Args:
        face: The photo and what was seen in it.
        start: The fitted head and light (batch of one).
        decoder: Draws the texture and judges pictures.
        tools: Models and backends.
        plan: Noise of what was seen, priors of the head.
        seed: Of the choice of pixels that tell the light.
        stages: The published ones by default.
    """
    stages = stages or LatentPlan()
    skin = view_skin(
        face.photo, face.evidence, start, face.square, size=DECODER_VIEW_SIZE, tools=tools
    )
    lit = _lit(skin, start, decoder, tools=tools, plan=plan, seed=seed)
    start = dataclasses.replace(start, lighting=lit.scene.lighting)
    target = _Target.of(skin, start, decoder, tools)
    white, report = _fit_latents(_first(lit.scene, decoder), start, target, stages.texture)
    light = dataclasses.replace(lit.reports[0], name="light of the texture decoder")
    latents, scene, reports = decoder.whitening.latents(white), start, (light, report)
    if stages.joint is not None:
        together = _Together.of(face, start, target, plan)
        moved, report = together.fit(latents, stages.joint)
        latents, scene, reports = moved.latents, moved.scene, (*reports, report)
    with torch.no_grad():
        albedo = decoder.albedo(latents[None])[0].clamp(0.0, 1.0)
    return DecoderFit(scene, latents, albedo, reports)


def _lit(
    skin: SkinView,
    start: SceneParams,
    decoder: DecoderTools,
    *,
    tools: FitTools,
    plan: FitPlan,
    seed: int,
) -> StageResult:
    """Fit the light with what the decoder draws, whose skin may be brighter than other spaces'."""
    space = decoder.draws.space
    own = dataclasses.replace(tools, texture_space=space)
    none = start.texture_code.new_zeros(1, own.texture_count)
    blank = dataclasses.replace(start, texture_code=none)
    return fit_appearance([skin], blank, plan.fine_level, tools=own, plan=plan, seed=seed)


def _first(scene: SceneParams, decoder: DecoderTools) -> Float[Tensor, "L n"]:
    """Return whitened latents of usual length, the same in all layers, for a scene's codes.

    The published start draws the latents of all layers at random. What a decoder draws of those it
    has never seen, unless it was trained to mix them.
    """
    layout = decoder.albedo.generator.layout
    white = decoder.whitening.white(decoder.draws.nearest(scene.texture_code[0]))
    usual = layout.latent**0.5 / white.norm().clamp_min(SMALLEST_LENGTH)
    return (usual * white).expand(layout.latent_count, -1)


@dataclass(frozen=True, eq=False)
class _Target:
    """The photo as it is compared, and what renders the head for that."""

    skin: SkinView
    photo: Float[Tensor, "H W 3"]
    face_points: Float[Tensor, "5 2"]
    decoder: DecoderTools
    tools: FitTools

    @staticmethod
    def of(skin: SkinView, scene: SceneParams, decoder: DecoderTools, tools: FitTools) -> _Target:
        points = tools.model.landmark_points(
            skin.mesh, "mediapipe", projection=scene.camera.projection
        )
        world = points_on_surface(skin.mesh.vertices, skin.mesh.faces, points)
        pixels = project(skin.camera, world).pixels[0]
        return _Target(
            skin=skin,
            photo=linear_to_srgb(skin.pixels),
            face_points=pixels[torch.tensor(FACE_POINTS, device=pixels.device)].mean(dim=1),
            decoder=decoder,
            tools=tools,
        )

    def picture(
        self,
        mesh: FlameMesh,
        albedo: Float[Tensor, "1 U U 3"],
        lighting: Float[Tensor, "1 9 3"],
    ) -> Float[Tensor, "H W 3"]:
        """Return the head in front of the photo, sRGB."""
        prediction = render(
            mesh,
            chart_of(self.tools.assets),
            self.skin.camera,
            albedo,
            lighting,
            image_size=self.skin.crop.size,
            rasterizer=self.tools.rasterizer,
            options=RenderOptions(edges=self.tools.edges),
        )
        return linear_to_srgb(prediction.over(self.skin.pixels[None])[0].clamp(0.0, 1.0))

    def differences(
        self, picture: Float[Tensor, "H W 3"], weights: LatentWeights
    ) -> tuple[_Part, ...]:
        """Return how the head differs from the photo."""
        parts = [
            _Part(
                "colour", weights.colour, colour_difference(picture, self.photo, self.skin.weight)
            )
        ]
        both = torch.stack([picture, self.photo])
        if self.decoder.identity is not None and weights.identity > 0:
            embedding = self.decoder.identity(aligned_faces(both, self.face_points))
            distance = identity_distance(embedding[:1], embedding[1:])
            parts.append(_Part("identity", weights.identity, distance))
        if self.decoder.perceptual is not None and weights.perceptual > 0:
            shown = both * self.skin.surface[..., None]
            distance = self.decoder.perceptual(shown[:1], shown[1:]).mean()
            parts.append(_Part("perceptual", weights.perceptual, distance))
        return tuple(parts)


@dataclass(frozen=True, eq=False)
class _Part:
    """One term: its weight and its unweighted value."""

    name: str
    weight: float
    value: Float[Tensor, ""]


def _descend(
    name: str,
    parts: Callable[[tuple[Tensor, ...]], tuple[_Part, ...]],
    unknowns: list[Unknown],
    settings: JointSettings,
) -> tuple[JointSolution, StageReport]:
    """Minimise the weighted sum of terms and report on it."""

    def cost(values: tuple[Tensor, ...]) -> Float[Tensor, ""]:
        return torch.stack([part.weight * part.value for part in parts(values)]).sum()

    found = descend_jointly(cost, unknowns, settings=settings)
    with torch.no_grad():
        values = tuple(
            TermValue(part.name, float(part.value), part.weight * float(part.value))
            for part in parts(found.values)
        )
    report = StageReport(
        name, found.status.value, found.steps, found.start_cost, found.cost, values
    )
    return found, report


def _fit_latents(
    start: Float[Tensor, "L n"], scene: SceneParams, target: _Target, stage: LatentStage
) -> tuple[Tensor, StageReport]:
    """Fit the whitened latents alone, each on the sphere of its first value."""
    decoder, weights = target.decoder, stage.weights

    def parts(values: tuple[Tensor, ...]) -> tuple[_Part, ...]:
        (white,) = values
        albedo = decoder.albedo(decoder.whitening.latents(white)[None])
        picture = target.picture(target.skin.mesh, albedo, scene.lighting)
        return (
            *target.differences(picture, weights),
            _Part("latent_spread", weights.spread, latent_spread(white)),
        )

    unknowns = [Unknown(start, stage.latent_rate, on_sphere=True)]
    found, report = _descend("texture latents", parts, unknowns, stage.descent)
    return found.values[0], report


@dataclass(frozen=True, eq=False)
class _Moved:
    """What the joint stage moves."""

    latents: Float[Tensor, "L n"]
    scene: SceneParams


@dataclass(frozen=True, eq=False)
class _Together:
    """The joint stage: latents, light and head."""

    target: _Target
    base: SceneParams
    head: Objective

    @staticmethod
    def of(face: PhotoFace, base: SceneParams, target: _Target, plan: FitPlan) -> _Together:
        model = target.tools.model
        terms = seen_terms(model, base, [face.evidence], settings=plan.seen)
        priors = head_priors(base, plan.head_priors, focal_known=[True])
        return _Together(
            target, base, Objective(model, base, terms=terms, priors=priors, free=FLAME_BLOCKS)
        )

    def fit(self, latents: Float[Tensor, "L n"], stage: LatentStage) -> tuple[_Moved, StageReport]:
        """Return the best of all, from latents and the first scene."""
        unknowns = [
            Unknown(latents, stage.latent_rate),
            Unknown(self.base.lighting, stage.angle_rate),
            *(Unknown(block_of(self.base, name), _rate(name, stage)) for name in FLAME_BLOCKS),
        ]

        def parts(values: tuple[Tensor, ...]) -> tuple[_Part, ...]:
            return self._parts(values, stage.weights)

        found, report = _descend("texture latents and head", parts, unknowns, stage.descent)
        return self._moved(found.values), report

    def _moved(self, values: tuple[Tensor, ...]) -> _Moved:
        scene = self.head.scene(torch.cat(values[2:], dim=-1))
        return _Moved(values[0], dataclasses.replace(scene, lighting=values[1]))

    def _parts(self, values: tuple[Tensor, ...], weights: LatentWeights) -> tuple[_Part, ...]:
        moved, decoder = self._moved(values), self.target.decoder
        mesh = self.target.tools.model.mesh(moved.scene.flame)
        picture = self.target.picture(
            mesh, decoder.albedo(moved.latents[None]), moved.scene.lighting
        )
        spread = latent_spread(decoder.whitening.white(moved.latents))
        seen = self.head.cost(torch.cat(values[2:], dim=-1))[0]
        return (
            *self.target.differences(picture, weights),
            _Part("latent_spread", weights.spread, spread),
            _Part("light_tint", weights.tint, light_tint(moved.scene.lighting[0])),
            _Part("head", weights.head, seen),
        )


def _rate(block: str, stage: LatentStage) -> float:
    """Return how far a block of the head moves in a step."""
    if block in COEFFICIENT_BLOCKS:
        return stage.coefficient_rate
    return stage.translation_rate if block == TRANSLATION_BLOCK else stage.angle_rate
