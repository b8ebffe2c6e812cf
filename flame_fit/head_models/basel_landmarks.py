"""Points known both on a Basel Face Model and on one of our head models."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8

from flame_fit.appearance.colour import linear_to_srgb, srgb_to_linear
from flame_fit.errors import AssetError
from flame_fit.flame import FlameAssets
from flame_fit.geometry import Camera, SurfacePoints, points_on_surface
from flame_fit.head_models.basel_file import BaselModel
from flame_fit.head_models.find_landmarks import seen_landmarks
from flame_fit.priors.embedding_views import RegionShader
from flame_fit.priors.face_detection import detection_rounds
from flame_fit.priors.face_mesh import fit_face_mesh
from flame_fit.priors.litert import load_model
from flame_fit.priors.model_files import FaceModels
from flame_fit.render import Fragments, RenderOptions, make_rasterizer, render_with
from flame_fit.render.renderer import TriangleMesh

# iBUG numbers of the points that the files of 2017 and 2019 name. Chin and brows are left out: the
# outline and the hairs of a brow are not the same place on both.
IBUG_OF_NAME = {
    "center.nose.tip": 30,
    "center.nose.attachement_to_philtrum": 33,
    "right.eye.corner_outer": 36,
    "right.eye.corner_inner": 39,
    "left.eye.corner_inner": 42,
    "left.eye.corner_outer": 45,
    "right.lips.corner": 48,
    "right.lips.philtrum_ridge": 50,
    "center.lips.upper.outer": 51,
    "left.lips.philtrum_ridge": 52,
    "left.lips.corner": 54,
    "center.lips.lower.outer": 57,
}
MINIMUM_NAMED = 6
PICTURE_SIZE = 512
FACE_SHARE = 0.5
"""Of the picture's width that the face takes."""
DISTANCE = 1.0
MINIMUM_SCORE = 0.5
SUPERSAMPLING = 2


@dataclass(frozen=True, eq=False)
class BaselLandmarks:
    """Pairs of points.

    Attributes:
        own: On our model.
        places: On the Basel model, metres.
        source: Where the places are from, in words.
    """

    own: SurfacePoints
    places: Float[np.ndarray, "L 3"]
    source: str


def has_named_landmarks(model: BaselModel) -> bool:
    """Tell whether a file names enough of the points that iBUG's are."""
    return len(set(model.landmark_names) & set(IBUG_OF_NAME)) >= MINIMUM_NAMED


def named_landmarks(model: BaselModel, assets: FlameAssets) -> BaselLandmarks:
    """Return the points that the file names.

    Raises:
        AssetError: Our model has no iBUG landmarks.
    """
    ibug = None if assets.landmarks is None else assets.landmarks.ibug
    if ibug is None:
        raise AssetError(f"model '{assets.name}' has no iBUG landmarks; make them first")
    names = [name for name in model.landmark_names if name in IBUG_OF_NAME]
    rows = [model.landmark_names.index(name) for name in names]
    chosen = torch.tensor([IBUG_OF_NAME[name] for name in names])
    return BaselLandmarks(
        own=SurfacePoints(ibug.face_index[chosen], ibug.barycentrics[chosen]),
        places=model.landmark_places[rows],
        source=f"{len(names)} points that the file names",
    )


def detected_landmarks(
    model: BaselModel, assets: FlameAssets, models: FaceModels
) -> BaselLandmarks:
    """Find points along lids, brows, nose and lips in a picture of the mean face.

    Raises:
        AssetError: Our model has no MediaPipe landmarks, or the detector finds no face.
    """
    embedding = None if assets.landmarks is None else assets.landmarks.mediapipe
    if embedding is None:
        raise AssetError(f"model '{assets.name}' has no MediaPipe landmarks; make them first")
    view = _picture(model)
    found = next(detection_rounds(view.srgb, load_model(models.detector)))
    iris = load_model(models.iris) if models.iris else None
    fits = [
        fit_face_mesh(view.srgb, face, load_model(models.mesh), iris_model=iris) for face in found
    ]
    if not fits or max(fit.score for fit in fits) < MINIMUM_SCORE:
        raise AssetError(
            f"detector {models.name} finds no face in a picture of the mean of {model.kind}; "
            "is the file whole?"
        )
    best = max(fits, key=lambda fit: fit.score)
    chosen = seen_landmarks()
    pixels = best.landmarks.pixels[chosen]
    column, row = np.clip(np.floor(pixels).astype(np.int64), 0, PICTURE_SIZE - 1).T
    face_index = view.fragments.face_index[0].numpy()[row, column]
    hit = face_index >= 0
    points = SurfacePoints(
        face_index=torch.from_numpy(face_index[hit].astype(np.int64)),
        barycentrics=view.fragments.barycentrics[0].double()[row[hit], column[hit]],
    )
    places = points_on_surface(
        torch.from_numpy(model.vertices)[None], torch.from_numpy(model.faces), points
    )
    kept = torch.from_numpy(chosen[hit])
    return BaselLandmarks(
        own=SurfacePoints(embedding.face_index[kept], embedding.barycentrics[kept]),
        places=places[0].numpy(),
        source=f"{len(kept)} points that detector {models.name} finds in a picture of the mean",
    )


@dataclass(frozen=True, eq=False)
class _Picture:
    srgb: UInt8[np.ndarray, "H W 3"]
    fragments: Fragments
    """At the size of the picture."""


def _picture(model: BaselModel) -> _Picture:
    """Render the mean face from the front in even light."""
    vertices = torch.from_numpy(model.vertices).float()
    low, high = vertices.amin(0), vertices.amax(0)
    # The front of the head lies in the picture's centre, whatever the file's origin.
    centre = torch.stack((0.5 * (low[0] + high[0]), 0.5 * (low[1] + high[1]), high[2]))
    placed = vertices - centre - torch.tensor((0.0, 0.0, DISTANCE))
    focal = FACE_SHARE * PICTURE_SIZE * DISTANCE / float(high[0] - low[0])
    camera = Camera(
        focal=torch.full((1, 2), focal), principal_point=torch.full((1, 2), 0.5 * PICTURE_SIZE)
    )
    mesh = TriangleMesh(vertices=placed[None], faces=torch.from_numpy(model.faces))
    colours = srgb_to_linear(torch.from_numpy(model.colour).float().clamp(0.0, 1.0))
    rasterizer = make_rasterizer("warp", "cpu")
    size = (PICTURE_SIZE, PICTURE_SIZE)
    fine = RenderOptions(supersampling=SUPERSAMPLING)
    prediction = render_with(
        mesh, camera, RegionShader(colours), image_size=size, rasterizer=rasterizer, options=fine
    )
    plain = render_with(
        mesh, camera, RegionShader(colours), image_size=size, rasterizer=rasterizer,
        options=RenderOptions(),
    )  # fmt: skip
    background = torch.full((1, *size, 3), 0.2)
    linear = prediction.over(background).clamp(0.0, 1.0)
    srgb = (linear_to_srgb(linear)[0].numpy() * 255).round().astype(np.uint8)
    return _Picture(srgb=srgb, fragments=plain.fragments)
