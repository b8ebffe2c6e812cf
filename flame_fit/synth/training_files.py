"""Pictures with their truth as the files that networks are trained on."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Float, UInt8, UInt16

from flame_fit.flame import FlameModel
from flame_fit.flame.landmarks import HEAD_JOINT
from flame_fit.geometry.cameras import CAMERA_FROM_WORLD
from flame_fit.image_files import encode_png
from flame_fit.synth.head_frame import NOSE_TIP
from flame_fit.synth.photo import SyntheticPhoto

TrainingLayout = Literal["uv", "parsing"]
MOST = 65535
DEEPEST = 10.0
"""Metres that the largest value of a depth picture stands for, as in the data sets of FaceUV."""
JPEG_QUALITY = 95
NAME_DIGITS = 7
NECK_JOINT = 1


@dataclass(frozen=True)
class TrainingFile:
    """A file to be written.

    Attributes:
        path: Where, from the folder of the data set.
        data: Its content.
    """

    path: PurePosixPath
    data: bytes


def training_paths(number: int, layout: TrainingLayout) -> tuple[PurePosixPath, ...]:
    """Return the files of a picture; the picture itself comes last.

    Whoever writes them in this order never leaves a picture without its truth.

    Args:
        number: Of the picture.
        layout: `uv`: each picture is a person with a folder of its own, as FaceUV reads them;
            `parsing`: flat folders, as FaceParsing reads them.
    """
    name = f"{number:0{NAME_DIGITS}d}"
    is_uv = layout == "uv"
    inside = PurePosixPath(name) if is_uv else PurePosixPath()
    labels = PurePosixPath("labels", inside, f"{name}.png")
    return (
        PurePosixPath("uvs", inside, f"{name}_u.png"),
        PurePosixPath("uvs", inside, f"{name}_v.png"),
        PurePosixPath("masks", inside, f"{name}.png"),
        PurePosixPath("depths", inside, f"{name}.png"),
        PurePosixPath("normals", inside, f"{name}.png"),
        labels if is_uv else PurePosixPath("segmentations", f"{name}_seg.png"),
        PurePosixPath("landmarks", inside, f"{name}.npy"),
        PurePosixPath("calibs", inside, f"{name}.json"),
        PurePosixPath("images", inside, f"{name}.jpg" if is_uv else f"{name}.png"),
    )


def training_files(
    photo: SyntheticPhoto, model: FlameModel, *, number: int, layout: TrainingLayout
) -> tuple[TrainingFile, ...]:
    """Return the files of a picture with its truth, in the order of `training_paths`.

    * u and v: 16-bit PNG, share of 65535, u right and v up; 0 where the head is not seen.
    * mask: 8-bit PNG, 255 where the head is seen.
    * depth: 16-bit PNG of the nearest opaque thing, 65535 is 10 m; 0 is the background.
    * normals: 8-bit RGB PNG, -1 to 1 as 0 to 255, world axes; 0 where the head is not seen.
    * labels: 8-bit PNG, `FaceLabel`.
    * landmarks: x, y (pixels), depth (metres) and whether each is seen, of MediaPipe's points.
    * calibration: `K` of the camera; `T_gk`, from axes of the head with their origin in the neck
      joint to the camera's (x right, y down, z forward, metres); `nose`, its tip in the camera's.

    Args:
        photo: From `take_photo`.
        model: The head model that it shows.
        number: Of the picture.
        layout: Where the files lie.
    """
    truth = photo.truth
    seen = truth.face_index >= 0
    contents = (
        encode_png(_sixteen_bits(truth.uv[..., 0], seen)),
        encode_png(_sixteen_bits(truth.uv[..., 1], seen)),
        encode_png(np.where(seen, np.uint8(255), np.uint8(0))),
        encode_png(_sixteen_bits(truth.nearest_depth / DEEPEST, truth.solid >= 0)),
        encode_png(_normals(truth.normals, seen)),
        encode_png(truth.labels),
        _landmarks(photo),
        _calibration(photo, model),
        encode_png(photo.srgb) if layout == "parsing" else _jpeg(photo.srgb),
    )
    return tuple(
        TrainingFile(path, data)
        for path, data in zip(training_paths(number, layout), contents, strict=True)
    )


def _sixteen_bits(values: Float[np.ndarray, "H W"], known: np.ndarray) -> UInt16[np.ndarray, "H W"]:
    """Return shares of 65535; 0 stands for unknown, so known values are 1 at least."""
    return np.where(known, np.clip(np.rint(values * MOST), 1, MOST), 0).astype(np.uint16)


def _normals(normals: Float[np.ndarray, "H W 3"], seen: np.ndarray) -> UInt8[np.ndarray, "H W 3"]:
    scaled = np.clip(np.rint(127.5 * (normals + 1.0)), 0, 255)
    return np.where(seen[..., None], scaled, 0).astype(np.uint8)


def _landmarks(photo: SyntheticPhoto) -> bytes:
    truth = photo.truth
    columns = (truth.landmarks, truth.landmark_depth[:, None], truth.landmark_visible[:, None])
    buffer = io.BytesIO()
    table = np.concatenate(columns, axis=1).astype(np.float32)
    np.lib.format.write_array(buffer, table, allow_pickle=False)
    return buffer.getvalue()


def _calibration(photo: SyntheticPhoto, model: FlameModel) -> bytes:
    camera, mesh = photo.scene.camera, model.mesh(photo.scene.flame)
    focal, middle = camera.focal[0].tolist(), camera.principal_point[0].tolist()
    turn = np.diag(CAMERA_FROM_WORLD)
    motion = np.eye(4)
    motion[:3, :3] = turn @ mesh.joint_rotations[0, HEAD_JOINT].cpu().double().numpy()
    motion[:3, 3] = turn @ mesh.joints[0, NECK_JOINT].cpu().double().numpy()
    x, y = photo.truth.landmarks[NOSE_TIP].astype(float)
    depth = float(photo.truth.landmark_depth[NOSE_TIP])
    nose = ((x - middle[0]) / focal[0] * depth, (y - middle[1]) / focal[1] * depth, depth)
    content = {
        "K": [focal[0], 0.0, middle[0], 0.0, focal[1], middle[1], 0.0, 0.0, 1.0],
        "T_gk": [round(value, 7) for value in motion.ravel().tolist()],
        "nose": [round(value, 7) for value in nose],
    }
    return json.dumps(content).encode()


def _jpeg(srgb: UInt8[np.ndarray, "H W 3"]) -> bytes:
    bgr = np.ascontiguousarray(srgb[..., ::-1])
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()
