"""Meshes and landmarks from files: every format, and every way to be broken."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from flame_fit.errors import AssetError, FlameFitError, InputError
from flame_fit.evaluate import read_face_landmarks, read_surface

VERTICES = np.array(((0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0.5, 0.5, 2.25)), np.float64)
SQUARE = (0, 1, 2, 3)
FACES = [[0, 1, 2], [0, 2, 3], [0, 1, 4]]
"""The square cut into a fan, and a triangle."""
SEVEN = np.arange(21, dtype=np.float64).reshape(7, 3) / 8


def header(kind: str, *, list_name: str = "vertex_indices", faces: int = 2) -> bytes:
    return (
        f"ply\nformat {kind} 1.0\ncomment made by hand\nelement vertex 5\nproperty float x\n"
        "property float y\nproperty float z\nproperty uchar red\nelement camera 1\n"
        "property double focal\nproperty list uchar float lens\n"
        f"element face {faces}\nproperty list uchar int {list_name}\nproperty short part\n"
        "end_header\n"
    ).encode()


def text_ply() -> bytes:
    rows = [f"{x} {y} {z} 255" for x, y, z in VERTICES]
    return (
        header("ascii") + "\n".join([*rows, "35.5 2 0.1 0.2", "4 0 1 2 3 7", "3 0 1 4 7"]).encode()
    )


def binary_ply(order: str, *, polygons: tuple = (SQUARE, (0, 1, 4))) -> bytes:
    kind = {"<": "binary_little_endian", ">": "binary_big_endian"}[order]
    body = b"".join(struct.pack(f"{order}fffB", *vertex, 255) for vertex in VERTICES)
    body += struct.pack(f"{order}dBff", 35.5, 2, 0.1, 0.2)
    for polygon in polygons:
        count = len(polygon)
        body += struct.pack(f"{order}B{count}ih", count, *polygon, 7)
    return header(kind, list_name="vertex_index", faces=len(polygons)) + body


@pytest.mark.parametrize("data", [text_ply(), binary_ply("<"), binary_ply(">")])
def test_ply_files_of_every_kind_hold_the_same_mesh(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "scan.ply"
    path.write_bytes(data)
    found = read_surface(path)
    np.testing.assert_array_equal(found.vertices.numpy(), VERTICES)
    assert sorted(found.faces.tolist()) == sorted(FACES)
    assert (found.vertices.dtype, found.faces.dtype) == (torch.float64, torch.int64)


def test_a_ply_file_of_triangles_alone_keeps_their_order(tmp_path: Path) -> None:
    path = tmp_path / "scan.PLY"
    path.write_bytes(binary_ply("<", polygons=((0, 1, 4), (1, 2, 4), (2, 3, 4), (3, 0, 4))))
    assert read_surface(path).faces.tolist() == [[0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]]


def test_a_ply_cloud_has_no_faces(tmp_path: Path) -> None:
    path = tmp_path / "cloud.ply"
    path.write_bytes(
        b"ply\r\nformat ascii 1.0\r\nelement vertex 2\r\nproperty double x\r\nproperty double y\r\n"
        b"property double z\r\nend_header\r\n1 2 3\r\n4 5 6\r\n"
    )
    found = read_surface(path)
    assert found.vertices.tolist() == [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    assert found.faces.shape == (0, 3)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"ply\nno end",
        b"solid stl",
        header("ascii").replace(b"ascii", b"binary_middle_endian") + b"0",
        header("ascii").replace(b"vertex 5", b"vertex -5") + b"0",
        header("ascii").replace(b"vertex 5", b"vertex 999999999999") + b"0 0 0",
        header("ascii").replace(b"float x", b"float u") + text_ply()[len(header("ascii")) :],
        header("ascii").replace(b"property float x", b"property"),
        b"ply\nformat ascii 1.0\nproperty float x\nend_header\n",
        text_ply().replace(b"4 0 1 2 3 7", b"400 0 1 2 3 7"),
        text_ply().replace(b"4 0 1 2 3 7", b"-4 0 1 2 3 7"),
        text_ply().replace(b"3 0 1 4 7", b"3 0 1 9 7"),
        text_ply().replace(b"3 0 1 4 7", b"3 0 -1 4 7"),
        text_ply().replace(b"3 0 1 4 7", b"3 0 x 4 7"),
        text_ply().replace(b"0.5 0.5", b"0.5 nan"),
        binary_ply("<")[:-3],
        binary_ply(">")[: len(header("ascii")) + 30],
    ],
)
def test_broken_ply_files_are_refused_in_one_line(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "scan.ply"
    path.write_bytes(data)
    with pytest.raises(FlameFitError, match=r"scan\.ply") as caught:
        read_surface(path)
    assert "\n" not in str(caught.value)


def test_every_cut_of_a_binary_file_is_refused_or_read(tmp_path: Path) -> None:
    path, whole = tmp_path / "scan.ply", binary_ply("<")
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(FlameFitError):
            read_surface(path)


@pytest.mark.parametrize("whole", [text_ply(), binary_ply("<"), binary_ply(">")])
def test_changed_bytes_are_refused_or_read(
    tmp_path: Path, rng: np.random.Generator, whole: bytes
) -> None:
    path, refused = tmp_path / "scan.ply", 0
    for _ in range(150):
        data = bytearray(whole)
        data[rng.integers(len(data))] = rng.integers(256)
        path.write_bytes(data)
        try:
            assert read_surface(path).vertices.shape[1] == 3
        except FlameFitError as error:
            assert str(error).isprintable()
            refused += 1
    assert 0 < refused < 150


def test_obj_npz_and_npy_files(tmp_path: Path) -> None:
    obj = tmp_path / "mesh.obj"
    rows = [f"v {x} {y} {z} 0.5 0.5 0.5" for x, y, z in VERTICES]
    obj.write_text("\n".join([*rows, "f 1 2 3 4", "f 1 2 5", ""]))
    npz, npy = tmp_path / "mesh.npz", tmp_path / "cloud.npy"
    np.savez(npz, vertices=VERTICES.astype(np.float32), faces=np.array(FACES, np.uint16))
    np.save(npy, VERTICES)
    for path in (obj, npz, npy):
        np.testing.assert_array_equal(read_surface(path).vertices.numpy(), VERTICES)
    assert sorted(read_surface(obj).faces.tolist()) == sorted(FACES)
    assert read_surface(npz).faces.tolist() == FACES
    assert len(read_surface(npy).faces) == 0


def test_arrays_that_are_no_mesh_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mesh.npz"
    cases = (
        ({"points": VERTICES}, "holds points; expected `vertices`"),
        ({"vertices": VERTICES[:, :2]}, r"shape \(5, 2\); expected \(N, 3\)"),
        ({"vertices": VERTICES[:0]}, r"shape \(0, 3\)"),
        ({"vertices": np.full((3, 3), np.inf)}, "not finite numbers"),
        ({"vertices": VERTICES, "faces": np.array([[0, 1, 5]])}, "vertices it does not have"),
        ({"vertices": VERTICES, "faces": np.array([[0, 1, 2, 3]])}, r"expected triangles \(F, 3\)"),
        ({"vertices": VERTICES, "faces": np.array([[0.0, 1, 2]])}, "expected whole numbers"),
    )
    for arrays, message in cases:
        np.savez(path, **arrays)
        with pytest.raises(InputError, match=message):
            read_surface(path)
    with pytest.raises(InputError, match="ending '.stl'; give a mesh as .obj, .ply, .npz, .npy"):
        read_surface(tmp_path / "mesh.stl")
    with pytest.raises(AssetError, match="does not exist"):
        read_surface(tmp_path / "none.ply")


def picked(points: np.ndarray) -> str:
    """Points as MeshLab saves picked ones, with attributes in another order each time."""
    tags = [
        f'<point x="{x}" z="{z}" active="1" y="{y}" name="{k}"/>'
        if k % 2
        else f'<point name=\'{k}\' x="{x}" y = "{y}" z="{z}" active="1"/>'
        for k, (x, y, z) in enumerate(points)
    ]
    return "<!DOCTYPE PickedPoints>\n<PickedPoints>\n <DocumentData/>\n" + "\n".join(tags)


def test_landmarks_are_the_same_from_every_format(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", SEVEN.astype(np.float32))
    np.savetxt(tmp_path / "b.txt", SEVEN)
    (tmp_path / "c.txt").write_text("\n".join(f"{x}, {y},{z}" for x, y, z in SEVEN) + "\n\n")
    (tmp_path / "d.json").write_text(json.dumps(SEVEN.tolist()))
    (tmp_path / "e.pp").write_text(picked(SEVEN))
    for path in sorted(tmp_path.iterdir()):
        np.testing.assert_allclose(read_face_landmarks(path).numpy(), SEVEN)


def test_seven_points_are_taken_out_of_the_sixty_eight(tmp_path: Path) -> None:
    path = tmp_path / "points.npy"
    points = np.arange(68 * 3, dtype=np.float64).reshape(68, 3)
    expected = points[[36, 39, 42, 45, 33, 48, 54]]
    np.save(path, points)
    np.testing.assert_array_equal(read_face_landmarks(path).numpy(), expected)
    np.save(path, points[17:])
    np.testing.assert_array_equal(read_face_landmarks(path).numpy(), expected)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "1 2 3\n4 5\n", "holds no points; expected seven rows of x, y, z"),
        ("a.txt", "1 2 3\n" * 6, r"shape \(6, 3\); expected seven points \(7, 3\): right outer"),
        ("a.txt", "1 2 3 4\n" * 7, r"shape \(7, 4\)"),
        ("a.txt", "1 2 nan\n" * 7, "not finite; mark all seven"),
        ("a.txt", "", "expected seven points"),
        ("a.json", "[[1, 2", "holds no points"),
        ("a.json", '{"a": 1}', "holds no points"),
        ("a.json", "[" * 100_000, "holds no points"),
        ("a.json", "7", "expected seven points"),
        ("a.pp", '<point x="1" y="2"/>', "holds no points"),
        ("a.pp", '<point x="1" y="2" z="high"/>', "holds no points"),
        ("a.xml", "", "ending '.xml'; give landmarks as .npy, .txt, .json, .pp"),
    ],
)
def test_files_without_seven_points_are_refused(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        read_face_landmarks(path)


def test_an_array_that_is_no_array_of_points_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    for array in (np.array(["a", "b"]), np.array(3.0), np.zeros((7, 3, 1))):
        np.save(path, array)
        with pytest.raises(FlameFitError, match=r"a\.npy"):
            read_face_landmarks(path)
