"""The schedule of HavenFeng/photometric_optimization on this project's head model and renderer.

Written anew from a description of its behaviour, to compare times and results in one run: 200 Adam
passes for the pose on the 51 inner landmarks, then 800 for everything on 68 landmarks and all skin
pixels of a 224-pixel picture. Colours are sRGB values taken as if they were light, as there.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.appearance import TextureSpace
from flame_fit.errors import AssetError
from flame_fit.flame import FlameMesh, FlameModel, FlameParams, UvChart
from flame_fit.geometry import Camera, points_on_surface, project
from flame_fit.render import (
    Colours,
    Prediction,
    Rasterizer,
    RenderOptions,
    VisibleSurface,
    interpolate_covered,
    render_with,
    sample_texture_at,
)

IMAGE_SIDE = 224
TEXTURE_SIDE = 256
CONTOUR_COUNT = 17
# Constants of real spherical harmonics convolved with the cosine, in the seed's order:
# 1, x, y, z, xy, xz, yz, x^2 - y^2, 3 z^2 - 1 (not the order of `appearance.lighting`).
_BAND_0 = 1.0 / math.sqrt(4.0 * math.pi)
_BAND_1 = (2.0 * math.pi / 3.0) * math.sqrt(3.0 / (4.0 * math.pi))
_BAND_2 = (math.pi / 4.0) * 3.0 * math.sqrt(5.0 / (12.0 * math.pi))
_BAND_2_DIFFERENCE = 0.5 * _BAND_2
_BAND_2_ZONAL = (math.pi / 4.0) * 0.5 * math.sqrt(5.0 / (4.0 * math.pi))


@dataclass(frozen=True)
class SeedSettings:
    """Counts, weights and rates of the seed.

    Attributes:
        rigid_passes: Passes in which only pose, jaw and camera move.
        full_passes: Passes in which everything moves.
        shape_count: Identity coefficients.
        expression_count: Expression coefficients, fewer where the model has fewer.
        texture_count: Texture codes, fewer where the texture space has fewer.
        start_scale: First scale of the camera, half image sides per metre.
        learning_rate: Of Adam, for every parameter.
        weight_decay: Of Adam, added to the gradient of every parameter.
        shape_weight: Of half the sum of squares of the identity coefficients.
        expression_weight: Of half the sum of squares of the expression coefficients.
        photometric_weight: Of the mean absolute colour difference over all pixels.
    """

    rigid_passes: int = 200
    full_passes: int = 800
    shape_count: int = 100
    expression_count: int = 50
    texture_count: int = 50
    start_scale: float = 5.0
    learning_rate: float = 0.005
    weight_decay: float = 1e-4
    shape_weight: float = 1e-4
    expression_weight: float = 1e-4
    photometric_weight: float = 8.0


@dataclass(frozen=True, eq=False)
class SeedPhoto:
    """A face prepared as the seed wants it.

    Attributes:
        image: sRGB values 0..1.
        mask: One on skin, zero elsewhere.
        landmarks: iBUG-68 in half image sides from the middle, x right, y down.
    """

    image: Float[Tensor, "1 H W 3"]
    mask: Float[Tensor, "1 H W 1"]
    landmarks: Float[Tensor, "1 68 2"]

    def to(self, device: torch.device) -> SeedPhoto:
        """Return the photo on another device."""
        return SeedPhoto(self.image.to(device), self.mask.to(device), self.landmarks.to(device))


@dataclass(frozen=True, eq=False)
class SeedTools:
    """What the passes run on.

    Attributes:
        model: The head model.
        chart: Its texture chart.
        space: The texture space at the seed's size.
        rasterizer: Says which triangle covers which pixel.
    """

    model: FlameModel
    chart: UvChart
    space: TextureSpace
    rasterizer: Rasterizer

    @staticmethod
    def of(
        model: FlameModel,
        space: TextureSpace,
        rasterizer: Rasterizer,
        *,
        settings: SeedSettings,
    ) -> SeedTools:
        """Return the tools, the texture thinned by taking every n-th texel and component cut.

        Raises:
            AssetError: If the model has no UV chart.
        """
        if model.assets.chart is None:
            raise AssetError(f"model {model.assets.name!r} has no UV chart; use 'open_head'")
        step = max(1, space.mean.shape[0] // TEXTURE_SIDE)
        count = min(settings.texture_count, space.scale.shape[0])
        thinned = TextureSpace(
            mean=space.mean[::step, ::step].contiguous(),
            basis=space.basis[::step, ::step, :, :count].contiguous(),
            scale=space.scale[:count],
        )
        return SeedTools(model, model.assets.chart, thinned, rasterizer)


@dataclass(frozen=True, eq=False)
class SeedParams:
    """The unknowns of one head."""

    shape: Float[Tensor, "1 S"]
    expression: Float[Tensor, "1 E"]
    pose: Float[Tensor, "1 6"]
    """Rotation of the head, then of the jaw."""
    camera: Float[Tensor, "1 3"]
    """Scale, then the movement in x and y before it, metres."""
    texture: Float[Tensor, "1 K"]
    lights: Float[Tensor, "1 9 3"]

    @staticmethod
    def start(tools: SeedTools, settings: SeedSettings) -> SeedParams:
        """Return the mean head with the camera's first scale, in the dark."""
        model = tools.model
        zeros = partial(torch.zeros, dtype=model.dtype, device=model.device)
        camera = zeros(1, 3)
        camera[0, 0] = settings.start_scale
        return SeedParams(
            shape=zeros(1, min(settings.shape_count, model.shape_count)),
            expression=zeros(1, min(settings.expression_count, model.expression_count)),
            pose=zeros(1, 6),
            camera=camera,
            texture=zeros(1, tools.space.scale.shape[0]),
            lights=zeros(1, 9, 3),
        )

    def flame(self) -> FlameParams:
        """Return the head, moved in the image plane; neck and eyes stay at rest."""
        zeros = torch.zeros_like(self.pose)
        return FlameParams(
            shape=self.shape,
            expression=self.expression,
            head_rotation=self.pose[:, :3],
            neck=zeros[:, :3],
            jaw=self.pose[:, 3:],
            eyes=zeros,
            translation=torch.nn.functional.pad(self.camera[:, 1:], (0, 1)),
        )

    def view(self, side: int) -> Camera:
        """Return the scaled orthographic camera of a square picture."""
        half = 0.5 * side
        return Camera(
            focal=(half * self.camera[:, :1]).expand(-1, 2),
            principal_point=self.camera.new_full((1, 2), half),
            projection="orthographic",
        )


