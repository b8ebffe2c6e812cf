"""How open every vertex is to the outside: the share of its half-space that no surface blocks."""

from __future__ import annotations

import numpy as np
import warp as wp
from jaxtyping import Float, Int

RAY_COUNT = 96
RAY_START = 2e-4
RAY_LENGTH = 0.06


@wp.kernel
def _count_open(
    mesh: wp.uint64,
    points: wp.array(dtype=wp.vec3),
    normals: wp.array(dtype=wp.vec3),
    directions: wp.array(dtype=wp.vec3),
    start: float,
    length: float,
    share: wp.array(dtype=float),
) -> None:
    index = wp.tid()
    # Warp takes a bare 0.0 for a constant that a loop may not change.
    seen = float(0.0)  # noqa: UP018
    total = float(0.0)  # noqa: UP018
    for ray in range(directions.shape[0]):
        cosine = wp.dot(directions[ray], normals[index])
        if cosine > 0.0:
            total += cosine
            origin = points[index] + normals[index] * start
            hit = wp.mesh_query_ray(mesh, origin, directions[ray], length)
            if not hit.result:
                seen += cosine
    share[index] = seen / wp.max(total, 1.0e-6)


def _even_directions(count: int) -> Float[np.ndarray, "n 3"]:
    """Spread directions over the sphere on a golden spiral."""
    index = np.arange(count) + 0.5
    height = 1 - 2 * index / count
    turn = np.pi * (1 + 5**0.5) * index
    ring = np.sqrt(1 - height**2)
    return np.stack([ring * np.cos(turn), ring * np.sin(turn), height], axis=1)


def openness(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]
) -> Float[np.ndarray, "V"]:
    """Return the cosine-weighted share of directions that leave each vertex unblocked for 6 cm."""
    corners = vertices[faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(normals, faces[:, corner], normal)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-20)
    wp.config.quiet = True
    wp.init()

    def array(values: np.ndarray) -> wp.array:
        return wp.array(values.astype(np.float32), dtype=wp.vec3, device="cpu")

    flat = wp.array(faces.astype(np.int32).ravel(), dtype=wp.int32, device="cpu")
    mesh = wp.Mesh(points=array(vertices), indices=flat)
    share = wp.zeros(len(vertices), dtype=float, device="cpu")
    wp.launch(
        _count_open,
        dim=len(vertices),
        inputs=[
            mesh.id,
            array(vertices),
            array(normals),
            array(_even_directions(RAY_COUNT)),
            RAY_START,
            RAY_LENGTH,
        ],
        outputs=[share],
        device="cpu",
    )
    return share.numpy().astype(np.float64)
