"""Pictures of staged heads, with their truth."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import avg_pool2d

from flame_fit.appearance import TextureSpace
from flame_fit.appearance.texture_space import decode
from flame_fit.errors import AssetError, UsageError
from flame_fit.flame import FlameMesh, FlameModel
from flame_fit.geometry import Camera, Crop, points_on_surface, vertex_normals
from flame_fit.render import (
    Rasterizer,
    VisibleSurface,
    antialias,
    covered_pixels,
    smooth_normals,
    to_fragments,
    to_screen,
)
from flame_fit.scene import SceneParams
from flame_fit.synth.backgrounds import Background, background_image
from flame_fit.synth.face_map import face_map, texture_brows
from flame_fit.synth.head_frame import HeadFrame
from flame_fit.synth.labels import HeadLabels, head_labels, with_texels
from flame_fit.synth.lamps import Lamp, sky_openness
from flame_fit.synth.sensor import Sensor, develop
from flame_fit.synth.skin_look import SkinLook, with_look
from flame_fit.synth.solids import Solid
from flame_fit.synth.stage import Stage, StageShader, make_stage
from flame_fit.synth.truth import PhotoTruth, Subject, pane_depth, picture_truth, skin_faces

GLASS_REFLECTION = 0.02
"""Light that a pane adds, as a share of full light."""


@runtime_checkable
class Thing(Protocol):
    """Something on or before a head."""

    def build(self, frame: HeadFrame) -> tuple[Solid, ...]:
        """Return its parts in head axes."""
        ...


@dataclass(frozen=True)
class Staging:
    """All that is in a picture besides the head and its smooth light.

    Attributes:
        things: Hair, clothes, glasses, hands and so on.
        lamps: Light beyond the scene's spherical harmonics, on top of them.
        dark_cavities: Whether the smooth light reaches only what sees the sky.
        background: What stands behind.
        sensor: What the camera does to the light.
        skin: What the skin has beyond the texture space; nothing without.
    """

    things: tuple[Thing, ...] = ()
    lamps: tuple[Lamp, ...] = ()
    dark_cavities: bool = False
    background: Background = field(default_factory=Background)
    sensor: Sensor = field(default_factory=Sensor)
    skin: SkinLook | None = None


@dataclass(frozen=True, eq=False)
class SyntheticPhoto:
    """A picture with its truth.

    Attributes:
        srgb: The picture.
        scene: Head, camera, albedo and light that it shows.
        coverage: How much of each pixel shows the head.
        truth: What is true at each pixel and landmark.
        staging: What else it shows.
    """

    srgb: UInt8[np.ndarray, "H W 3"]
    scene: SceneParams
    coverage: Float[np.ndarray, "H W"]
    truth: PhotoTruth
    staging: Staging


def render_scene(
    scene: SceneParams,
    model: FlameModel,
    space: TextureSpace,
    *,
    image_size: tuple[int, int] = (512, 512),
    rasterizer: Rasterizer,
    seed: int = 0,
    supersampling: int = 3,
    staging: Staging | None = None,
) -> SyntheticPhoto:
    """Return a picture of a scene and its truth.

    Samples are averaged in linear light over each pixel. The light of `scene.lighting` is the
    truth for smooth light; `staging.lamps` and `staging.dark_cavities` are not part of it.

    Args:
        scene: One head.
        model: The head model.
        space: Its texture space.
        image_size: Height and width in pixels.
        rasterizer: From `make_rasterizer`.
        seed: Of the soft background that stands in where there is no staging.
        supersampling: Samples per pixel in each direction.
        staging: What else is in the picture; a bare head without.

    Raises:
        AssetError: The model has no UV chart or no embedding of MediaPipe's points.
        UsageError: The scene is a batch, or supersampling is less than 1.
    """
    if model.assets.chart is None:
        raise AssetError(f"model {model.assets.name!r} has no UV chart; use 'open_head'")
    if scene.batch_size != 1:
        raise UsageError(f"the scene has {scene.batch_size} heads; render them one by one")
    staging = staging or Staging(background=Background(seed=seed))
    mesh = model.mesh(scene.flame)
    points = model.landmark_points(mesh, "mediapipe")
    landmarks = points_on_surface(mesh.vertices, mesh.faces, points)[0]
    stage = make_stage(mesh.vertices[0], mesh.faces, _solids(staging, model, mesh))
    openness = None
    if staging.dark_cavities:
        openness = sky_openness(stage.vertices, stage.faces, rasterizer=rasterizer)
    head = _painted(scene, model, space, staging)
    shader = StageShader(
        stage=stage,
        chart=model.assets.chart,
        texture=head.texture,
        lighting=scene.lighting,
        lamps=staging.lamps,
        openness=openness,
        rasterizer=rasterizer,
    )
    subject = Subject(model.assets.chart, skin_faces(model.assets), landmarks, head.labels)
    shot = take_shot(
        shader, subject, scene.camera, staging, image_size=image_size, supersampling=supersampling
    )
    return SyntheticPhoto(shot.srgb, scene, shot.coverage, shot.truth, staging)


@dataclass(frozen=True, eq=False)
class Shot:
    """A picture of any head.

    Attributes:
        srgb: The picture.
        coverage: How much of each pixel shows the head.
        truth: What is true at each pixel and landmark.
    """

    srgb: UInt8[np.ndarray, "H W 3"]
    coverage: Float[np.ndarray, "H W"]
    truth: PhotoTruth


def take_shot(
    shader: StageShader,
    subject: Subject,
    camera: Camera,
    staging: Staging,
    *,
    image_size: tuple[int, int],
    supersampling: int,
) -> Shot:
    """Return a picture of a stage and its truth.

    Args:
        shader: Stage, colours and light.
        subject: What is known of the head.
        camera: Camera of the picture.
        staging: Its background and sensor are used; its things are on the stage already.
        image_size: Height and width in pixels.
        supersampling: Samples per pixel in each direction.

    Raises:
        UsageError: Supersampling is less than 1.
    """
    if supersampling < 1:
        raise UsageError(f"supersampling must be 1 or more, got {supersampling}; use 2")
    rasterizer = shader.rasterizer
    picture = _sampled(shader, camera, image_size, supersampling)
    behind = background_image(staging.background, image_size)
    linear = picture.colour + (1.0 - picture.coverage[..., None]) * torch.from_numpy(behind).to(
        picture.colour
    )
    linear = linear * picture.passed + GLASS_REFLECTION * (1.0 - picture.passed).clamp(0.0, 0.1)
    truth = picture_truth(shader.stage, subject, camera, image_size, rasterizer=rasterizer)
    return Shot(
        srgb=develop(linear.cpu().numpy(), staging.sensor),
        coverage=picture.head.cpu().numpy(),
        truth=truth,
    )


@dataclass(frozen=True, eq=False)
class _Picture:
    """What reaches the camera, averaged over pixels.

    Attributes:
        colour: Linear light, multiplied by coverage.
        coverage: Share of the pixel that shows something opaque.
        head: Share that shows the head.
        passed: Share of light that panes let through.
    """

    colour: Float[Tensor, "H W 3"]
    coverage: Float[Tensor, "H W"]
    head: Float[Tensor, "H W"]
    passed: Float[Tensor, "H W 3"]


@dataclass(frozen=True, eq=False)
class _PaintedHead:
    """Colours of a head and what they show.

    Attributes:
        texture: Linear albedo.
        labels: Classes of its surface; None where the model does not say.
    """

    texture: Float[Tensor, "1 U U 3"]
    labels: HeadLabels | None


def _painted(
    scene: SceneParams, model: FlameModel, space: TextureSpace, staging: Staging
) -> _PaintedHead:
    texture = decode(space, scene.texture_code).clamp(0.0, 1.0)
    labels = head_labels(model.assets)
    if labels is None:
        return _PaintedHead(texture, None)
    brows = texture_brows(model.assets, space)
    masks = face_map(model.assets, texture.shape[1])
    if staging.skin is not None:
        look = with_look(texture[0].cpu().numpy(), staging.skin, masks, brows)
        texture, brows = torch.from_numpy(look.texture[None]).to(texture), look.brows
    return _PaintedHead(texture, with_texels(labels, brows, masks.nose))


def _solids(staging: Staging, model: FlameModel, mesh: FlameMesh) -> tuple[Solid, ...]:
    """Return the things in world axes."""
    if not staging.things:
        return ()
    frame = HeadFrame.of(model, mesh)
    return tuple(
        solid.moved(frame.rotation, frame.centre)
        for thing in staging.things
        for solid in thing.build(frame)
    )


def _sampled(
    shader: StageShader, camera: Camera, image_size: tuple[int, int], factor: int
) -> _Picture:
    stage = shader.stage
    size = (image_size[0] * factor, image_size[1] * factor)
    finer = camera.crop(
        Crop(
            offset=torch.zeros_like(camera.principal_point),
            scale=torch.full_like(camera.focal[:, :1], factor),
            size=size,
        )
    )
    screen = to_screen(stage.vertices[None], finer)
    covered = covered_pixels(shader.rasterizer(screen, stage.faces, size), screen, stage.faces)
    normals = smooth_normals(
        covered, stage.faces, vertex_normals(stage.vertices[None], stage.faces)
    )
    colours = shader(VisibleSurface(covered, screen, stage.faces, normals))
    ones = torch.ones_like(normals[:, :1])
    on_head = (covered.face_index < stage.head_faces)[:, None].to(ones)
    samples = covered.scatter(torch.cat((colours.albedo * colours.shading, ones, on_head), dim=-1))
    fragments = to_fragments(covered)
    samples = antialias(samples, fragments, screen, stage.faces)
    opaque = torch.where(fragments.depth[0] > 0.0, fragments.depth[0], torch.inf)
    pooled = _pooled(samples[0], factor)
    return _Picture(
        colour=pooled[..., :3],
        coverage=pooled[..., 3],
        head=pooled[..., 4],
        passed=_pooled(_passed(stage, finer, opaque, shader.rasterizer), factor),
    )


def _passed(
    stage: Stage, camera: Camera, opaque: Float[Tensor, "H W"], rasterizer: Rasterizer
) -> Float[Tensor, "H W 3"]:
    """Return the share of light that panes before the opaque surfaces let through."""
    height, width = opaque.shape
    passed = opaque.new_ones(height, width, 3)
    for pane in stage.panes:
        depth = pane_depth((pane,), camera, (height, width), rasterizer=rasterizer)
        transmission = opaque.new_tensor(pane.transmission)
        passed = torch.where((depth < opaque)[..., None], passed * transmission, passed)
    return passed


def _pooled(image: Float[Tensor, "H W C"], factor: int) -> Float[Tensor, "h w C"]:
    return avg_pool2d(image.permute(2, 0, 1)[None], factor)[0].permute(1, 2, 0)
