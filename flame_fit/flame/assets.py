"""The head model as data: FLAME-format arrays and what is bound to their topology."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from flame_fit.asset_files import find_asset, sha256_of
from flame_fit.errors import AssetError, UsageError
from flame_fit.flame.asset_arrays import AssetArrays
from flame_fit.flame.layout import (
    CONTOUR_POINTS as CONTOUR_POINTS,
)
from flame_fit.flame.layout import (
    JOINT_COUNT,
    MAXIMUM_FILE_BYTES,
    PUBLISHED_BASIS_SIZE,
    PUBLISHED_SHAPE_COUNT,
)
from flame_fit.flame.layout import (
    POSE_FEATURES as POSE_FEATURES,
)
from flame_fit.flame.releases.catalogue import UNKNOWN_LICENCE
from flame_fit.flame.releases.convert import read_release
from flame_fit.flame.releases.recognise import read_description, text_of
from flame_fit.geometry.tensors import move
from flame_fit.geometry.topology import SurfacePoints

WEIGHT_SUM_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class UvChart:
    """Texture coordinates (u right, v up) and the triangles that index them."""

    uv: Float[Tensor, "T 2"]
    faces: Int[Tensor, "F 3"]
    """Indices into `uv`, in the order of the model's triangles."""


@dataclass(frozen=True, eq=False)
class Regions:
    """Named sets of vertices."""

    names: tuple[str, ...]
    masks: Bool[Tensor, "R V"]

    def mask(self, name: str) -> Bool[Tensor, "V"]:
        """Return the vertices of one region."""
        if name not in self.names:
            raise UsageError(
                f"there is no region '{name}'; choose from {', '.join(sorted(self.names))}"
            )
        return self.masks[self.names.index(name)]


@dataclass(frozen=True, eq=False)
class ContourTable:
    """The 17 points of the face outline as they are seen at a number of head turns."""

    yaw_degrees: Float[Tensor, "B"]
    """Rising; positive when the head is turned to the person's left as seen from the camera."""
    points: SurfacePoints
    """B x 17 points, from the person's right ear over the chin to the left."""


@dataclass(frozen=True, eq=False)
class LandmarkEmbeddings:
    """Where detector landmarks lie on the surface; None where a model has no embedding."""

    mediapipe: SurfacePoints | None
    """478 points, or 468 without irises."""
    ibug: SurfacePoints | None
    """68 points; the first 17 are the outline of a frontal face."""
    contour: ContourTable | None


@dataclass(frozen=True, eq=False)
class FlameAssets:
    """A FLAME-format head model in metres; x to the person's left, y up, z forward."""

    name: str
    sha256: str
    """Digest of the file it came from."""
    licence: str
    v_template: Float[Tensor, "V 3"]
    faces: Int[Tensor, "F 3"]
    shape_basis: Float[Tensor, "V 3 S"]
    """Identity, metres per unit coefficient."""
    expression_basis: Float[Tensor, "V 3 E"]
    pose_basis: Float[Tensor, "V 3 P"]
    """Correctives for the entries of the joints' rotation matrices minus the identity."""
    joint_regressor: Float[Tensor, "J V"]
    parents: tuple[int, ...]
    """Parent of each joint, -1 for the root; parents come before their children."""
    skinning_weights: Float[Tensor, "V J"]
    chart: UvChart | None
    regions: Regions | None
    mirror_vertex: Int[Tensor, "V"] | None
    """For each vertex the one at its mirror place."""
    landmarks: LandmarkEmbeddings | None
    arkit_names: tuple[str, ...]
    arkit_basis: Float[Tensor, "V 3 A"] | None
    """Displacements of the named facial actions at full strength."""
    eyelid_basis: Float[Tensor, "V 3 2"] | None
    """Displacements that close the left and the right eye."""

    def to(
        self, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
    ) -> "FlameAssets":
        """Return the model with another floating dtype or on another device."""
        return move(self, dtype=dtype, device=device)


