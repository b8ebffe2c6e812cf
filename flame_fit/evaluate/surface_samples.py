"""Points spread evenly over a surface, however it is cut into triangles."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from flame_fit.errors import InputError

# Steps of Roberts' low-discrepancy sequence in two dimensions: the powers of 1 / 1.3247..., the
# real root of x^3 = x + 1.
STEPS = (0.7548776662466927, 0.5698402909980532)


def sample_surface(
    vertices: Float[Tensor, "V 3"], faces: Int[Tensor, "F 3"], *, count: int
) -> Float[Tensor, "count 3"]:
    """Return points of a mesh, as many on each triangle as its area asks for; always the same ones.

    Raises:
        InputError: The mesh has no triangle or no area.
    """
    if len(faces) == 0:
        raise InputError("a mesh without triangles was given; distances need a surface")
    corners = vertices[faces]
    a, b, c = corners.unbind(1)
    areas = torch.linalg.cross(b - a, c - a, dim=-1).norm(dim=-1).double()
    total = float(areas.sum())
    if not total > 0.0:
        raise InputError("the mesh has no area; its triangles are all flat")
    ends = areas.cumsum(0)
    step = torch.arange(count, dtype=torch.float64, device=vertices.device)
    # One point in the middle of each of `count` equal shares of the area.
    places = (step + 0.5) * (ends[-1] / count)
    chosen = torch.searchsorted(ends, places).clamp(max=len(faces) - 1)
    first, second = ((0.5 + step * size) % 1.0 for size in STEPS)
    outside = first + second > 1.0
    first = torch.where(outside, 1.0 - first, first).to(vertices)[:, None]
    second = torch.where(outside, 1.0 - second, second).to(vertices)[:, None]
    return (1.0 - first - second) * a[chosen] + first * b[chosen] + second * c[chosen]
