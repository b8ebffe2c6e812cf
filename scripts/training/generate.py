"""Training pictures of staged heads, in shards that a data loader reads fast."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8

from flame_fit.appearance import TextureSpace
from flame_fit.flame import FlameModel
from flame_fit.geometry import Crop, points_on_surface, project
from flame_fit.head_models import load_head_model, load_head_texture
from flame_fit.priors.face_box import FaceBox
from flame_fit.priors.face_labels import IGNORE
from flame_fit.priors.head_network.crop import head_box
from flame_fit.priors.head_network.read import mask_in_box
from flame_fit.priors.litert import load_model
from flame_fit.priors.model_files import person_model
from flame_fit.priors.segmentation import segment_person
from flame_fit.render import Rasterizer, make_rasterizer
from flame_fit.scene import SceneParams
from flame_fit.synth import SyntheticPhoto, draw_setup, take_photo
from scripts.training.dense_points import DensePoints, dense_points

PHOTO_SIZE = 512
"""Side of the photos that the sets draw."""
CLOSE_SIZE, CLOSE_SCALE = 352, 1.15
"""Side of what is rendered of one, and that in sides of the stored crop, which may be turned."""
STORED_SIZE = 304
"""Side of the stored crops, wider than what the network sees so that they can be moved about."""
STORED_SCALE = STORED_SIZE / 256
"""Side of the stored crop, in sides of the head's square."""
SHARD = 64
SURFACE_TOLERANCE = 0.006


@dataclass(frozen=True, eq=False)
class Sample:
    """One picture around a head, with its truth.

    Attributes:
        srgb: The crop.
        labels: Class of each pixel, 255 outside the photo.
        person: What selfie segmentation says, 0..255.
        points: Place of each dense point in the crop, as shares of its side, and its depth from
            the neck joint, metres.
        seen: Whether each point is visible.
        pixel: Photo pixels of a picture 512 wide per side of the crop.
    """

    srgb: UInt8[np.ndarray, "S S 3"]
    labels: UInt8[np.ndarray, "S S"]
    person: UInt8[np.ndarray, "S S"]
    points: Float[np.ndarray, "N 3"]
    seen: Bool[np.ndarray, "N"]
    pixel: float


@dataclass(frozen=True, eq=False)
class Studio:
    """What all pictures share."""

    model: FlameModel
    space: TextureSpace
    rasterizer: Rasterizer
    dense: DensePoints


def make_studio() -> Studio:
    """Return OpenHead with its texture space."""
    assets = load_head_model("open_head")
    space = load_head_texture("open_head_texture", assets)
    return Studio(FlameModel(assets), space, make_rasterizer("warp", "cpu"), dense_points(assets))


def write_shards(folder: Path, set_name: str, first: int, count: int) -> None:
    """Write a run of pictures, a shard at a time; shards that are there are kept.

    Args:
        folder: Where to.
        set_name: Of `flame_fit.synth.draw_setup`.
        first: First picture.
        count: How many.
    """
    folder.mkdir(parents=True, exist_ok=True)
    studio = make_studio()
    for start in range(first, first + count, SHARD):
        path = folder / f"{set_name}_{start:06d}.npz"
        if not path.exists():
            numbers = range(start, min(start + SHARD, first + count))
            _write(path, [make_sample(studio, set_name, number) for number in numbers])


def make_sample(studio: Studio, set_name: str, number: int) -> Sample:
    """Return one picture of a set, taken close up around the head."""
    size = (PHOTO_SIZE, PHOTO_SIZE)
    setup = draw_setup(set_name, number, studio.model, studio.space, image_size=size)
    scene = setup.scene
    head = true_box(studio, scene)
    side = head.side * STORED_SCALE * CLOSE_SCALE
    crop = Crop(
        offset=torch.tensor([[head.x - side / 2, head.y - side / 2]], dtype=torch.float32),
        scale=torch.tensor([[CLOSE_SIZE / side]], dtype=torch.float32),
        size=(CLOSE_SIZE, CLOSE_SIZE),
    )
    close = replace(setup, scene=replace(scene, camera=scene.camera.crop(crop)))
    photo = take_photo(
        close, studio.model, studio.space, image_size=crop.size, rasterizer=studio.rasterizer
    )
    middle = CLOSE_SIZE / 2
    box = FaceBox(middle, middle, head.side * CLOSE_SIZE / side, head.angle)
    return sample_of(studio, photo, box, pixel=head.side * STORED_SCALE)


