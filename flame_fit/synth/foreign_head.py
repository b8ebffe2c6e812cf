"""A head that no FLAME-format model made: the HiFi3D++ head of the research data.

It is read from its owner's files each time; nothing of it is kept. Its landmarks are found by the
face mesh detector in pictures of it and cast back onto its surface.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.spatial import cKDTree
from torch import Tensor

from flame_fit.appearance import srgb_to_linear, white_lighting
from flame_fit.errors import AssetError, NoFaceError
from flame_fit.flame import UvChart
from flame_fit.geometry import Crop, unproject
from flame_fit.geometry.cameras import Camera, centred_camera
from flame_fit.geometry.rotations import HeadAngles, matrix_from_head_angles
from flame_fit.image_files import Photo, load_image
from flame_fit.priors import find_faces
from flame_fit.render import Rasterizer, to_screen
from flame_fit.synth.photo import Shot, Staging, take_shot
from flame_fit.synth.solids import Solid
from flame_fit.synth.stage import Stage, StageShader, make_stage
from flame_fit.synth.truth import Subject
from flame_fit.untrusted import ObjFile, read_obj

HEAD_FILES = ("mesh_head.obj", "tex_uv.png")
EYE_FILES = ("eyeLeft_mesh_move.obj", "eyeRight_mesh_move.obj")
EYE_TEXTURE = "eye_ball_tex.png"
METRES = 0.1
"""The files are in decimetres: eyes 0.65 apart, chin to crown 2.3. Their axes are FLAME's."""

# Points of MediaPipe's mesh for the seven landmarks of the NoW protocol, in its order: outer and
# inner corner of the right eye, inner and outer of the left, bottom of the nose, right and left
# corner of the mouth.
NOW_POINTS = (33, 133, 362, 263, 2, 61, 291)
RIGHT_OUTER, RIGHT_INNER, LEFT_INNER, LEFT_OUTER, NOSE_BASE = range(5)
CROP_FACTOR = 0.7
"""Of the sum of face width (between the outer eye corners) and nose height; as in NoW."""
LANDMARK_VIEWS = ((0.0, 0.0), (-12.0, 0.0), (12.0, 0.0))
"""Yaw and pitch in degrees of the pictures that landmarks are found in; their median counts."""
SEEN_FROM = ((0.0, 0.0), (-45.0, 0.0), (45.0, 0.0), (0.0, -25.0))
"""Views of which one must show a vertex of the face for it to be scanned."""
DETECTION_SIZE, DETECTION_FOCAL, DETECTION_DISTANCE = (512, 512), 1500.0, 1.0
CLOSER = 3.0
"""Enlargement of the middle of those pictures to find visible vertices: 0.2 mm a pixel."""


@dataclass(frozen=True, eq=False)
class ForeignHead:
    """A textured head at rest: origin between its eyeballs, metres, FLAME's axes.

    Attributes:
        vertices: Skin; the eyeballs are apart.
        faces: Triangles.
        chart: Texture coordinates of the skin.
        texture: Linear albedo of the skin.
        eyes: Both eyeballs.
        landmarks: The seven points of the NoW protocol on the skin.
        face: Vertices by which a reconstruction is judged: the outside of the face, without ears,
            neck and the back of the head.
    """

    vertices: Float[Tensor, "V 3"]
    faces: Int[Tensor, "F 3"]
    chart: UvChart
    texture: Float[Tensor, "1 U U 3"]
    eyes: tuple[Solid, ...]
    landmarks: Float[Tensor, "7 3"]
    face: Bool[Tensor, "V"]


