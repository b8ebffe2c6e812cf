"""Find the landmarks on OpenHead anew and write them into its file; all other keys stay.

    python scripts/embed_landmarks.py assets/open_head.npz --views 80 --picture check.png

For any other model: `flame-fit assets embed`. The detector is the 468-point model out of the
mediapipe wheel with its iris model, the one that every user has.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from flame_fit.flame import load_assets
from flame_fit.head_models.complete import DEFAULT_DETECTOR, embed_landmarks
from flame_fit.head_models.model_arrays import landmark_arrays
from flame_fit.image_files import save_png
from flame_fit.priors.embedding_picture import check_picture
from flame_fit.priors.embedding_views import ViewSettings
from flame_fit.priors.model_files import DETECTORS, resolve_face_models
from scripts.open_head.write import update_npz


def main() -> None:
    """Render, detect, solve, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="head model, .npz; receives the keys")
    parser.add_argument("--detector", choices=DETECTORS, default=DEFAULT_DETECTOR)
    parser.add_argument("--views", type=int, default=ViewSettings.count)
    parser.add_argument("--picture", type=Path, help="where to draw the check picture")
    options = parser.parse_args()
    assets = load_assets(options.model)
    found = embed_landmarks(
        assets,
        reference=assets,
        models=resolve_face_models(options.detector),
        settings=ViewSettings(count=options.views),
    )
    update_npz(options.model, landmark_arrays(found.embeddings))
    if options.picture:
        save_png(
            options.picture, check_picture(found.views, found.embeddings, assets.faces.numpy())
        )


if __name__ == "__main__":
    main()
