"""The own network: where the points of a head lie, and what each pixel shows."""

from flame_fit.priors.head_network.pixel_map import (
    PointMesh,
    labels_of_pixels,
    pixel_map,
    point_mesh,
)
from flame_fit.priors.head_network.read import HeadReading, read_head
from flame_fit.priors.head_network.weights import TrainedHeadNetwork, load_head_network

__all__ = [
    "HeadReading",
    "PointMesh",
    "TrainedHeadNetwork",
    "labels_of_pixels",
    "load_head_network",
    "pixel_map",
    "point_mesh",
    "read_head",
]
