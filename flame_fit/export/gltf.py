"""A self-contained binary glTF of a textured head."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int

from flame_fit.export.normals import smooth_normals
from flame_fit.export.obj import EYE_MATERIAL_NAME, MATERIAL_NAME

MAGIC = 0x46546C67
VERSION = 2
JSON_CHUNK = 0x4E4F534A
BINARY_CHUNK = 0x004E4942
ARRAY_BUFFER = 34962
ELEMENT_ARRAY_BUFFER = 34963
FLOAT = 5126
UNSIGNED_INT = 5125
LINEAR = 9729
LINEAR_MIPMAP_LINEAR = 9987
CLAMP_TO_EDGE = 33071
ALIGNMENT = 4
# Skin is shown as it was photographed, without gloss of its own; eyes are wet.
SKIN_ROUGHNESS, EYE_ROUGHNESS = 1.0, 0.1


@dataclass(frozen=True)
class SeamSplit:
    """A mesh whose vertices carry one chart position each.

    Attributes:
        vertex_index: For each new vertex the old vertex.
        uv_index: For each new vertex the chart position.
        faces: Triangles over the new vertices.
    """

    vertex_index: Int[np.ndarray, " N"]
    uv_index: Int[np.ndarray, " N"]
    faces: Int[np.ndarray, "F 3"]


def split_at_seams(faces: Int[np.ndarray, "F 3"], uv_faces: Int[np.ndarray, "F 3"]) -> SeamSplit:
    """Give every distinct pair of vertex and chart position a vertex of its own.

    glTF has one index per corner, so vertices on a UV seam appear once for each side of it.
    """
    uv_count = int(uv_faces.max()) + 1
    pair = faces.astype(np.int64) * uv_count + uv_faces
    distinct, corner = np.unique(pair.ravel(), return_inverse=True)
    return SeamSplit(
        vertex_index=distinct // uv_count,
        uv_index=distinct % uv_count,
        faces=corner.reshape(faces.shape),
    )


def glb_bytes(
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    uv: Float[np.ndarray, "T 2"],
    uv_faces: Int[np.ndarray, "F 3"],
    *,
    texture_png: bytes,
    eye_faces: Bool[np.ndarray, " F"] | None = None,
) -> bytes:
    """Return a `.glb` with geometry, normals and the texture inside.

    Args:
        vertices: Positions in metres; glTF shares our axes (y up, the face looks along +z).
        faces: Vertex indices.
        uv: Chart positions, v up; glTF counts v from the top, so it is flipped here.
        uv_faces: Chart indices.
        texture_png: The encoded picture.
        eye_faces: Triangles with the material of the eyes; none by default.
    """
    normals = smooth_normals(vertices, faces)
    of_eyes = np.zeros(len(faces), dtype=bool) if eye_faces is None else eye_faces
    buffer, parts = _Buffer(), []
    for name, chosen in ((MATERIAL_NAME, ~of_eyes), (EYE_MATERIAL_NAME, of_eyes)):
        if name == EYE_MATERIAL_NAME and not chosen.any():
            continue
        split = split_at_seams(faces[chosen], uv_faces[chosen])
        chart = uv[split.uv_index] * np.array([1.0, -1.0]) + np.array([0.0, 1.0])
        positions = vertices[split.vertex_index].astype(np.float32)
        attributes = {
            "POSITION": buffer.add(positions, "VEC3", target=ARRAY_BUFFER, bounded=True),
            "NORMAL": buffer.add(normals[split.vertex_index], "VEC3", target=ARRAY_BUFFER),
            "TEXCOORD_0": buffer.add(chart.astype(np.float32), "VEC2", target=ARRAY_BUFFER),
        }
        corners = split.faces.astype(np.uint32).ravel()
        indices = buffer.add(corners, "SCALAR", target=ELEMENT_ARRAY_BUFFER)
        parts.append(_Part(name, attributes, indices))
    picture = buffer.add_view(texture_png)
    return _container(_document(buffer, parts, picture=picture), bytes(buffer.data))


@dataclass(frozen=True)
class _Part:
    """The triangles of one material, by the numbers of their accessors."""

    material: str
    attributes: dict[str, int]
    indices: int


@dataclass
class _Buffer:
    """The binary chunk while it grows, with its views and accessors."""

    data: bytearray = field(default_factory=bytearray)
    views: list[dict[str, int]] = field(default_factory=list)
    accessors: list[dict[str, object]] = field(default_factory=list)

    def add_view(self, payload: bytes, *, target: int | None = None) -> int:
        self.data.extend(b"\0" * (-len(self.data) % ALIGNMENT))
        view = {"buffer": 0, "byteOffset": len(self.data), "byteLength": len(payload)}
        if target is not None:
            view["target"] = target
        self.data.extend(payload)
        self.views.append(view)
        return len(self.views) - 1

    def add(self, values: np.ndarray, kind: str, *, target: int, bounded: bool = False) -> int:
        accessor: dict[str, object] = {
            "bufferView": self.add_view(values.tobytes(), target=target),
            "componentType": FLOAT if values.dtype == np.float32 else UNSIGNED_INT,
            "count": len(values),
            "type": kind,
        }
        if bounded:
            accessor["min"] = values.min(axis=0).tolist()
            accessor["max"] = values.max(axis=0).tolist()
        self.accessors.append(accessor)
        return len(self.accessors) - 1


def _document(buffer: _Buffer, parts: list[_Part], *, picture: int) -> dict[str, object]:
    """Return the glTF document: one scene, node and mesh, a material for each part, one texture."""
    primitives = [
        {"attributes": part.attributes, "indices": part.indices, "material": number}
        for number, part in enumerate(parts)
    ]
    return {
        "asset": {"version": "2.0", "generator": "flame_fit"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": "head"}],
        "meshes": [{"name": "head", "primitives": primitives}],
        "materials": [_material(part.material) for part in parts],
        "textures": [{"sampler": 0, "source": 0}],
        "samplers": [
            {
                "magFilter": LINEAR,
                "minFilter": LINEAR_MIPMAP_LINEAR,
                "wrapS": CLAMP_TO_EDGE,
                "wrapT": CLAMP_TO_EDGE,
            }
        ],
        "images": [{"bufferView": picture, "mimeType": "image/png", "name": "texture"}],
        "accessors": buffer.accessors,
        "bufferViews": buffer.views,
        "buffers": [{"byteLength": len(buffer.data)}],
    }


def _material(name: str) -> dict[str, object]:
    """Return a material with the one texture."""
    roughness = EYE_ROUGHNESS if name == EYE_MATERIAL_NAME else SKIN_ROUGHNESS
    return {
        "name": name,
        "pbrMetallicRoughness": {
            "baseColorTexture": {"index": 0},
            "metallicFactor": 0.0,
            "roughnessFactor": roughness,
        },
    }


def _container(document: dict[str, object], binary: bytes) -> bytes:
    """Wrap document and buffer into the chunks of a `.glb` file."""
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    binary += b"\0" * (-len(binary) % ALIGNMENT)
    chunks = (
        struct.pack("<II", len(text), JSON_CHUNK)
        + text
        + struct.pack("<II", len(binary), BINARY_CHUNK)
        + binary
    )
    header_length = struct.calcsize("<III")
    return struct.pack("<III", MAGIC, VERSION, header_length + len(chunks)) + chunks
