"""This project's own network asked for what FaceUV and FaceParsing tell: an answer per pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from flame_fit.head_models import load_head_model
from flame_fit.image_files import Photo
from flame_fit.pipeline.own_source import face_mesh_near
from flame_fit.priors import find_faces
from flame_fit.priors.dense_networks import LabelMap, UvMap
from flame_fit.priors.face_labels import FACE_LABELS
from flame_fit.priors.head_network import (
    HeadReading,
    PointMesh,
    TrainedHeadNetwork,
    labels_of_pixels,
    load_head_network,
    pixel_map,
    point_mesh,
    read_head,
)
from flame_fit.render import Rasterizer, make_rasterizer
from flame_fit.texture.texel_geometry import chart_of


@dataclass(frozen=True, eq=False)
class OwnPixels:
    """The own network for photographs; of several faces the largest is read.

    Attributes:
        network: The network.
        mesh: Its points on OpenHead's chart.
        rasterizer: Draws them.
    """

    network: TrainedHeadNetwork
    mesh: PointMesh
    rasterizer: Rasterizer

    def uv(self, photo: Photo) -> UvMap:
        """Return the place on OpenHead's chart that each pixel shows.

        Raises:
            NoFaceError: No face was found.
        """
        reading = self._read(photo)
        return pixel_map(
            reading.dense, self.mesh, reading.parsing, photo, rasterizer=self.rasterizer
        )

    def labels(self, photo: Photo) -> LabelMap:
        """Return the class of each pixel; all is background far from the head.

        Raises:
            NoFaceError: No face was found.
        """
        parsing = self._read(photo).parsing
        return LabelMap(labels_of_pixels(parsing, photo), parsing.probabilities, FACE_LABELS)

    def _read(self, photo: Photo) -> HeadReading:
        face = find_faces(photo)[0]
        mesh = face_mesh_near(photo, face, detector="auto")
        return read_head(photo.srgb, np.asarray(mesh), face.person, self.network)


def own_pixels(device: torch.device) -> OwnPixels:
    """Return the shipped network, ready for photographs.

    Args:
        device: Where the network runs.

    Raises:
        AssetError: A file is missing or damaged.
    """
    trained = load_head_network(device=device)
    chart = chart_of(load_head_model("open_head"))
    return OwnPixels(
        network=trained,
        mesh=point_mesh(trained.points, chart),
        rasterizer=make_rasterizer("warp", "cpu"),
    )