def load_assets(name_or_path: str | Path = "open_head") -> FlameAssets:
    """Load a head model by asset name or by path, as float32 tensors on the CPU.

    A published pickle is converted in memory each time; nothing it contains is ever run.

    Raises:
        AssetError: not found, damaged, or not a model; the message says what to do.
    """
    arrays = _read_arrays(_resolve(name_or_path))
    template = arrays.floats("v_template", (None, 3))
    vertex_count = template.shape[0]
    faces = arrays.indices("f", (None, 3), limit=vertex_count)
    face_count = faces.shape[0]
    basis = arrays.floats("shapedirs", (vertex_count, 3, None))
    shape_count = _shape_count(arrays, basis.shape[-1])
    meta = _read_meta(arrays)
    return FlameAssets(
        name=meta.name,
        sha256=sha256_of(arrays.path),
        licence=meta.licence,
        v_template=template,
        faces=faces,
        shape_basis=basis[..., :shape_count].contiguous(),
        expression_basis=basis[..., shape_count:].contiguous(),
        pose_basis=arrays.floats("posedirs", (vertex_count, 3, POSE_FEATURES)),
        joint_regressor=arrays.floats("J_regressor", (JOINT_COUNT, vertex_count)),
        parents=_read_parents(arrays),
        skinning_weights=_read_weights(arrays, vertex_count),
        chart=_read_chart(arrays, face_count),
        regions=_read_regions(arrays, vertex_count),
        mirror_vertex=_read_mirror(arrays, vertex_count),
        landmarks=_read_landmarks(arrays, face_count),
        arkit_names=arrays.names("arkit_names") if "arkit_dirs" in arrays else (),
        arkit_basis=_read_arkit(arrays, vertex_count),
        eyelid_basis=(
            arrays.floats("eyelid_dirs", (vertex_count, 3, 2)) if "eyelid_dirs" in arrays else None
        ),
    )


@dataclass(frozen=True)
class _Meta:
    name: str
    licence: str


def _resolve(name_or_path: str | Path) -> Path:
    """Return the file: a path as it is, a bare name looked up in the asset folders."""
    given = Path(name_or_path)
    if given.suffix in (".npz", ".pkl") or len(given.parts) > 1:
        if not given.is_file():
            raise AssetError(f"model file {given} does not exist; check the path")
        return given
    return find_asset(f"{given}.npz")


def _read_arrays(path: Path) -> AssetArrays:
    """Return the arrays of a file, which a published file gets from its conversion."""
    if path.suffix == ".npz":
        arrays = AssetArrays.read(path, maximum_bytes=MAXIMUM_FILE_BYTES)
        if "meta" in arrays:
            return arrays
    return AssetArrays(path=path, arrays=read_release(path).arrays)


def _shape_count(arrays: AssetArrays, basis_size: int) -> int:
    """Return how many of the joint basis are identity; the rest is expression."""
    if "n_shape" in arrays:
        count = arrays.integer("n_shape")
        stated = arrays.integer("n_expression") if "n_expression" in arrays else basis_size - count
        if count < 0 or stated < 0 or count + stated != basis_size:
            raise AssetError(
                f"{arrays.path}: n_shape {count} and n_expression {stated} do not add up to the "
                f"{basis_size} components of 'shapedirs'; rebuild the file"
            )
        return count
    if basis_size == PUBLISHED_BASIS_SIZE:
        return PUBLISHED_SHAPE_COUNT
    raise AssetError(
        f"{arrays.path}: 'shapedirs' has {basis_size} components and no 'n_shape' tells how many "
        f"are identity; add it (published models have {PUBLISHED_BASIS_SIZE})"
    )


def _read_meta(arrays: AssetArrays) -> _Meta:
    if "meta" not in arrays:
        return _Meta(name=arrays.path.stem, licence=UNKNOWN_LICENCE)
    content = read_description(arrays.raw("meta", (), kinds="U"))
    if content is None:
        raise AssetError(f"{arrays.path}: 'meta' is not a JSON object of moderate size; rebuild it")
    return _Meta(
        name=text_of(content, "name", arrays.path.stem),
        licence=text_of(content, "licence", UNKNOWN_LICENCE),
    )


