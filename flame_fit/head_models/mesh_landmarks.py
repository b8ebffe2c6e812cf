"""Where a detector sees the face on a coloured mesh of any topology and in any unit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from scipy.spatial import KDTree

from flame_fit.appearance.colour import linear_to_srgb
from flame_fit.errors import AssetError
from flame_fit.geometry import Camera
from flame_fit.priors.embedding_views import RegionShader
from flame_fit.priors.face_detection import detection_rounds
from flame_fit.priors.face_mesh import fit_face_mesh
from flame_fit.priors.litert import load_model
from flame_fit.priors.model_files import FaceModels
from flame_fit.render import Fragments, RenderOptions, make_rasterizer, render_with
from flame_fit.render.renderer import TriangleMesh

PICTURE_SIZE = 512
DISTANCE = 8.0
"""From the camera to the middle of what a picture shows, in widths of the picture."""
WHOLE_MARGIN = 1.1
"""Width of the first picture over the longest side of the mesh."""
CLOSE_MARGIN = 2.2
"""Width of the closer pictures over the height of the found face."""
CLOSE_YAWS = (-16.0, 0.0, 16.0)
"""Degrees; a landmark's place is the median over these pictures."""
MINIMUM_SCORE = 0.5
SUPERSAMPLING = 2
BACKGROUND = 0.2


@dataclass(frozen=True, eq=False)
class ColouredMesh:
    """A mesh with the face along +z and the crown along +y.

    Attributes:
        vertices: In any unit.
        faces: Triangles, counter-clockwise seen from outside.
        colours: Linear light at the vertices.
        surface_faces: How many of the triangles, the first ones, points may lie on; the others
            are only seen.
    """

    vertices: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    colours: Float[np.ndarray, "V 3"]
    surface_faces: int


def find_mesh_landmarks(
    mesh: ColouredMesh, models: FaceModels, *, name: str
) -> Float[np.ndarray, "478 3"]:
    """Return the places of MediaPipe's 478 points on a mesh, in its unit and frame.

    The face is found in a picture of the whole mesh, then looked at from near and from the sides.

    Args:
        mesh: What to look at.
        models: The detector.
        name: What the mesh is called in an error.

    Raises:
        AssetError: No face is found.
    """
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    width = WHOLE_MARGIN * float((high - low).max())
    found = _seen(mesh, models, _Frame(0.5 * (low + high), width, 0.0))
    if found is None:
        raise AssetError(
            f"detector {models.name} finds no face in a picture of {name}; give a head with its "
            "crown along y and its face along z"
        )
    height = float(np.ptp(found[:, 1]))
    centre = 0.5 * (found.min(axis=0) + found.max(axis=0))
    closer = [
        places
        for yaw in CLOSE_YAWS
        if (places := _seen(mesh, models, _Frame(centre, CLOSE_MARGIN * height, yaw))) is not None
    ]
    return np.median(np.stack(closer), axis=0) if closer else found


@dataclass(frozen=True, eq=False)
class _Frame:
    """What a picture shows: its middle and width in the mesh's unit, and the turn to the side."""

    centre: Float[np.ndarray, "3"]
    width: float
    yaw_degrees: float

    def place(self, vertices: Float[np.ndarray, "V 3"]) -> Float[np.ndarray, "V 3"]:
        """Return vertices before a camera at the origin, in widths of the picture."""
        angle = np.radians(self.yaw_degrees)
        turn = np.array(
            [
                [np.cos(angle), 0.0, np.sin(angle)],
                [0.0, 1.0, 0.0],
                [-np.sin(angle), 0.0, np.cos(angle)],
            ]
        )
        return (vertices - self.centre) @ turn.T / self.width - [0.0, 0.0, DISTANCE]


@dataclass(frozen=True, eq=False)
class _Picture:
    srgb: UInt8[np.ndarray, "H W 3"]
    fragments: Fragments


def _seen(
    mesh: ColouredMesh, models: FaceModels, frame: _Frame
) -> Float[np.ndarray, "478 3"] | None:
    """Return the places on the mesh of the points found in one picture, None without a face."""
    picture = _picture(mesh, frame)
    found = next(detection_rounds(picture.srgb, load_model(models.detector)))
    iris = load_model(models.iris) if models.iris else None
    fits = [
        fit_face_mesh(picture.srgb, face, load_model(models.mesh), iris_model=iris)
        for face in found
    ]
    if not fits or max(fit.score for fit in fits) < MINIMUM_SCORE:
        return None
    best = max(fits, key=lambda fit: fit.score)
    return _cast(best.landmarks.pixels, picture.fragments, mesh)


def _cast(
    pixels: Float[np.ndarray, "n 2"], fragments: Fragments, mesh: ColouredMesh
) -> Float[np.ndarray, "n 3"]:
    """Return the surface point that the picture shows nearest to each landmark."""
    face_index = fragments.face_index[0].numpy()
    row, column = np.nonzero((face_index >= 0) & (face_index < mesh.surface_faces))
    _, nearest = KDTree(np.stack((column, row), axis=-1) + 0.5).query(pixels)
    row, column = row[nearest], column[nearest]
    corners = mesh.vertices[mesh.faces[face_index[row, column]]]
    share = fragments.barycentrics[0].double().numpy()[row, column]
    return np.einsum("ncd,nc->nd", corners, share)


def _picture(mesh: ColouredMesh, frame: _Frame) -> _Picture:
    camera = Camera(
        focal=torch.full((1, 2), PICTURE_SIZE * DISTANCE),
        principal_point=torch.full((1, 2), 0.5 * PICTURE_SIZE),
    )
    placed = TriangleMesh(
        vertices=torch.from_numpy(frame.place(mesh.vertices)).float()[None],
        faces=torch.from_numpy(mesh.faces),
    )
    shader = RegionShader(torch.from_numpy(mesh.colours).float())
    size, rasterizer = (PICTURE_SIZE, PICTURE_SIZE), make_rasterizer("warp", "cpu")
    fine, plain = (
        render_with(placed, camera, shader, image_size=size, rasterizer=rasterizer, options=options)
        for options in (RenderOptions(supersampling=SUPERSAMPLING), RenderOptions())
    )
    linear = fine.over(torch.full((1, *size, 3), BACKGROUND)).clamp(0.0, 1.0)
    srgb = (linear_to_srgb(linear)[0].numpy() * 255).round().astype(np.uint8)
    return _Picture(srgb=srgb, fragments=plain.fragments)
