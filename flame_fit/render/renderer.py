"""Pictures of heads: rasterise, shade, smooth the silhouettes."""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import avg_pool2d, normalize

from flame_fit.errors import UsageError
from flame_fit.flame import FlameMesh, UvChart
from flame_fit.geometry.cameras import Camera
from flame_fit.geometry.topology import vertex_normals
from flame_fit.render.antialias import MeshEdges, blend_outline
from flame_fit.render.fragments import CoveredPixels, Fragments
from flame_fit.render.rasterizer import rasterize_covered
from flame_fit.render.screen import Rasterizer, to_screen
from flame_fit.render.shading import (
    ClayShader,
    Colours,
    Shader,
    TextureShader,
    VisibleSurface,
    smooth_normals,
)


@dataclass(frozen=True, eq=False)
class TriangleMesh:
    """A mesh that need not be a head; what is rendered of a `FlameMesh`."""

    vertices: Float[Tensor, "b V 3"]
    """World axes, metres."""
    faces: Int[Tensor, "F 3"]
    """Triangles, counter-clockwise seen from outside."""


@dataclass(frozen=True, eq=False)
class RenderOptions:
    """How a picture is sampled."""

    supersampling: int = 1
    """Samples per pixel in each direction; 1 while fitting, 2 or 3 for final pictures."""
    smooth_silhouettes: bool = True
    """Whether outlines are blended by the area they cover, which lets gradients move them."""
    mipmaps: bool = True
    """Whether texels smaller than pixels are averaged."""
    cull_backfaces: bool = False
    """Whether triangles seen from inside are left out."""
    edges: MeshEdges | None = None
    """From `mesh_edges`, to save their search where many pictures show the same mesh."""

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        if self.supersampling < 1:
            raise UsageError(f"supersampling must be 1 or more, got {self.supersampling}; use 2")


