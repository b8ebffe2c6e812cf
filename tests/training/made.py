"""Training data and networks small enough for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from flame_fit.image_files import encode_png
from flame_fit.priors.dense_networks import DinoV3, VitSize

SIDE = 48
TINY = VitSize(width=384, depth=1, heads=6)
MOST_8, MOST_16 = 255, 65535


def place_picture(height=SIDE, width=SIDE):
    """A picture whose red and green are u and v of its pixels, in 0..1."""
    row, column = np.mgrid[:height, :width].astype(np.float32)
    return np.stack([(column + 0.5) / width, (row + 0.5) / height], axis=-1)


def head_mask(height=SIDE, width=SIDE):
    row, column = np.mgrid[:height, :width]
    return np.hypot((row - height / 2) / height, (column - width / 2) / width) < 0.4


def save(path, pixels):
    """Write a lossless picture, whatever its name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(pixels))


def photo_of(uv, mask):
    blue = np.where(mask, 0.5, 0.0)[..., None]
    return np.rint(np.concatenate([uv, blue], axis=-1) * MOST_8).astype(np.uint8)


def write_uv(folder: Path, *, people=3, photos=1, layout="apart"):
    """Photos whose colours are the UV that belong to them."""
    uv, mask = place_picture(), head_mask()
    stored = np.rint(np.where(mask[..., None], uv, 0) * MOST_16).astype(np.uint16)
    for person in range(people):
        for number in range(photos):
            inside = Path(f"p{person}") / f"{number}.front.jpg"
            save(folder / "images" / inside, photo_of(uv, mask))
            stem = folder / "uvs" / inside.parent / f"{number}"
            if layout == "apart":
                save(stem.with_name(f"{number}_u.png"), stored[..., 0])
                save(stem.with_name(f"{number}_v.png"), stored[..., 1])
            else:
                blue = np.zeros_like(stored[..., :1])
                save(stem.with_name(f"{number}.png"), np.concatenate([stored, blue], axis=-1))
    return folder


def label_picture(height=SIDE, width=SIDE):
    """Classes in blocks, the right eye on the left side of the picture."""
    labels = np.zeros((height, width), dtype=np.uint8)
    labels[height // 6 :, width // 6 : -width // 6] = 1
    labels[height // 3 : height // 2, width // 5 : width // 2 - 2] = 3
    labels[height // 3 : height // 2, width // 2 + 2 : -width // 5] = 4
    labels[-height // 6 :, :] = 15
    return labels


def write_parsing(folder: Path, *, count=4):
    """Photos whose red is twelve times the class of each pixel."""
    labels = label_picture()
    for number in range(count):
        rgb = np.stack([12 * labels, np.full_like(labels, 40 + number), 200 - labels], axis=-1)
        save(folder / "images" / f"{number:06d}.png", rgb)
        save(folder / "segmentations" / f"{number:06d}_seg.png", labels)
    return folder


def write_dinov3(path: Path, size=TINY):
    """Random weights of a small DINOv3 as Meta publishes them."""
    generator = torch.Generator().manual_seed(3)
    state = {
        name: torch.randn(value.shape, generator=generator) * 0.1
        for name, value in DinoV3(size).state_dict().items()
    }
    state["rope_embed.periods"] = 100.0 ** torch.linspace(0, 1, size.periods)
    for name in state:
        if "norm" in name and name.endswith("weight"):
            state[name] = 1 + state[name]
    torch.save(state, path)
    return path
