"""Vertex attributes carried to pixels."""

from jaxtyping import Float, Int
from torch import Tensor

from flame_fit.render.fragments import CoveredPixels, Fragments, from_fragments


def interpolate(
    fragments: Fragments, faces: Int[Tensor, "F 3"], attributes: Float[Tensor, "#b n C"]
) -> Float[Tensor, "b H W C"]:
    """Return attributes at every pixel, zero for the background.

    Args:
        fragments: What the pixels show.
        faces: Indices into `attributes`; for UV coordinates the faces of the chart.
        attributes: Values at the vertices.
    """
    covered = from_fragments(fragments)
    return covered.scatter(interpolate_covered(covered, faces, attributes))


def interpolate_covered(
    covered: CoveredPixels, faces: Int[Tensor, "F 3"], attributes: Float[Tensor, "#b n C"]
) -> Float[Tensor, "m C"]:
    """Return attributes at the covered pixels, a row per pixel.

    Args:
        covered: Pixels with their triangles.
        faces: Indices into `attributes`; for UV coordinates the faces of the chart.
        attributes: Values at the vertices; with batch size 1 shared by all images.
    """
    batch, _, channels = attributes.shape
    at_corners = attributes.index_select(1, faces.long().reshape(-1))
    row = covered.face_index
    if batch > 1:
        row = covered.image_index * len(faces) + row
    gathered = at_corners.reshape(-1, 3 * channels).index_select(0, row)
    weight = covered.barycentrics.to(attributes.dtype)[..., None]
    first, second, third = gathered.split(channels, dim=-1)
    return first * weight[:, 0] + second * weight[:, 1] + third * weight[:, 2]
