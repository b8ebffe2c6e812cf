"""The own network: where the points of a head lie, and what each pixel shows."""

from flame_fit.priors.head_network.read import HeadReading, read_head
from flame_fit.priors.head_network.weights import TrainedHeadNetwork, load_head_network

__all__ = ["HeadReading", "TrainedHeadNetwork", "load_head_network", "read_head"]
