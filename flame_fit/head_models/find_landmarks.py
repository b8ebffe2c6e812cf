"""Landmark embeddings for a model without a texture of its own: dressed, pictured, looked at."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from flame_fit.flame import FlameAssets, FlameModel, LandmarkEmbeddings
from flame_fit.geometry import SurfacePoints
from flame_fit.head_models.head_match import HeadMatch, borrowed_chart
from flame_fit.head_models.lay_reference import LandmarkPairs, ReferenceHead
from flame_fit.priors.embedding_views import Dress, SeenView, ViewSettings, seen_views
from flame_fit.priors.face_mesh_topology import face_mesh_topology
from flame_fit.priors.ibug_embedding import embed_ibug
from flame_fit.priors.landmark_embedding import EmbeddingResult, embed_mediapipe
from flame_fit.priors.model_files import FaceModels

# Points down the bridge of the nose and around its tip and wings. With those along lids, brows and
# lips they are where something is to be seen; others lie on plain skin, where detectors guess.
_NOSE = (168, 197, 195, 5, 4, 240, 97, 2, 326, 460)


@dataclass(frozen=True, eq=False)
class FoundLandmarks:
    """Embeddings, and what they were found from.

    Attributes:
        embeddings: MediaPipe's points, the iBUG points, the outline.
        residual: How well MediaPipe's points agree with the pictures, pixels of 512.
        views: The pictures.
        detector: Name of the detector.
        picture_count: How many pictures were made; in some no face may have been found.
    """

    embeddings: LandmarkEmbeddings
    residual: Float[np.ndarray, "478"]
    views: tuple[SeenView, ...]
    detector: str
    picture_count: int


def find_landmarks(
    assets: FlameAssets,
    models: FaceModels,
    *,
    dress: Dress | None,
    settings: ViewSettings,
) -> FoundLandmarks:
    """Render a model in many poses, find its face in each picture, and embed what was found.

    Args:
        assets: The model; has regions and a mirror map.
        models: The detector.
        dress: Textures; plain region colours without.
        settings: Which pictures.

    Raises:
        AssetError: The face was found in too few pictures.
    """
    views = seen_views(FlameModel(assets), models, dress=dress, settings=settings)
    result: EmbeddingResult = embed_mediapipe(assets, views)
    return FoundLandmarks(
        embeddings=embed_ibug(assets, result.points),
        residual=result.residual,
        views=tuple(views),
        detector=models.name,
        picture_count=settings.count,
    )


def dressed(match: HeadMatch, textures: Float[Tensor, "n U U 3"]) -> Dress:
    """Put the reference's textures on a model that the reference was laid over."""
    return Dress(borrowed_chart(match), textures)


def landmark_pairs(
    assets: FlameAssets, points: SurfacePoints, reference: ReferenceHead
) -> LandmarkPairs | None:
    """Pair a model's MediaPipe points with the reference's where something is to be seen.

    Args:
        assets: The model.
        points: Its 478 points, or 468.
        reference: The reference; None is returned if it has no such points.
    """
    embeddings = reference.assets.landmarks
    if embeddings is None or embeddings.mediapipe is None:
        return None
    chosen = torch.from_numpy(seen_landmarks())
    own = embeddings.mediapipe
    return LandmarkPairs(
        reference=SurfacePoints(own.face_index[chosen], own.barycentrics[chosen]),
        places=landmark_places(assets, points)[chosen.numpy()],
    )


def landmark_places(assets: FlameAssets, points: SurfacePoints) -> Float[np.ndarray, "n 3"]:
    """Return where surface points lie on a model's template, metres."""
    corners = assets.v_template.double().cpu()[assets.faces.cpu()[points.face_index.cpu()]]
    return (corners * points.barycentrics.double().cpu()[..., None]).sum(dim=-2).numpy()


def seen_landmarks() -> Int[np.ndarray, "n"]:
    """Return the MediaPipe points along lids, brows, lips and nose."""
    mesh = face_mesh_topology()
    lines = (mesh.left_eye, mesh.right_eye, mesh.left_brow, mesh.right_brow)
    return np.unique(np.concatenate([*lines, mesh.lips_outer, mesh.lips_inner, np.array(_NOSE)]))


def with_landmarks(assets: FlameAssets, found: LandmarkEmbeddings) -> FlameAssets:
    """Return the model with embeddings; those it has already are kept."""
    own = assets.landmarks or LandmarkEmbeddings(mediapipe=None, ibug=None, contour=None)
    merged = LandmarkEmbeddings(
        mediapipe=found.mediapipe if own.mediapipe is None else own.mediapipe,
        ibug=found.ibug if own.ibug is None else own.ibug,
        contour=found.contour if own.contour is None else own.contour,
    )
    return replace(assets, landmarks=merged)
