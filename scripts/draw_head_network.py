"""Draw what the head network says of the sample photo and of pictures it has not seen.

    python scripts/draw_head_network.py --folder /tmp/heads --out docs/images/head_network.jpg

The folder holds held-out pictures of `scripts/train_priors.py pictures`.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cv2  # noqa: E402
import numpy as np  # noqa: E402
import tyro  # noqa: E402

from flame_fit.errors import NoFaceError  # noqa: E402
from flame_fit.image_files import Photo, load_image  # noqa: E402
from flame_fit.priors import find_faces  # noqa: E402
from flame_fit.priors.face_labels import FACE_LABELS  # noqa: E402
from flame_fit.priors.head_network import load_head_network, read_head  # noqa: E402
from scripts.training.shard_files import decoded, read_shard  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
SIDE = 256
PICTURES = 5


def main(folder: Path, out: Path = ROOT / "docs/images/head_network.jpg") -> None:
    """Write the picture: photo, points by their deviation (green to red), labels."""
    photos = [load_image(ROOT / "data/astronaut.png")]
    shard = sorted(folder.glob("training_*.npz"))[-1]
    content = read_shard(shard)
    columns = []
    for index in range(len(content["points"])):
        srgb = np.ascontiguousarray(decoded(content, index)[0])
        photos.append(Photo(path=shard, srgb=srgb))
    for photo in photos:
        if len(columns) == 1 + PICTURES:
            break
        column = _column(photo)
        if column is not None:
            columns.append(column)
    sheet = np.concatenate(columns, axis=1)[..., ::-1]
    cv2.imwrite(str(out), sheet, [cv2.IMWRITE_JPEG_QUALITY, 85])


def _column(photo: Photo) -> np.ndarray | None:
    try:
        face = find_faces(photo)[0]
    except NoFaceError:
        return None
    marks = face.landmarks[0]
    if marks.depth is None:
        return None
    mesh = np.concatenate([marks.pixels, marks.depth[:, None]], axis=1)
    reading = read_head(photo.srgb, mesh, face.person, load_head_network())
    parsing = reading.parsing
    zoom = SIDE / (parsing.probabilities.shape[-1] * parsing.scale)
    shift = -zoom * parsing.origin + 0.5 * (zoom - 1.0)
    matrix = np.array([[zoom, 0.0, shift[0]], [0.0, zoom, shift[1]]])
    seen = cv2.warpAffine(photo.srgb, matrix, (SIDE, SIDE), flags=cv2.INTER_AREA)
    dotted = seen.copy()
    places = (reading.dense.pixels - parsing.origin) * zoom
    doubt = np.clip(reading.dense.sigma * zoom / 4.0, 0.0, 1.0)
    for (x, y), red in zip(places, doubt, strict=True):
        colour = (int(255 * red), int(255 * (1.0 - red)), 0)
        cv2.circle(dotted, (round(float(x)), round(float(y))), 1, colour, -1)
    colours = np.array(FACE_LABELS.palette, np.uint8)[parsing.probabilities.argmax(axis=0)]
    colours = cv2.resize(colours, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)
    mixed = (0.45 * seen + 0.55 * colours).astype(np.uint8)
    return np.concatenate([seen, dotted, mixed], axis=0)


if __name__ == "__main__":
    tyro.cli(main)
