"""Layouts of meshes that are no head models: found by looking, kept, refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from flame_fit.appearance import load_texture_space, srgb_to_linear
from flame_fit.errors import AssetError
from flame_fit.flame import load_assets
from flame_fit.head_models import layout_heads
from flame_fit.head_models.layout_heads import mesh_layout, model_layout
from flame_fit.head_models.layouts import HeadPart
from flame_fit.head_models.mesh_landmarks import ColouredMesh, find_mesh_landmarks
from flame_fit.priors.model_files import resolve_face_models
from flame_fit.testing import tiny_assets

CENTIMETRES = 100.0


def obj_text(vertices: np.ndarray, faces: np.ndarray, uv: np.ndarray, uv_faces: np.ndarray) -> str:
    lines = [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in vertices]
    lines += [f"vt {u:.6f} {v:.6f}" for u, v in uv]
    for face, texture in zip(faces + 1, uv_faces + 1, strict=True):
        lines.append("f " + " ".join(f"{a}/{b}" for a, b in zip(face, texture, strict=True)))
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def person() -> np.ndarray:
    """Somebody of OpenHead's shape space, metres."""
    assets = load_assets()
    code = 0.7 * torch.randn(12, generator=torch.Generator().manual_seed(4))
    return (assets.v_template + assets.shape_basis[..., :12] @ code).double().numpy()


@pytest.fixture
def head_file(person: np.ndarray, tmp_path: Path) -> Path:
    """That person's skin without eyeballs and mouth, in centimetres and off the origin."""
    reference = model_layout(load_assets())
    skin = np.flatnonzero(reference.part == HeadPart.SKIN)
    used, faces = np.unique(reference.faces[skin], return_inverse=True)
    path = tmp_path / "head.obj"
    chart = reference.chart
    # A loose triangle at the back, which is no skin.
    count = len(used)
    used = np.concatenate([used, used[:3]])
    faces = np.concatenate([faces.reshape(-1, 3), [[count, count + 1, count + 2]]])
    skin = np.append(skin, skin[0])
    path.write_text(
        obj_text(
            CENTIMETRES * person[used] + [3.0, 150.0, -7.0],
            faces,
            chart.uv.numpy(),
            chart.faces.numpy()[skin],
        )
    )
    return path


def require_detector() -> None:
    try:
        resolve_face_models("mediapipe468")
    except AssetError as error:
        pytest.skip(f"the detector cannot be had: {error}")


def test_open_head_is_laid_over_a_head_in_a_file(
    head_file: Path, person: np.ndarray, asset_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mesh is OpenHead's own, so each laid vertex has a true place."""
    require_detector()
    picture = srgb_to_linear(load_texture_space(component_count=0).mean)
    stages: list[str] = []
    found = mesh_layout(head_file, picture=picture, detector="mediapipe468", on_stage=stages.append)
    assert stages == ["laying open_head over head.obj, which takes a minute"]
    scale = np.ptp(found.vertices[:, 1]) / np.ptp(CENTIMETRES * found.vertices[:, 1])
    assert np.isclose(scale, 1 / CENTIMETRES)
    height = np.ptp(found.vertices[:, 1]) / np.ptp(person[:, 1])
    assert 0.9 < height < 1.1
    truth = height * (person + np.array([3.0, 150.0, -7.0]) / CENTIMETRES)
    regions = load_assets().regions
    assert regions is not None
    miss = 1000.0 * np.linalg.norm(found.laid - truth, axis=1)
    for name, limit in (("face", 1.5), ("lips", 3.0), ("brows", 2.5), ("nose", 2.0)):
        assert np.median(miss[regions.mask(name).numpy()]) < limit, name
    assert (found.part[:-1] == HeadPart.SKIN).all() and found.part[-1] == HeadPart.INNER
    assert found.name == "head"
    monkeypatch.setattr(layout_heads, "lay_reference", None)
    again = mesh_layout(head_file, picture=picture, detector="mediapipe468")
    assert np.array_equal(again.laid, found.laid)


def test_open_head_itself_needs_no_laying(asset_folder: Path) -> None:
    layout = model_layout(load_assets())
    assert layout.is_reference and layout.laid is layout.vertices
    assert not asset_folder.exists()


def test_what_a_layout_needs_is_told(tmp_path: Path, asset_folder: Path) -> None:
    bare = tmp_path / "bare.obj"
    bare.write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    with pytest.raises(AssetError, match="has no texture coordinates; export it with them"):
        mesh_layout(bare)
    with pytest.raises(AssetError, match="'tiny' has no MediaPipe landmarks, by which layouts"):
        model_layout(replace(tiny_assets(), landmarks=None))
    with pytest.raises(AssetError, match="has no UV chart"):
        model_layout(replace(tiny_assets(), chart=None))


def test_a_ball_is_no_head() -> None:
    require_detector()
    ball = tiny_assets()
    mesh = ColouredMesh(
        ball.v_template.double().numpy(),
        ball.faces.numpy(),
        np.full((len(ball.v_template), 3), 0.5),
        surface_faces=len(ball.faces),
    )
    with pytest.raises(AssetError, match="finds no face in a picture of ball.obj; give a head"):
        find_mesh_landmarks(mesh, resolve_face_models("mediapipe468"), name="ball.obj")