@dataclass(frozen=True)
class SeedFit:
    """What the schedule found and how long it took.

    Attributes:
        params: The last values.
        rigid_losses: Loss before each pass of the first stage.
        full_losses: The same for the second.
        rigid_seconds: Duration of each pass of the first stage.
        full_seconds: The same for the second.
    """

    params: SeedParams
    rigid_losses: tuple[float, ...]
    full_losses: tuple[float, ...]
    rigid_seconds: tuple[float, ...]
    full_seconds: tuple[float, ...]


def fit_seed(
    photo: SeedPhoto,
    tools: SeedTools,
    *,
    settings: SeedSettings,
    start: SeedParams | None = None,
    on_pass: Callable[[], None] = lambda: None,
) -> SeedFit:
    """Run both stages.

    Args:
        photo: The prepared face.
        tools: Model, texture space and rasteriser.
        settings: Counts, weights and rates.
        start: Where to begin instead of the mean head.
        on_pass: Called after each pass.
    """
    begin = start or SeedParams.start(tools, settings)
    begin = SeedParams(
        **{name: value.detach().clone().requires_grad_() for name, value in vars(begin).items()}
    )
    rigid = _Stage(settings, (begin.pose, begin.camera))
    full = _Stage(settings, tuple(vars(begin).values()))
    rigid.run(lambda: rigid_loss(begin, photo, tools), settings.rigid_passes, on_pass)
    full.run(
        lambda: full_loss(begin, photo, tools, settings=settings), settings.full_passes, on_pass
    )
    found = SeedParams(**{name: value.detach() for name, value in vars(begin).items()})
    return SeedFit(
        params=found,
        rigid_losses=tuple(rigid.losses),
        full_losses=tuple(full.losses),
        rigid_seconds=tuple(rigid.seconds),
        full_seconds=tuple(full.seconds),
    )


