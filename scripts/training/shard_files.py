"""Reading shards of training pictures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


def read_shard(path: Path) -> dict:
    """Return the arrays of a shard."""
    with np.load(path, allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


def decoded(shard: dict, index: int) -> tuple:
    """Return picture, labels and person mask of one sample."""
    index = index % len(shard["points"])
    return (
        np.asarray(cv2.imdecode(shard[f"srgb_{index}"], cv2.IMREAD_COLOR))[..., ::-1],
        cv2.imdecode(shard[f"labels_{index}"], cv2.IMREAD_GRAYSCALE),
        cv2.imdecode(shard[f"person_{index}"], cv2.IMREAD_GRAYSCALE),
    )