def true_box(studio: Studio, scene: SceneParams) -> FaceBox:
    """Return the square that a perfect face mesh would give."""
    mesh = studio.model.mesh(scene.flame)
    points = studio.model.landmark_points(mesh, "mediapipe")
    seen = project(scene.camera, points_on_surface(mesh.vertices, mesh.faces, points))
    pixels, depth = seen.pixels[0].numpy(), seen.depth[0].numpy()
    away = (depth - depth.mean()) * float(scene.camera.focal[0, 0]) / depth.mean()
    return head_box(np.concatenate([pixels, away[:, None]], axis=1))


def sample_of(studio: Studio, photo: SyntheticPhoto, head: FaceBox, *, pixel: float) -> Sample:
    """Return a picture and its truth, cut around a head."""
    wide = head.scaled(STORED_SCALE)
    truth = photo.truth
    labels = truth.labels
    mesh = studio.model.mesh(photo.scene.flame)
    surface = points_on_surface(mesh.vertices, mesh.faces, studio.dense.points)
    both = project(photo.scene.camera, torch.cat([surface, mesh.joints[:, 1:2]], dim=1))
    pixels, depth = both.pixels[0].numpy(), both.depth[0].numpy()
    seen = _seen(pixels[:-1], depth[:-1], photo)
    centred = (pixels[:-1] - [wide.x, wide.y]) @ wide.axes() / wide.side + 0.5
    low, high = truth.landmarks.min(axis=0), truth.landmarks.max(axis=0)
    box = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
    person = segment_person(photo.srgb, box, load_model(person_model()))
    mask = mask_in_box(person, wide, STORED_SIZE)
    return Sample(
        srgb=wide.cut(photo.srgb, STORED_SIZE, zero_border=True),
        labels=cut_nearest(wide, labels, STORED_SIZE),
        person=(mask * 255).astype(np.uint8),
        points=np.concatenate([centred, depth[:-1, None] - depth[-1]], axis=1).astype(np.float32),
        seen=seen,
        pixel=pixel,
    )


def cut_nearest(box: FaceBox, labels: UInt8[np.ndarray, "H W"], size: int) -> np.ndarray:
    """Return the labels of a square, 255 outside the photo."""
    return cv2.warpAffine(
        labels,
        box.matrix(size),
        (size, size),
        flags=cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(IGNORE,),
    )


def _seen(
    pixels: Float[np.ndarray, "N 2"], depth: Float[np.ndarray, "N"], photo: SyntheticPhoto
) -> Bool[np.ndarray, "N"]:
    height, width = photo.truth.depth.shape
    column, row = np.floor(pixels).astype(int).T
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    column, row = np.clip(column, 0, width - 1), np.clip(row, 0, height - 1)
    head = photo.truth.solid[row, column] == 0
    near = np.abs(photo.truth.depth[row, column] - depth) < SURFACE_TOLERANCE
    return inside & head & near


def _write(path: Path, samples: list[Sample]) -> None:
    arrays: dict[str, np.ndarray] = {
        "points": np.stack([sample.points for sample in samples]),
        "seen": np.stack([sample.seen for sample in samples]),
        "pixel": np.array([sample.pixel for sample in samples], dtype=np.float32),
    }
    for number, sample in enumerate(samples):
        quality = [cv2.IMWRITE_JPEG_QUALITY, 96]
        arrays[f"srgb_{number}"] = cv2.imencode(".jpg", sample.srgb[..., ::-1], quality)[1]
        arrays[f"labels_{number}"] = cv2.imencode(".png", sample.labels)[1]
        arrays[f"person_{number}"] = cv2.imencode(".png", sample.person)[1]
    part = path.with_suffix(f".{os.getpid()}.part")
    with part.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    part.rename(path)
