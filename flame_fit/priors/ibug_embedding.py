"""iBUG-68 points on a head model, from its MediaPipe points and its outline in views."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int

from flame_fit.flame import ContourTable, FlameAssets, LandmarkEmbeddings
from flame_fit.geometry import SurfacePoints, points_on_surface
from flame_fit.geometry.alignment import closest_points_on_mesh
from flame_fit.priors.face_mesh_topology import IBUG_INNER, face_mesh_topology
from flame_fit.priors.landmark_embedding import skin_faces

CONTOUR_COUNT = 17
# Right half of the mesh outline, from the eye's height to the chin. Measured on FAN landmarks of
# photos, the nine outline points of a side lie on it at equal distances.
_RIGHT_OUTLINE = (127, 234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152)
# Points down the middle of the face, forehead to chin: the outline moves towards them as the head
# turns.
_MIDDLE = (151, 168, 6, 197, 195, 164, 0, 17, 200, 175, 152)
_YAW_LIMIT, _YAW_STEP = 60.0, 3.0
_SWEEP_STEPS = 40
# Part of the way to the middle of the face that an outline point may travel.
_SWEEP_REACH = 0.5
_CAMERA_DISTANCE = 0.8


@dataclass(frozen=True, eq=False)
class _Sweep:
    """Surface points that may be the outline: for each of 17 points a path inwards."""

    positions: Float[np.ndarray, "17 n 3"]
    surface: SurfacePoints


def embed_ibug(assets: FlameAssets, mediapipe: SurfacePoints) -> LandmarkEmbeddings:
    """Derive the iBUG points and their outline over the head's turn.

    Args:
        assets: The model.
        mediapipe: Its 478 MediaPipe points.
    """
    vertices, faces = assets.v_template.double().cpu(), assets.faces.cpu()
    points = SurfacePoints(mediapipe.face_index, mediapipe.barycentrics.double())
    mesh = points_on_surface(vertices[None], faces, points)[0].numpy()
    inner = mesh[np.array(IBUG_INNER)].mean(axis=1)
    contour = contour_table(assets, mesh, _static_outline(mesh))
    frontal = int(contour.yaw_degrees.abs().argmin())
    snapped = _snap(assets, inner)
    ibug = SurfacePoints(
        torch.cat([contour.points.face_index[frontal], snapped.face_index]),
        torch.cat([contour.points.barycentrics[frontal], snapped.barycentrics]),
    )
    return LandmarkEmbeddings(mediapipe=mediapipe, ibug=ibug, contour=contour)


def _static_outline(mesh: Float[np.ndarray, "478 3"]) -> Float[np.ndarray, "17 3"]:
    """The outline of a frontal face: equal steps along the mesh rim, right ear to left ear."""
    right = np.array(_RIGHT_OUTLINE)
    sides = []
    for chain in (mesh[right], mesh[face_mesh_topology().mirror[right]]):
        length = np.concatenate([[0], np.linalg.norm(np.diff(chain, axis=0), axis=1).cumsum()])
        wanted = np.linspace(0, length[-1], CONTOUR_COUNT // 2 + 1)
        sides.append(np.stack([np.interp(wanted, length, chain[:, i]) for i in range(3)], axis=1))
    return np.concatenate([sides[0], sides[1][-2::-1]])


def contour_table(
    assets: FlameAssets, mesh: Float[np.ndarray, "478 3"], outline: Float[np.ndarray, "17 3"]
) -> ContourTable:
    """The 17 outline points for head turns from -60 to 60 degrees.

    On the side that turns away the outline is where the cheek ends for the eye: the point of each
    path farthest outwards in the picture. On the other side it stays at the rim.
    """
    sweep = _sweep(assets, mesh, outline)
    yaws = np.arange(-_YAW_LIMIT, _YAW_LIMIT + _YAW_STEP / 2, _YAW_STEP)
    rows = np.stack([_outermost(sweep, np.deg2rad(yaw)) for yaw in yaws])
    column = np.arange(CONTOUR_COUNT)[None]
    face_index = sweep.surface.face_index.numpy().reshape(CONTOUR_COUNT, -1)[column, rows]
    barycentrics = sweep.surface.barycentrics.numpy().reshape(CONTOUR_COUNT, -1, 3)[column, rows]
    return ContourTable(
        yaw_degrees=torch.from_numpy(yaws).float(),
        points=SurfacePoints(torch.from_numpy(face_index), torch.from_numpy(barycentrics).float()),
    )


def _sweep(
    assets: FlameAssets, mesh: Float[np.ndarray, "478 3"], outline: Float[np.ndarray, "17 3"]
) -> _Sweep:
    # Level with each outline point, so that the outline keeps its spacing. The nose is passed over.
    middle = mesh[list(_MIDDLE)]
    rising = np.argsort(middle[:, 1])
    front = np.interp(outline[:, 1], middle[rising, 1], middle[rising, 2])
    inward = np.stack([np.zeros(CONTOUR_COUNT), outline[:, 1], front], axis=1)
    share = np.linspace(0.0, _SWEEP_REACH, _SWEEP_STEPS)[None, :, None]
    straight = outline[:, None] * (1 - share) + inward[:, None] * share
    # The straight way runs a little inside the head; the nearest skin lies on the cheek above it.
    surface = _snap(assets, straight.reshape(-1, 3))
    vertices, faces = assets.v_template.double().cpu(), assets.faces.cpu()
    exact = SurfacePoints(surface.face_index, surface.barycentrics.double())
    positions = points_on_surface(vertices[None], faces, exact)[0].numpy()
    return _Sweep(positions.reshape(CONTOUR_COUNT, -1, 3), surface)


def _outermost(sweep: _Sweep, yaw: float) -> Int[np.ndarray, "17"]:
    """For each path the point farthest outwards in a picture of the head turned by `yaw`."""
    x, y, z = np.moveaxis(sweep.positions, -1, 0)
    turned_x, turned_z = np.cos(yaw) * x + np.sin(yaw) * z, np.cos(yaw) * z - np.sin(yaw) * x
    pictured = np.stack([turned_x, y], axis=-1) / (_CAMERA_DISTANCE - turned_z)[..., None]
    start = sweep.positions[:, 0, :2]
    outwards = start - np.array([0.0, start[[0, -1], 1].mean()])
    outwards = outwards / np.linalg.norm(outwards, axis=1, keepdims=True)
    return np.einsum("lnd,ld->ln", pictured, outwards).argmax(axis=1)


def _snap(assets: FlameAssets, points: Float[np.ndarray, "n 3"]) -> SurfacePoints:
    """The closest points of the skin, in template space."""
    allowed = np.flatnonzero(skin_faces(assets))
    nearest = closest_points_on_mesh(
        torch.from_numpy(points), assets.v_template.double().cpu(), assets.faces.cpu()[allowed]
    )
    face_index = torch.from_numpy(allowed)[nearest.surface.face_index]
    return SurfacePoints(face_index, nearest.surface.barycentrics.float())
