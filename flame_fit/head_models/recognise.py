"""Telling by its content what a file is that a user has downloaded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from flame_fit.appearance.texture_files import TextureFile, read_texture_file
from flame_fit.errors import AssetError
from flame_fit.flame.releases import read_release
from flame_fit.head_models import terms
from flame_fit.head_models.flame_topology import (
    FACE_COUNT,
    HIFI3D_CHART_POINTS,
    VERTEX_COUNT,
)
from flame_fit.head_models.landmark_companions import LandmarkFile, landmark_file
from flame_fit.head_models.mesh_companions import eyelid_file, mask_file, template_file
from flame_fit.head_models.records import AssetKind
from flame_fit.head_models.terms import Terms
from flame_fit.untrusted import open_zip, read_npy, read_npz, read_obj, read_pickle

FileFormat = Literal["npz", "npy", "pickle", "obj", "picture", "archive", "basel", "other"]

LARGEST_COMPANION_BYTES = 16 * 2**20
"""Larger files are models or textures."""
EYELID_KEY = "eyelid"
LAYOUT_KEY = "layout"
BYTE_RANGE = 255.0
_SHOWN_KEYS = 6
_HEAD_BYTES = 512
_MODEL_KEYS = frozenset({"v_template", "f", "shapedirs"})
TEXTURE_KEYS = (frozenset({"mean", "tex_dir"}), frozenset({"MU", "PC"}))
_PICTURE_MARKS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\x00", b"MM\x00*")
_BASEL_MARKS = (b"\x89HDF", b"MATLAB 5.0 MAT-file")
_OBJ_LINE = re.compile(rb"^(#[^\n]*|mtllib[^\n]*|o [^\n]*|g [^\n]*|\s*)$")
_OBJ_VERTEX = re.compile(rb"^v\s+-?[\d.]")


@dataclass(frozen=True)
class Named:
    """A name for options, one for people, and the terms."""

    name: str
    title: str
    terms: Terms


@dataclass(frozen=True, eq=False)
class Recognised:
    """A file that can be installed.

    Attributes:
        kind: What it is.
        name: The name it gets unless another file has it.
        title: The same for people.
        purpose: What it is for.
        terms: Under which terms it comes.
        arrays: What is written.
    """

    kind: AssetKind
    name: str
    title: str
    purpose: str
    terms: Terms
    arrays: Mapping[str, np.ndarray]


def file_format(path: Path) -> FileFormat:
    """Return how a file is written, by its first bytes."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if head.startswith(b"PK\x03\x04"):
        return "npz" if _holds_arrays(path) else "archive"
    if head.startswith(b"\x93NUMPY"):
        return "npy"
    if head.startswith(_PICTURE_MARKS):
        return "picture"
    if head.startswith(_BASEL_MARKS):
        return "basel"
    if _is_obj(head):
        return "obj"
    if head[:1] in (b"\x80", b"(", b"c", b"}"):
        return "pickle"
    return "other"


def array_names(path: Path) -> frozenset[str]:
    """Return the names of the arrays in an `.npz` file.

    Raises:
        AssetError: It is no sound archive.
    """
    return frozenset(member.name.removesuffix(".npy") for member in open_zip(path).members)


def recognise_file(path: Path) -> Recognised:
    """Read a file and say what it is.

    Raises:
        AssetError: It is nothing this library uses, or damaged; the message says which.
    """
    form = file_format(path)
    if form == "picture":
        return _texture(path)
    if form == "obj":
        return _template(path)
    if form == "npz":
        return _from_npz(path)
    if form == "npy":
        return _from_content(path, read_npy(path))
    if form == "pickle" and path.stat().st_size > LARGEST_COMPANION_BYTES:
        return _head_model(path)
    if form == "pickle":
        return _from_content(path, read_pickle(path))
    if form == "basel":
        raise AssetError(
            f"{path.name} may be a Basel Face Model, which first has to be carried to a head: "
            f"flame-fit texture-space from-basel {path.name}"
        )
    raise AssetError(
        f"{path.name} is no head model and no file that goes with one (expected FLAME's .pkl or "
        ".npz, a landmark embedding, vertex masks, eyelids, a template .obj or a texture space)"
    )


