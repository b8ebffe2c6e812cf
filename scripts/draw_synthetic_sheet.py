"""Draw the contact sheet of `docs/synthetic_data.md`.

    python scripts/draw_synthetic_sheet.py --out docs/images/synthetic_data.jpg

Rows of training pictures stand over their labels; the last row shows one picture with all that is
known of it: landmarks, labels, UV, depth, normals.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8

from flame_fit.appearance import TextureSpace
from flame_fit.asset_files import write_atomically
from flame_fit.flame import FlameModel
from flame_fit.head_models import load_head_model, load_head_texture
from flame_fit.head_models.textures import DEFAULT_TEXTURE
from flame_fit.priors.face_labels import label_colours
from flame_fit.render import make_rasterizer
from flame_fit.synth import PhotoTruth, SyntheticPhoto, draw_training_setup, take_photo

COLUMNS = 8
SIZE, LARGE = 152, 512
"""Pixels along each side of a small picture, and of the one that is shown with all its truth."""
QUALITY = 85


@dataclass(frozen=True)
class Studio:
    """What pictures are taken with."""

    model: FlameModel
    space: TextureSpace
    seed: int

    def take(self, number: int, size: int) -> SyntheticPhoto:
        """Return a picture."""
        area = (size, size)
        setup = draw_training_setup(self.seed, number, self.model, self.space, image_size=area)
        rasterizer = make_rasterizer("warp")
        return take_photo(setup, self.model, self.space, image_size=area, rasterizer=rasterizer)


def truth_row(photo: SyntheticPhoto) -> list[UInt8[np.ndarray, "H W 3"]]:
    """Return the picture, then with landmarks, labels, UV, depth and normals."""
    truth = photo.truth
    marked = photo.srgb.copy()
    for (x, y), seen in zip(truth.landmarks, truth.landmark_visible, strict=True):
        cv2.circle(marked, (int(x), int(y)), 2, (0, 255, 0) if seen else (255, 60, 0), -1)
    seen = truth.face_index >= 0
    uv = np.concatenate((truth.uv, seen[..., None]), axis=-1)
    normals = np.where(seen[..., None], 0.5 * (truth.normals + 1.0), 0.0)
    pictures = (bytes_of(uv), bytes_of(depth_shades(truth)), bytes_of(normals))
    return [photo.srgb, marked, label_colours(truth.labels), *pictures]


def depth_shades(truth: PhotoTruth) -> Float[np.ndarray, "H W 3"]:
    """Return depth as grey, near bright, what is behind black."""
    depth, there = truth.nearest_depth, truth.solid >= 0
    near, far = depth[there].min(), depth[there].max()
    shade = np.where(there, 1.0 - 0.85 * (depth - near) / (far - near), 0.0)
    return np.repeat(shade[..., None], 3, axis=-1)


def bytes_of(values: Float[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H W 3"]:
    """Return shares of full light as bytes."""
    return np.rint(255.0 * np.clip(values, 0.0, 1.0)).astype(np.uint8)


def main() -> None:
    """Draw the sheet."""
    parser = argparse.ArgumentParser(
        description="Draw the contact sheet of docs/synthetic_data.md."
    )
    parser.add_argument("--out", type=Path, default=Path("docs/images/synthetic_data.jpg"))
    parser.add_argument("--seed", type=int, default=0, help="of the training set")
    parser.add_argument("--first", type=int, default=0, help="number of the first picture")
    parser.add_argument("--rows", type=int, default=3, help="rows of pictures")
    parser.add_argument("--shown", type=int, default=71, help="picture of the last row")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    assets = load_head_model()
    space = load_head_texture(DEFAULT_TEXTURE, assets)
    studio = Studio(FlameModel(assets), space, arguments.seed)
    bands = []
    for row in range(arguments.rows):
        start = arguments.first + row * COLUMNS
        photos = [studio.take(number, SIZE) for number in range(start, start + COLUMNS)]
        bands.append(np.concatenate([photo.srgb for photo in photos], axis=1))
        labels = [label_colours(photo.truth.labels) for photo in photos]
        bands.append(np.concatenate(labels, axis=1))
    width = COLUMNS * SIZE
    large = np.concatenate(truth_row(studio.take(arguments.shown, LARGE)), axis=1)
    height = round(width * large.shape[0] / large.shape[1])
    bands.append(cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA))
    sheet = np.ascontiguousarray(np.concatenate(bands)[..., ::-1])
    data = cv2.imencode(".jpg", sheet, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
    write_atomically(arguments.out, data)
    print(f"{arguments.out}: {len(data) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
