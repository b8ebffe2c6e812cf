"""How many texels each place of the head deserves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float, Int

from scripts.open_head.chart_mesh import ChartSource

FACE_SCALE, EAR_SCALE, OTHER_SCALE, HIDDEN_SCALE = 1.0, 0.8, 0.48, 0.25
FACE_IMPORTANCE, EAR_IMPORTANCE, OTHER_IMPORTANCE, HIDDEN_IMPORTANCE = 30.0, 6.0, 2.0, 0.3
SMOOTHING_ROUNDS = 12


@dataclass(frozen=True)
class TexelDensity:
    """Wanted scale and importance.

    Attributes:
        scale: Wanted length in the chart per length on the head, relative.
        importance: What stretch costs there, relative.
    """

    scale: Float[np.ndarray, "V"]
    importance: Float[np.ndarray, "V"]


def neighbour_average(faces: Int[np.ndarray, "F 3"], count: int) -> sp.csr_matrix:
    """Return the matrix that replaces a value by the mean over the vertex and its neighbours."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    both = np.concatenate([edges, edges[:, ::-1]])
    adjacency = sp.csr_matrix((np.ones(len(both)), (both[:, 0], both[:, 1])), (count, count))
    adjacency.data[:] = 1
    adjacency = adjacency + sp.eye(count)
    return sp.diags(1 / np.asarray(adjacency.sum(1)).ravel()) @ adjacency


def texel_density(source: ChartSource) -> TexelDensity:
    """Give the face most texels, the ears some, scalp, neck and hidden pockets few."""
    count = len(source.vertices)
    scale = np.full(count, OTHER_SCALE)
    importance = np.full(count, OTHER_IMPORTANCE)
    for name in ("left_ear", "right_ear"):
        scale[source.regions[name]] = EAR_SCALE
        importance[source.regions[name]] = EAR_IMPORTANCE
    scale[source.regions["face"]] = FACE_SCALE
    importance[source.regions["face"]] = FACE_IMPORTANCE
    hidden = source.regions["eye_sockets"]
    scale[hidden], importance[hidden] = HIDDEN_SCALE, HIDDEN_IMPORTANCE
    average = neighbour_average(source.faces, count)
    for _ in range(SMOOTHING_ROUNDS):
        scale, importance = average @ scale, average @ importance
    return TexelDensity(scale, importance)