class _Stage:
    """Adam over some of the parameters, with the loss and the time of each pass."""

    def __init__(self, settings: SeedSettings, free: tuple[Tensor, ...]) -> None:
        self._optimiser = torch.optim.Adam(
            free, lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.losses: list[float] = []
        self.seconds: list[float] = []

    def run(self, loss_of: Callable[[], Tensor], passes: int, on_pass: Callable[[], None]) -> None:
        for _ in range(passes):
            begun = time.perf_counter()
            loss = loss_of()
            self._optimiser.zero_grad()
            loss.backward()
            self._optimiser.step()
            self.losses.append(float(loss.detach()))
            self.seconds.append(time.perf_counter() - begun)
            on_pass()


def rigid_loss(params: SeedParams, photo: SeedPhoto, tools: SeedTools) -> Float[Tensor, ""]:
    """Return the mean distance of the 51 inner landmarks."""
    mesh = tools.model.mesh(params.flame())
    found = _landmarks(mesh, params, tools)
    return _mean_distance(found[:, CONTOUR_COUNT:], photo.landmarks[:, CONTOUR_COUNT:])


def full_loss(
    params: SeedParams, photo: SeedPhoto, tools: SeedTools, *, settings: SeedSettings
) -> Float[Tensor, ""]:
    """Return the loss of the second stage: landmarks, coefficients and colours."""
    mesh = tools.model.mesh(params.flame())
    distance = _mean_distance(_landmarks(mesh, params, tools), photo.landmarks)
    picture = render_seed(params, tools, side=photo.image.shape[1], mesh=mesh)
    colours = (photo.mask * (picture.image - photo.image).abs()).mean()
    return (
        distance
        + settings.shape_weight * 0.5 * params.shape.square().sum()
        + settings.expression_weight * 0.5 * params.expression.square().sum()
        + settings.photometric_weight * colours
    )


def render_seed(
    params: SeedParams, tools: SeedTools, *, side: int, mesh: FlameMesh | None = None
) -> Prediction:
    """Return the head as the seed draws it: hard outlines, black background, sRGB values."""
    space = tools.space
    offsets = (params.texture * space.scale) @ space.basis.flatten(0, 2).T
    texture = space.mean + offsets.reshape(-1, *space.mean.shape)
    return render_with(
        mesh or tools.model.mesh(params.flame()),
        params.view(side),
        _SeedShader(tools.chart, texture, params.lights),
        image_size=(side, side),
        rasterizer=tools.rasterizer,
        options=RenderOptions(smooth_silhouettes=False),
    )


def seed_harmonics(normals: Float[Tensor, "n 3"]) -> Float[Tensor, "n 9"]:
    """Return the nine functions of unit normals in the seed's order and scale."""
    x, y, z = normals.unbind(-1)
    return torch.stack(
        (
            torch.full_like(x, _BAND_0),
            _BAND_1 * x,
            _BAND_1 * y,
            _BAND_1 * z,
            _BAND_2 * x * y,
            _BAND_2 * x * z,
            _BAND_2 * y * z,
            _BAND_2_DIFFERENCE * (x * x - y * y),
            _BAND_2_ZONAL * (3.0 * z * z - 1.0),
        ),
        dim=-1,
    )


@dataclass(frozen=True, eq=False)
class _SeedShader:
    """Texture times light; no gradient reaches the head through its normals."""

    chart: UvChart
    texture: Float[Tensor, "1 U U 3"]
    lights: Float[Tensor, "1 9 3"]

    def __call__(self, surface: VisibleSurface) -> Colours:
        covered = surface.covered
        uv = interpolate_covered(covered, self.chart.faces, self.chart.uv[None])
        albedo = sample_texture_at(self.texture, uv, covered.image_index)
        return Colours(albedo, seed_harmonics(surface.normals.detach()) @ self.lights[0])


def _landmarks(mesh: FlameMesh, params: SeedParams, tools: SeedTools) -> Float[Tensor, "1 68 2"]:
    """Return the head's landmarks in half image sides; the outline's choice has no gradient."""
    resting = dataclasses.replace(
        mesh, joints=mesh.joints.detach(), joint_rotations=mesh.joint_rotations.detach()
    )
    points = tools.model.landmark_points(resting, "ibug", projection="orthographic")
    world = points_on_surface(mesh.vertices, mesh.faces, points)
    # A picture two pixels wide has half sides of one pixel.
    return project(params.view(2), world).pixels - 1.0


def _mean_distance(
    found: Float[Tensor, "b n 2"], wanted: Float[Tensor, "b n 2"]
) -> Float[Tensor, ""]:
    return (found - wanted).norm(dim=-1).mean()
