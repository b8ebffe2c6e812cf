"""Binding companions to a model: sides, signs, orders of triangles, and what does not fit."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from flame_fit.errors import AssetError
from flame_fit.flame import FlameAssets, LandmarkEmbeddings, Regions
from flame_fit.geometry.topology import SurfacePoints, points_on_surface
from flame_fit.head_models.attach import Companions, attach_first, attach_last, chart_for
from flame_fit.head_models.landmark_companions import LandmarkFile, PointArrays
from flame_fit.head_models.mesh_companions import (
    EyelidFile,
    MaskFile,
    TemplateFile,
    eyelid_file,
    mask_file,
)
from tests.flame.release_topology import reduced_head
from tests.head_models import companion_files as files


def arrays(points: SurfacePoints) -> PointArrays:
    return PointArrays(points.face_index.numpy(), points.barycentrics.float().numpy())


def table_file(sign: int) -> LandmarkFile:
    rows = np.argsort(files.PUBLISHED_ANGLES)
    points = files.outline_table(sign)
    return LandmarkFile(
        table=arrays(SurfacePoints(points.face_index[rows], points.barycentrics[rows]))
    )


def x_of(assets: FlameAssets, points: SurfacePoints) -> torch.Tensor:
    flat = SurfacePoints(points.face_index.reshape(-1), points.barycentrics.reshape(-1, 3))
    places = points_on_surface(assets.v_template[None], assets.faces, flat)[0, :, 0]
    return places.reshape(points.face_index.shape)


@pytest.fixture(scope="module")
def assets() -> FlameAssets:
    return files.bare_assets()


@pytest.mark.parametrize("sign", [1, -1])
def test_the_outline_follows_the_head_whatever_sign_the_table_has(
    assets: FlameAssets, sign: int
) -> None:
    """Turned to the person's left, the outline on the left comes towards the nose."""
    found = attach_first(assets, Companions(landmarks=(table_file(sign),)))
    assert found.landmarks is not None and found.landmarks.contour is not None
    table = found.landmarks.contour
    assert table.yaw_degrees.tolist() == list(range(-39, 40))
    x = x_of(assets, table.points)
    left, right = x[:, 9:].mean(dim=1), x[:, :8].mean(dim=1)
    assert left[-1] < left[39] - 0.005 and right[0] > right[39] + 0.005
    assert found.landmarks.ibug is None


def test_inner_points_and_a_table_make_68(assets: FlameAssets) -> None:
    points = files.ibug_points()
    inner = PointArrays(points.face_index.numpy()[17:], points.barycentrics.float().numpy()[17:])
    pair = (table_file(1), LandmarkFile(inner=inner))
    found = attach_first(assets, Companions(landmarks=pair)).landmarks
    assert found is not None and found.ibug is not None and found.contour is not None
    assert torch.equal(found.ibug.face_index[17:], points.face_index[17:])
    assert torch.equal(found.ibug.face_index[:17], found.contour.points.face_index[39])
    alone = attach_first(assets, Companions(landmarks=(LandmarkFile(inner=inner),)))
    assert alone.landmarks is None


def test_points_for_another_order_of_triangles_are_refused(assets: FlameAssets) -> None:
    turned = replace(assets, faces=assets.faces.roll(5000, dims=0))
    file = LandmarkFile(ibug=arrays(files.ibug_points()))
    with pytest.raises(AssetError, match="does not lie on the face of model 'synthetic'"):
        attach_first(turned, Companions(landmarks=(file,)))
    assert attach_first(assets, Companions(landmarks=(file,))).landmarks is not None


def test_what_the_model_has_is_kept(assets: FlameAssets) -> None:
    own = SurfacePoints(torch.zeros(68, dtype=torch.long), torch.full((68, 3), 1 / 3))
    given = replace(assets, landmarks=LandmarkEmbeddings(mediapipe=None, ibug=own, contour=None))
    file = LandmarkFile(ibug=arrays(files.ibug_points()))
    found = attach_first(given, Companions(landmarks=(file,))).landmarks
    assert found is not None and found.ibug is own


def test_eyelids_are_told_apart_by_their_place(assets: FlameAssets) -> None:
    import io

    left, right = (
        eyelid_file(np.load(io.BytesIO(files.eyelid_npy(side))), source="x") for side in (0, 1)
    )
    assert isinstance(left, EyelidFile) and isinstance(right, EyelidFile)
    for order in ((left, right), (right, left)):
        basis = attach_first(assets, Companions(eyelids=order)).eyelid_basis
        assert basis is not None
        assert np.array_equal(basis[..., 0].numpy(), left.displacement)
        assert np.array_equal(basis[..., 1].numpy(), right.displacement)
    assert attach_first(assets, Companions(eyelids=(left, left))).eyelid_basis is None