def _read_parents(arrays: AssetArrays) -> tuple[int, ...]:
    """Return the parents; releases mark the root by -1 or by the largest unsigned number."""
    table = arrays.raw("kintree_table", (2, JOINT_COUNT), kinds="iu")
    parents = (-1, *(int(parent) for parent in table[0, 1:]))
    if any(not 0 <= parent < joint for joint, parent in enumerate(parents) if joint > 0):
        raise AssetError(
            f"{arrays.path}: 'kintree_table' has parents {parents[1:]}; each must be an earlier "
            "joint; rebuild the file"
        )
    return parents


def _read_weights(arrays: AssetArrays, vertex_count: int) -> Float[Tensor, "V J"]:
    weights = arrays.floats("weights", (vertex_count, JOINT_COUNT))
    worst = float((weights.sum(-1) - 1.0).abs().max()) if vertex_count else 0.0
    if worst > WEIGHT_SUM_TOLERANCE:
        raise AssetError(
            f"{arrays.path}: skinning weights of a vertex miss the sum 1 by {worst:.3g}; "
            "rebuild the file"
        )
    return weights


def _read_chart(arrays: AssetArrays, face_count: int) -> UvChart | None:
    if "vt" not in arrays:
        return None
    uv = arrays.floats("vt", (None, 2))
    return UvChart(uv=uv, faces=arrays.indices("ft", (face_count, 3), limit=uv.shape[0]))


def _read_regions(arrays: AssetArrays, vertex_count: int) -> Regions | None:
    if "region_names" not in arrays:
        return None
    names = arrays.names("region_names")
    return Regions(names=names, masks=arrays.flags("region_masks", (len(names), vertex_count)))


def _read_mirror(arrays: AssetArrays, vertex_count: int) -> Int[Tensor, "V"] | None:
    if "mirror_vertex" not in arrays:
        return None
    return arrays.indices("mirror_vertex", (vertex_count,), limit=vertex_count)


def _read_arkit(arrays: AssetArrays, vertex_count: int) -> Float[Tensor, "V 3 A"] | None:
    if "arkit_dirs" not in arrays:
        return None
    shape = (vertex_count, 3, len(arrays.names("arkit_names")))
    return arrays.floats("arkit_dirs", shape, scale_key="arkit_scale")


def _read_landmarks(arrays: AssetArrays, face_count: int) -> LandmarkEmbeddings | None:
    embeddings = LandmarkEmbeddings(
        mediapipe=_read_points(arrays, "mediapipe", (None,), face_count),
        ibug=_read_points(arrays, "ibug", (68,), face_count),
        contour=_read_contour(arrays, face_count),
    )
    present = (embeddings.mediapipe, embeddings.ibug, embeddings.contour)
    return None if all(part is None for part in present) else embeddings


def _read_points(
    arrays: AssetArrays, prefix: str, shape: tuple[int | None, ...], face_count: int
) -> SurfacePoints | None:
    if f"{prefix}_face_index" not in arrays:
        return None
    index = arrays.indices(f"{prefix}_face_index", shape, limit=face_count)
    weights = arrays.floats(f"{prefix}_barycentric", (*index.shape, 3))
    worst = float((weights.sum(-1) - 1.0).abs().max()) if index.numel() else 0.0
    if worst > WEIGHT_SUM_TOLERANCE:
        raise AssetError(
            f"{arrays.path}: '{prefix}_barycentric' misses the sum 1 by {worst:.3g}; "
            "rebuild the file"
        )
    return SurfacePoints(face_index=index, barycentrics=weights)


def _read_contour(arrays: AssetArrays, face_count: int) -> ContourTable | None:
    points = _read_points(arrays, "contour", (None, CONTOUR_POINTS), face_count)
    if points is None:
        return None
    yaw = arrays.floats("contour_yaw", (points.face_index.shape[0],))
    if not bool(np.all(np.diff(yaw.numpy()) > 0)):
        raise AssetError(f"{arrays.path}: 'contour_yaw' must rise; rebuild the file")
    return ContourTable(yaw_degrees=yaw, points=points)
