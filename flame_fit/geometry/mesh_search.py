"""Exact nearest points on a triangle mesh: a tree of boxes, searched by a Warp kernel.

The tree is a perfect binary one in heap order: node n has the children 2n + 1 and 2n + 2, and the
leaves hold LEAF_SIZE triangles each. All arithmetic is in float64. A branch is left out only if its
box is no nearer than the best point found, so the answer is that of comparing all triangles.
"""

from dataclasses import dataclass
from typing import no_type_check

import torch
import warp as wp
from jaxtyping import Float, Float64, Int
from torch import Tensor

from flame_fit.errors import InputError
from flame_fit.geometry.alignment import ClosestPoints
from flame_fit.geometry.topology import SurfacePoints
from flame_fit.geometry.warp_runtime import DEVICES, current_stream, start_warp

wp.set_module_options({"enable_backward": False, "fuse_fp": False})

LEAF_SIZE = wp.constant(4)
STACK_SIZE = 40
"""Nodes that can wait at once: one for each level, more than any index type can count."""
FLAT = wp.constant(wp.float64(1e-12))
"""Triangles whose squared sine is smaller are searched by their edges alone."""

NodeStack = wp.types.vector(length=STACK_SIZE, dtype=wp.int32)


@dataclass(frozen=True, eq=False)
class MeshSearch:
    """A mesh made ready for many searches; build it with `MeshSearch.of`."""

    corners: Float64[Tensor, "leaves 3 3"]
    """Triangles in the order of the leaves, the last one repeated to fill them."""
    face_index: Int[Tensor, "leaves"]
    lower: Float64[Tensor, "nodes 3"]
    upper: Float64[Tensor, "nodes 3"]

    @staticmethod
    def of(vertices: Float[Tensor, "V 3"], faces: Int[Tensor, "F 3"]) -> "MeshSearch":
        """Return the search tree of a mesh, on the device of its vertices.

        Raises:
            InputError: the mesh has no triangle, or something is not finite.
        """
        if len(faces) == 0:
            raise InputError("a mesh without triangles was given; distances need a surface")
        triangles = vertices.detach().double()[faces]
        if not bool(torch.isfinite(triangles).all()):
            raise InputError("the mesh has vertices that are not finite; repair it first")
        if triangles.device.type not in DEVICES:
            triangles = triangles.cpu()
        order = _leaf_order(triangles.mean(1))
        corners = triangles[order].contiguous()
        lower, upper = corners.amin(1), corners.amax(1)
        lows = [lower.reshape(-1, int(LEAF_SIZE), 3).amin(1)]
        highs = [upper.reshape(-1, int(LEAF_SIZE), 3).amax(1)]
        while len(lows[0]) > 1:
            lows.insert(0, lows[0].reshape(-1, 2, 3).amin(1))
            highs.insert(0, highs[0].reshape(-1, 2, 3).amax(1))
        return MeshSearch(corners, order, torch.cat(lows), torch.cat(highs))

    def closest(self, points: Float[Tensor, "n 3"]) -> ClosestPoints:
        """Return the nearest surface point for each point; not differentiable.

        Raises:
            InputError: a point is not finite.
        """
        device = self.corners.device
        queries = points.detach().to(device, torch.float64).contiguous()
        if not bool(torch.isfinite(queries).all()):
            raise InputError("points are not finite; repair the scan first")
        slots = torch.zeros(len(queries), dtype=torch.int32, device=device)
        barycentrics = torch.zeros_like(queries)
        if len(queries):
            start_warp()
            wp.launch(
                search_tree,
                dim=len(queries),
                inputs=[
                    wp.from_torch(queries, dtype=wp.vec3d),
                    wp.from_torch(self.corners.flatten(0, 1), dtype=wp.vec3d),
                    wp.from_torch(self.lower, dtype=wp.vec3d),
                    wp.from_torch(self.upper, dtype=wp.vec3d),
                    len(self.lower) // 2,
                    wp.from_torch(slots),
                    wp.from_torch(barycentrics, dtype=wp.vec3d),
                ],
                device=wp.device_from_torch(device),
                stream=current_stream(device),
            )
        slots = slots.long()
        feet = (barycentrics[..., None] * self.corners[slots]).sum(1)
        return ClosestPoints(
            points=feet.to(points),
            distance=(feet - queries).norm(dim=-1).to(points),
            surface=SurfacePoints(
                face_index=self.face_index[slots].to(points.device),
                barycentrics=barycentrics.to(points),
            ),
        )


def _leaf_order(centres: Float64[Tensor, "F 3"]) -> Int[Tensor, "leaves"]:
    """Return triangles by halving them again and again along the longest side of their box.

    The last triangle is repeated so that all leaves are full and their number is a power of two.
    """
    leaves = 1
    while leaves * int(LEAF_SIZE) < len(centres):
        leaves *= 2
    order = torch.arange(leaves * int(LEAF_SIZE), device=centres.device)
    order = order.clamp(max=len(centres) - 1)
    groups = 1
    while groups < leaves:
        members = order.reshape(groups, -1)
        places = centres[members]
        axis = (places.amax(1) - places.amin(1)).argmax(-1)
        along = torch.take_along_dim(places, axis[:, None, None], dim=-1)[..., 0]
        order = torch.take_along_dim(members, along.argsort(dim=1, stable=True), dim=1).flatten()
        groups *= 2
    return order


