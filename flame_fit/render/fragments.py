"""Barycentrics and depth of covered pixels, recomputed from the triangle each one shows.

This is the one place where a render becomes differentiable: whatever rasteriser named the
triangles, values and gradients are the same.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Int32, Int64
from torch import Tensor

from flame_fit.render.screen import ScreenVertices, depth_order


@dataclass(frozen=True, eq=False)
class Fragments:
    """What each pixel of an image shows; differentiable with respect to the screen vertices."""

    face_index: Int32[Tensor, "b H W"]
    """Triangle seen in the pixel, -1 for the background."""
    barycentrics: Float[Tensor, "b H W 3"]
    """Weights of its corners on the surface (perspective-correct), zero for the background."""
    depth: Float[Tensor, "b H W"]
    """Metres in front of the camera, zero for the background."""


@dataclass(frozen=True, eq=False)
class CoveredPixels:
    """The pixels that show a surface, a row per pixel, in the order of the flattened images."""

    pixel_index: Int64[Tensor, " n"]
    """Position in the flattened images, `(image * H + row) * W + column`, ascending."""
    image_index: Int64[Tensor, " n"]
    face_index: Int64[Tensor, " n"]
    barycentrics: Float[Tensor, "n 3"]
    depth: Float[Tensor, " n"]
    image_shape: tuple[int, int, int]
    """Number of images, height and width."""

    def centres(self) -> Float[Tensor, "n 2"]:
        """Return the pixel centres (x, y)."""
        return _centres(self.pixel_index, self.image_shape, self.depth)

    def gather(self, images: Float[Tensor, "b H W C"]) -> Float[Tensor, "n C"]:
        """Read the covered pixels of images."""
        return images.reshape(-1, images.shape[-1]).index_select(0, self.pixel_index)

    def scatter(self, values: Float[Tensor, "n C"]) -> Float[Tensor, "b H W C"]:
        """Lay values out as images, zero where nothing is covered."""
        batch, height, width = self.image_shape
        flat = values.new_zeros(batch * height * width, values.shape[1])
        return flat.index_copy_(0, self.pixel_index, values).reshape(*self.image_shape, -1)


def covered_pixels(
    face_index: Int32[Tensor, "b H W"], screen: ScreenVertices, faces: Int[Tensor, "F 3"]
) -> CoveredPixels:
    """Return barycentrics and depth of the pixels that show a triangle.

    In perspective, the weights linear in the image are divided by the corners' depths and
    normalised; the depth is the inverse of that sum.
    """
    batch, height, width = face_index.shape
    flat = face_index.reshape(-1)
    pixel = (flat >= 0).nonzero()[:, 0]
    face = flat.index_select(0, pixel).long()
    image = torch.div(pixel, height * width, rounding_mode="floor")
    row = image * len(faces) + face
    planes = _barycentric_planes(screen, faces).index_select(1, row)

    x, y = _centres(pixel, (batch, height, width), screen.pixels).unbind(-1)
    x, y = x - planes[0], y - planes[1]
    second = planes[2] * x + planes[3] * y
    third = planes[4] * x + planes[5] * y
    first = 1.0 - second - third
    if screen.perspective:
        first, second, third = first * planes[6], second * planes[7], third * planes[8]
        depth = 1.0 / (first + second + third)
        weights = torch.stack((first * depth, second * depth, third * depth), dim=-1)
    else:
        depth = first * planes[6] + second * planes[7] + third * planes[8]
        weights = torch.stack((first, second, third), dim=-1)
    return CoveredPixels(pixel, image, face, weights, depth, (batch, height, width))


def to_fragments(covered: CoveredPixels) -> Fragments:
    """Lay covered pixels out as images."""
    barycentrics = covered.scatter(covered.barycentrics)
    depth = covered.scatter(covered.depth[:, None])[..., 0]
    face_index = torch.full_like(depth, -1, dtype=torch.int32)
    face = covered.face_index.to(torch.int32)
    face_index.view(-1).index_copy_(0, covered.pixel_index, face)
    return Fragments(face_index, barycentrics, depth)


def from_fragments(fragments: Fragments) -> CoveredPixels:
    """Return the covered pixels of images; the inverse of `to_fragments`."""
    batch, height, width = fragments.face_index.shape
    flat = fragments.face_index.reshape(-1)
    pixel = (flat >= 0).nonzero()[:, 0]
    return CoveredPixels(
        pixel_index=pixel,
        image_index=torch.div(pixel, height * width, rounding_mode="floor"),
        face_index=flat.index_select(0, pixel).long(),
        barycentrics=fragments.barycentrics.reshape(-1, 3).index_select(0, pixel),
        depth=fragments.depth.reshape(-1).index_select(0, pixel),
        image_shape=(batch, height, width),
    )


def _centres(
    pixel: Int64[Tensor, " n"], image_shape: tuple[int, int, int], like: Tensor
) -> Float[Tensor, "n 2"]:
    _, height, width = image_shape
    row = torch.div(pixel, width, rounding_mode="floor")
    position = torch.stack((pixel - row * width, row % height), dim=-1)
    return position.to(like) + 0.5


def _barycentric_planes(
    screen: ScreenVertices, faces: Int[Tensor, "F 3"]
) -> Float[Tensor, "9 faces_of_all_images"]:
    """Return what the pixels of each triangle need, triangles of all images in a line.

    Rows: position of the first corner; image gradients of the second and of the third
    weight (of the first: minus their sum); the corners' 1/depth in perspective, else their depth.
    Degenerate triangles show their first corner.
    """
    corners = faces.long().reshape(-1)
    batch = screen.pixels.shape[0]
    # Vertices of triangles that are not drawn must not turn the gradient of others into NaN.
    valid = depth_order(screen).isfinite()
    pixels = torch.where(valid[..., None], screen.pixels, 0.0)
    depth = torch.where(valid, screen.depth, 1.0)
    pixels = pixels.index_select(1, corners).reshape(batch, -1, 3, 2)
    depth = depth.index_select(1, corners).reshape(batch, -1, 3)
    first = pixels[..., 0, :]
    ab, ac = pixels[..., 1, :] - first, pixels[..., 2, :] - first
    area = ab[..., 0] * ac[..., 1] - ac[..., 0] * ab[..., 1]
    # Below this the area is rounding noise of the products.
    noise = 8.0 * torch.finfo(area.dtype).eps * (ab.square() + ac.square()).sum(-1)
    flat = area.abs() <= noise
    inverse = torch.where(flat, 0.0, 1.0 / torch.where(flat, 1.0, area))
    planes = (
        *first.unbind(-1),
        ac[..., 1] * inverse,
        -ac[..., 0] * inverse,
        -ab[..., 1] * inverse,
        ab[..., 0] * inverse,
        *((1.0 / depth) if screen.perspective else depth).unbind(-1),
    )
    return torch.stack(planes).reshape(len(planes), -1)
