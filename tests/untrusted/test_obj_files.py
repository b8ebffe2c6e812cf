"""OBJ meshes: polygons, relative indices, seams, and every way a line can be wrong."""

from pathlib import Path

import numpy as np
import pytest
import trimesh

from flame_fit.errors import AssetError
from flame_fit.untrusted import read_obj

SQUARE = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "a.obj"
    path.write_bytes(text.encode())
    return path


def test_quads_become_two_triangles(tmp_path: Path) -> None:
    mesh = read_obj(written(tmp_path, SQUARE + "f 1 2 3 4\n"))
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3]]
    assert mesh.uv is None and mesh.uv_faces is None


def test_texture_coordinates_have_their_own_indices(tmp_path: Path) -> None:
    text = (
        SQUARE + "vt 0 0\nvt 0.5 1 0\nvt 1 0\nvn 0 0 1\nf 1/3/1 2/2/1 3/1/1\nf -4/-3 -3/-2 -1/-1\n"
    )
    mesh = read_obj(written(tmp_path, text))
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 1, 3]]
    assert mesh.uv_faces.tolist() == [[2, 1, 0], [0, 1, 2]]
    np.testing.assert_array_equal(mesh.uv, [[0, 0], [0.5, 1], [1, 0]])


def test_other_lines_are_skipped(tmp_path: Path) -> None:
    text = "mtllib a.mtl\r\no x\ng y\ns off\nusemtl z\n#f 1 1 9\nl 1 2\n"
    mesh = read_obj(written(tmp_path, text + SQUARE + "f 1//1 2//1 \\\n 3//1\r\n"))
    assert mesh.faces.tolist() == [[0, 1, 2]]


def test_as_trimesh_reads_it(tmp_path: Path) -> None:
    sphere = trimesh.creation.icosphere(subdivisions=2)
    path = tmp_path / "a.obj"
    sphere.export(path)
    mesh = read_obj(path)
    np.testing.assert_allclose(mesh.vertices, sphere.vertices, atol=1e-7)
    np.testing.assert_array_equal(mesh.faces, sphere.faces)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no mesh"),
        ("v 1 2\n", "line 1 has no 3 numbers"),
        ("v 1 nan 2\n", "line 1 has no 3 numbers"),
        ("v 1 inf 2\n", "line 1 has no 3 numbers"),
        ("v 1 1e999 2\n", "not finite"),
        ("v 1_0 0 0\n", "line 1 has no 3 numbers"),
        (SQUARE + "f 1 2\n", "line 5 has a face of 2 corners"),
        (SQUARE + "f 1 2 0\n", "has the index 0; the first is 1"),
        (SQUARE + "f 1 2 -5\n", "has the index -5"),
        (SQUARE + "f 1 2 5\n", "uses number 5 of 4 vertices"),
        (SQUARE + "f 1 2 999999999999999999\n", "of 4 vertices"),
        (SQUARE + "f 1 2 x\n", "is no list of indices"),
        (SQUARE + "vt 0 0\nf 1/1 2/1 3\n", "texture coordinates at some corners only"),
        (SQUARE + "vt 0 0\nf 1/1 2/1 3/1\nf 1 2 3\n", "some faces have texture coordinates"),
        (SQUARE + "vt 0 0\nf 1/2 2/1 3/1\n", "uses number 2 of 1 texture coordinates"),
        (SQUARE + "f " + "1 " * 2000 + "\n", "has a face of 2000 corners"),
    ],
)
def test_wrong_lines_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(AssetError) as error:
        read_obj(path)
    assert message in str(error.value) and str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_size_is_limited(tmp_path: Path) -> None:
    path = written(tmp_path, SQUARE + "f 1 2 3\n")
    with pytest.raises(AssetError, match="more than the 10 allowed here"):
        read_obj(path, maximum_bytes=10)