def _from_npz(path: Path) -> Recognised:
    keys = array_names(path)
    if any(wanted <= keys for wanted in TEXTURE_KEYS):
        return _texture(path)
    return _head_model(path) if keys >= _MODEL_KEYS else _from_content(path, read_npz(path))


def _from_content(path: Path, content: object) -> Recognised:
    """Say what plain data are."""
    if isinstance(content, Mapping) and set(content) >= _MODEL_KEYS:
        return _head_model(path)
    landmarks = landmark_file(content, source=path.name)
    if landmarks is not None and isinstance(content, Mapping):
        return _landmarks(landmarks, content)
    if mask_file(content, source=path.name) is not None and isinstance(content, Mapping):
        return Recognised(
            kind="vertex masks",
            name="flame_masks",
            title="FLAME vertex masks",
            purpose="regions of FLAME's mesh as published",
            terms=terms.MESH_DATA,
            arrays=_plain(content),
        )
    if eyelid_file(content, source=path.name) is not None and isinstance(content, np.ndarray):
        return Recognised(
            kind="eyelid",
            name="flame_eyelid",
            title="eyelid blendshape for FLAME",
            purpose="closing one eye (a left and a right file make a pair)",
            terms=terms.TRACKER_DATA,
            arrays={EYELID_KEY: content.astype(np.float32)},
        )
    raise AssetError(f"{path.name} holds {_summary(content)}, which is nothing this library uses")


def _head_model(path: Path) -> Recognised:
    converted = read_release(path)
    release = converted.release
    return Recognised(
        kind="head model",
        name=release.name,
        title=release.title,
        purpose="--model",
        terms=Terms(
            short=_in_few_words(release.licence),
            licence=release.licence,
            citation=release.citation,
            url=release.source,
        ),
        arrays=converted.arrays,
    )


def _in_few_words(licence: str) -> str:
    """Return what a licence text comes down to, for a table."""
    if "non-commercial" in licence:
        return "non-commercial"
    begin = re.match(r"(CC[ 0-9A-Z.-]*[0-9A-Z])|unknown", licence)
    return begin[0] if begin else "see --licences"


def _landmarks(file: LandmarkFile, content: Mapping[str, object]) -> Recognised:
    """Name an embedding after what it has."""
    named = _landmark_title(file)
    return Recognised(
        kind="landmarks",
        name=named.name,
        title=named.title,
        purpose="where landmarks lie on FLAME's mesh",
        terms=named.terms,
        arrays=_plain(content),
    )


def _landmark_title(file: LandmarkFile) -> Named:
    if file.mediapipe_index is not None:
        title = f"{len(file.mediapipe_index)} MediaPipe landmarks on FLAME"
        return Named("flame_mediapipe_landmarks", title, terms.MESH_DATA)
    if file.eyes is not None:
        return Named(
            "flame_landmarks_with_eyes", "68 landmarks and 2 on the eyes, on FLAME", terms.DECA_DATA
        )
    if file.ibug is not None and file.table is not None:
        return Named(
            "flame_landmarks", "68 landmarks and their outline table on FLAME", terms.DECA_DATA
        )
    if file.ibug is not None:
        return Named("flame_static_landmarks_68", "68 landmarks on FLAME", terms.DECA_DATA)
    if file.inner is not None:
        return Named("flame_static_landmarks", "51 inner landmarks on FLAME", terms.DECA_DATA)
    return Named(
        "flame_dynamic_landmarks", "outline table of 17 landmarks on FLAME", terms.DECA_DATA
    )


