"""Companion files in the layouts in circulation, bound to the synthetic head of FLAME's counts.

The numbers come from OpenHead, so nothing of a licensed file is in them.
"""

from __future__ import annotations

import io
import pickle
from functools import lru_cache

import numpy as np
import torch

from flame_fit.flame import FlameAssets, load_assets
from flame_fit.geometry.alignment import closest_points_on_mesh
from flame_fit.geometry.topology import SurfacePoints, points_on_surface
from tests.flame.release_topology import reduced_head

LIMIT = 39
PUBLISHED_ANGLES = [*range(LIMIT + 1), *range(-1, -LIMIT - 1, -1)]
"""Degrees of the 79 rows of a published outline table, in the order of the file."""
MEDIAPIPE_NUMBERS = np.arange(0, 420, 4)
"""105 of the 478."""


@lru_cache(maxsize=1)
def open_head() -> FlameAssets:
    return load_assets("open_head")


def places(points: SurfacePoints) -> np.ndarray:
    """Points of OpenHead's surface, metres."""
    head = open_head()
    flat = SurfacePoints(points.face_index.reshape(-1), points.barycentrics.reshape(-1, 3))
    return points_on_surface(head.v_template[None].double(), head.faces, flat)[0].numpy()


def bind(points: np.ndarray) -> SurfacePoints:
    """The nearest points of the synthetic head."""
    head = reduced_head()
    found = closest_points_on_mesh(
        torch.from_numpy(points), torch.from_numpy(head.template), torch.from_numpy(head.faces)
    )
    return found.surface


@lru_cache(maxsize=1)
def ibug_points() -> SurfacePoints:
    return bind(places(open_head().landmarks.ibug))


@lru_cache(maxsize=1)
def all_mediapipe_points() -> SurfacePoints:
    return bind(places(open_head().landmarks.mediapipe))


def mediapipe_points() -> SurfacePoints:
    points = all_mediapipe_points()
    return SurfacePoints(
        points.face_index[MEDIAPIPE_NUMBERS], points.barycentrics[MEDIAPIPE_NUMBERS]
    )


@lru_cache(maxsize=1)
def iris_points() -> SurfacePoints:
    """The right and the left iris centre."""
    return bind(places(open_head().landmarks.mediapipe)[[468, 473]])


@lru_cache(maxsize=2)
def outline_table(sign: int) -> SurfacePoints:
    """The 79 x 17 table in published order, its angle the head's yaw times `sign`."""
    table = open_head().landmarks.contour
    angles = sign * np.array(PUBLISHED_ANGLES, dtype=float)
    row = np.abs(table.yaw_degrees.numpy()[None] - angles[:, None]).argmin(axis=1)
    bound = bind(places(table.points))
    shape = table.points.face_index.shape
    return SurfacePoints(
        bound.face_index.reshape(shape)[row], bound.barycentrics.reshape(*shape, 3)[row]
    )


def dictionary_npy(*, sign: int = 1, with_eyes: bool = False) -> bytes:
    """The dict `.npy`: some entries are torch tensors, as in the published file."""
    full, table = ibug_points(), outline_table(sign)
    index, weights = full.face_index.numpy(), full.barycentrics.numpy()
    if with_eyes:
        eyes = iris_points()
        index = np.concatenate((index, eyes.face_index.numpy()))
        weights = np.concatenate((weights, eyes.barycentrics.numpy()))
    return object_npy(
        {
            "static_lmk_faces_idx": index[17:68],
            "static_lmk_bary_coords": weights[17:68],
            "dynamic_lmk_faces_idx": table.face_index,
            "dynamic_lmk_bary_coords": table.barycentrics.float(),
            "full_lmk_faces_idx": index[None],
            "full_lmk_bary_coords": weights[None].astype(np.float32),
        }
    )


def static_pkl() -> bytes:
    """The 51 inner points of the pair, written by Python 2 or 3 alike."""
    points = ibug_points()
    content = {
        "lmk_face_idx": points.face_index.numpy()[17:].astype(np.uint32),
        "lmk_b_coords": points.barycentrics.numpy()[17:],
    }
    return pickle.dumps(content, protocol=2)


def dynamic_npy(*, sign: int = 1) -> bytes:
    table = outline_table(sign)
    return object_npy(
        {
            "lmk_face_idx": table.face_index.numpy(),
            "lmk_b_coords": table.barycentrics.numpy(),
        }
    )


def mediapipe_npz(*, whole: bool = False) -> bytes:
    """105 of MediaPipe's points, or all 478."""
    points = all_mediapipe_points() if whole else mediapipe_points()
    return npz(
        lmk_face_idx=points.face_index.numpy().astype(np.uint32),
        lmk_b_coords=points.barycentrics.numpy(),
        landmark_indices=np.arange(478) if whole else MEDIAPIPE_NUMBERS,
    )


def masks_pkl(*, swap_sides: bool = False) -> bytes:
    """Vertex numbers by name, with the two names that have no counterpart."""
    regions = open_head().regions
    nearest = nearest_vertices()
    content = {}
    for name in ("face", "nose", "lips", "forehead", "scalp", "neck", *_sided()):
        stored = _other_side(name) if swap_sides else name
        content[stored] = np.flatnonzero(regions.mask(name).numpy()[nearest])
    content["boundary"] = np.arange(5)
    content["eye_region"] = np.arange(5)
    return pickle.dumps(content, protocol=2)


