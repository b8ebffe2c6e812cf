"""This project's own network as a source of dense points and labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from flame_fit.config import FitConfig
from flame_fit.errors import NoFaceError
from flame_fit.flame import FlameAssets
from flame_fit.geometry import SurfacePoints
from flame_fit.head_models.reference_points import carry_from_reference
from flame_fit.image_files import Photo
from flame_fit.observation import DenseCorrespondences, FaceEvidence
from flame_fit.priors import find_faces
from flame_fit.priors.head_network import TrainedHeadNetwork, load_head_network, read_head
from flame_fit.texture.layout_transfer import CarriedPoints

Carry = Callable[[SurfacePoints], CarriedPoints]
# Two faces whose boxes are this near each other, in their size, are one.
SAME_FACE = 0.4


@dataclass(frozen=True, eq=False)
class OwnSource:
    """This project's own network; see `HeadSource`.

    Attributes:
        network: The network.
        carry: From OpenHead, of which the network speaks, to the head model; None where that is
            OpenHead.
        with_dense: Whether dense points are wanted.
        with_parsing: Whether labels are wanted.
        detector: Finds the face mesh where landmarks come out of a file.
    """

    network: TrainedHeadNetwork
    carry: Carry | None
    with_dense: bool
    with_parsing: bool
    detector: str = "auto"
    name: str = "own network"

    def ask(self, photo: Photo, face: FaceEvidence) -> FaceEvidence:
        """Return the evidence with what the network reads.

        Raises:
            NoFaceError: The landmarks come out of a file, and the detector sees no face there.
        """
        mesh = face_mesh_near(photo, face, detector=self.detector)
        reading = read_head(photo.srgb, mesh, face.person, self.network)
        if self.with_dense:
            dense = reading.dense if self.carry is None else carried(reading.dense, self.carry)
            face = dataclasses.replace(face, dense=dense)
        if self.with_parsing:
            face = dataclasses.replace(face, parsing=reading.parsing)
        return face


def face_mesh_near(photo: Photo, face: FaceEvidence, *, detector: str) -> Float[np.ndarray, "n 3"]:
    """Return the face mesh of a face with its depth, all in photo pixels.

    Args:
        photo: The photo.
        face: The face; its mesh is looked for where its landmarks are others.
        detector: Looks for it.

    Raises:
        NoFaceError: The detector sees no face there.
    """
    landmarks = face.landmarks[0]
    if landmarks.depth is None:
        found = find_faces(photo, detector=detector, face="all", segment=False)
        away = [float(np.hypot(*(_middle(each) - _middle(face)))) for each in found]
        nearest = int(np.argmin(away))
        landmarks = found[nearest].landmarks[0]
        if away[nearest] > SAME_FACE * face.size or landmarks.depth is None:
            raise NoFaceError(
                f"{photo.path}: the own network needs a face that the detector sees, and it sees "
                "none at the landmarks of the file; give --uv none --parser none"
            )
    return np.concatenate([landmarks.pixels, landmarks.depth[:, None]], axis=1)


def _middle(face: FaceEvidence) -> Float[np.ndarray, "2"]:
    x0, y0, x1, y1 = face.box
    return np.array([x0 + x1, y0 + y1]) / 2.0


def carried(dense: DenseCorrespondences, carry: Carry) -> DenseCorrespondences:
    """Return points of one head on another one; those that are not on it are not known."""
    found = carry(dense.points)
    valid = found.valid.cpu().numpy()
    return dataclasses.replace(
        dense,
        points=found.surface,
        sigma=np.where(valid, dense.sigma, np.float32(np.inf)),
        depth_sigma=np.where(valid, dense.depth_sigma, np.float32(np.inf)),
    )


def own_source(config: FitConfig, assets: FlameAssets, *, device: torch.device) -> OwnSource:
    """Return the network, ready for what a configuration wants of it.

    Args:
        config: Says what is wanted.
        assets: The head model; dense points come to lie on it.
        device: Where the network runs.

    Raises:
        AssetError: Its file is missing or damaged, or the model cannot carry its points.
    """
    with_dense = config.uv == "own"
    return OwnSource(
        network=load_head_network(device=device),
        carry=carry_from_reference(assets) if with_dense else None,
        with_dense=with_dense,
        with_parsing=config.parser == "own",
        detector=config.detector,
    )
