"""Training samples out of shards, moved about, mirrored and photographed anew each time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from flame_fit.priors.face_labels import FACE_LABELS, IGNORE, FaceLabel
from flame_fit.priors.face_mesh_topology import MESH_COUNT, face_mesh_topology
from flame_fit.priors.head_network.mesh_guess import MeshGuess
from flame_fit.priors.head_network.network import IMAGE_SIZE
from scripts.training.augment import blob, changed_colours, through_a_camera
from scripts.training.generate import STORED_SCALE, STORED_SIZE
from scripts.training.meshes import read_with_mesh
from scripts.training.shard_files import decoded

FACEWEAR = int(FaceLabel.FACEWEAR)
LABEL_SIZE = IMAGE_SIZE // 2
MIRRORED, COVERED, BEHIND, BORDER, NO_PERSON = 0.5, 0.25, 0.15, 0.25, 0.1
"""Shares of samples that are mirrored, have something before them, another background, the edge
of a photo in them, no person mask."""
EITHER = 0.5
NO_MESH, BETTER_MESH, MENDED = 0.08, 0.75, (0.6, 1.0)
"""Shares of samples without a face mesh, and with one that errs less than the detector's; by how
much of the error less."""
OPEN_SHARDS, USES, TEST_BATCH = 8, 2, 16
"""Shards that are mixed, how often each of their pictures is used before half of them go."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Samples as the network takes them, with their truth.

    Attributes:
        images: b 3 S S, sRGB in 0..1.
        person: b 1 S S.
        labels: b S/2 S/2, 255 where unknown.
        points: b N 3: place as share of the side, depth in metres.
        seen: b N.
        pixel: b: pixels of a photo 512 wide per side.
        mesh: b 468 3: the face mesh in shares of the side, zero where none was found.
    """

    images: Tensor
    person: Tensor
    labels: Tensor
    points: Tensor
    seen: Tensor
    pixel: Tensor
    mesh: Tensor


@dataclass(frozen=True, eq=False)
class MeshTie:
    """How the points of the face mesh and the dense points belong together.

    Attributes:
        mirror: For each dense point the one on the other side.
        point: For each point of the face mesh the nearest dense points.
        weight: Of each of these.
        guess: What the network takes the face mesh for.
    """

    mirror: np.ndarray
    point: np.ndarray
    weight: np.ndarray
    guess: MeshGuess


class Shards(IterableDataset):
    """Endless samples in random order; a worker keeps a few shards open."""

    def __init__(self, paths: list[Path], tie: MeshTie, *, seed: int, batch: int) -> None:
        super().__init__()
        self.paths, self.tie, self.seed, self.batch = paths, tie, seed, batch
        self.mirror = tie.mirror

    def __iter__(self) -> Iterator[Batch]:
        """Yield batches for ever."""
        cv2.setNumThreads(0)
        worker = torch.utils.data.get_worker_info()
        generator = np.random.default_rng((self.seed, worker.id if worker else 0))
        pool: list[dict] = []
        fresh: list[Path] = []
        while True:
            while len(pool) < OPEN_SHARDS:
                if not fresh:
                    fresh = [self.paths[i] for i in generator.permutation(len(self.paths))]
                pool.append(read_with_mesh(fresh.pop()))
            for _ in range(USES * sum(len(shard["points"]) for shard in pool) // self.batch):
                rows = []
                for _ in range(self.batch):
                    shard = pool[generator.integers(len(pool))]
                    other = pool[generator.integers(len(pool))]
                    rows.append(self._sample(shard, other, generator))
                yield collate(rows)
            pool = pool[OPEN_SHARDS // 2 :]

    def _sample(self, shard: dict, other: dict, generator: np.random.Generator) -> tuple:
        index = int(generator.integers(len(shard["points"])))
        srgb, labels, person = decoded(shard, index)
        mesh = _doubted(shard["mesh"][index], shard["points"][index], self.tie, generator)
        image = srgb.astype(np.float32) / 255.0
        if generator.random() < BEHIND:
            image = _other_background(image, labels, person, decoded(other, 0)[0], generator)
        image = changed_colours(image, generator)
        if generator.random() < COVERED:
            image, labels = _covered(image, labels, decoded(other, -1)[0], generator)
        matrix = _movement(generator)
        image = cv2.warpAffine(image, matrix, (IMAGE_SIZE, IMAGE_SIZE), flags=cv2.INTER_LINEAR)
        labels = _labels(labels, matrix)
        person = cv2.warpAffine(person, matrix, (IMAGE_SIZE, IMAGE_SIZE))
        pixels = through_a_camera(image, generator)
        points, seen = shard["points"][index].copy(), shard["seen"][index]
        points[:, :2] = _moved(points[:, :2], matrix)
        mesh = _moved_mesh(mesh, matrix)
        if generator.random() < BORDER:
            _cut_off(pixels, labels, person, generator)
        person = person * (generator.random() > NO_PERSON)
        if generator.random() < MIRRORED:
            pixels, labels, person = pixels[:, ::-1], labels[:, ::-1], person[:, ::-1]
            labels = _MIRROR[labels]
            points = points[self.mirror] * [-1.0, 1.0, 1.0] + [1.0, 0.0, 0.0]
            seen = seen[self.mirror]
            if mesh.any():
                mesh = mesh[_MESH_MIRROR] * [-1.0, 1.0, 1.0] + [1.0, 0.0, 0.0]
        pixel = shard["pixel"][index] / STORED_SCALE
        return pixels, labels, person, points, seen, pixel, mesh


def held_out(path: Path) -> Iterator[Batch]:
    """Yield the pictures of a shard as they are, in batches."""
    shard = read_with_mesh(path)
    matrix = _fixed_movement()
    rows = []
    for index in range(len(shard["points"])):
        srgb, labels, person = decoded(shard, index)
        pixels = cv2.warpAffine(srgb, matrix, (IMAGE_SIZE, IMAGE_SIZE), flags=cv2.INTER_AREA)
        points = shard["points"][index].copy()
        points[:, :2] = _moved(points[:, :2], matrix)
        mesh = _moved_mesh(shard["mesh"][index], matrix)
        person = cv2.warpAffine(person, matrix, (IMAGE_SIZE, IMAGE_SIZE))
        seen, pixel = shard["seen"][index], shard["pixel"][index] / STORED_SCALE
        rows.append((pixels, _labels(labels, matrix), person, points, seen, pixel, mesh))
    for start in range(0, len(rows), TEST_BATCH):
        yield collate(rows[start : start + TEST_BATCH])


def collate(rows: list[tuple]) -> Batch:
    """Return samples side by side."""
    pixels, labels, person, points, seen, pixel, mesh = zip(*rows, strict=True)
    return Batch(
        images=torch.from_numpy(np.stack(pixels)),
        person=torch.from_numpy(np.stack(person)[:, None]),
        labels=torch.from_numpy(np.stack(labels)),
        points=torch.from_numpy(np.stack(points).astype(np.float32)),
        seen=torch.from_numpy(np.stack(seen)),
        pixel=torch.tensor(pixel, dtype=torch.float32),
        mesh=torch.from_numpy(np.stack(mesh).astype(np.float32)),
    )


_MESH_MIRROR = face_mesh_topology().mirror[:MESH_COUNT]
_MIRROR = np.arange(256, dtype=np.uint8)
_MIRROR[: FACE_LABELS.count] = FACE_LABELS.mirror


def _doubted(
    mesh: np.ndarray, points: np.ndarray, tie: MeshTie, generator: np.random.Generator
) -> np.ndarray:
    """Return a face mesh that errs less than it does on renders, or otherwise, or is missing.

    On photographs the detector errs less than on renders: were its errors on renders all that the
    network ever saw, it would mend them in photographs too, where they are not.
    """
    if not mesh.any() or generator.random() < NO_MESH:
        return np.zeros_like(mesh)
    if generator.random() < BETTER_MESH:
        given = torch.from_numpy(mesh)[None]
        guess = tie.guess(given)
        affine = (tie.guess.solve @ given)[0, :3]
        scale = float(affine.square().sum().div(3).sqrt())
        apart = points[:, :2] - guess.places[0].numpy()
        deeper = (points[:, 2] - guess.depth[0].numpy()) * scale
        apart = np.concatenate([apart, deeper[:, None]], axis=1)
        error = (apart[tie.point] * tie.weight[..., None]).sum(1)
        mesh = mesh + np.float32(generator.uniform(*MENDED)) * error
    jitter = generator.normal(0.0, [0.004, 0.004, 0.01], 3)
    middle = mesh.mean(axis=0)
    grown = np.exp(generator.normal(0.0, 0.015, 3))
    mesh = middle + (mesh - middle) * grown + jitter
    return (mesh + generator.normal(0.0, 0.0015, mesh.shape)).astype(np.float32)


def _moved(places: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return places in shares of the stored crop as shares of the network's square."""
    stored = places * STORED_SIZE - 0.5
    return (stored @ matrix[:, :2].T + matrix[:, 2] + 0.5) / IMAGE_SIZE