def eyelid_npy(side: int) -> bytes:
    """The left (0) or the right (1) blendshape."""
    moved = open_head().eyelid_basis[..., side].double().numpy()[nearest_vertices()]
    buffer = io.BytesIO()
    np.save(buffer, moved)
    return buffer.getvalue()


def chart_uv() -> np.ndarray:
    """A chart with a texture point for each vertex: the head unrolled about its upright axis."""
    x, y, z = reduced_head().template.T
    height = (y - y.min()) / (y.max() - y.min())
    return np.stack((0.5 + np.arctan2(x, z) / (2.2 * np.pi), 0.05 + 0.9 * height), axis=1)


def template_obj(*, uv: np.ndarray | None = None, shift: int = 0) -> bytes:
    """A template with a chart; `shift` turns the corners of its triangles and their order."""
    head = reduced_head()
    uv = chart_uv() if uv is None else uv
    faces = np.roll(np.roll(head.faces, shift, axis=0), shift, axis=1) + 1
    lines = ["# made for tests", "mtllib template.mtl"]
    lines += [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in head.template]
    lines += [f"vt {u:.6f} {v:.6f}" for u, v in uv]
    lines += ["f " + " ".join(f"{corner}/{corner}" for corner in face) for face in faces]
    return "\n".join(lines).encode()


def atlas_uv() -> np.ndarray:
    """A chart in which no triangles overlap, three texture points for each: two share a cell."""
    count = len(reduced_head().faces)
    side = int(np.ceil(np.sqrt(count / 2)))
    cell = np.arange(count) // 2
    corner = np.stack((cell % side, cell // side), axis=1) + 0.05
    lower = np.array([[0.0, 0.0], [0.8, 0.0], [0.0, 0.8]])
    upper = np.array([[0.9, 0.9], [0.1, 0.9], [0.9, 0.1]])
    shape = np.where((np.arange(count) % 2 == 0)[:, None, None], lower, upper)
    return ((corner[:, None] + shape) / side).reshape(-1, 2)


def atlas_obj() -> bytes:
    """A template with the chart of `atlas_uv`."""
    head = reduced_head()
    lines = [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in head.template]
    lines += [f"vt {u:.6f} {v:.6f}" for u, v in atlas_uv()]
    lines += [
        "f "
        + " ".join(f"{vertex + 1}/{3 * number + corner + 1}" for corner, vertex in enumerate(face))
        for number, face in enumerate(head.faces)
    ]
    return "\n".join(lines).encode()


def flame_texture_npz(rng: np.random.Generator, *, size: int = 16, count: int = 4) -> bytes:
    """FLAME's texture space: 0 to 255, BGR, with the chart."""
    return npz(
        mean=rng.uniform(40, 220, (size, size, 3)),
        tex_dir=rng.normal(0, 8, (size, size, 3, count)),
        vt=chart_uv(),
        ft=reduced_head().faces.astype(np.uint32),
    )


def basel_texture_npz(rng: np.random.Generator, *, size: int = 16, count: int = 4) -> bytes:
    """The Basel Face Model's albedo on FLAME: 0 to 1, BGR, flattened, without a chart."""
    return npz(
        MU=rng.uniform(0.2, 0.9, size * size * 3),
        PC=rng.normal(0, 0.03, (size * size * 3, count)),
    )


def albedomm_npz(rng: np.random.Generator, *, size: int = 16, count: int = 4) -> bytes:
    """AlbedoMM on FLAME: diffuse and specular in linear light, with the chart."""
    return npz(
        MU=rng.uniform(0.05, 0.6, (size, size, 3)),
        PC=rng.normal(0, 0.01, (size, size, 3, count)),
        specMU=rng.uniform(0, 0.2, (size, size, 3)),
        specPC=rng.normal(0, 0.01, (size, size, 3, count)),
        vt=chart_uv(),
        ft=reduced_head().faces,
    )


def npz(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def object_npy(content: dict) -> bytes:
    """A 0-d object array with a dict in it."""
    holder = np.empty((), dtype=object)
    holder[()] = content
    buffer = io.BytesIO()
    np.save(buffer, holder, allow_pickle=True)
    return buffer.getvalue()


@lru_cache(maxsize=1)
def nearest_vertices() -> np.ndarray:
    """For each vertex of the synthetic head the one of OpenHead it is."""
    template = open_head().v_template.double()
    distance = torch.cdist(torch.from_numpy(reduced_head().template), template)
    return distance.argmin(dim=1).numpy()


def _sided() -> list[str]:
    return [
        f"{side}_{part}" for side in ("left", "right") for part in ("eyeball", "ear", "eye_region")
    ]


def _other_side(name: str) -> str:
    side, _, part = name.partition("_")
    return {"left": f"right_{part}", "right": f"left_{part}"}.get(side, name)


def bare_assets() -> FlameAssets:
    """The synthetic head as a release gives it: a mesh, bases and weights, nothing else."""
    head = reduced_head()

    def numbers(array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).float()

    return FlameAssets(
        name="synthetic",
        sha256="0" * 64,
        licence="CC0 1.0",
        v_template=numbers(head.template),
        faces=torch.from_numpy(head.faces),
        shape_basis=numbers(head.shape_basis),
        expression_basis=numbers(head.expression_basis),
        pose_basis=numbers(head.pose_basis),
        joint_regressor=numbers(head.joint_regressor),
        parents=(-1, 0, 1, 1, 1),
        skinning_weights=numbers(head.weights),
        chart=None,
        regions=None,
        mirror_vertex=None,
        landmarks=None,
        arkit_names=(),
        arkit_basis=None,
        eyelid_basis=None,
    )
