"""Hostile archives, array headers and head models."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Case:
    """One hostile file."""

    name: str
    suffix: str
    data: bytes


def object_npy(program: bytes) -> bytes:
    """Return a `.npy` file whose object array is any pickle."""
    return npy_header("{'descr': '|O', 'fortran_order': False, 'shape': (), }") + program


def npy_header(text: str, *, version: int = 1) -> bytes:
    """Return the beginning of a `.npy` file with any header."""
    layout = "<H" if version == 1 else "<I"
    data = text.encode("latin-1")
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack(layout, len(data) & 0xFFFF) + data


def zipped(members: dict[str, bytes], *, method: int = zipfile.ZIP_STORED) -> bytes:
    """Return a zip archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=method)
    return buffer.getvalue()


def old_torch(program: bytes) -> bytes:
    """Return a torch file of the old format around any pickle."""
    head = (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
    return b"".join(pickle.dumps(part, protocol=2) for part in head) + program + pickle.dumps([])


def archive_attacks() -> Iterator[Case]:
    """Yield zip archives that climb, link, overlap, lie about sizes or unfold into much."""
    array = npy_header("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }") + bytes(8)
    climbing = (
        "../up.npy", "/tmp/up.npy", "a/../../up.npy", "C:\\up.npy", "C:up.npy", "..\\up.npy",
        "a//b.npy", "./a.npy", "\\\\server\\a.npy", "a\nb.npy", "..", "",
        "~/../a.npy", "\u202ea.npy", "a/./b.npy",
    )  # fmt: skip
    for name in climbing:
        yield Case(f"climbing {name!r}", ".npz", zipped({name: array}))
        yield Case(f"climbing beside {name!r}", ".task", zipped({"a.npy": array, name: array}))
    named = zipped({"a%b.npy": array}).replace(b"%", b"\0")
    yield Case("name with an end in it", ".npz", named)
    for kind in (0o120777, 0o060777, 0o010777, 0o020777):
        yield Case("link or device", ".npz", _with_entry(array, external_attr=kind << 16))
    for method in (99, 14, 12, 1, 6, 95):
        yield Case(f"method {method}", ".npz", _patched(zipped({"a.npy": array}), 10, method))
    yield Case("locked", ".npz", _patched(zipped({"a.npy": array}), 8, 1))
    for size in (2**20, 2**31, 2**32 - 1):
        for place in (20, 24):
            lying = _patched(zipped({"a.npy": array}), place, size, width=4)
            yield Case(f"lying size {size}", ".npz", lying)
    zeros = npy_header("{'descr': '<f8', 'fortran_order': False, 'shape': (12500000,), }")
    bomb = zipped({"a.npy": zeros + bytes(10**8)}, method=zipfile.ZIP_DEFLATED)
    yield Case("bomb", ".npz", bomb)
    yield Case("bomb in torch", ".pt", zipped({"a/data.pkl": bytes(10**8)}, method=8))
    yield Case("bomb in task", ".task", zipped({"model.tflite": bytes(10**8)}, method=8))
    yield Case("nested", ".npz", zipped({"a.npy": zipped({"b.npy": array})}))
    yield Case("many members", ".npz", zipped({f"{i}.npy": b"" for i in range(10_001)}))
    yield Case("overlapping", ".npz", _overlapping(array))
    yield Case("huge directory", ".npz", _huge_directory(array))


def _with_entry(data: bytes, *, external_attr: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo("a.npy")
        info.external_attr = external_attr
        archive.writestr(info, data)
    return buffer.getvalue()


def _patched(archive: bytes, place: int, value: int, *, width: int = 2) -> bytes:
    """Overwrite a field of the first entry of the table of contents."""
    start = archive.index(b"PK\x01\x02") + place
    return archive[:start] + value.to_bytes(width, "little") + archive[start + width :]


def _overlapping(data: bytes) -> bytes:
    """Let two entries share the same packed bytes, as the bombs that beat ratio limits do."""
    archive = zipped({"a.npy": data, "b.npy": data})
    second = archive.rindex(b"PK\x01\x02")
    return archive[: second + 42] + bytes(4) + archive[second + 46 :]


def _huge_directory(data: bytes) -> bytes:
    """Announce a table of contents of 64 MiB in an archive that has the bytes for it."""
    archive = zipped({"a.npy": data})
    start = archive.index(b"PK\x01\x02")
    end = archive.rindex(b"PK\x05\x06")
    padding = bytes(64 * 2**20)
    record = bytearray(archive[end:])
    record[12:16] = (len(padding) + end - start).to_bytes(4, "little")
    return archive[:end] + padding + bytes(record)


def header_attacks() -> Iterator[Case]:
    """Yield `.npy` files whose headers lie or try to be evaluated."""
    shapes = (
        "(99999999999999999999,)", "(4294967296, 4294967296)", "(-1,)", "(1, -1)",
        "(0, 9223372036854775807)", "(1e3,)", "(1, 2", "((1,),)", "(" * 3000 + ")" * 3000, "(T,)",
        "(1L, 1L)", "(1_0,)", "()", "(" + "1, " * 40 + ")", "(" + "9" * 4000 + ",)", "(0x1,)",
        "(__import__('os').system('true'),)", "(1,) + (1,)", "(\u0661,)",
    )  # fmt: skip
    types = (
        "<f8", "|O", "O", "<U2147483647", "<U0", "|S0", "|V8", "<M8[ns]", "<f16", "<f3", ">f8",
        "=f8", "|b1", "<c16", "<U4", "[('a', '<f8')]", "f8, O", "", "x" * 500, "<i1000000", "\\x00",
    )  # fmt: skip
    for version in (1, 2, 3, 4, 0):
        for code in types:
            for shape in shapes if code == "<f8" else ("(1,)", "()", "(2, 0)"):
                text = f"{{'descr': '{code}', 'fortran_order': False, 'shape': {shape}, }}"
                data = npy_header(
                    text.encode("latin-1", "replace").decode("latin-1"), version=version
                )
                yield Case(f"header {code} {shape[:30]}", ".npy", data + bytes(8))
                yield Case(
                    f"header {code} {shape[:30]}", ".npz", zipped({"a.npy": data + bytes(8)})
                )


def wrong_models(arrays: dict[str, np.ndarray], writer: Callable[[dict], bytes]) -> Iterator[Case]:
    """Yield head models with one thing wrong each, as `.npz` and as a published pickle.

    Args:
        arrays: a model that is right.
        writer: writes a pickle of arrays.
    """
    for key, value in arrays.items():
        for name, wrong in _wrong_arrays(value).items():
            changed = {**arrays, key: wrong}
            if wrong is None:
                del changed[key]
            buffer = io.BytesIO()
            np.savez(buffer, allow_pickle=False, **changed)
            yield Case(f"{key} {name}", ".npz", buffer.getvalue())
            yield Case(f"{key} {name}", ".pkl", writer(changed))


def _wrong_arrays(value: np.ndarray) -> dict[str, np.ndarray | None]:
    flat = value.ravel()
    wrong: dict[str, np.ndarray | None] = {
        "missing": None,
        "empty": value[:0] if value.ndim else flat[:0],
        "flat": flat,
        "one more axis": value[None],
        "shorter": value[:-1] if value.ndim else value,
        "transposed": value.T,
        "text": np.array(["a", "b"]),
        "truth values": np.zeros(value.shape, dtype=bool),
        "complex": value.astype(complex) if value.dtype.kind in "fiu" else flat,
    }
    for name, number in (("nan", np.nan), ("inf", np.inf), ("huge", 1e300), ("negative", -1.0)):
        spoiled = value.astype(np.float64) if value.dtype.kind in "fiu" else np.zeros(1)
        spoiled = spoiled.copy()
        spoiled.flat[-1:] = number
        wrong[name] = spoiled
    for name, number in (("index too large", 10**9), ("index negative", -5), ("unsigned", 2**63)):
        dtype = np.uint64 if number > 2**62 else np.int64
        indices = np.zeros(value.shape, dtype=dtype)
        indices.flat[-1:] = number
        wrong[name] = indices
    return wrong


def mesh_attacks() -> Iterator[Case]:
    """Yield OBJ files with numbers and indices that lead nowhere."""
    corners = b"v 0 0 0\nv 1 0 0\nv 0 1 0\n"
    lines = (
        b"f 1 2 4", b"f 0 1 2", b"f -1 -2 -9", b"f 1 2 99999999999999999999", b"f 1/1 2/1 3/1",
        b"f 1 2", b"f", b"f " + b"1 " * 5000, b"f 1/ 2/ 3/", b"f 1//9 2//9 3//9", b"f 1/2/3/4 2 3",
        b"v nan 0 0", b"v inf 0 0", b"v 1e999 0 0", b"v 1e-999 0 0", b"v",
        b"v 0x1 0 0", b"v 1_0 0 0", b"v " + b"9" * 5000 + b" 0 0", b"vt nan 0", b"vt", b"f 1e0 2 3",
        b"\xff\xfe\x00", b"\\\n" * 5000, b"call /etc/passwd", b"mtllib ../../../etc/passwd",
        b"f \xd9\xa1 2 3", b"\x00" * 5000,
    )  # fmt: skip
    for line in lines:
        for text in (line, corners + line, corners + line + b"\nf 1 2 3\n", line + b"\n" + corners):
            yield Case(f"obj {line[:20]!r}", ".obj", text)
