"""Compare landmarks and eyelids made for FLAME's template with the published ones.

    python scripts/compare_embeddings.py ../shared/data/flame_topology --out flame_template.npz

The folder holds `head_template.obj`, `landmark_embedding.npy`, `mediapipe_landmark_embedding.npz`,
`l_eyelid.npy` and `r_eyelid.npy`. From the template alone a bare model is made, completed as any
bare release is, and compared: distances on the template in millimetres.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from jaxtyping import Float, Int

from flame_fit.asset_files import write_atomically
from flame_fit.flame import FlameAssets, load_assets
from flame_fit.flame.assets import POSE_FEATURES
from flame_fit.geometry import SurfacePoints
from flame_fit.head_models.complete import CompletionSettings, complete_assets
from flame_fit.head_models.find_landmarks import landmark_places
from flame_fit.head_models.head_parts import connected_parts
from flame_fit.head_models.landmark_companions import LandmarkFile, landmark_file
from flame_fit.head_models.model_arrays import model_arrays
from flame_fit.head_models.npz_bytes import npz_bytes
from flame_fit.priors.face_mesh_topology import face_mesh_topology
from flame_fit.untrusted import read_npy, read_npz, read_obj

MILLIMETRES = 1000.0
IBUG_GROUPS = {
    "outline": slice(0, 17),
    "brows": slice(17, 27),
    "nose": slice(27, 36),
    "eyes": slice(36, 48),
    "lips": slice(48, 68),
}
JOINTS = ((0.0, -0.20, -0.07), (0.0, -0.11, -0.055), (0.0, -0.055, -0.045))
"""Root, neck and jaw from the middle between the eyes, metres: near enough for a template."""


@dataclass(frozen=True)
class GroupDistance:
    """How far apart the points of one part of the face are.

    Attributes:
        name: The part.
        count: Its points.
        median: Millimetres.
        largest: Millimetres.
        offset: Mean of ours minus theirs, millimetres: outwards, up, forward.
    """

    name: str
    count: int
    median: float
    largest: float
    offset: tuple[float, ...]


def bare_model(template: Path) -> FlameAssets:
    """Make a bare model of a template with separate eyeballs: it turns, and nothing else."""
    mesh = read_obj(template)
    vertices, faces = torch.from_numpy(mesh.vertices).float(), torch.from_numpy(mesh.faces).long()
    count = len(vertices)
    part = torch.from_numpy(connected_parts(faces.numpy(), count))
    eyes = [part == label for label in part.unique() if label != part.mode().values]
    eyes.sort(key=lambda mask: -float(vertices[mask, 0].mean()))
    weights, regressor = torch.zeros(count, 5), torch.zeros(5, count)
    weights[:, 1] = 1.0
    for joint, mask in zip((3, 4), eyes, strict=True):
        weights[mask] = torch.nn.functional.one_hot(torch.tensor(joint), 5).float()
        regressor[joint, mask] = 1.0 / mask.sum()
    middle = (regressor[3:] @ vertices).mean(dim=0)
    for joint, offset in enumerate(JOINTS):
        away = (vertices - middle - torch.tensor(offset)).norm(dim=1)
        regressor[joint, away.argsort()[:40]] = 1.0 / 40
    return FlameAssets(
        name="flame_template",
        sha256="0" * 64,
        licence="the template's",
        v_template=vertices,
        faces=faces,
        shape_basis=torch.zeros(count, 3, 2),
        expression_basis=torch.zeros(count, 3, 2),
        pose_basis=torch.zeros(count, 3, POSE_FEATURES),
        joint_regressor=regressor,
        parents=(-1, 0, 1, 1, 1),
        skinning_weights=weights,
        chart=None,
        regions=None,
        mirror_vertex=None,
        landmarks=None,
        arkit_names=(),
        arkit_basis=None,
        eyelid_basis=None,
    )


def published_landmarks(path: Path) -> LandmarkFile:
    """Read an embedding file in one of the formats in circulation."""
    content = read_npz(path) if path.suffix == ".npz" else read_npy(path)
    found = landmark_file(content, source=str(path))
    if found is None:
        raise SystemExit(f"{path} holds no landmark embedding")
    return found


def compare_mediapipe(assets: FlameAssets, published: LandmarkFile) -> list[GroupDistance]:
    """Compare the MediaPipe points that a published file has, part by part."""
    if published.mediapipe is None or published.mediapipe_index is None:
        raise SystemExit("the file has no MediaPipe points")
    numbers = published.mediapipe_index
    own = landmark_places(assets, _mediapipe(assets))[numbers]
    other = _places(assets, published.mediapipe.face_index, published.mediapipe.barycentrics)
    mesh = face_mesh_topology()
    groups = {
        "eyes": np.concatenate([mesh.left_eye, mesh.right_eye]),
        "brows": np.concatenate([mesh.left_brow, mesh.right_brow]),
        "lips": np.concatenate([mesh.lips_outer, mesh.lips_inner]),
    }
    rows = {name: np.isin(numbers, points) for name, points in groups.items()}
    rows["nose"] = ~np.any(list(rows.values()), axis=0)
    return [_distance(name, own[row], other[row]) for name, row in rows.items()]


def compare_ibug(assets: FlameAssets, published: LandmarkFile) -> list[GroupDistance]:
    """Compare the iBUG points part by part; the outline is that of a frontal face."""
    landmarks = assets.landmarks
    if published.ibug is None or landmarks is None or landmarks.ibug is None:
        raise SystemExit("there are no iBUG points")
    own = landmark_places(assets, landmarks.ibug)
    other = _places(assets, published.ibug.face_index, published.ibug.barycentrics)
    return [_distance(name, own[row], other[row]) for name, row in IBUG_GROUPS.items()]


def compare_eyelids(assets: FlameAssets, folder: Path) -> GroupDistance:
    """Compare the displacements that close the eyes where the published ones move the skin."""
    if assets.eyelid_basis is None:
        raise SystemExit("there are no eyelids")
    other = np.stack([read_array(folder / f"{side}_eyelid.npy") for side in "lr"], axis=-1)
    own = assets.eyelid_basis.double().numpy()
    moving = np.linalg.norm(other, axis=1) > 1e-4  # noqa: PLR2004 - a tenth of a millimetre
    pairs = [(own[moving[:, side], :, side], other[moving[:, side], :, side]) for side in (0, 1)]
    ours, theirs = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    return _distance("eyelids", ours, theirs)


def read_array(path: Path) -> Float[np.ndarray, "V 3"]:
    """Read a plain array."""
    return np.asarray(read_npy(path), dtype=np.float64)


def _mediapipe(assets: FlameAssets) -> SurfacePoints:
    if assets.landmarks is None or assets.landmarks.mediapipe is None:
        raise SystemExit("the model has no MediaPipe points")
    return assets.landmarks.mediapipe


def _places(
    assets: FlameAssets, face: Int[np.ndarray, "n"], share: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, "n 3"]:
    points = SurfacePoints(torch.from_numpy(face.astype(np.int64)), torch.from_numpy(share))
    return landmark_places(assets, points)


def _distance(
    name: str, own: Float[np.ndarray, "n 3"], other: Float[np.ndarray, "n 3"]
) -> GroupDistance:
    gap = (own - other) * MILLIMETRES
    length = np.linalg.norm(gap, axis=1)
    outwards = gap * np.stack([np.sign(other[:, 0]), *np.ones((2, len(gap)))], axis=1)
    offset = tuple(float(value) for value in outwards.mean(axis=0).round(2))
    return GroupDistance(name, len(gap), float(np.median(length)), float(length.max()), offset)


def main() -> None:
    """Complete the template and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="published files for FLAME's mesh")
    parser.add_argument("--views", type=int, default=CompletionSettings.views)
    parser.add_argument("--out", type=Path, help="where to write the completed model")
    options = parser.parse_args()
    start, used = time.perf_counter(), time.process_time()
    assets = complete_assets(
        bare_model(options.folder / "head_template.obj"),
        reference=load_assets(),
        settings=CompletionSettings(views=options.views),
    )
    if options.out:
        write_atomically(options.out, npz_bytes(model_arrays(assets)))
    wall, used = time.perf_counter() - start, time.process_time() - used
    print(f"completed in {wall:.0f} s, {used:.0f} s of processor time")
    mediapipe = published_landmarks(options.folder / "mediapipe_landmark_embedding.npz")
    ibug = published_landmarks(options.folder / "landmark_embedding.npy")
    tables = {
        "MediaPipe": compare_mediapipe(assets, mediapipe),
        "iBUG": compare_ibug(assets, ibug),
        "blendshapes": [compare_eyelids(assets, options.folder)],
    }
    for title, rows in tables.items():
        for row in rows:
            print(
                f"{title:12}{row.name:9}{row.count:4} points  median {row.median:5.2f} mm"
                f"  largest {row.largest:5.2f} mm  mean offset {row.offset}"
            )


if __name__ == "__main__":
    main()
