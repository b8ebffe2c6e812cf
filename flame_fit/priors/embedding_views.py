"""Pictures of a head model from many sides, and what the face mesh detector finds in them."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.nn.functional import interpolate

from flame_fit.appearance.colour import linear_to_srgb
from flame_fit.flame import FlameMesh, FlameModel, FlameParams, Regions, UvChart
from flame_fit.geometry import Camera, project, vertex_normals
from flame_fit.priors.embedding_light import LitShader, light_at_vertices, random_sky
from flame_fit.priors.face_detection import detection_rounds
from flame_fit.priors.face_mesh import fit_face_mesh
from flame_fit.priors.litert import load_model
from flame_fit.priors.model_files import FaceModels
from flame_fit.render import (
    Colours,
    RenderOptions,
    Shader,
    TextureShader,
    VisibleSurface,
    interpolate_covered,
    make_rasterizer,
    render_with,
)

IMAGE_SIZE = 512
_DISTANCE, _FOCAL = 0.8, 1700.0
_MIN_SCORE = 0.6
# Hair reflects this much of what the skin of a shaven head would.
_HAIR_DARKNESS = (0.05, 0.3)
_BLOBS, _BACKGROUND_BRIGHTNESS = 16, 0.5
# Linear albedo by region, later ones painted over earlier ones, for models without a texture.
_PAINT = (
    ("scalp", (0.06, 0.04, 0.03)),
    ("face", (0.55, 0.36, 0.27)),
    ("lips", (0.45, 0.19, 0.17)),
    ("brows", (0.12, 0.08, 0.06)),
    ("left_eyeball", (0.8, 0.78, 0.76)),
    ("right_eyeball", (0.8, 0.78, 0.76)),
    ("left_iris", (0.08, 0.05, 0.03)),
    ("right_iris", (0.08, 0.05, 0.03)),
    ("mouth_interior", (0.15, 0.05, 0.05)),
    ("teeth", (0.7, 0.68, 0.6)),
)
_SKIN = (0.5, 0.33, 0.25)


@dataclass(frozen=True)
class ViewSettings:
    """Which pictures are made.

    Attributes:
        count: Number of pictures.
        yaw_degrees: Largest turn to either side.
        pitch_degrees: Largest nod up or down.
        identity: Standard deviations of the identity components.
        expression: Standard deviations of the expression components.
        seed: Start of the random numbers.
    """

    count: int = 60
    yaw_degrees: float = 40.0
    pitch_degrees: float = 20.0
    identity: float = 0.5
    expression: float = 0.25
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Dress:
    """Skins to show a model in.

    Attributes:
        chart: Over the model's triangles, into the textures; need not be the model's own.
        textures: Linear albedo maps to take turns with.
    """

    chart: UvChart
    textures: Float[Tensor, "n U U 3"]


@dataclass(frozen=True, eq=False)
class SeenView:
    """A picture's mesh, and the landmarks found in it.

    Attributes:
        picture: sRGB.
        vertices: Image pixels of the mesh.
        depth: Metres in front of the camera.
        facing: Cosine between each vertex normal and the direction to the camera.
        landmarks: Image pixels of the 478 points.
        confidence: 0..1.
        yaw: Radians.
    """

    picture: UInt8[np.ndarray, "H W 3"]
    vertices: Float[np.ndarray, "V 2"]
    depth: Float[np.ndarray, "V"]
    facing: Float[np.ndarray, "V"]
    landmarks: Float[np.ndarray, "478 2"]
    confidence: Float[np.ndarray, "478"]
    yaw: float


@dataclass(frozen=True, eq=False)
class RegionShader:
    """Plain colours by region."""

    colours: Float[Tensor, "V 3"]

    def __call__(self, surface: VisibleSurface) -> Colours:
        """Return the colour at the covered pixels."""
        albedo = interpolate_covered(surface.covered, surface.faces, self.colours[None])
        return Colours(albedo, torch.ones_like(albedo))


def region_colours(regions: Regions | None, vertex_count: int) -> Float[Tensor, "V 3"]:
    """Skin with lips, brows, hair and eyes where the model names them."""
    colours = torch.tensor(_SKIN).repeat(vertex_count, 1)
    for name, colour in _PAINT:
        if regions is not None and name in regions.names:
            colours[regions.mask(name)] = torch.tensor(colour)
    return colours


def seen_views(
    model: FlameModel,
    models: FaceModels,
    *,
    dress: Dress | None = None,
    settings: ViewSettings | None = None,
) -> list[SeenView]:
    """Render the model in many poses and find its face in each picture.

    Args:
        model: A head model.
        models: The detector.
        dress: Textures; plain region colours without.
        settings: Which pictures.
    """
    settings = settings or ViewSettings()
    generator = torch.Generator().manual_seed(settings.seed)
    views = []
    for number in range(settings.count):
        # Yaw is spread evenly; everything else is random.
        share = 2 * (number + 0.5) / settings.count - 1
        params = _random_head(model, share * settings.yaw_degrees, settings, generator)
        view = _see(model, models, params, _dressed(model, dress, number), generator)
        if view is not None:
            views.append(view)
    return views


def _random_head(
    model: FlameModel, yaw_degrees: float, settings: ViewSettings, generator: torch.Generator
) -> FlameParams:
    params = FlameParams.zeros(1, shape=model.shape_count, expression=model.expression_count)
    pitch = np.deg2rad(settings.pitch_degrees) * _uniform(generator, -1.0, 1.0)
    # Turned to the side first, then nodded as the camera sees it.
    turn = _rotation_vector(pitch, np.deg2rad(yaw_degrees))
    return replace(
        params,
        shape=settings.identity * torch.randn(params.shape.shape, generator=generator),
        expression=settings.expression * torch.randn(params.expression.shape, generator=generator),
        head_rotation=turn,
        jaw=torch.tensor([[max(_uniform(generator, -0.1, 0.12), 0.0), 0.0, 0.0]]),
    )


def _rotation_vector(pitch: float, yaw: float) -> Float[Tensor, "1 3"]:
    turn_x, _ = cv2.Rodrigues(np.array([pitch, 0.0, 0.0]))
    turn_y, _ = cv2.Rodrigues(np.array([0.0, yaw, 0.0]))
    vector, _ = cv2.Rodrigues(turn_x @ turn_y)
    return torch.from_numpy(vector.reshape(1, 3)).float()


def _uniform(generator: torch.Generator, low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator))


def _random_light(
    model: FlameModel, mesh: FlameMesh, generator: torch.Generator
) -> Float[Tensor, "V 3"]:
    """Shadowed light of ordinary brightness on the face; the scalp darker, as if it had hair.

    A bald head misleads detectors: they take the skull for forehead and place the chin too high.
    """
    sky = random_sky(generator)
    light = light_at_vertices(mesh, sky, make_rasterizer("warp", "cpu"))
    light = light / light[_front_vertices(model)].mean()
    regions = model.assets.regions
    if regions is not None and "scalp" in regions.names:
        hair = _uniform(generator, *_HAIR_DARKNESS)
        light = torch.where(regions.mask("scalp"), hair * light, light)
    return light[:, None].expand(-1, 3)


def _dressed(model: FlameModel, dress: Dress | None, number: int) -> Shader:
    if dress is None:
        return RegionShader(region_colours(model.assets.regions, len(model.assets.v_template)))
    texture = dress.textures[number % len(dress.textures)][None]
    return TextureShader(dress.chart, texture, torch.zeros(1, 9, 3))


def _random_background(generator: torch.Generator) -> Float[Tensor, "1 H W 3"]:
    """Soft coloured blobs, so that nothing is learned from a plain surround."""
    blobs = torch.rand(1, 3, _BLOBS, _BLOBS, generator=generator)
    size = (IMAGE_SIZE, IMAGE_SIZE)
    smooth = interpolate(blobs, size, mode="bicubic", align_corners=False)
    return smooth.clamp(0.0, 1.0).permute(0, 2, 3, 1) * _BACKGROUND_BRIGHTNESS


def _see(
    model: FlameModel,
    models: FaceModels,
    params: FlameParams,
    colours: Shader,
    generator: torch.Generator,
) -> SeenView | None:
    mesh = model.mesh(params)
    front = mesh.vertices[:, _front_vertices(model)].mean(dim=1)
    shift = torch.tensor([[0.0, 0.0, -_DISTANCE]]) - front
    mesh = replace(mesh, vertices=mesh.vertices + shift[:, None])
    camera = Camera(
        focal=torch.full((1, 2), _FOCAL), principal_point=torch.full((1, 2), IMAGE_SIZE / 2)
    )
    prediction = render_with(
        mesh,
        camera,
        LitShader(colours, _random_light(model, mesh, generator)),
        image_size=(IMAGE_SIZE, IMAGE_SIZE),
        rasterizer=make_rasterizer("warp", "cpu"),
        options=RenderOptions(),
    )
    linear = prediction.over(_random_background(generator)).clamp(0.0, 1.0)
    picture = (linear_to_srgb(linear)[0].numpy() * 255).round().astype(np.uint8)
    return _detect(picture, mesh, camera, models, yaw=float(params.head_rotation[0, 1]))


def _front_vertices(model: FlameModel) -> Int[Tensor, "n"]:
    regions = model.assets.regions
    if regions is not None and "face" in regions.names:
        return regions.mask("face").nonzero()[:, 0]
    z = model.assets.v_template[:, 2]
    return (z > z.quantile(0.7)).nonzero()[:, 0]


def _detect(
    picture: UInt8[np.ndarray, "H W 3"],
    mesh: FlameMesh,
    camera: Camera,
    models: FaceModels,
    *,
    yaw: float,
) -> SeenView | None:
    found = next(detection_rounds(picture, load_model(models.detector)))
    if not found:
        return None
    iris = load_model(models.iris) if models.iris else None
    fit = fit_face_mesh(picture, found[0], load_model(models.mesh), iris_model=iris)
    if fit.score < _MIN_SCORE:
        return None
    screen = project(camera, mesh.vertices)
    normals = vertex_normals(mesh.vertices, mesh.faces)[0]
    towards = torch.nn.functional.normalize(-mesh.vertices[0], dim=-1)
    return SeenView(
        picture=picture,
        vertices=screen.pixels[0].numpy().astype(np.float64),
        depth=screen.depth[0].numpy().astype(np.float64),
        facing=(normals * towards).sum(dim=-1).numpy().astype(np.float64),
        landmarks=fit.landmarks.pixels.astype(np.float64),
        confidence=fit.landmarks.confidence.astype(np.float64),
        yaw=yaw,
    )
