"""Vertex masks, eyelid blendshapes and template meshes with UVs, for FLAME's mesh."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from flame_fit.errors import AssetError
from flame_fit.head_models.flame_topology import VERTEX_COUNT

# Names of the published masks that mean the same here; `boundary` (the rim of the neck) and
# `eye_region` (both eyes and what lies between) have no counterpart.
SHARED_REGIONS = (
    "face", "forehead", "nose", "lips", "left_eye_region", "right_eye_region", "left_ear",
    "right_ear", "left_eyeball", "right_eyeball", "scalp", "neck",
)  # fmt: skip
_MASK_MARKS = frozenset({"left_eyeball", "right_eyeball", "lips"})
_EYELID_STILL_SHARE = 0.5
_EYELID_LIMIT = 0.03
"""Metres that a lid may travel."""
COORDINATES = 3


@dataclass(frozen=True, eq=False)
class MaskFile:
    """Named sets of vertices.

    Attributes:
        names: Regions of this library.
        masks: Their vertices.
    """

    names: tuple[str, ...]
    masks: Bool[np.ndarray, "R V"]


@dataclass(frozen=True, eq=False)
class EyelidFile:
    """How the vertices move when one eye closes, metres; which eye is told by its place."""

    displacement: Float[np.ndarray, "V 3"]


@dataclass(frozen=True, eq=False)
class TemplateFile:
    """A mesh with a texture chart.

    Attributes:
        faces: Triangles of the mesh.
        uv: Texture points, u right, v up.
        uv_faces: Triangles of the chart.
    """

    faces: Int[np.ndarray, "F 3"]
    uv: Float[np.ndarray, "T 2"]
    uv_faces: Int[np.ndarray, "F 3"]


def mask_file(content: object, *, source: str) -> MaskFile | None:
    """Return vertex masks, or None if the data are something else.

    Args:
        content: What a pickle holds: names and vertex numbers.
        source: The file, for messages.

    Raises:
        AssetError: These are masks, and not sound ones.
    """
    if not isinstance(content, Mapping) or not set(content) >= _MASK_MARKS:
        return None
    names = tuple(name for name in SHARED_REGIONS if name in content)
    masks = np.zeros((len(names), VERTEX_COUNT), dtype=bool)
    for row, name in zip(masks, names, strict=True):
        vertices = np.asarray(content[name])
        inside = vertices.size == 0 or (vertices.min() >= 0 and vertices.max() < VERTEX_COUNT)
        if vertices.ndim != 1 or vertices.dtype.kind not in "iu" or not inside:
            raise AssetError(
                f"{source}: mask '{name}' is {vertices.dtype} {vertices.shape}, expected vertex "
                f"numbers from 0 to {VERTEX_COUNT - 1}"
            )
        row[vertices] = True
    return MaskFile(names=names, masks=masks)


def eyelid_file(content: object, *, source: str) -> EyelidFile | None:
    """Return an eyelid blendshape, or None if the data are something else.

    Args:
        content: What an `.npy` file holds.
        source: The file, for messages.

    Raises:
        AssetError: It has the shape of one, and values that no lid has.
    """
    if not isinstance(content, np.ndarray) or content.shape != (VERTEX_COUNT, COORDINATES):
        return None
    if content.dtype.kind != "f" or not np.isfinite(content).all():
        raise AssetError(f"{source}: {content.dtype} values that are not all finite numbers")
    still = (content == 0).all(axis=1).mean()
    farthest = np.abs(content).max()
    if still < _EYELID_STILL_SHARE or not 0 < farthest < _EYELID_LIMIT:
        raise AssetError(
            f"{source}: moves {1 - still:.0%} of the vertices by up to {farthest:.3g} m; an eyelid "
            f"blendshape moves few, by less than {_EYELID_LIMIT} m"
        )
    return EyelidFile(displacement=content.astype(np.float32))


def template_file(
    faces: Int[np.ndarray, "F 3"],
    uv: Float[np.ndarray, "T 2"],
    uv_faces: Int[np.ndarray, "G 3"],
    *,
    source: str,
) -> TemplateFile:
    """Return a template with a chart.

    Args:
        faces: Triangles of the mesh.
        uv: Texture points, u right, v up.
        uv_faces: Triangles of the chart.
        source: The file, for messages.

    Raises:
        AssetError: The chart does not cover the mesh.
    """
    if uv_faces.shape != faces.shape or not np.isfinite(uv).all():
        raise AssetError(
            f"{source}: {len(uv_faces)} textured of {len(faces)} triangles; a template has finite "
            "texture coordinates everywhere"
        )
    return TemplateFile(faces=faces, uv=uv.astype(np.float32), uv_faces=uv_faces)
