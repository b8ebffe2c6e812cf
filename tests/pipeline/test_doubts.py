"""Each thing that makes a result doubtful is said, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from flame_fit.geometry import points_on_surface, project
from flame_fit.observation import DenseCorrespondences, FaceEvidence, Landmarks, Parsing
from flame_fit.pipeline.doubts import covered_share, dense_error, doubts_about
from flame_fit.pipeline.look import Look
from flame_fit.priors.face_labels import FACE_LABELS, FaceLabel
from tests.pipeline.scenes import facing_points, tiny_model, tiny_scene

GOOD = {"landmark_error": 0.01, "coverage": 0.6}


def look_of(**changes) -> Look:
    """A look that holds what is judged, and nothing else."""
    model = tiny_model()
    scene = tiny_scene(model)
    given = {
        "scene": scene,
        "mesh": model.mesh(scene.flame),
        "psnr_model": 25.0,
        "photo": torch.full((8, 8, 3), 0.4),
        "weight": torch.ones(8, 8),
    }
    look = object.__new__(Look)
    for name, value in {**given, **changes}.items():
        object.__setattr__(look, name, value)
    return look


def evidence(size: float = 200.0, dense: DenseCorrespondences | None = None) -> FaceEvidence:
    return FaceEvidence((), (0.0, 0.0, size, size), 1.0, 0.0, None, "test", dense=dense)


def test_a_good_result_leaves_no_doubt():
    assert doubts_about(look_of(), evidence(), **GOOD) == ()


@pytest.mark.parametrize(
    ("changes", "given", "size", "text"),
    [
        ({}, {}, 64.0, "the face is only 64 pixels large"),
        ({}, {"landmark_error": 0.08}, 200.0, "landmarks are off by 0.080 of the inter-ocular"),
        ({}, {"coverage": 0.1}, 200.0, "the photo shows only 10% of the face"),
        ({"psnr_model": 9.0}, {}, 200.0, "light and skin explain the photo only to 9.0 dB"),
        ({"psnr_model": float("nan")}, {}, 200.0, "light and skin explain the photo only to nan"),
        ({"photo": torch.full((8, 8, 3), 0.01)}, {}, 200.0, "the face is very dark"),
    ],
)
def test_each_doubt_is_said(changes, given, size, text):
    (found,) = doubts_about(look_of(**changes), evidence(size), **{**GOOD, **given})
    assert found.startswith(text)


def test_overexposure_counts_skin_only():
    photo = torch.full((8, 8, 3), 0.4)
    photo[:4, :, 0] = 1.0
    (found,) = doubts_about(look_of(photo=photo), evidence(), **GOOD)
    assert found == "50% of the skin is overexposed"
    weight = torch.ones(8, 8)
    weight[:4] = 0.0
    assert doubts_about(look_of(photo=photo, weight=weight), evidence(), **GOOD) == ()


def test_a_turned_head_is_doubtful():
    look = look_of()
    turned = replace(look.scene.flame, head_rotation=torch.tensor([[0.0, 1.0, 0.0]]).double())
    (found,) = doubts_about(look_of(scene=replace(look.scene, flame=turned)), evidence(), **GOOD)
    assert found == "the head is turned by 57 degrees"


def test_dense_points_of_another_photo_are_doubtful():
    model = tiny_model()
    look = look_of()
    points = facing_points(model, look.scene, 40)
    world = points_on_surface(look.mesh.vertices, look.mesh.faces, points)
    pixels = project(look.scene.camera, world).pixels[0].numpy()
    sigma = np.ones(40)
    sigma[:5] = np.inf
    pixels[:5] = 1e5
    dense = DenseCorrespondences(points, pixels, sigma, np.zeros(40), sigma)
    assert dense_error(look, evidence(dense=dense)) < 1e-6
    assert doubts_about(look, evidence(dense=dense), **GOOD) == ()
    moved = replace(dense, pixels=pixels + [12.0, 16.0])
    assert dense_error(look, evidence(dense=moved)) == pytest.approx(0.1, rel=1e-3)
    (found,) = doubts_about(look, evidence(dense=moved), **GOOD)
    assert found.startswith("the dense points of --uv are off by 0.100 of the face's size")
    unknown = replace(dense, sigma=np.full(40, np.inf))
    assert dense_error(look, evidence(dense=unknown)) == 0.0


def parsed(label: FaceLabel, *, rows: int) -> FaceEvidence:
    """A face of 100 pixels square, whose upper rows show a label and the others skin."""
    shares = np.zeros((FACE_LABELS.count, 75, 75), np.float32)
    shares[FaceLabel.SKIN] = 1.0
    edge = (50 + rows) // 2
    shares[:, :edge] = 0.0
    shares[label, :edge] = 1.0
    corners = np.array([[50.0, 50.0], [150.0, 50.0], [150.0, 150.0], [50.0, 150.0], [100.0, 90.0]])
    marks = Landmarks("mediapipe478", corners, np.ones(5))
    return replace(
        evidence(),
        landmarks=(marks,),
        parsing=Parsing(shares, FACE_LABELS.names, np.zeros(2), 2.0),
    )


@pytest.mark.parametrize(
    ("label", "rows", "share"),
    [
        (FaceLabel.HAIR, 10, None),
        (FaceLabel.HAIR, 30, 0.3),
        (FaceLabel.FACEWEAR, 4, None),
        (FaceLabel.FACEWEAR, 12, 0.12),
        (FaceLabel.BEARD, 60, None),
        (FaceLabel.GLASSES, 30, None),
    ],
)
def test_a_face_behind_hair_or_hands_is_doubtful(label, rows, share):
    """Known answer: the label covers the upper rows of a square face; a beard is the face's own,
    and eyes are seen through glasses."""
    face = parsed(label, rows=rows)
    assert covered_share(face, {label.name}) == pytest.approx(rows / 100, abs=0.02)
    found = doubts_about(look_of(), face, **GOOD)
    if share is None:
        assert found == ()
    else:
        percent = int(found[0].partition("%")[0])
        assert percent == pytest.approx(100 * share, abs=2)
        assert found[0].endswith("of the face is behind hair, hands or other things")
