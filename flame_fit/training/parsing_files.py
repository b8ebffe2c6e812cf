"""Training data of the parsing network on disk."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from flame_fit.errors import InputError
from flame_fit.priors.face_labels import coarse_labels, known_labels, label_scheme
from flame_fit.training.files import image_files
from flame_fit.untrusted import read_file

IMAGES, SEGMENTATIONS = "images", "segmentations"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ParsingItem:
    """The files of one photo: itself, and an 8-bit PNG with the class of each pixel."""

    image: Path
    labels: Path


def find_parsing_items(data_dir: Path) -> tuple[ParsingItem, ...]:
    """Find the photos of a data set: `images/NAME.png` with `segmentations/NAME_seg.png`.

    Folders inside both are followed. Photos without labels are left out, and the log says so.

    Raises:
        InputError: No photo with labels was found.
    """
    items: list[ParsingItem] = []
    alone: list[Path] = []
    images = data_dir / IMAGES
    for image in image_files(images):
        inside = image.relative_to(images)
        labels = data_dir / SEGMENTATIONS / inside.with_name(f"{inside.stem}_seg.png")
        if labels.is_file():
            items.append(ParsingItem(image=image, labels=labels))
        else:
            alone.append(image)
    if not items:
        raise InputError(
            f"{data_dir} holds no photo with labels; expected {IMAGES}/NAME.png with "
            f"{SEGMENTATIONS}/NAME_seg.png"
        )
    if alone:
        _log.warning("%d photos without labels are left out, the first is %s", len(alone), alone[0])
    return tuple(items)


def read_labels(item: ParsingItem, *, classes: int, data_classes: int) -> UInt8[np.ndarray, "H W"]:
    """Read the class of each pixel; numbers outside the scheme become 255, which is ignored.

    Args:
        item: The files.
        classes: How many classes are told apart, 11 or 19.
        data_classes: How many the file tells apart; 19 are mapped to 11 where need be.

    Raises:
        InputError: The file is damaged or no 8-bit picture of one channel.
    """
    data = read_file(item.labels)
    values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    if values is None or values.dtype != np.uint8 or values.ndim != 2:  # noqa: PLR2004
        found = "no image" if values is None else f"{values.dtype} of shape {values.shape}"
        raise InputError(f"{item.labels} is {found}; expected an 8-bit PNG with one channel")
    labels = known_labels(values, label_scheme(data_classes))
    return labels if classes == data_classes else coarse_labels(labels)
