"""Meshes open in a second program with their texture the right way round."""

import dataclasses
import io
import json
import struct

import numpy as np
import pytest
import trimesh

from flame_fit.export import glb_bytes, mtl_text, obj_text, write_result
from flame_fit.export.gltf import split_at_seams
from flame_fit.export.normals import smooth_normals
from flame_fit.image_files import encode_png


def sampled_colours(mesh: trimesh.Trimesh) -> np.ndarray:
    """Colours of the loaded texture at the loaded vertices, by trimesh's own sampling."""
    material = mesh.visual.material
    picture = getattr(material, "image", None) or material.baseColorTexture
    return trimesh.visual.color.uv_to_color(mesh.visual.uv, picture)[:, :3]


def assert_colours_follow_position(mesh: trimesh.Trimesh) -> None:
    """Up on the head is green, the person's left (+x, in front) is red."""
    colours = sampled_colours(mesh).astype(float)
    height = mesh.vertices[:, 1]
    assert colours[height.argmax(), 1] > 240
    assert colours[height.argmin(), 1] < 15
    front = mesh.vertices[:, 2] > 0.03
    left = front & (mesh.vertices[:, 0] > 0.03)
    right = front & (mesh.vertices[:, 0] < -0.03)
    assert colours[left, 0].min() > 140
    assert colours[right, 0].max() < 115


@pytest.mark.parametrize("name", ["mesh.obj", "neutral.obj", "mesh.glb"])
def test_written_mesh_loads_with_its_texture(scene, tmp_path, name):
    write_result(scene, tmp_path / "a")
    mesh = trimesh.load(tmp_path / "a" / name, force="mesh", process=False)
    assert len(mesh.faces) == len(scene.mesh.faces)
    scale = 0.5 if name == "neutral.obj" else 1.0
    expected = scene.mesh.vertices[scene.mesh.faces] * scale
    np.testing.assert_allclose(mesh.triangles, expected, atol=1e-6)
    if scale == 1.0:
        assert_colours_follow_position(mesh)
    outward = np.einsum("fi,fi->f", mesh.face_normals, mesh.triangles_center)
    assert (outward > 0).all()


def test_obj_counts_texture_vertices_apart_from_vertices(scene):
    mesh = scene.mesh
    text = obj_text(mesh.vertices, mesh.faces, mesh.uv, mesh.uv_faces, material_file="m.mtl")
    lines = text.splitlines()
    assert sum(line.startswith("v ") for line in lines) == len(mesh.vertices)
    assert sum(line.startswith("vt ") for line in lines) == len(mesh.uv) > len(mesh.vertices)
    corners = [line.split()[1:] for line in lines if line.startswith("f ")]
    indices = np.array([[corner.split("/") for corner in face] for face in corners], dtype=int)
    np.testing.assert_array_equal(indices[..., 0] - 1, mesh.faces)
    np.testing.assert_array_equal(indices[..., 1] - 1, mesh.uv_faces)
    assert "mtllib m.mtl" in lines
    assert "nan" not in text


def test_material_of_obj_and_mtl_agree(scene):
    mesh = scene.mesh
    obj = obj_text(mesh.vertices, mesh.faces, mesh.uv, mesh.uv_faces, material_file="m.mtl")
    mtl = mtl_text(texture_file="texture.png")
    used = next(line.split()[1] for line in obj.splitlines() if line.startswith("usemtl"))
    assert f"newmtl {used}" in mtl.splitlines()
    assert "map_Kd texture.png" in mtl.splitlines()
    assert "Ks 0.000000 0.000000 0.000000" in mtl.splitlines()


def test_normals_of_a_ball_point_outwards(scene):
    normals = smooth_normals(scene.mesh.vertices, scene.mesh.faces)
    outward = scene.mesh.vertices / np.linalg.norm(scene.mesh.vertices, axis=-1, keepdims=True)
    assert np.einsum("vi,vi->v", normals, outward).min() > 0.98


def test_normals_without_a_triangle_are_finite():
    vertices = np.zeros((4, 3), dtype=np.float32)
    normals = smooth_normals(vertices, np.array([[0, 1, 2]]))
    np.testing.assert_array_equal(normals, np.tile([0.0, 0.0, 1.0], (4, 1)))


