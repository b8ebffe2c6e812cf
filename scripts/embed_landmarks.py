"""Find the landmarks on a head model by rendering it, and write them into its file.

    python scripts/embed_landmarks.py assets/open_head.npz --texture assets/open_head_texture.npz
    --picture check.png

Adds the keys mediapipe_*, ibug_* and contour_*; all others stay. The detector is the 468-point
model out of the mediapipe wheel with its iris model, the one that every user has. Look at the
picture afterwards: green points are the embedding, red points what the detector saw, blue points
the iBUG outline.
"""

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from flame_fit.appearance.texture_space import decode, load_texture_space
from flame_fit.flame import FlameModel, LandmarkEmbeddings, load_assets
from flame_fit.geometry import SurfacePoints
from flame_fit.image_files import save_png
from flame_fit.priors.embedding_views import SeenView, ViewSettings, seen_views
from flame_fit.priors.ibug_embedding import embed_ibug
from flame_fit.priors.landmark_embedding import embed_mediapipe
from flame_fit.priors.model_files import DETECTORS, resolve_face_models
from scripts.open_head.write import update_npz

TEXTURES, TEXTURE_SPREAD = 12, 0.7
PICTURE_VIEWS, ZOOM = 8, 2


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="head model, .npz; receives the keys")
    parser.add_argument("--texture", type=Path, help="texture space to dress the head with")
    parser.add_argument("--detector", choices=DETECTORS, default="mediapipe468")
    parser.add_argument("--views", type=int, default=ViewSettings.count)
    parser.add_argument("--picture", type=Path, help="where to draw the check picture")
    return parser.parse_args()


def textures(path: Path | None) -> torch.Tensor | None:
    """Some albedo maps of a texture space, the mean first."""
    if path is None:
        return None
    space = load_texture_space(path)
    generator = torch.Generator().manual_seed(0)
    codes = TEXTURE_SPREAD * torch.randn(TEXTURES, space.basis.shape[-1], generator=generator)
    codes[0] = 0
    return decode(space, codes)


def keys(embeddings: LandmarkEmbeddings) -> dict[str, np.ndarray]:
    """The arrays as the file has them."""
    arrays = {"contour_yaw": embeddings.contour.yaw_degrees.numpy().astype(np.float32)}
    named = {
        "mediapipe": embeddings.mediapipe,
        "ibug": embeddings.ibug,
        "contour": embeddings.contour.points,
    }
    for name, points in named.items():
        arrays[f"{name}_face_index"] = points.face_index.numpy().astype(np.int32)
        arrays[f"{name}_barycentric"] = points.barycentrics.numpy().astype(np.float32)
    return arrays


def draw(views: list[SeenView], embeddings: LandmarkEmbeddings, faces: np.ndarray) -> np.ndarray:
    """A contact sheet of some views with the points."""

    def pixels(points: SurfacePoints, view: SeenView) -> np.ndarray:
        corners = view.vertices[faces[points.face_index.numpy()]]
        return np.einsum("...cd,...c->...d", corners, points.barycentrics.numpy())

    sheets = []
    for number in np.linspace(0, len(views) - 1, PICTURE_VIEWS).astype(int):
        view = views[number]
        picture = cv2.resize(view.picture, None, fx=ZOOM, fy=ZOOM)
        table = embeddings.contour
        row = int(np.abs(table.yaw_degrees.numpy() - np.rad2deg(view.yaw)).argmin())
        layers = (
            (view.landmarks, (255, 0, 0), 2),
            (pixels(embeddings.mediapipe, view), (0, 255, 0), 2),
            (pixels(table.points, view)[row], (60, 120, 255), 4),
        )
        for points, colour, radius in layers:
            for x, y in points * ZOOM:
                cv2.circle(picture, (int(x), int(y)), radius, colour, -1, cv2.LINE_AA)
        sheets.append(picture)
    half = PICTURE_VIEWS // 2
    return np.vstack([np.hstack(sheets[:half]), np.hstack(sheets[half:])])


def main() -> None:
    """Render, detect, solve, write."""
    options = arguments()
    model = FlameModel(load_assets(str(options.model)))
    models = resolve_face_models(options.detector)
    settings = ViewSettings(count=options.views)
    views = seen_views(model, models, textures=textures(options.texture), settings=settings)
    result = embed_mediapipe(model.assets, views)
    embeddings = embed_ibug(model.assets, result.points)
    update_npz(options.model, keys(embeddings))
    quartiles = np.percentile(result.residual, [25, 50, 75, 95]).round(2).tolist()
    print(f"{models.name}: a face in {len(views)} of {options.views} pictures")
    print(f"residual, pixels of 512: quartiles {quartiles[:3]}, 95 % {quartiles[3]}")
    if options.picture:
        save_png(options.picture, draw(views, embeddings, model.assets.faces.numpy()))


if __name__ == "__main__":
    main()
