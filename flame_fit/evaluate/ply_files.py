"""Vertices and triangles of PLY files, text or binary; nothing in them is trusted."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Int

from flame_fit.errors import InputError
from flame_fit.untrusted import read_file

MAXIMUM_HEADER_BYTES = 2**16
MAXIMUM_PLY_BYTES = 2**29
TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1",
    "short": "i2", "int16": "i2", "ushort": "u2", "uint16": "u2",
    "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4",
    "float": "f4", "float32": "f4", "double": "f8", "float64": "f8",
}  # fmt: skip
BYTE_ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
FACE_LISTS = ("vertex_indices", "vertex_index")

_Column: TypeAlias = np.ndarray | list[np.ndarray]


@dataclass(frozen=True, eq=False)
class PlyMesh:
    """What a PLY file holds of a surface."""

    vertices: Float[np.ndarray, "N 3"]
    faces: Int[np.ndarray, "F 3"]
    """Triangles; polygons are cut into fans. Empty for a cloud of points."""


@dataclass(frozen=True)
class _Property:
    name: str
    type: str
    """Of the number, or of the numbers of a list."""
    count_type: str = ""
    """Of a list's length; empty for a single number."""


@dataclass
class _Element:
    name: str
    count: int
    properties: list[_Property] = field(default_factory=list)