@wp.func
@no_type_check
def box_distance(point: wp.vec3d, lower: wp.vec3d, upper: wp.vec3d) -> wp.float64:
    """Return the squared distance of a point from a box."""
    zero = wp.float64(0.0)
    x = wp.max(wp.max(lower[0] - point[0], point[0] - upper[0]), zero)
    y = wp.max(wp.max(lower[1] - point[1], point[1] - upper[1]), zero)
    z = wp.max(wp.max(lower[2] - point[2], point[2] - upper[2]), zero)
    return x * x + y * y + z * z


@wp.func
@no_type_check
def along_edge(point: wp.vec3d, start: wp.vec3d, end: wp.vec3d) -> wp.float64:
    """Return how far along an edge, from 0 to 1, its nearest point lies."""
    edge = end - start
    length = wp.dot(edge, edge)
    if length <= wp.float64(0.0):
        return wp.float64(0.0)
    return wp.clamp(wp.dot(point - start, edge) / length, wp.float64(0.0), wp.float64(1.0))


@wp.func
@no_type_check
def nearest_weights(point: wp.vec3d, a: wp.vec3d, b: wp.vec3d, c: wp.vec3d) -> wp.vec3d:
    """Return the barycentrics of a triangle's nearest point.

    The foot on the plane where it falls inside, else the best of the feet on the three edges.
    """
    one = wp.float64(1.0)
    zero = wp.float64(0.0)
    u = b - a
    v = c - a
    w = point - a
    uu = wp.dot(u, u)
    uv = wp.dot(u, v)
    vv = wp.dot(v, v)
    determinant = uu * vv - uv * uv
    if determinant > FLAT * uu * vv:
        uw = wp.dot(u, w)
        vw = wp.dot(v, w)
        second = (vv * uw - uv * vw) / determinant
        third = (uu * vw - uv * uw) / determinant
        if second >= zero and third >= zero and second + third <= one:
            return wp.vec3d(one - second - third, second, third)
    t = along_edge(point, a, b)
    best = wp.vec3d(one - t, t, zero)
    gap = a + t * u - point
    distance = wp.dot(gap, gap)
    t = along_edge(point, a, c)
    gap = a + t * v - point
    other = wp.dot(gap, gap)
    if other < distance:
        distance = other
        best = wp.vec3d(one - t, zero, t)
    t = along_edge(point, b, c)
    gap = b + t * (c - b) - point
    if wp.dot(gap, gap) < distance:
        best = wp.vec3d(zero, one - t, t)
    return best


@wp.kernel(enable_backward=False)
@no_type_check
def search_tree(
    queries: wp.array(dtype=wp.vec3d),
    corners: wp.array(dtype=wp.vec3d),
    lower: wp.array(dtype=wp.vec3d),
    upper: wp.array(dtype=wp.vec3d),
    first_leaf: int,
    slots: wp.array(dtype=wp.int32),
    barycentrics: wp.array(dtype=wp.vec3d),
) -> None:
    """Find the nearest triangle of one query, and where on it the nearest point lies."""
    index = wp.tid()
    point = queries[index]
    best = wp.float64(wp.inf)
    slot = int(0)  # noqa: UP018 - a variable, where a literal would be a constant to Warp
    weights = wp.vec3d(wp.float64(1.0), wp.float64(0.0), wp.float64(0.0))
    stack = NodeStack()
    waiting = int(1)  # noqa: UP018
    while waiting > 0:
        waiting = waiting - 1
        node = stack[waiting]
        if box_distance(point, lower[node], upper[node]) < best:
            if node >= first_leaf:
                for member in range(LEAF_SIZE):
                    triangle = (node - first_leaf) * LEAF_SIZE + member
                    a = corners[3 * triangle]
                    b = corners[3 * triangle + 1]
                    c = corners[3 * triangle + 2]
                    found = nearest_weights(point, a, b, c)
                    gap = found[0] * a + found[1] * b + found[2] * c - point
                    squared = wp.dot(gap, gap)
                    if squared < best:
                        best = squared
                        slot = triangle
                        weights = found
            else:
                left = 2 * node + 1
                right = 2 * node + 2
                left_first = box_distance(point, lower[left], upper[left]) < box_distance(
                    point, lower[right], upper[right]
                )
                # The nearer child is put on top and searched first.
                if left_first:
                    stack[waiting] = right
                    stack[waiting + 1] = left
                else:
                    stack[waiting] = left
                    stack[waiting + 1] = right
                waiting = waiting + 2
    slots[index] = slot
    barycentrics[index] = weights