def _moved_mesh(mesh: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    if not mesh.any():
        return mesh
    grown = np.sqrt(np.linalg.det(matrix[:, :2])) * STORED_SIZE / IMAGE_SIZE
    return np.concatenate([_moved(mesh[:, :2], matrix), mesh[:, 2:] * grown], axis=1)


def _movement(generator: np.random.Generator) -> np.ndarray:
    """Return how a stored crop goes into the network's square: as a face mesh would err."""
    angle = generator.normal(0.0, 0.12)
    scale = np.exp(generator.normal(0.0, 0.08)) * IMAGE_SIZE * STORED_SCALE / STORED_SIZE
    shift = generator.normal(0.0, 0.03, 2) * IMAGE_SIZE
    return _similarity(angle, scale, shift)


def _fixed_movement() -> np.ndarray:
    return _similarity(0.0, IMAGE_SIZE * STORED_SCALE / STORED_SIZE, np.zeros(2))


def _similarity(angle: float, scale: float, shift: np.ndarray) -> np.ndarray:
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.array([[cos, -sin], [sin, cos]])
    middle = IMAGE_SIZE / 2 - 0.5 + shift
    offset = middle - linear @ np.full(2, STORED_SIZE / 2 - 0.5)
    return np.concatenate([linear, offset[:, None]], axis=1)


def _labels(labels: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return the labels at the middles of 2 x 2 pixels of the network's square."""
    half = 0.5 * matrix
    half[:, 2] -= 0.25
    return cv2.warpAffine(
        labels,
        half,
        (LABEL_SIZE, LABEL_SIZE),
        flags=cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(IGNORE,),
    )


def _other_background(image, labels, person, other, generator) -> np.ndarray:  # noqa: ANN001
    """Return the person before a piece of another picture; only where the labels say background."""
    turn = np.rot90(other, int(generator.integers(4))).astype(np.float32) / 255.0
    behind = cv2.resize(turn, image.shape[1::-1])
    if generator.random() < EITHER:
        behind = cv2.GaussianBlur(behind, (0, 0), float(generator.uniform(2.0, 12.0)))
    free = cv2.GaussianBlur((labels == 0).astype(np.float32), (0, 0), 0.7)[..., None]
    return image + free * (behind - image)


def _covered(image, labels, other, generator) -> tuple:  # noqa: ANN001
    """Return the picture with something before it, cut out of another one or of one colour."""
    size = image.shape[0]
    mask = blob(size, generator)
    if generator.random() < EITHER:
        piece = np.rot90(other, int(generator.integers(4))).astype(np.float32) / 255.0
    else:
        piece = np.broadcast_to(generator.random(3).astype(np.float32), image.shape)
    image = image + mask[..., None] * (piece - image)
    labels = np.where((mask > EITHER) & (labels != IGNORE), FACEWEAR, labels).astype(np.uint8)
    return image, labels


def _cut_off(pixels, labels, person, generator) -> None:  # noqa: ANN001
    """Blacken what lies beyond the edge of a photo, on one to four sides."""
    for axis in (0, 1):
        for far in (False, True):
            if generator.random() < EITHER:
                width = int(abs(generator.normal(0.0, 0.12)) * IMAGE_SIZE)
                width = min(width, IMAGE_SIZE // 4)
                for array, unit, value in ((pixels, 1, 0), (labels, 2, IGNORE), (person, 1, 0)):
                    length = (width + unit - 1) // unit
                    size = array.shape[axis]
                    part = slice(size - length, size) if far else slice(0, length)
                    array[part if axis == 0 else (slice(None), part)] = value