def read_ply(path: Path) -> PlyMesh:
    """Read vertices and faces of a PLY file, format 1.0.

    Raises:
        InputError: Damaged, or without vertices.
        AssetError: Missing or too large.
    """
    data = read_file(path, maximum_bytes=MAXIMUM_PLY_BYTES)
    try:
        return _parse(data)
    except (ValueError, IndexError, KeyError, OverflowError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise InputError(f"{path} is not a readable PLY file: {reason}; export it anew") from error


def _parse(data: bytes) -> PlyMesh:
    end = data.find(b"end_header", 0, MAXIMUM_HEADER_BYTES)
    if not data.startswith(b"ply") or end < 0:
        raise ValueError("it has no PLY header")
    body = data.index(b"\n", end) + 1
    byte_order, elements = _header(data[:end].decode("ascii"))
    if byte_order:
        cursor: _BinaryCursor | _TextCursor = _BinaryCursor(memoryview(data)[body:], byte_order)
    else:
        cursor = _TextCursor(np.array(data[body:].split(), dtype=np.float64))
    columns: dict[str, _Column] = {}
    for element in elements:
        found = _columns(cursor, element)
        columns |= {f"{element.name}.{name}": column for name, column in found.items()}
    if not {"vertex.x", "vertex.y", "vertex.z"} <= columns.keys():
        raise ValueError("it has no vertices with x, y and z")
    vertices = np.stack([np.asarray(columns[f"vertex.{axis}"], np.float64) for axis in "xyz"], -1)
    lists = next((columns[f"face.{n}"] for n in FACE_LISTS if f"face.{n}" in columns), [])
    return PlyMesh(vertices, _triangles(lists, len(vertices)))


def _header(text: str) -> tuple[str, list[_Element]]:
    """Return the byte order (empty for text) and the elements in order."""
    byte_order: str | None = None
    elements: list[_Element] = []
    for line in text.splitlines()[1:]:
        match line.split():
            case ["format", name, "1.0"] if name in BYTE_ORDERS:
                byte_order = BYTE_ORDERS[name]
            case ["element", name, count]:
                elements.append(_Element(name, int(count)))
            case ["property", "list", count_type, kind, name]:
                elements[-1].properties.append(_Property(name, TYPES[kind], TYPES[count_type]))
            case ["property", kind, name]:
                elements[-1].properties.append(_Property(name, TYPES[kind]))
            case [] | ["comment" | "obj_info", *_]:
                pass
            case _:
                raise ValueError(f"its header has the line {line[:60]!r}")
    if byte_order is None:
        raise ValueError("its header names no format that is known")
    return byte_order, elements


@dataclass
class _BinaryCursor:
    """Reads numbers of a binary body one after the other."""

    body: memoryview
    byte_order: str
    position: int = 0

    def take(self, kind: str, count: int) -> np.ndarray:
        """Return the next numbers of a type."""
        values = np.frombuffer(self.body, self.byte_order + kind, count, self.position)
        self.position += values.nbytes
        return values

    def table(self, element: _Element, lengths: dict[str, int]) -> dict[str, np.ndarray] | None:
        """Return all rows of an element if its lists have these lengths in every row."""
        fields: list[tuple] = []
        for one in element.properties:
            if one.count_type:
                fields.append((f"#{one.name}", self.byte_order + one.count_type))
                fields.append((one.name, self.byte_order + one.type, (lengths[one.name],)))
            else:
                fields.append((one.name, self.byte_order + one.type))
        row = np.dtype(fields)
        if element.count * row.itemsize > len(self.body) - self.position:
            return None
        rows = np.frombuffer(self.body, row, element.count, self.position)
        if any((rows[f"#{name}"] != length).any() for name, length in lengths.items()):
            return None
        self.position += rows.nbytes
        return {one.name: rows[one.name] for one in element.properties}


@dataclass
class _TextCursor:
    """The same for the words of a text body."""

    values: np.ndarray
    position: int = 0

    def take(self, kind: str, count: int) -> np.ndarray:
        """Return the next numbers, which are of any type."""
        del kind
        if not 0 <= count <= len(self.values) - self.position:
            raise ValueError("it ends too early")
        self.position += count
        return self.values[self.position - count : self.position]

    def table(self, element: _Element, lengths: dict[str, int]) -> dict[str, np.ndarray] | None:
        """Return all rows of an element if its lists have these lengths in every row."""
        width = len(element.properties) + sum(lengths.values())
        if element.count * width > len(self.values) - self.position:
            return None
        block = self.values[self.position : self.position + element.count * width]
        rows = block.reshape(element.count, width)
        columns: dict[str, np.ndarray] = {}
        first = 0
        for one in element.properties:
            if one.count_type:
                if (rows[:, first] != lengths[one.name]).any():
                    return None
                columns[one.name] = rows[:, first + 1 : first + 1 + lengths[one.name]]
                first += 1 + lengths[one.name]
            else:
                columns[one.name] = rows[:, first]
                first += 1
        self.position += block.size
        return columns


def _columns(cursor: _BinaryCursor | _TextCursor, element: _Element) -> dict[str, _Column]:
    """Return the properties of an element; lists as an array, or as arrays of different lengths."""
    if element.count <= 0 or not element.properties:
        return {one.name: np.zeros(0) for one in element.properties}
    start = cursor.position
    first = {one.name: _values(cursor, one) for one in element.properties}
    cursor.position = start
    # Nearly always all lists are as long as the first, and the rows are a table.
    lengths = {one.name: len(first[one.name]) for one in element.properties if one.count_type}
    table = cursor.table(element, lengths)
    if table is not None:
        return dict(table)
    read: dict[str, list[np.ndarray]] = {one.name: [] for one in element.properties}
    for _, one in itertools.product(range(element.count), element.properties):
        read[one.name].append(_values(cursor, one))
    return {
        one.name: read[one.name] if one.count_type else np.concatenate(read[one.name])
        for one in element.properties
    }


def _values(cursor: _BinaryCursor | _TextCursor, one: _Property) -> np.ndarray:
    count = int(cursor.take(one.count_type, 1)[0]) if one.count_type else 1
    if count < 0:
        raise ValueError("a list has a negative length")
    return cursor.take(one.type, count)


def _triangles(lists: _Column, vertex_count: int) -> Int[np.ndarray, "F 3"]:
    """Cut polygons into fans and check their indices."""
    by_length: dict[int, list[np.ndarray]] = {}
    if isinstance(lists, np.ndarray) and lists.ndim > 1:
        by_length[lists.shape[1]] = [lists]
    else:
        for polygon in lists:
            by_length.setdefault(len(polygon), []).append(polygon[None])
    fans = [np.zeros((0, 3), np.int64)]
    for length, polygons in by_length.items():
        corners = np.concatenate(polygons).astype(np.int64)
        for second in range(1, length - 1):
            fans.append(corners[:, [0, second, second + 1]])
    faces = np.concatenate(fans)
    if faces.size and (faces.min() < 0 or faces.max() >= vertex_count):
        raise ValueError(f"a face names vertex {faces.max()} of {vertex_count}")
    return faces