@dataclass(frozen=True, eq=False)
class Samples:
    """The visible surface, a row per covered sample."""

    covered: CoveredPixels
    colours: Colours
    normals: Float[Tensor, "n 3"]
    """Smooth unit normals, world axes."""
    per_pixel: int
    """Samples per pixel in each direction."""

    def mean(self, values: Float[Tensor, "n C"]) -> Float[Tensor, "b h w C"]:
        """Return the mean over the covered samples of each pixel, zero where there is none."""
        image = self.covered.scatter(values)
        if self.per_pixel == 1:
            return image
        share = _pool(self.covered.scatter(torch.ones_like(values[:, :1])), self.per_pixel)
        return _pool(image, self.per_pixel) / share.clamp_min(0.5 / self.per_pixel**2)


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a camera sees of a head; zero where it sees none."""

    image: Float[Tensor, "b H W 3"]
    """Linear light, already multiplied by `coverage`."""
    coverage: Float[Tensor, "b H W"]
    """Share of the pixel that shows the head, 0..1."""
    surface: VisibleSurface
    """What the samples show: `supersampling` times as many in each direction as pixels."""
    samples: Samples
    """The visible surface before it is gathered into pixels."""

    @property
    def fragments(self) -> Fragments:
        """What each sample shows."""
        return self.surface.fragments

    @cached_property
    def albedo(self) -> Float[Tensor, "b H W 3"]:
        """Linear reflectance of the visible surface."""
        return self.samples.mean(self.samples.colours.albedo)

    @cached_property
    def shading(self) -> Float[Tensor, "b H W 3"]:
        """Light on the visible surface; may be negative where the lighting is not physical."""
        return self.samples.mean(self.samples.colours.shading)

    @cached_property
    def normals(self) -> Float[Tensor, "b H W 3"]:
        """Smooth unit normals of the visible surface, world axes."""
        return normalize(self.samples.mean(self.samples.normals), dim=-1)

    def over(self, background: Float[Tensor, "#b H W 3"]) -> Float[Tensor, "b H W 3"]:
        """Return the picture in front of a background (linear light)."""
        return self.image + (1.0 - self.coverage[..., None]) * background


def render(
    mesh: FlameMesh | TriangleMesh,
    chart: UvChart,
    camera: Camera,
    texture: Float[Tensor, "#b U U 3"],
    lighting: Float[Tensor, "#b 9 3"],
    *,
    image_size: tuple[int, int],
    rasterizer: Rasterizer,
    options: RenderOptions | None = None,
) -> Prediction:
    """Return a picture of a textured head; differentiable in shape, camera, texture and light.

    Args:
        mesh: Vertices in world axes, metres.
        chart: Texture coordinates of the mesh's triangles.
        camera: Camera of the image.
        texture: Linear albedo; row 0 is v = 1.
        lighting: Spherical harmonics of the light by colour channel (`appearance.lighting`).
        image_size: Height and width in pixels.
        rasterizer: From `make_rasterizer`.
        options: How the picture is sampled.

    Raises:
        UsageError: Mesh and chart do not have the same number of triangles.
    """
    options = options or RenderOptions()
    if len(chart.faces) != len(mesh.faces):
        raise UsageError(
            f"the chart has {len(chart.faces)} triangles and the mesh {len(mesh.faces)}; "
            "use the chart of this model"
        )
    shader = TextureShader(chart, texture, lighting, mipmaps=options.mipmaps)
    return render_with(
        mesh,
        camera,
        shader,
        image_size=image_size,
        rasterizer=rasterizer,
        options=options,
    )


def render_shape(
    mesh: FlameMesh | TriangleMesh,
    camera: Camera,
    *,
    image_size: tuple[int, int],
    rasterizer: Rasterizer,
    supersampling: int = 2,
    edges: MeshEdges | None = None,
) -> Prediction:
    """Return a picture of the bare shape in grey clay, for a person to look at.

    Args:
        mesh: Vertices in world axes, metres.
        camera: Camera of the image.
        image_size: Height and width in pixels.
        rasterizer: From `make_rasterizer`.
        supersampling: Samples per pixel in each direction.
        edges: From `mesh_edges`, found anew if None.
    """
    return render_with(
        mesh,
        camera,
        ClayShader(),
        image_size=image_size,
        rasterizer=rasterizer,
        options=RenderOptions(supersampling=supersampling, edges=edges),
    )


def render_with(
    mesh: FlameMesh | TriangleMesh,
    camera: Camera,
    shader: Shader,
    *,
    image_size: tuple[int, int],
    rasterizer: Rasterizer,
    options: RenderOptions,
) -> Prediction:
    """Return a picture of a mesh coloured by a shader.

    Args:
        mesh: Vertices in world axes, metres.
        camera: Camera of the image.
        shader: Gives the visible surface its colours.
        image_size: Height and width in pixels.
        rasterizer: From `make_rasterizer`.
        options: How the picture is sampled.
    """
    factor, faces = options.supersampling, mesh.faces
    screen = to_screen(mesh.vertices, _finer(camera, factor))
    covered = rasterize_covered(
        screen,
        faces,
        (image_size[0] * factor, image_size[1] * factor),
        rasterizer=rasterizer,
        cull_backfaces=options.cull_backfaces,
    )
    normals = smooth_normals(covered, faces, vertex_normals(mesh.vertices, faces))
    return paint(VisibleSurface(covered, screen, faces, normals, options.edges), shader, options)


def paint(
    surface: VisibleSurface, shader: Shader, options: RenderOptions | None = None
) -> Prediction:
    """Return a picture of a surface that was found before, as of another picture's.

    Args:
        surface: What the samples show.
        shader: Gives them their colours.
        options: How the surface was sampled.
    """
    options = options or RenderOptions()
    factor, covered, normals = options.supersampling, surface.covered, surface.normals
    colours = shader(surface)
    ones = torch.ones_like(normals[:, :1])
    picture = covered.scatter(torch.cat((colours.albedo * colours.shading, ones), dim=-1))
    if options.smooth_silhouettes:
        picture = blend_outline(picture, surface.outline)
    if factor > 1:
        picture = _pool(picture, factor)
    return Prediction(
        image=picture[..., :3],
        coverage=picture[..., 3],
        surface=surface,
        samples=Samples(covered, colours, normals, per_pixel=factor),
    )


def _finer(camera: Camera, factor: int) -> Camera:
    """Return the camera of an image with `factor` times as many pixels in each direction."""
    return replace(
        camera, focal=camera.focal * factor, principal_point=camera.principal_point * factor
    )


def _pool(image: Float[Tensor, "b H W C"], factor: int) -> Float[Tensor, "b h w C"]:
    return avg_pool2d(image.permute(0, 3, 1, 2), factor).permute(0, 2, 3, 1)