@pytest.mark.parametrize("shift", [0, 1, 2])
def test_a_chart_fits_whatever_the_order_of_its_triangles(assets: FlameAssets, shift: int) -> None:
    faces = np.roll(np.roll(reduced_head().faces, shift, axis=0), shift, axis=1)
    uv = files.chart_uv().astype(np.float32)
    chart = chart_for(assets, TemplateFile(faces=faces, uv=uv, uv_faces=faces))
    assert chart is not None
    assert torch.equal(chart.faces, assets.faces)
    other = TemplateFile(faces=faces[:-1], uv=uv, uv_faces=faces[:-1])
    assert chart_for(assets, other) is None
    swapped = TemplateFile(faces=faces[:, ::-1] % 5000, uv=uv, uv_faces=faces)
    assert chart_for(assets, swapped) is None


def test_a_chart_for_another_models_textures_is_not_the_models_own(assets: FlameAssets) -> None:
    faces = reduced_head().faces
    uv = files.chart_uv().astype(np.float32)
    wide = np.concatenate((uv, np.zeros((5150 - len(uv), 2), np.float32)))
    foreign, usual = (TemplateFile(faces=faces, uv=part, uv_faces=faces) for part in (wide, uv))
    assert attach_first(assets, Companions(templates=(foreign,))).chart is None
    chart = attach_first(assets, Companions(templates=(foreign, usual))).chart
    assert chart is not None and len(chart.uv) == len(uv)


@pytest.mark.parametrize("swap_sides", [False, True])
def test_masks_replace_derived_regions_on_their_side(
    assets: FlameAssets,
    swap_sides: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    content = pickle.loads(files.masks_pkl(swap_sides=swap_sides))  # noqa: S301 - made above
    masks = mask_file(content, source="x")
    assert isinstance(masks, MaskFile)
    count = len(assets.v_template)
    everything = torch.ones(4, count, dtype=torch.bool)
    derived = replace(
        assets, regions=Regions(("skin", "nose", "left_iris", "left_eyeball"), everything)
    )
    found = attach_last(derived, Companions(masks=(masks,))).regions
    assert found is not None
    left = found.mask("left_eyeball")
    assert 0 < int(left.sum()) < count and float(assets.v_template[left, 0].min()) > 0
    assert torch.equal(found.mask("left_iris"), left)
    assert not bool((found.mask("skin") & left).any())
    assert 0 < int(found.mask("nose").sum()) < count
    assert "boundary" not in found.names and "eye_region" not in found.names


def test_published_mediapipe_points_replace_derived_ones(assets: FlameAssets) -> None:
    derived = SurfacePoints(torch.zeros(478, dtype=torch.long), torch.full((478, 3), 1 / 3))
    given = replace(
        assets, landmarks=LandmarkEmbeddings(mediapipe=derived, ibug=None, contour=None)
    )
    left_first = files.iris_points()
    left_first = SurfacePoints(left_first.face_index.flip(0), left_first.barycentrics.flip(0))
    companions = Companions(
        landmarks=(
            LandmarkFile(eyes=arrays(left_first)),
            LandmarkFile(
                mediapipe=arrays(files.mediapipe_points()),
                mediapipe_index=files.MEDIAPIPE_NUMBERS,
            ),
        )
    )
    found = attach_last(given, companions).landmarks
    assert found is not None and found.mediapipe is not None
    index = found.mediapipe.face_index
    assert torch.equal(index[files.MEDIAPIPE_NUMBERS], files.mediapipe_points().face_index)
    assert torch.equal(index[[468, 473]], files.iris_points().face_index)
    others = np.setdiff1d(np.arange(478), [*files.MEDIAPIPE_NUMBERS, 468, 473])
    assert not bool(index[others].any()) and not bool(derived.face_index.any())


def test_a_file_with_all_mediapipe_points_is_taken_whole(assets: FlameAssets) -> None:
    points = files.all_mediapipe_points()
    order = np.random.default_rng(0).permutation(478)
    shuffled = arrays(SurfacePoints(points.face_index[order], points.barycentrics[order]))
    file = LandmarkFile(mediapipe=shuffled, mediapipe_index=order)
    found = attach_first(assets, Companions(landmarks=(file,))).landmarks
    assert found is not None and found.mediapipe is not None and found.ibug is None
    assert torch.equal(found.mediapipe.face_index, points.face_index)
    part = LandmarkFile(
        mediapipe=arrays(files.mediapipe_points()), mediapipe_index=files.MEDIAPIPE_NUMBERS
    )
    assert attach_first(assets, Companions(landmarks=(part,))).landmarks is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"lips": np.arange(9), "left_eyeball": np.array([5023]), "right_eyeball": [1]}, "numbers"),
        ({"lips": np.zeros(3), "left_eyeball": [1], "right_eyeball": [1]}, "mask 'lips' is float"),
    ],
)
def test_unsound_masks_are_refused(content: dict, message: str) -> None:
    with pytest.raises(AssetError, match=message):
        mask_file(content, source="x")


def test_an_array_that_moves_the_whole_head_is_no_eyelid() -> None:
    assert eyelid_file(np.zeros((5022, 3)), source="x") is None
    with pytest.raises(AssetError, match="x: moves 100% of the vertices by up to 1 m"):
        eyelid_file(np.ones((5023, 3)), source="x")
    with pytest.raises(AssetError, match="x: moves 0% of the vertices"):
        eyelid_file(np.zeros((5023, 3)), source="x")
