"""Silhouettes smoothed by the area they cover, which is where a render's shape gradient comes from.

Inside a triangle an image depends smoothly on its vertices; at a silhouette a pixel is covered or
not. Where a silhouette edge passes between the centres of two neighbouring pixels, the pixel that
holds the edge is blended with its neighbour in proportion to the area that the edge cuts off, as in
Laine et al., Modular Primitives for High-Performance Differentiable Rendering (2020). Unlike there,
the crossings are found by walking along the silhouette edges, so that triangles smaller than a
pixel, of which a head's outline consists, are not missed.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int, Int64
from torch import Tensor

from flame_fit.render.fragments import Fragments
from flame_fit.render.screen import ScreenVertices, depth_order, doubled_area


@dataclass(frozen=True, eq=False)
class MeshEdges:
    """The edges of a triangle mesh; depends on the faces only."""

    vertices: Int64[Tensor, "edges 2"]
    """Ends of each edge, smaller vertex index first."""
    edge_of_side: Int64[Tensor, "F 3"]
    """Edge opposite to each corner of each triangle."""


@dataclass(frozen=True, eq=False)
class _Silhouette:
    """Silhouette edges of all images on the screen, as directed from `start` to `end`."""

    image: Int64[Tensor, " s"]
    start: Float[Tensor, "s 2"]
    end: Float[Tensor, "s 2"]
    start_order: Float[Tensor, " s"]
    end_order: Float[Tensor, " s"]
    side: Float[Tensor, " s"]
    """+1 where the surface lies to the left of the direction with y up, else -1."""
    perspective: bool


@dataclass(frozen=True, eq=False)
class Outline:
    """Silhouette edges passing between the centres of neighbouring pixels."""

    inner: Int64[Tensor, " c"]
    """Flattened pixel on the side of the surface."""
    outer: Int64[Tensor, " c"]
    """Flattened pixel on the other side."""
    reach: Float[Tensor, " c"]
    """How far the surface reaches from the inner centre to the outer one, 0..1."""


def mesh_edges(faces: Int[Tensor, "F 3"]) -> MeshEdges:
    """Find the edges of a mesh; keep the result where many images show the same mesh."""
    corners = faces.long()
    sides = torch.stack((corners[:, [1, 2]], corners[:, [2, 0]], corners[:, [0, 1]]), dim=1)
    low, high = sides.amin(-1), sides.amax(-1)
    stride = int(corners.max()) + 1 if len(corners) else 1
    key, edge = torch.unique(low * stride + high, return_inverse=True)
    ends = torch.stack((torch.div(key, stride, rounding_mode="floor"), key % stride), dim=-1)
    return MeshEdges(vertices=ends, edge_of_side=edge.reshape(-1, 3))


def antialias(
    image: Float[Tensor, "b H W C"],
    fragments: Fragments,
    screen: ScreenVertices,
    faces: Int[Tensor, "F 3"],
    *,
    edges: MeshEdges | None = None,
) -> Float[Tensor, "b H W C"]:
    """Return the image with smooth silhouettes, differentiable in colours and screen vertices.

    Args:
        image: Colours of the visible surface and of the background behind it.
        fragments: What the pixels show.
        screen: The vertices that were rasterised.
        faces: Triangles.
        edges: From `mesh_edges`; found anew if None.
    """
    return blend_outline(image, find_outline(fragments, screen, faces, edges=edges))


def find_outline(
    fragments: Fragments,
    screen: ScreenVertices,
    faces: Int[Tensor, "F 3"],
    *,
    edges: MeshEdges | None = None,
) -> Outline:
    """Return where silhouettes pass between pixels, for any picture of the same fragments.

    Args:
        fragments: What the pixels show.
        screen: The vertices that were rasterised.
        faces: Triangles.
        edges: From `mesh_edges`; found anew if None.
    """
    silhouette = _find_silhouette(screen, faces, edges or mesh_edges(faces))
    horizontal, vertical = (_find_crossings(silhouette, fragments, axis) for axis in (0, 1))
    return _joined(_outermost(horizontal), _outermost(vertical))


def blend_outline(image: Float[Tensor, "b H W C"], outline: Outline) -> Float[Tensor, "b H W C"]:
    """Return the image with smooth silhouettes, differentiable in colours and screen vertices.

    Args:
        image: Colours of the visible surface and of the background behind it.
        outline: From `find_outline`.
    """
    flat = image.reshape(-1, image.shape[-1])
    beyond = outline.reach - 0.5
    difference = flat[outline.inner] - flat[outline.outer]
    target = torch.where(beyond > 0.0, outline.outer, outline.inner)
    return flat.index_add(0, target, beyond[:, None] * difference).reshape(image.shape)


def _find_silhouette(
    screen: ScreenVertices, faces: Int[Tensor, "F 3"], edges: MeshEdges
) -> _Silhouette:
    """Return the edges whose triangles all lie on one side of them."""
    side = _sides(screen, faces, edges)
    order = depth_order(screen)
    a, b = edges.vertices.unbind(-1)
    drawable = (order[:, a] + order[:, b]).isfinite()
    image, edge = ((side != 0.0) & drawable).nonzero().unbind(-1)
    a, b = a[edge], b[edge]
    return _Silhouette(
        image=image,
        start=screen.pixels[image, a],
        end=screen.pixels[image, b],
        start_order=order[image, a].to(screen.pixels.dtype),
        end_order=order[image, b].to(screen.pixels.dtype),
        side=side[image, edge],
        perspective=screen.perspective,
    )


def _sides(
    screen: ScreenVertices, faces: Int[Tensor, "F 3"], edges: MeshEdges
) -> Float[Tensor, "b edges"]:
    """Return on which side of each edge its triangles lie: +1, -1, or 0 where they disagree.

    A triangle lies to the left of its directed side if it is counter-clockwise on the screen (y
    up), which is a negative area where y points down; a side that runs against the stored direction
    of its edge swaps left and right.
    """
    corners = faces.long()
    forward = corners[:, [1, 2, 0]] < corners[:, [2, 0, 1]]
    direction = torch.where(forward, 1.0, -1.0).to(screen.pixels)
    area = doubled_area(screen.pixels.detach(), faces)
    side = (-area.sign()[..., None] * direction).reshape(len(area), -1)
    edge = edges.edge_of_side.reshape(1, -1).expand_as(side)
    empty = side.new_zeros(len(area), len(edges.vertices))
    low = empty.scatter_reduce(1, edge, side, reduce="amin", include_self=False)
    high = empty.scatter_reduce(1, edge, side, reduce="amax", include_self=False)
    return torch.where(low == high, low, 0.0)


def _find_crossings(silhouette: _Silhouette, fragments: Fragments, axis: int) -> Outline:
    """Return where edges pass between pixels that are neighbours along an axis (0: x, 1: y).

    Steep edges are counted in the rows they pass and flat ones in the columns, so that each part of
    an outline counts once.
    """
    _, height, width = fragments.face_index.shape
    across, limit, stride = 1 - axis, (width, height), (1, width)
    delta = silhouette.end - silhouette.start
    steep = delta[:, 1].abs() >= delta[:, 0].abs()
    edge, line = _lines_passed(silhouette, across, steep if axis == 0 else ~steep, limit[across])
    start, delta = silhouette.start[edge], delta[edge]
    share = (line.to(start) + 0.5 - start[:, across]) / delta[:, across]
    position = start[:, axis] + share * delta[:, axis] - 0.5
    # A centre exactly on a steep edge belongs to the surface on its right.
    first = position.detach().ceil() - 1.0
    within = (first >= 0) & (first < limit[axis] - 1)
    keep = within.nonzero()[:, 0]
    edge, share, position, first = edge[keep], share[keep], position[keep], first[keep]

    low = silhouette.image[edge] * (height * width)
    low = low + first.long() * stride[axis] + line[keep] * stride[across]
    surface_is_low = _surface_is_low(silhouette, edge, axis)
    inner = torch.where(surface_is_low, low, low + stride[axis])
    outer = torch.where(surface_is_low, low + stride[axis], low)
    reach = torch.where(surface_is_low, position - first, first + 1.0 - position)
    order = torch.lerp(silhouette.start_order[edge], silhouette.end_order[edge], share.detach())
    visible = _is_visible(order, inner, outer, fragments, perspective=silhouette.perspective)
    return Outline(inner[visible], outer[visible], reach[visible])


def _is_visible(
    edge_order: Float[Tensor, " c"],
    inner: Int64[Tensor, " c"],
    outer: Int64[Tensor, " c"],
    fragments: Fragments,
    *,
    perspective: bool,
) -> Bool[Tensor, " c"]:
    """Return whether an edge at a depth order is the outline seen between two pixels.

    The outer pixel lies behind the edge, else the edge is hidden; the inner one shows the surface
    that ends at the edge, not one far behind it.
    """
    orders = []
    for pixel in (inner, outer):
        covered = fragments.face_index.reshape(-1)[pixel] >= 0
        depth = fragments.depth.detach().reshape(-1)[pixel]
        order = -1.0 / torch.where(covered, depth, 1.0) if perspective else depth
        orders.append(torch.where(covered, order, torch.inf))
    inner_order, outer_order = orders
    return (outer_order > edge_order) & (inner_order < 0.5 * (edge_order + outer_order))


def _lines_passed(
    silhouette: _Silhouette, across: int, chosen: Bool[Tensor, " s"], limit: int
) -> tuple[Int64[Tensor, " c"], Int64[Tensor, " c"]]:
    """Return edge and line number for every pixel row (or column) centre that an edge passes."""
    ends = torch.stack((silhouette.start[:, across], silhouette.end[:, across])).detach() - 0.5
    first = ends.amin(0).ceil().clamp(0, limit).long()
    count = (ends.amax(0).ceil().clamp(0, limit).long() - first) * chosen
    edge = torch.arange(len(count), device=count.device).repeat_interleave(count)
    before = count.cumsum(0) - count
    line = first[edge] + torch.arange(len(edge), device=count.device) - before[edge]
    return edge, line


def _surface_is_low(
    silhouette: _Silhouette, edge: Int64[Tensor, " c"], axis: int
) -> Bool[Tensor, " c"]:
    """Return whether the surface lies towards smaller x (axis 0) or smaller y (axis 1)."""
    delta = (silhouette.end - silhouette.start).detach()[edge]
    left = silhouette.side[edge] > 0.0
    # With y down, the left of a direction that goes up (smaller y) is smaller x, and the left of
    # one that goes right is smaller y.
    low_is_left = delta[:, 1] < 0.0 if axis == 0 else delta[:, 0] > 0.0
    return left == low_is_left


def _outermost(crossings: Outline) -> Outline:
    """Keep, for every pair of pixels, the crossing up to which the surface reaches."""
    pair = crossings.inner * 2 + (crossings.outer > crossings.inner)
    pairs, group = torch.unique(pair, return_inverse=True)
    reach = crossings.reach.detach()
    farthest = reach.new_zeros(len(pairs)).scatter_reduce(0, group, reach, reduce="amax")
    number = torch.arange(len(pair), device=pair.device)
    candidate = torch.where(reach == farthest[group], number, len(pair))
    keep = number.new_full((len(pairs),), len(pair))
    keep = keep.scatter_reduce(0, group, candidate, reduce="amin")
    return Outline(crossings.inner[keep], crossings.outer[keep], crossings.reach[keep])


def _joined(first: Outline, second: Outline) -> Outline:
    return Outline(
        inner=torch.cat((first.inner, second.inner)),
        outer=torch.cat((first.outer, second.outer)),
        reach=torch.cat((first.reach, second.reach)),
    )
