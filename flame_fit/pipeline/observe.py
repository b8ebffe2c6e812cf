"""What is known of the faces of a photo before anything is fitted."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from flame_fit.config import FitConfig
from flame_fit.errors import InputError
from flame_fit.image_files import Photo
from flame_fit.observation import FaceEvidence, Landmarks
from flame_fit.priors import find_faces
from flame_fit.priors.landmark_files import load_landmarks
from flame_fit.priors.litert import load_model
from flame_fit.priors.model_files import person_model
from flame_fit.priors.segmentation import segment_person

LANDMARK_SUFFIXES = (".npy", ".json")


def observe_faces(photo: Photo, config: FitConfig) -> list[FaceEvidence]:
    """Return the evidence of every face that is to be fitted, largest first.

    Landmarks from a file take the place of the detector's; the person mask is found all the same.

    Raises:
        NoFaceError: If the detector finds no face.
        InputError: If a landmark file is missing or wrong.
    """
    if config.landmarks is None:
        return find_faces(photo, detector=config.detector, face=config.face)
    landmarks = load_landmarks(_landmark_file(config.landmarks, photo))
    return [_evidence_from_file(photo, landmarks)]


def _landmark_file(given: Path, photo: Photo) -> Path:
    """Return the landmark file of a photo: the file itself, or the one of its name in a folder."""
    if not given.is_dir():
        return given
    for suffix in LANDMARK_SUFFIXES:
        candidate = given / f"{photo.path.stem}{suffix}"
        if candidate.is_file():
            return candidate
    raise InputError(
        f"{photo.path}: no landmark file {photo.path.stem}.npy or .json in {given}; "
        "add one or leave --landmarks out"
    )


def _evidence_from_file(photo: Photo, landmarks: Landmarks) -> FaceEvidence:
    x0, y0 = landmarks.pixels.min(axis=0).tolist()
    x1, y1 = landmarks.pixels.max(axis=0).tolist()
    if x1 <= 0 or y1 <= 0 or x0 >= photo.width or y0 >= photo.height:
        raise InputError(
            f"{photo.path}: its landmarks lie outside the photo ({photo.width} x {photo.height}); "
            "give them in pixels of this photo"
        )
    # iBUG points reach up to the brows only; the box of a face goes to the forehead.
    box = (x0, y0 - 0.15 * (y1 - y0), x1, y1)
    eyes = landmarks.pixels[42:48].mean(axis=0) - landmarks.pixels[36:42].mean(axis=0)
    return FaceEvidence(
        landmarks=(landmarks,),
        box=box,
        score=1.0,
        roll=float(np.arctan2(eyes[1], eyes[0])),
        person=segment_person(photo.srgb, box, load_model(person_model())),
        detector="landmark file",
    )
