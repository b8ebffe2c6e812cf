"""What other tools compute, by their own formulas, and what ours does."""

import numpy as np
import torch

from flame_fit.appearance.lighting import spherical_harmonics
from flame_fit.export.foreign import layout_suffix
from flame_fit.geometry import Camera, project
from tests.published_flame import published_vertices

IDENTITY, EXPRESSION = 6, 4


def formula(release, shape, expression, *pose):
    betas = np.zeros(400)
    betas[: shape.size] = shape
    betas[300 : 300 + expression.size] = expression
    return published_vertices(release, betas, np.concatenate(pose))


def codes(rng, count, total):
    """Coefficients as a file has them: more than the tiny model uses, zero beyond."""
    return np.r_[rng.normal(size=count), np.zeros(total - count)]


def our_pixels(params, vertices):
    camera = Camera(
        focal=torch.from_numpy(np.asarray(params.focal, dtype=np.float64))[None],
        principal_point=torch.from_numpy(np.asarray(params.principal_point, dtype=float))[None],
        projection=params.projection,
    )
    return project(camera, torch.from_numpy(vertices)[None]).pixels[0].numpy()


def shading_a(lighting, normals):
    """Shading by the constants of DECA, VHAP and the seed."""
    x, y, z = normals.T
    one = np.ones_like(x)
    polynomials = (one, x, y, z, x * y, x * z, y * z, x * x - y * y, 3 * z * z - 1)
    band1 = 2 * np.pi / 3 * np.sqrt(3 / (4 * np.pi))
    band2 = np.pi / 4 * 3 * np.sqrt(5 / (12 * np.pi))
    factors = [1 / np.sqrt(4 * np.pi)] + [band1] * 3 + [band2] * 3 + [band2 / 2]
    factors.append(np.pi / 4 / 2 * np.sqrt(5 / (4 * np.pi)))
    return np.stack(polynomials, axis=1) * factors @ lighting


def our_shading(lighting, normals):
    return spherical_harmonics(torch.from_numpy(normals)).numpy() @ np.asarray(lighting)


def unit_vectors(rng, count=40):
    vectors = rng.normal(size=(count, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def orthographic_codes(rng, light_key):
    return {
        "shape": codes(rng, IDENTITY, 100)[None],
        "exp": codes(rng, EXPRESSION, 50)[None],
        "pose": 0.3 * rng.normal(size=(1, 6)),
        "cam": np.array([[6.5, 0.02, -0.03]]),
        "tex": rng.normal(size=(1, 50)),
        light_key: rng.normal(size=(1, 9, 3)),
    }


def written(folder, exported, layout):
    path = folder / f"{layout}{layout_suffix(layout)}"
    path.write_bytes(exported.data)
    return path