def test_seam_split_keeps_every_corner(scene):
    mesh = scene.mesh
    split = split_at_seams(mesh.faces, mesh.uv_faces)
    np.testing.assert_array_equal(split.vertex_index[split.faces], mesh.faces)
    np.testing.assert_array_equal(split.uv_index[split.faces], mesh.uv_faces)
    pairs = set(zip(split.vertex_index.tolist(), split.uv_index.tolist(), strict=True))
    assert len(pairs) == len(split.vertex_index)


def test_glb_chunks_are_aligned_and_hold_the_picture(scene):
    mesh = scene.mesh
    png = encode_png(scene.texture)
    data = glb_bytes(mesh.vertices, mesh.faces, mesh.uv, mesh.uv_faces, texture_png=png)
    magic, version, length = struct.unpack_from("<4sII", data)
    assert (magic, version, length) == (b"glTF", 2, len(data))
    json_length = struct.unpack_from("<I", data, 12)[0]
    document = json.loads(data[20 : 20 + json_length])
    binary = data[20 + json_length + 8 :]
    assert json_length % 4 == 0
    assert len(binary) % 4 == 0
    view = document["bufferViews"][document["images"][0]["bufferView"]]
    start = view["byteOffset"]
    assert binary[start : start + view["byteLength"]] == png
    loaded = trimesh.load(io.BytesIO(data), file_type="glb", force="mesh", process=False)
    assert_colours_follow_position(loaded)


def with_eyes(scene):
    """The same ball with two caps marked as eyes, so that both materials alternate."""
    height = scene.mesh.vertices[scene.mesh.faces].mean(axis=1)[:, 1]
    eyes = np.abs(height) > 0.06
    return dataclasses.replace(scene, mesh=dataclasses.replace(scene.mesh, eye_faces=eyes))


def test_eyes_have_a_glossy_material_of_their_own(scene, tmp_path):
    scene = with_eyes(scene)
    write_result(scene, tmp_path / "a")
    lines = (tmp_path / "a" / "mesh.obj").read_text().splitlines()
    used, materials = None, []
    for line in lines:
        if line.startswith("usemtl "):
            used = line.split()[1]
        elif line.startswith("f "):
            materials.append(used)
    names = np.where(scene.mesh.eye_faces, "eyes", "head").tolist()
    assert materials == names, "triangles keep their order"
    material = (tmp_path / "a" / "mesh.mtl").read_text()
    head, eyes = material.split("newmtl eyes")
    assert "Ks 0.000000" in head and "illum 1" in head
    assert "Ks 0.500000" in eyes and "Ns 250" in eyes and "illum 2" in eyes
    assert head.count("map_Kd texture.png") == eyes.count("map_Kd texture.png") == 1


@pytest.mark.parametrize("name", ["mesh.obj", "mesh.glb"])
def test_both_materials_load_with_the_one_texture(scene, tmp_path, name):
    scene = with_eyes(scene)
    write_result(scene, tmp_path / "a")
    loaded = trimesh.load(tmp_path / "a" / name, process=False)
    parts = {part.visual.material.name: part for part in loaded.geometry.values()}
    assert set(parts) == {"head", "eyes"}
    corners = scene.mesh.vertices[scene.mesh.faces]
    for material, chosen in (("eyes", scene.mesh.eye_faces), ("head", ~scene.mesh.eye_faces)):
        part = parts[material]
        np.testing.assert_allclose(part.triangles, corners[chosen], atol=1e-6)
        colours = sampled_colours(part)[part.faces].mean(axis=1).astype(float)
        # Green grows upwards over the whole head, whichever material it has.
        assert np.corrcoef(colours[:, 1], part.triangles_center[:, 1])[0, 1] > 0.98


def test_only_the_eyes_of_a_glb_are_glossy(scene):
    mesh = with_eyes(scene).mesh
    png = encode_png(scene.texture)
    data = glb_bytes(
        mesh.vertices,
        mesh.faces,
        mesh.uv,
        mesh.uv_faces,
        texture_png=png,
        eye_faces=mesh.eye_faces,
    )
    document = json.loads(data[20 : 20 + struct.unpack_from("<I", data, 12)[0]])
    gloss = {
        material["name"]: material["pbrMetallicRoughness"]["roughnessFactor"]
        for material in document["materials"]
    }
    assert gloss == {"head": 1.0, "eyes": 0.1}
    assert len(document["images"]) == len(document["textures"]) == 1
    counts = [
        document["accessors"][part["indices"]]["count"] // 3
        for part in document["meshes"][0]["primitives"]
    ]
    assert counts == [int((~mesh.eye_faces).sum()), int(mesh.eye_faces.sum())]