@dataclass(frozen=True, eq=False)
class Placement:
    """Where a head stands before the camera, which is at the world origin.

    Attributes:
        rotation: World from head axes.
        translation: World position of the head's origin, metres.
        camera: Camera of the picture.
    """

    rotation: Float[Tensor, "3 3"]
    translation: Float[Tensor, "3"]
    camera: Camera

    def to_world(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        """Return points in head axes in world axes."""
        return points @ self.rotation.T + self.translation

    def to_head(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        """Return points in world axes in head axes."""
        return (points - self.translation) @ self.rotation


def place_head(
    angles: HeadAngles,
    *,
    focal_pixels: float,
    distance: float,
    image_size: tuple[int, int],
    offset: tuple[float, float] = (0.0, 0.0),
) -> Placement:
    """Return a head's place.

    Args:
        angles: Turn of the head.
        focal_pixels: Focal length.
        distance: Metres from the camera to the eyes.
        image_size: Height and width in pixels.
        offset: Metres to the right and upwards in the picture.
    """
    return Placement(
        rotation=matrix_from_head_angles(angles).float(),
        translation=torch.tensor([*offset, -distance]),
        camera=centred_camera(torch.tensor([focal_pixels]), image_size),
    )


def load_foreign_head(folder: str | Path, *, rasterizer: Rasterizer) -> ForeignHead:
    """Read the HiFi3D++ head and find its landmarks.

    Args:
        folder: With the meshes and textures, `shared/data/hifi3dpp`.
        rasterizer: From `make_rasterizer`; draws the pictures that landmarks are found in.

    Raises:
        AssetError: A file is missing or damaged, or no face is found on the head.
    """
    folder = Path(folder)
    skin, colours = _read(folder, HEAD_FILES[0]), _texture(folder / HEAD_FILES[1])
    balls = [_read(folder, name) for name in EYE_FILES]
    origin = np.mean([_middle(ball) for ball in balls], axis=0)
    eye_colours = _texture(folder / EYE_TEXTURE)
    eyes = tuple(
        Solid("eye", METRES * (ball.vertices - origin), ball.faces, _corner_uv(ball), eye_colours)
        for ball in balls
    )
    if skin.uv is None or skin.uv_faces is None:
        raise AssetError(f"{folder / HEAD_FILES[0]} has no texture coordinates; get the whole file")
    head = ForeignHead(
        vertices=torch.from_numpy(METRES * (skin.vertices - origin)).float(),
        faces=torch.from_numpy(skin.faces),
        chart=UvChart(torch.from_numpy(skin.uv).float(), torch.from_numpy(skin.uv_faces)),
        texture=torch.from_numpy(colours).float()[None],
        eyes=eyes,
        landmarks=torch.zeros(7, 3),
        face=torch.ones(len(skin.vertices), dtype=torch.bool),
    )
    head = replace(head, landmarks=_find_landmarks(head, rasterizer, folder))
    return replace(head, face=_face_region(head, rasterizer))


def render_foreign(
    head: ForeignHead,
    placement: Placement,
    lighting: Float[Tensor, "1 9 3"],
    *,
    image_size: tuple[int, int] = (512, 512),
    rasterizer: Rasterizer,
    staging: Staging | None = None,
    supersampling: int = 2,
) -> Shot:
    """Return a picture of the head with its truth; its landmarks are the seven of the NoW protocol.

    Args:
        head: From `load_foreign_head`.
        placement: From `place_head`.
        lighting: Spherical harmonics of the light by colour channel.
        image_size: Height and width in pixels.
        rasterizer: From `make_rasterizer`.
        staging: Lamps, background and sensor; it has no things, which need a FLAME-format head.
        supersampling: Samples per pixel in each direction.
    """
    staging = staging or Staging()
    shader = StageShader(
        stage=_stage(head, placement),
        chart=head.chart,
        texture=head.texture,
        lighting=lighting,
        lamps=staging.lamps,
        openness=None,
        rasterizer=rasterizer,
    )
    subject = Subject(
        chart=head.chart,
        skin_faces=torch.ones(len(head.faces), dtype=torch.bool),
        landmarks=placement.to_world(head.landmarks),
    )
    return take_shot(
        shader,
        subject,
        placement.camera,
        staging,
        image_size=image_size,
        supersampling=supersampling,
    )


def _stage(head: ForeignHead, placement: Placement) -> Stage:
    rotation = placement.rotation.double().numpy()
    translation = placement.translation.double().numpy()
    eyes = tuple(eye.moved(rotation, translation) for eye in head.eyes)
    return make_stage(placement.to_world(head.vertices), head.faces, eyes)


def _view(yaw: float, pitch: float) -> Placement:
    angles = HeadAngles(*torch.deg2rad(torch.tensor([yaw, pitch, 0.0])))
    return place_head(
        angles,
        focal_pixels=DETECTION_FOCAL,
        distance=DETECTION_DISTANCE,
        image_size=DETECTION_SIZE,
    )


def _find_landmarks(
    head: ForeignHead, rasterizer: Rasterizer, folder: Path
) -> Float[Tensor, "7 3"]:
    """Return the vertices nearest to where the detector sees the points, over several pictures."""
    found = []
    for yaw, pitch in LANDMARK_VIEWS:
        placement = _view(yaw, pitch)
        shot = render_foreign(
            head,
            placement,
            white_lighting(),
            image_size=DETECTION_SIZE,
            rasterizer=rasterizer,
            supersampling=1,
        )
        try:
            (face,) = find_faces(Photo(folder / HEAD_FILES[0], shot.srgb), segment=False)
        except NoFaceError as error:
            raise AssetError(f"no face is found on the head of {folder}; {error}") from error
        pixels = face.landmarks[0].pixels[list(NOW_POINTS)]
        depth = _skin_depth(shot.truth.depth, pixels)
        points = unproject(
            placement.camera,
            torch.from_numpy(pixels)[None].float(),
            torch.from_numpy(depth)[None].float(),
        )
        found.append(placement.to_head(points[0]))
    middle = torch.stack(found).median(dim=0).values
    _, nearest = cKDTree(head.vertices.numpy()).query(middle.numpy())
    return head.vertices[torch.from_numpy(nearest)]


def _skin_depth(
    depth: Float[np.ndarray, "H W"], pixels: Float[np.ndarray, "7 2"]
) -> Float[np.ndarray, "7"]:
    """Return the depth of the skin nearest to each pixel."""
    row, column = np.nonzero(depth)
    centres = np.stack((column, row), axis=-1) + 0.5
    _, nearest = cKDTree(centres).query(pixels)
    return depth[row[nearest], column[nearest]]


def _face_region(head: ForeignHead, rasterizer: Rasterizer) -> Bool[Tensor, "V"]:
    """Return the vertices within NoW's radius of the nose that a camera before the face can see."""
    marks = head.landmarks
    bridge = 0.5 * (marks[RIGHT_INNER] + marks[LEFT_INNER])
    width = (marks[RIGHT_OUTER] - marks[LEFT_OUTER]).norm()
    radius = CROP_FACTOR * (width + (bridge - marks[NOSE_BASE]).norm())
    near = (head.vertices - marks[NOSE_BASE]).norm(dim=-1) < radius
    seen = torch.zeros_like(near)
    side, corner = round(0.6 * CLOSER * DETECTION_SIZE[0]), 0.2 * DETECTION_SIZE[0]
    crop = Crop(torch.full((1, 2), corner), torch.tensor([[CLOSER]]), (side, side))
    for yaw, pitch in SEEN_FROM:
        placement = _view(yaw, pitch)
        camera = placement.camera.crop(crop)
        screen = to_screen(placement.to_world(head.vertices)[None], camera)
        shown = rasterizer(screen, head.faces, crop.size).unique()
        seen[head.faces[shown[shown >= 0].long()]] = True
    return near & seen


def _read(folder: Path, name: str) -> ObjFile:
    mesh = read_obj(folder / name)
    if mesh.uv is None:
        raise AssetError(f"{folder / name} has no texture coordinates; get the whole file")
    return mesh


def _texture(path: Path) -> Float[np.ndarray, "U U 3"]:
    if not path.is_file():
        raise AssetError(f"texture {path} does not exist; check the folder")
    return srgb_to_linear(load_image(path).srgb.astype(np.float64) / 255.0)


def _middle(mesh: ObjFile) -> Float[np.ndarray, "3"]:
    return 0.5 * (mesh.vertices.min(axis=0) + mesh.vertices.max(axis=0))


def _corner_uv(mesh: ObjFile) -> Float[np.ndarray, "V 2"]:
    """Return texture coordinates at the vertices; at a seam one of its two sides."""
    uv = np.zeros((len(mesh.vertices), 2))
    if mesh.uv is not None and mesh.uv_faces is not None:
        uv[mesh.faces] = mesh.uv[mesh.uv_faces]
    return uv