def _template(path: Path) -> Recognised:
    mesh = read_obj(path)
    if mesh.uv is None or mesh.uv_faces is None:
        raise AssetError(
            f"{path.name} has no texture coordinates, which is all an .obj is used for"
        )
    template = template_file(mesh.faces, mesh.uv, mesh.uv_faces, source=path.name)
    count = len(mesh.vertices)
    name, title, origin = f"chart_{count}", f"UV chart of a mesh of {count} vertices", terms.UNKNOWN
    if count == VERTEX_COUNT:
        name, title, origin = "flame_chart", "FLAME's UV chart", terms.DECA_DATA
        if len(mesh.uv) == HIFI3D_CHART_POINTS:
            name, title = "flame_hifi3d_chart", "HiFi3D++ UV chart for FLAME"
            origin = terms.HIFI3D_DATA
    return Recognised(
        kind="template",
        name=name,
        title=title,
        purpose="textures drawn for this chart",
        terms=origin,
        arrays={"f": template.faces, "vt": template.uv, "ft": template.uv_faces},
    )


def _texture(path: Path) -> Recognised:
    file = read_texture_file(path)
    count = file.components.shape[-1]
    size = file.mean.shape[0]
    mean, components = (
        np.flip(maps, axis=2) * np.float32(BYTE_RANGE) for maps in (file.mean, file.components)
    )
    arrays = {
        "mean": mean,
        "tex_dir": components.astype(np.float16),
        LAYOUT_KEY: np.array(file.layout),
    }
    if file.chart is not None:
        arrays |= {"vt": file.chart.uv.numpy(), "ft": file.chart.faces.numpy().astype(np.int32)}
    named = _texture_title(path, file)
    return Recognised(
        kind="texture space" if count else "texture map",
        name=named.name,
        title=f"{named.title}, {count} components, {size} texels",
        purpose="--texture-model",
        terms=named.terms,
        arrays=arrays,
    )


def _texture_title(path: Path, file: TextureFile) -> Named:
    if file.layout == "albedomm":
        return Named("albedomm_texture", "AlbedoMM for FLAME", terms.ALBEDOMM_TEXTURE)
    if file.layout == "basel":
        return Named("bfm_texture", "Basel Face Model albedo for FLAME", terms.BASEL_TEXTURE)
    chart_faces = 0 if file.chart is None else len(file.chart.faces)
    if file.layout == "published" and chart_faces == FACE_COUNT:
        return Named("flame_texture", "FLAME texture space", terms.FLAME_TEXTURE)
    return Named(slug(path.stem), f"texture of {path.name}", terms.UNKNOWN)


def slug(text: str) -> str:
    """Return a name of lower-case letters, digits and underscores."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_") or "asset"


def _plain(content: Mapping[str, object]) -> dict[str, np.ndarray]:
    """Return the arrays of plain data as they are, for the readers of this package."""
    arrays = {str(key): np.asarray(value) for key, value in content.items()}
    return {key: array for key, array in arrays.items() if array.dtype.kind in "biufU"}


def _summary(content: object) -> str:
    """Return in a few words what plain data are."""
    if isinstance(content, np.ndarray):
        return f"an array {content.shape}"
    if isinstance(content, Mapping):
        keys = sorted(str(key) for key in content)
        return f"the keys {', '.join(keys[:_SHOWN_KEYS]) or 'none'}"
    return f"a {type(content).__name__}"


def _holds_arrays(path: Path) -> bool:
    """Tell an `.npz` file from other archives.

    An archive of nothing but arrays may be either, so there the name decides.
    """
    members = open_zip(path).members
    arrays = all(member.name.endswith(".npy") for member in members)
    return arrays and len(members) > 0 and path.suffix.lower() != ".zip"


def _is_obj(head: bytes) -> bool:
    """Tell whether text begins as a mesh: comments and names, then a vertex."""
    for line in head.replace(b"\r\n", b"\n").split(b"\n"):
        if _OBJ_VERTEX.match(line):
            return True
        if not _OBJ_LINE.match(line):
            return False
    return False
