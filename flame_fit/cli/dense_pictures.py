"""What a dense network says of a photo, as files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Shaped, UInt8

if TYPE_CHECKING:
    from flame_fit.priors.dense_networks import LabelMap, UvMap

MOST_8, MOST_16 = 255, 65535


@dataclass(frozen=True, eq=False)
class NamedPicture:
    """A picture, and what its file is called after the photo's own name."""

    ending: str
    pixels: Shaped[np.ndarray, "H W *channels"]


@dataclass(frozen=True)
class Overlays:
    """Whether and how answers are laid over photos."""

    save: bool
    alpha: float


UV_ENDINGS = ("_mask.png", "_uv_vis.png", "_uv.png")
LABEL_ENDINGS = ("_colour.png", "_mask.png")
OVERLAY_ENDINGS = ("_overlay.png", "_visualization.png")


def uv_pictures(
    photo: UInt8[np.ndarray, "H W 3"], found: UvMap, overlays: Overlays
) -> tuple[NamedPicture, ...]:
    """Pictures of UV: red is u, green v, blue the mask, in 16 and in 8 bits; and the mask alone."""
    values = np.concatenate([found.uv, found.mask[..., None]], axis=-1)
    coloured = _whole(values, MOST_8)
    pictures = (
        NamedPicture(UV_ENDINGS[0], _whole(found.mask, MOST_8)),
        NamedPicture(UV_ENDINGS[1], coloured),
        NamedPicture(UV_ENDINGS[2], _whole(values, MOST_16)),
    )
    return _overlaid(photo, coloured, found.mask, overlays) + pictures


def label_pictures(
    photo: UInt8[np.ndarray, "H W 3"], found: LabelMap, overlays: Overlays
) -> tuple[NamedPicture, ...]:
    """Pictures of classes: their colours, and their numbers as grey values."""
    from flame_fit.priors.face_labels import label_colours

    coloured = label_colours(found.labels, found.scheme)
    pictures = (
        NamedPicture(LABEL_ENDINGS[0], coloured),
        NamedPicture(LABEL_ENDINGS[1], found.labels),
    )
    shown = (found.labels > 0).astype(np.float32)
    return _overlaid(photo, coloured, shown, overlays) + pictures


def picture_paths(folder: Path, name: str, endings: tuple[str, ...]) -> tuple[Path, ...]:
    """Where the pictures of a photo go."""
    return tuple(folder / f"{name}{ending}" for ending in endings)


def _overlaid(
    photo: UInt8[np.ndarray, "H W 3"],
    coloured: UInt8[np.ndarray, "H W 3"],
    share: Float[np.ndarray, "H W"],
    overlays: Overlays,
) -> tuple[NamedPicture, ...]:
    """Return the answer over the photo, and photo, answer and both side by side."""
    if not overlays.save:
        return ()
    cover = overlays.alpha * share[..., None].astype(np.float32)
    mixed = np.rint(photo * (1.0 - cover) + coloured * cover).astype(np.uint8)
    row = np.concatenate([photo, coloured, mixed], axis=1)
    return (NamedPicture(OVERLAY_ENDINGS[0], mixed), NamedPicture(OVERLAY_ENDINGS[1], row))


def _whole(values: Float[np.ndarray, "*shape"], most: int) -> Shaped[np.ndarray, "*shape"]:
    """Return numbers from 0 to 1 as whole numbers from 0 to the most."""
    kind = np.uint8 if most == MOST_8 else np.uint16
    return np.rint(values.clip(0.0, 1.0) * most).astype(kind)
