"""The published companion files themselves, where they are at hand; nothing of them is copied."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from flame_fit.flame import FlameAssets
from flame_fit.head_models import install
from flame_fit.head_models.attach import Companions, attach_first, attach_last, chart_for
from flame_fit.head_models.companions import companion_paths, read_companions
from flame_fit.head_models.flame_topology import HIFI3D_CHART_POINTS
from flame_fit.untrusted import read_obj
from tests.head_models import companion_files as files


@pytest.fixture(scope="module")
def template(shared_data: Path) -> FlameAssets:
    """FLAME's published template with the bases of the synthetic head, which do not matter here."""
    mesh = read_obj(shared_data / "flame_topology" / "head_template.obj")
    return replace(
        files.bare_assets(),
        v_template=torch.from_numpy(mesh.vertices).float(),
        faces=torch.from_numpy(mesh.faces),
    )


@pytest.fixture
def companions(asset_folder: Path, shared_data: Path) -> Companions:
    outcomes = install([shared_data / "flame_topology"])
    assert all(outcome.record is not None for outcome in outcomes), outcomes
    return read_companions(companion_paths(Path("elsewhere.pkl").absolute(), asset_folder))


def test_every_file_is_recognised(asset_folder: Path, shared_data: Path) -> None:
    found = {
        outcome.source: outcome.record for outcome in install([shared_data / "flame_topology"])
    }
    kinds = {Path(source).name: record and record.name for source, record in found.items()}
    lids = {kinds.pop("l_eyelid.npy"), kinds.pop("r_eyelid.npy")}
    assert kinds == {
        "head_template.obj": "flame_chart",
        "landmark_embedding.npy": "flame_landmarks",
        "mediapipe_landmark_embedding.npz": "flame_mediapipe_landmarks",
    }
    assert len(lids) == 2 and all(name and name.startswith("flame_eyelid") for name in lids)
    assert len(list(asset_folder.glob("*.npz"))) == 5


def test_they_lie_on_flames_template(template: FlameAssets, companions: Companions) -> None:
    found = attach_first(template, companions)
    assert found.chart is not None and found.chart.uv.shape == (5118, 2)
    assert found.landmarks is not None and found.landmarks.ibug is not None
    vertices = template.v_template

    def x(points: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        return (vertices[template.faces[points]][..., 0] * weights).sum(-1)

    ibug, contour = found.landmarks.ibug, found.landmarks.contour
    assert contour is not None and contour.points.face_index.shape == (79, 17)
    places = x(ibug.face_index, ibug.barycentrics)
    assert bool((places[:8] < 0).all()) and bool((places[9:17] > 0).all())
    outline = x(contour.points.face_index, contour.points.barycentrics)
    assert float(outline[-1, 9:].mean()) < float(outline[39, 9:].mean()) - 0.005
    assert float(outline[0, :8].mean()) > float(outline[39, :8].mean()) + 0.005
    assert found.eyelid_basis is not None
    moved = found.eyelid_basis.norm(dim=1)
    assert float(moved[:, 0] @ vertices[:, 0]) > 0 > float(moved[:, 1] @ vertices[:, 0])


def test_mediapipe_points_are_where_mediapipe_has_them(
    template: FlameAssets, companions: Companions
) -> None:
    (file,) = (file for file in companions.landmarks if file.mediapipe is not None)
    assert file.mediapipe_index is not None and len(file.mediapipe_index) == 105
    derived = attach_first(template, companions)
    assert derived.landmarks is not None and derived.landmarks.ibug is not None
    points = replace(
        derived.landmarks.ibug,
        face_index=torch.zeros(478, dtype=torch.long),
        barycentrics=torch.full((478, 3), 1 / 3),
    )
    started = replace(derived, landmarks=replace(derived.landmarks, mediapipe=points))
    found = attach_last(started, companions).landmarks
    assert found is not None and found.mediapipe is not None
    right_corner, left_corner = (
        (
            template.v_template[template.faces[found.mediapipe.face_index[number]]]
            * found.mediapipe.barycentrics[number][:, None]
        ).sum(0)
        for number in (33, 263)
    )
    np.testing.assert_allclose(right_corner[0], -left_corner[0], atol=1e-4)
    assert float(right_corner[0]) < -0.03


def test_ffhq_uvs_chart_for_flame(template: FlameAssets, shared_data: Path) -> None:
    mesh = read_obj(shared_data / "hifi3dpp" / "FLAME_w_HIFI3D_UV.obj")
    assert mesh.uv is not None and mesh.uv_faces is not None
    from flame_fit.head_models.mesh_companions import template_file

    file = template_file(mesh.faces, mesh.uv, mesh.uv_faces, source="x")
    chart = chart_for(template, file)
    assert chart is not None and len(chart.uv) == HIFI3D_CHART_POINTS
    assert attach_first(template, Companions(templates=(file,))).chart is None
