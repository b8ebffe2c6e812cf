"""A photo prepared as the seed wants it: a square of 224 pixels, a skin mask, 68 landmarks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float

from flame_fit.errors import NoFaceError
from flame_fit.geometry import Crop
from flame_fit.image_files import Photo, load_image
from flame_fit.observation import FaceEvidence, crop_srgb
from flame_fit.priors import find_faces
from flame_fit.priors.face_mesh_topology import IBUG_INNER, MESH_COUNT, face_mesh_topology
from flame_fit.priors.skin import skin_weight
from scripts.benchmarking.seed_schedule import CONTOUR_COUNT, IMAGE_SIDE, SeedPhoto

# The seed reads pictures of this side and thins them to its own.
FIRST_SIDE = 256
BYTE_RANGE = 255.0
SKIN_THRESHOLD = 0.5
# Squares as those of the FFHQ set, which the seed was made for, but not turned.
EYES_TO_SIDE, MOUTH_TO_SIDE, SHIFT_DOWN = 4.0, 3.6, 0.1
# Mesh points on the right outline of the face, from the height of the eye to the chin.
RIGHT_OUTLINE = (127, 234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152)


@dataclass(frozen=True, eq=False)
class PreparedFace:
    """A photo for the seed and where it lies in its file.

    Attributes:
        seed: What the schedule gets.
        srgb: The square at the seed's size, for pictures.
        crop: The square of the photo.
    """

    seed: SeedPhoto
    srgb: np.ndarray
    crop: Crop


def prepare_photo(path: Path) -> PreparedFace:
    """Return the largest face of a photo as the seed wants it.

    Raises:
        InputError: If the file is no photo.
        NoFaceError: If no face is found.
    """
    photo = load_image(path)
    faces = find_faces(photo)
    if not faces:
        raise NoFaceError(f"{path}: no face found; give another photo")
    return prepare_face(photo, faces[0])


def prepare_face(photo: Photo, evidence: FaceEvidence) -> PreparedFace:
    """Return a face of a photo as the seed wants it."""
    mesh = evidence.landmarks[0].pixels
    points = ibug_from_mesh(mesh)
    crop = face_square(points)
    srgb = crop_srgb(photo, crop)
    person = None if evidence.person is None else evidence.person.on_crop(crop)
    in_crop = crop.to_crop(torch.from_numpy(mesh[None].astype(np.float32)))[0].numpy()
    weight = skin_weight(srgb, in_crop[:MESH_COUNT], person=person)
    mask = (weight > SKIN_THRESHOLD).astype(np.float32)
    small = (IMAGE_SIDE, IMAGE_SIDE)
    thin = cv2.resize(srgb, small, interpolation=cv2.INTER_NEAREST)
    thin_mask = cv2.resize(mask, small, interpolation=cv2.INTER_NEAREST)
    landmarks = crop.to_crop(torch.from_numpy(points[None].astype(np.float32)))
    return PreparedFace(
        seed=SeedPhoto(
            image=torch.from_numpy(thin.astype(np.float32) / BYTE_RANGE)[None],
            mask=torch.from_numpy(thin_mask)[None, ..., None],
            landmarks=landmarks * (2.0 / FIRST_SIDE) - 1.0,
        ),
        srgb=thin,
        crop=crop,
    )


def face_square(points: Float[np.ndarray, "68 2"]) -> Crop:
    """Return the square around a face as the FFHQ set cuts it, upright."""
    eyes = np.stack([points[36:42].mean(axis=0), points[42:48].mean(axis=0)])
    mouth = (points[48] + points[54]) / 2
    middle = eyes.mean(axis=0)
    eye_to_eye = float(np.linalg.norm(eyes[1] - eyes[0]))
    eye_to_mouth = float(np.linalg.norm(mouth - middle))
    side = max(EYES_TO_SIDE * eye_to_eye, MOUTH_TO_SIDE * eye_to_mouth)
    corner = middle + SHIFT_DOWN * (mouth - middle) - side / 2
    return Crop(
        offset=torch.from_numpy(corner[None].astype(np.float32)),
        scale=torch.tensor([[FIRST_SIDE / side]]),
        size=(FIRST_SIDE, FIRST_SIDE),
    )


def ibug_from_mesh(mesh: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "68 2"]:
    """Return iBUG-68 points from the face mesh: the outline at equal steps, 51 inner points."""
    right = np.array(RIGHT_OUTLINE)
    sides = []
    for chain in (mesh[right], mesh[face_mesh_topology().mirror[right]]):
        steps = np.linalg.norm(np.diff(chain, axis=0), axis=1)
        length = np.concatenate([[0.0], steps.cumsum()])
        wanted = np.linspace(0.0, length[-1], CONTOUR_COUNT // 2 + 1)
        sides.append(np.stack([np.interp(wanted, length, chain[:, i]) for i in (0, 1)], axis=1))
    outline = np.concatenate([sides[0], sides[1][-2::-1]])
    return np.concatenate([outline, mesh[np.array(IBUG_INNER)].mean(axis=1)])
