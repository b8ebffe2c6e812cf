"""Synthetic Basel Face Models in the exact layouts of 2009, 2017 and 2019, out of OpenHead.

They show the front of another identity than the template, without eyeballs and mouth, with vertices
in another order; colours are those of OpenHead's own texture, so that it is known where each
belongs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache

import h5py
import numpy as np
import scipy.io
import torch

from flame_fit.appearance import load_texture_space
from flame_fit.appearance.texture_space import sample_basis
from flame_fit.flame import load_assets
from flame_fit.geometry import points_on_surface
from flame_fit.head_models.basel_landmarks import IBUG_OF_NAME

HIDDEN = ("mouth_interior", "teeth", "eye_sockets", "left_eyeball", "right_eyeball")
COMPONENTS = 2
DEVIATIONS = np.array([0.08, 0.05])
BACK = -0.03
"""Metres in z behind which there is nothing."""


@dataclass(frozen=True, eq=False)
class Face:
    """A face in metres; faces counter-clockwise from outside; colours in 0 to 1."""

    vertices: np.ndarray
    faces: np.ndarray
    colour: np.ndarray
    basis: np.ndarray
    """Orthonormal columns, a row for each vertex and colour."""
    landmarks: dict


@lru_cache(maxsize=1)
def face() -> Face:
    assets = load_assets()
    generator = torch.Generator().manual_seed(2)
    codes = 0.7 * torch.randn(40, generator=generator)
    bent = (assets.v_template + assets.shape_basis[..., :40] @ codes).double()
    hidden = torch.zeros(len(bent), dtype=torch.bool)
    for name in HIDDEN:
        hidden |= assets.regions.mask(name)
    kept = ~(hidden | (assets.v_template[:, 2] < BACK))
    faces = assets.faces[kept[assets.faces].all(1)]
    used = torch.unique(faces)
    order = used[torch.randperm(len(used), generator=generator)]
    place = torch.full((len(bent),), -1)
    place[order] = torch.arange(len(order))
    uv = torch.zeros(len(bent), 2)
    uv[assets.faces.reshape(-1)] = assets.chart.uv[assets.chart.faces.reshape(-1)]
    space = load_texture_space("open_head_texture", component_count=0)
    colour = sample_basis(space, uv[order]).mean.double().numpy()
    ibug = points_on_surface(bent[None], assets.faces, assets.landmarks.ibug)[0].numpy()
    names = {name: ibug[number] for name, number in IBUG_OF_NAME.items()}
    return Face(
        vertices=bent[order].numpy(),
        faces=place[faces].numpy(),
        colour=colour,
        basis=basis_of(assets.v_template[order].numpy()),
        landmarks=names | {"center.chin.tip": ibug[8]},
    )


def pattern(template: np.ndarray) -> np.ndarray:
    """Two colour patterns as functions of the place on the template, one column each."""
    x, y, _ = template.T
    first = np.stack((np.sin(40 * x), np.cos(40 * y), np.ones_like(x)), axis=1)
    second = np.stack((y * 10, x * 10, np.sin(50 * (x + y))), axis=1)
    return np.stack((first, second), axis=-1)


def basis_of(template: np.ndarray) -> np.ndarray:
    columns = pattern(template).reshape(-1, COMPONENTS)
    return columns / np.linalg.norm(columns, axis=0)


def stored_deviations() -> np.ndarray:
    """Standard deviations of the components, so that a texel varies by about `DEVIATIONS`."""
    return DEVIATIONS * np.sqrt(len(face().vertices))


def write_2009(path) -> None:
    """`01_MorphableModel.mat`: micrometres, colours 0 to 255, triangles clockwise from 1."""
    made = face()
    scipy.io.savemat(
        path,
        {
            "shapeMU": np.float32(1e6 * made.vertices.reshape(-1, 1)),
            "shapePC": np.zeros((made.vertices.size, 1), dtype=np.float32),
            "shapeEV": np.ones((1, 1), dtype=np.float32),
            "texMU": np.float32(255 * made.colour.reshape(-1, 1)),
            "texPC": np.float32(made.basis),
            "texEV": np.float32(255 * stored_deviations()[:, None]),
            "tl": np.float64(made.faces[:, ::-1] + 1),
            "segbin": np.zeros((len(made.vertices), 4), dtype=np.uint8),
        },
    )


def write_h5(path, *, landmarks=True) -> None:
    """`model2017-1_*.h5` and `model2019_*.h5`: millimetres, colours 0 to 1, 3 x F triangles."""
    made = face()
    with h5py.File(path, "w") as file:
        for part, mean in (("shape", 1000 * made.vertices), ("color", made.colour)):
            file[f"{part}/model/mean"] = np.float32(mean.reshape(-1))
            file[f"{part}/representer/points"] = np.float32(1000 * made.vertices.T)
            file[f"{part}/representer/cells"] = made.faces.T.astype(np.uint32)
        file["color/model/pcaBasis"] = np.float32(made.basis)
        file["color/model/pcaVariance"] = np.float32(stored_deviations() ** 2)
        file["color/model/noiseVariance"] = np.float32([0.0])
        if landmarks:
            content = [
                {"id": name, "coordinates": [float(x) for x in 1000 * place]}
                for name, place in made.landmarks.items()
            ]
            file["metadata/landmarks/json"] = json.dumps(content)
