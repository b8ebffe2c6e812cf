"""Detectors, photos and a face of known shape."""

from pathlib import Path

import numpy as np
import pytest

from flame_fit.asset_files import ASSETS_VARIABLE
from flame_fit.errors import AssetError
from flame_fit.flame import load_assets
from flame_fit.geometry import points_on_surface
from flame_fit.image_files import Photo, load_image
from flame_fit.priors.model_files import resolve_face_models


@pytest.fixture(params=["mediapipe478", "mediapipe468"])
def detector(request, monkeypatch) -> str:
    """Both detectors, each skipped where its models cannot be had."""
    if request.param == "mediapipe478":
        folder = request.getfixturevalue("shared_data") / "mediapipe"
        monkeypatch.setenv(ASSETS_VARIABLE, str(folder))
    try:
        resolve_face_models(request.param)
    except AssetError as error:
        pytest.skip(f"the {request.param} models cannot be had: {error}")
    return request.param


@pytest.fixture(scope="session")
def portrait(astronaut: Path) -> Photo:
    return load_image(astronaut)


@pytest.fixture(scope="session")
def mesh_points() -> np.ndarray:
    """MediaPipe's 478 points on the mean OpenHead, metres."""
    assets = load_assets()
    if assets.landmarks is None or assets.landmarks.mediapipe is None:
        pytest.skip("open_head has no landmark embedding yet; run scripts/embed_landmarks.py")
    points = assets.landmarks.mediapipe
    return points_on_surface(assets.v_template[None], assets.faces, points)[0].double().numpy()


@pytest.fixture(scope="session")
def frontal_pixels(mesh_points: np.ndarray) -> np.ndarray:
    """Those points seen from the front in a picture of 256 pixels, the face 160 high."""
    flat = mesh_points[:, :2] * [1.0, -1.0]
    low, high = flat.min(axis=0), flat.max(axis=0)
    return ((flat - (low + high) / 2) * (160.0 / (high - low)[1]) + 128.0).astype(np.float32)
